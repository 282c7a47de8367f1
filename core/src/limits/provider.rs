//! Bounds of the resource provider.

/// Largest body of a request to the resource provider in bytes: a hub with all its routes, tags
/// and policies takes a tenth. Larger: 413.
pub const PROVIDER_BODY_BYTES_MAX: usize = 512 * 1024;

/// Largest path and query of a request to the resource provider in bytes: longer ones name nothing
/// that can be there, and get 404.
pub const PROVIDER_PATH_BYTES_MAX: usize = 4096;

/// Longest name of a resource group in characters. Longer: refused as a bad argument.
pub const RESOURCE_GROUP_CHARS_MAX: usize = 90;

/// Longest token of administrators in bytes. A longer one is none.
pub const ADMIN_TOKEN_BYTES_MAX: usize = 256;

/// Shared access policies of a hub in its description. More: refused as a bad argument.
///
/// Source: control-plane reference, "Other limits".
pub const HUB_POLICIES_MAX: usize = 16;

/// Of these, such as have the right `ServiceConnect`. More: refused as a bad argument.
///
/// Source: control-plane reference, "Shared access policies".
pub const SERVICE_POLICIES_MAX: usize = 10;

/// Longest name of a policy in characters. Longer: refused as a bad argument.
pub const POLICY_NAME_CHARS_MAX: usize = 64;

/// Tags of a hub. More: refused as a bad argument.
pub const TAGS_MAX: usize = 50;

/// Longest name of a tag in characters. Longer: refused as a bad argument.
pub const TAG_NAME_CHARS_MAX: usize = 512;

/// Longest value of a tag in characters. Longer: refused as a bad argument.
pub const TAG_VALUE_CHARS_MAX: usize = 256;

/// Longest location of a hub in characters. Longer: refused as a bad argument.
pub const LOCATION_CHARS_MAX: usize = 128;
