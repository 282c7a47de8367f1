//! A back end that calls methods and changes twins, one after the other, over one HTTPS connection.

use std::io;
use std::time::{Duration, Instant};

use bytes::Buf;

use crate::path_support::harness::sas;
use crate::path_support::hub::Hub;
use crate::path_support::wire::Wire;

/// What a call carries.
pub(crate) const PAYLOAD: &str = r#"{"delay":5}"#;

/// An open connection.
pub(crate) struct Caller {
    wire: Wire,
    host: String,
    token: String,
}

impl Caller {
    /// Connects as the hub's `service` policy.
    pub(crate) fn connect(hub: &Hub) -> io::Result<Self> {
        let host = hub.address.host();
        let token = sas::token(&host, &hub.policy_key("service"), Some("service"));
        Ok(Self { wire: Wire::connect(hub, hub.address.https_port)?, host, token })
    }

    /// The request that [`invoke`](Self::invoke) sends.
    pub(crate) fn request(&self, device: &str) -> String {
        let body =
            format!(r#"{{"methodName":"run","responseTimeoutInSeconds":30,"payload":{PAYLOAD}}}"#);
        self.request_of("POST", &format!("/twins/{device}/methods"), &body)
    }

    fn request_of(&self, method: &str, path: &str, body: &str) -> String {
        format!(
            "{method} {path}?api-version=2021-04-12 HTTP/1.1\r\nHost: {}\r\n\
             Authorization: {}\r\nContent-Type: application/json; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.host,
            self.token,
            body.len()
        )
    }

    /// Calls the method of `device`; returns how long it took and the bytes of the answer.
    pub(crate) fn invoke(&mut self, device: &str) -> io::Result<(Duration, usize)> {
        self.exchange(&self.request(device))
    }

    /// Merges `patch` into the twin of `device`; returns what [`invoke`](Self::invoke) does.
    pub(crate) fn patch(&mut self, device: &str, patch: &str) -> io::Result<(Duration, usize)> {
        self.exchange(&self.request_of("PATCH", &format!("/twins/{device}"), patch))
    }

    fn exchange(&mut self, request: &str) -> io::Result<(Duration, usize)> {
        let begin = Instant::now();
        self.wire.send(request.as_bytes())?;
        let length = loop {
            self.wire.fill()?;
            if let Some(length) = response_length(&self.wire.input)? {
                break length;
            }
        };
        let took = begin.elapsed();
        self.wire.input.advance(length);
        Ok((took, length))
    }
}

/// Length of the response at the front, once it is complete; an error unless it says 200.
fn response_length(input: &[u8]) -> io::Result<Option<usize>> {
    let text = str::from_utf8(input).map_err(io::Error::other)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let length: usize = value.ok_or(io::ErrorKind::InvalidData)?;
    if body.len() < length {
        return Ok(None);
    }
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(io::Error::other(text.to_owned()));
    }
    Ok(Some(head.len() + 4 + length))
}
