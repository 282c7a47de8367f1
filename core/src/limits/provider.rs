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
