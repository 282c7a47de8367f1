//! The head of a request.

use core::str;

use super::DecodeError;
use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, REQUEST_LINE_BYTES_MAX};

/// Protocol version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: one request per connection unless both sides say otherwise.
    Http10,
    /// HTTP/1.1: the connection stays open unless one side says otherwise.
    Http11,
}

/// A decoded request head; everything is borrowed from the input.
#[derive(Clone, Debug)]
pub struct RequestHead<'a> {
    /// Method, in the spelling of the client (methods are case-sensitive).
    pub method: &'a str,
    /// Request target as it stands in the request line.
    pub target: &'a str,
    /// Protocol version.
    pub version: Version,
    headers: [(&'a str, &'a str); HTTP_HEADERS_MAX],
    header_count: usize,
}

impl<'a> RequestHead<'a> {
    /// Names and values in the order and spelling of the client.
    #[must_use]
    pub fn headers(&self) -> &[(&'a str, &'a str)] {
        &self.headers[..self.header_count]
    }

    /// All values of the header `name`, compared without case.
    pub fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'a str> + 'h {
        let matching = self.headers().iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        matching.map(|(_, value)| *value)
    }

    /// True when a comma-separated header holds `token`, compared without case.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    }
}

/// Decodes one request head from the front of `input`; `None` asks for more bytes.
///
/// The second value is the length of the head: the body begins there. Nothing is allocated.
///
/// # Errors
/// [`DecodeError`]: answer with its status and close.
///
/// Source: RFC 9112 sections 2 to 5.
pub fn decode_head(input: &[u8]) -> Result<Option<(RequestHead<'_>, usize)>, DecodeError> {
    let Some(length) = head_length(input)? else { return Ok(None) };
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(&input[..length]) {
        Ok(httparse::Status::Complete(consumed)) if consumed == length => {}
        Ok(_) => return Err(DecodeError::Malformed),
        Err(error) => return Err(syntax_error(error)),
    }
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(DecodeError::Malformed);
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let mut head = RequestHead {
        method,
        target,
        version,
        headers: [("", ""); HTTP_HEADERS_MAX],
        header_count: 0,
    };
    for (slot, header) in head.headers.iter_mut().zip(parsed.headers.iter()) {
        let value = str::from_utf8(header.value).map_err(|_| DecodeError::HeaderNotUtf8)?;
        *slot = (header.name, value);
        head.header_count += 1;
    }
    check_target(target)?;
    check_host(&head)?;
    Ok(Some((head, length)))
}

/// Length of the head including its empty line, `None` while the line has not come.
fn head_length(input: &[u8]) -> Result<Option<usize>, DecodeError> {
    let mut line_start = 0;
    for at in input.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at) {
        if at == 0 || input[at - 1] != b'\r' {
            return Err(DecodeError::BareLineFeed);
        }
        check_bounds(line_start, at)?;
        if at == line_start + 1 {
            return Ok(Some(at + 1));
        }
        line_start = at + 1;
    }
    check_bounds(line_start, input.len())?;
    check_first_byte(input)?;
    Ok(None)
}

/// Refuses a head that has reached `end` without being complete; the current line began at
/// `line_start`.
const fn check_bounds(line_start: usize, end: usize) -> Result<(), DecodeError> {
    if line_start == 0 && end > REQUEST_LINE_BYTES_MAX {
        return Err(DecodeError::RequestLineTooLong);
    }
    if end >= HTTP_HEAD_BYTES_MAX {
        return Err(DecodeError::HeadTooLarge);
    }
    Ok(())
}

/// A peer that speaks another protocol is told at its first byte, not after the head deadline.
fn check_first_byte(input: &[u8]) -> Result<(), DecodeError> {
    match input.first() {
        Some(byte) if !byte.is_ascii_alphabetic() && *byte != b'\r' => Err(DecodeError::Malformed),
        _ => Ok(()),
    }
}

const fn syntax_error(error: httparse::Error) -> DecodeError {
    match error {
        httparse::Error::TooManyHeaders => DecodeError::HeadTooLarge,
        httparse::Error::Version => DecodeError::UnsupportedVersion,
        httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::NewLine
        | httparse::Error::Status
        | httparse::Error::Token => DecodeError::Malformed,
    }
}

fn check_target(target: &str) -> Result<(), DecodeError> {
    let absolute = ["http://", "https://"].iter().any(|scheme| {
        target.get(..scheme.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(scheme))
    });
    if target.starts_with('/') || target == "*" || absolute {
        Ok(())
    } else {
        Err(DecodeError::BadTarget)
    }
}

/// RFC 9112 section 3.2: a request of HTTP/1.1 carries exactly one `Host`.
fn check_host(head: &RequestHead<'_>) -> Result<(), DecodeError> {
    match (head.values("host").count(), head.version) {
        (1, _) | (0, Version::Http10) => Ok(()),
        _ => Err(DecodeError::BadHost),
    }
}
