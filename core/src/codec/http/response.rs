//! The head of an answer, and the answer as a whole.

use core::fmt::{self, Write as _};

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, StatusCode, header};

use super::{HttpDate, Persistence};
use crate::time::UnixMillis;

/// The interim answer that asks for the body of a request with `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What stands in the head of an answer.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// Status code.
    pub status: StatusCode,
    /// Headers besides `Date`, `Content-Length`, `Connection` and `Transfer-Encoding`, which are
    /// written here.
    pub headers: &'a HeaderMap,
    /// Value of `Date`.
    pub date: UnixMillis,
    /// What becomes of the connection.
    pub persistence: Persistence,
}

/// Appends `head` and `body` to `out`; with `body_omitted` (HEAD) only the length of the body is
/// told.
///
/// An answer that can have no body (1xx, 204, 304) is written without `Content-Length`,
/// `Content-Type` and body.
///
/// Source: RFC 9110 section 8.6; control-plane reference 11.1 (9).
pub fn encode_response(
    head: &ResponseHead<'_>,
    body: &[u8],
    body_omitted: bool,
    out: &mut BytesMut,
) {
    let body = if is_bodiless(head.status) { &[] } else { body };
    out.reserve(256 + head.headers.len() * 64 + body.len());
    encode_response_head(head, body.len() as u64, out);
    if !body_omitted {
        out.put_slice(body);
    }
}

/// Appends the head of an answer whose body of `length` bytes follows, or is left out.
pub fn encode_response_head(head: &ResponseHead<'_>, length: u64, out: &mut BytesMut) {
    let bodiless = is_bodiless(head.status);
    put(out, format_args!("HTTP/1.1 {} ", head.status.as_u16()));
    out.put_slice(head.status.canonical_reason().unwrap_or("Unknown").as_bytes());
    put(out, format_args!("\r\nDate: {}\r\n", HttpDate(head.date)));
    for (name, value) in head.headers {
        let by_us = is_written_here(name) || bodiless && name == header::CONTENT_TYPE;
        if !by_us {
            put_header(out, name.as_str(), value.as_bytes());
        }
    }
    if !bodiless {
        put(out, format_args!("Content-Length: {length}\r\n"));
    }
    match head.persistence {
        Persistence::KeepAlive => {}
        Persistence::KeepAliveStated => put_header(out, "Connection", b"keep-alive"),
        Persistence::Close => put_header(out, "Connection", b"close"),
    }
    out.put_slice(b"\r\n");
}

fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

fn is_written_here(name: &header::HeaderName) -> bool {
    [header::DATE, header::CONTENT_LENGTH, header::CONNECTION, header::TRANSFER_ENCODING]
        .contains(name)
}

pub(super) fn put_header(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Writing into `BytesMut` grows it and cannot fail.
fn put(out: &mut BytesMut, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}
