//! A complete request, independent of the buffer that it came in.

use core::ops::Range;

use bytes::Bytes;

use crate::codec::http::{RequestHead, Version};

/// A request whose body has arrived.
///
/// The spelling of header names is kept: names of message properties travel in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    text: String,
    method: Range<usize>,
    target: Range<usize>,
    headers: Vec<(Range<usize>, Range<usize>)>,
    version: Version,
    /// The body, with chunks joined; empty when there is none.
    pub body: Bytes,
}

impl Request {
    /// Copies `head` into one allocation.
    pub(super) fn new(head: &RequestHead<'_>) -> Self {
        let headers: usize =
            head.headers().iter().map(|(name, value)| name.len() + value.len()).sum();
        let mut text = String::with_capacity(head.method.len() + head.target.len() + headers);
        let method = append(&mut text, head.method);
        let target = append(&mut text, head.target);
        let headers = head
            .headers()
            .iter()
            .map(|(name, value)| (append(&mut text, name), append(&mut text, value)))
            .collect();
        Self { text, method, target, headers, version: head.version, body: Bytes::new() }
    }

    /// Method in the spelling of the client.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.text[self.method.clone()]
    }

    /// Protocol version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Target without scheme and authority: path and query, still percent-encoded, or `*`.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        let target = &self.text[self.target.clone()];
        if target.starts_with('/') || target == "*" {
            return target;
        }
        let after_scheme = target.find("://").map_or(target, |at| &target[at + 3..]);
        match after_scheme.find(['/', '?']) {
            Some(at) => &after_scheme[at..],
            None => "/",
        }
    }

    /// Path, still percent-encoded, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        let target = self.path_and_query();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// What follows the first `?`, still percent-encoded; empty when there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.path_and_query().split_once('?').map_or("", |(_, query)| query)
    }

    /// Headers in the order and spelling of the client.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
    }

    /// First value of the header `name`, compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Host that the client asked for: of an absolute target, else of the header `Host`; without
    /// the port.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let target = &self.text[self.target.clone()];
        let authority = match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => rest.split(['/', '?']).next(),
            _ => self.header("host"),
        };
        authority.map(without_port)
    }
}

/// Cuts `:port` off; a bracketed IPv6 address keeps its brackets.
pub(super) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn append(text: &mut String, piece: &str) -> Range<usize> {
    let start = text.len();
    text.push_str(piece);
    start..text.len()
}
