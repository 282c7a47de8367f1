//! The REST API: requests as shards hand them over, and their answers.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// The answer to one REST request.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: StatusCode,
    /// Headers besides `Content-Length` and `Date`, which the driver adds.
    pub headers: HeaderMap,
    /// Body; empty for 204.
    pub body: Bytes,
}
