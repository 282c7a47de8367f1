//! Paths that the real service has and this hub does not have yet.

/// Paths, in lower case, with what they belong to.
///
/// Source: the service's OpenAPI documents; control-plane reference.
pub(super) const NOT_BUILT: &[(&str, &str)] = &[
    ("/digitaltwins/{*rest}", "digital twins"),
    ("/twins/{device}/tags", TWIN_SECTIONS),
    ("/twins/{device}/properties/desired", TWIN_SECTIONS),
    ("/twins/{device}/modules/{module}/tags", TWIN_SECTIONS),
    ("/twins/{device}/modules/{module}/properties/desired", TWIN_SECTIONS),
    ("/twins/{device}/streams/{stream}", DEVICE_STREAMS),
    ("/twins/{device}/modules/{module}/streams/{stream}", DEVICE_STREAMS),
];

const TWIN_SECTIONS: &str = "replacement of one section of a twin";
const DEVICE_STREAMS: &str = "device streams";
