//! Where a request ends, and whether another may follow.

use super::{DecodeError, RequestHead, Version};

/// How the length of a request body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// So many bytes; zero when the head names no length.
    Known(u64),
    /// Chunks, until the last one.
    Chunked,
}

/// What becomes of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Stays open.
    KeepAlive,
    /// Stays open, and the answer has to say so (HTTP/1.0).
    KeepAliveStated,
    /// Closes after the answer, which says so.
    Close,
}

impl RequestHead<'_> {
    /// How long the body is.
    ///
    /// # Errors
    /// Whatever two readers could understand differently is refused: more than one `Content-Length`
    /// (equal ones too), a length beside a transfer coding, a coding in HTTP/1.0, any coding but
    /// `chunked` alone.
    ///
    /// Source: RFC 9112 section 6.3.
    pub fn body_length(&self) -> Result<BodyLength, DecodeError> {
        let mut lengths = self.values("content-length");
        let mut codings = self.values("transfer-encoding");
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(BodyLength::Known(0)),
            (Some(_), Some(_)) => Err(DecodeError::AmbiguousLength),
            (Some(length), None) if lengths.next().is_none() => parse_length(length),
            (Some(_), None) => Err(DecodeError::BadContentLength),
            (None, Some(_)) if self.version == Version::Http10 => Err(DecodeError::AmbiguousLength),
            (None, Some(coding)) => match codings.next() {
                None if coding.trim().eq_ignore_ascii_case("chunked") => Ok(BodyLength::Chunked),
                None => Err(DecodeError::UnsupportedTransferCoding),
                Some(_) => Err(DecodeError::AmbiguousLength),
            },
        }
    }

    /// Whether the client wants the connection to stay open.
    ///
    /// Source: RFC 9112 section 9.3.
    #[must_use]
    pub fn persistence(&self) -> Persistence {
        if self.has_token("connection", "close") {
            return Persistence::Close;
        }
        match self.version {
            Version::Http11 => Persistence::KeepAlive,
            Version::Http10 if self.has_token("connection", "keep-alive") => {
                Persistence::KeepAliveStated
            }
            Version::Http10 => Persistence::Close,
        }
    }
}

/// Digits only: no sign, no list, no blank inside, at most 2^64-1.
fn parse_length(text: &str) -> Result<BodyLength, DecodeError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DecodeError::BadContentLength);
    }
    text.parse().map(BodyLength::Known).map_err(|_| DecodeError::BadContentLength)
}
