//! Why a request could not be read, and the status that says so.

use http::StatusCode;

/// A request that broke the syntax or a bound. The connection cannot be used any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not an HTTP request at all, or a character where it may not stand.
    #[error("malformed request")]
    Malformed,
    /// A line feed without the carriage return before it.
    #[error("line feed without carriage return")]
    BareLineFeed,
    /// A header value that is not UTF-8.
    #[error("header value is not UTF-8")]
    HeaderNotUtf8,
    /// None of the forms `/path`, `http(s)://host/path` or `*`.
    #[error("request target has an unknown form")]
    BadTarget,
    /// HTTP/1.1 without `Host`, or more than one.
    #[error("exactly one Host header is needed")]
    BadHost,
    /// `Content-Length` that is no number, or more than one of them.
    #[error("Content-Length is not one decimal number")]
    BadContentLength,
    /// Both `Content-Length` and `Transfer-Encoding`, or a transfer coding in HTTP/1.0.
    #[error("ambiguous body length")]
    AmbiguousLength,
    /// A transfer coding other than `chunked`.
    #[error("transfer coding is not supported")]
    UnsupportedTransferCoding,
    /// A chunk size that is no hexadecimal number, or a chunk without its line end.
    #[error("malformed chunk")]
    BadChunk,
    /// Request line longer than [`REQUEST_LINE_BYTES_MAX`](crate::limits::REQUEST_LINE_BYTES_MAX).
    #[error("request line too long")]
    RequestLineTooLong,
    /// Head longer than [`HTTP_HEAD_BYTES_MAX`](crate::limits::HTTP_HEAD_BYTES_MAX), or more than
    /// [`HTTP_HEADERS_MAX`](crate::limits::HTTP_HEADERS_MAX) headers.
    #[error("head too large")]
    HeadTooLarge,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    #[error("unsupported HTTP version")]
    UnsupportedVersion,
}

impl DecodeError {
    /// The status of the answer; the connection closes after it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed
            | Self::BareLineFeed
            | Self::HeaderNotUtf8
            | Self::BadTarget
            | Self::BadHost
            | Self::BadContentLength
            | Self::AmbiguousLength
            | Self::BadChunk => StatusCode::BAD_REQUEST,
            Self::RequestLineTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UnsupportedTransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::UnsupportedVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }
}
