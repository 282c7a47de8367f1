//! HTTP/1.1 heads and bodies, server side.
//!
//! ```text
//! POST /devices/d1/messages/events?api-version=2021-04-12 HTTP/1.1 CRLF    request line, at most 8 KiB
//! Host: hub CRLF  Content-Length: 5 CRLF                                   at most 64 headers, head at most 16 KiB
//! CRLF
//! hello                                                                    length known, or chunked
//! ```
//!
//! What two parsers could read differently is refused, never repaired: a bare line feed, more than
//! one length, a length beside a transfer coding, a folded header. So a proxy in front and the hub
//! behind always agree on where a request ends.
//!
//! Source: RFC 9110, RFC 9112.

mod chunked;
mod date;
mod error;
mod framing;
mod request;
mod response;

pub use chunked::{ChunkedDecoder, ChunkedStep};
pub use date::HttpDate;
pub use error::DecodeError;
pub use framing::{BodyLength, Persistence};
pub use request::{RequestHead, Version, decode_head};
pub use response::{CONTINUE, ResponseHead, encode_response, encode_response_head};

#[cfg(test)]
mod tests;

/// Decodes and re-reads whatever it is given; the fuzz target and the corpus test share it.
///
/// Checks that a head that decodes consumes no more than its input, and that the chunked decoder
/// never hands out more than it consumed.
///
/// # Panics
/// When one of these does not hold.
#[doc(hidden)]
pub fn fuzz(input: &[u8]) {
    if let Ok(Some((head, consumed))) = decode_head(input) {
        assert!(consumed <= input.len());
        let _ = head.body_length();
        let _ = head.persistence();
    }
    let mut decoder = ChunkedDecoder::new();
    let mut rest = input;
    while let Ok(step) = decoder.decode(rest) {
        assert!(step.data.len() <= step.consumed && step.consumed <= rest.len());
        if step.consumed == 0 || step.finished {
            break;
        }
        rest = &rest[step.consumed..];
    }
}
