//! One connection to the HTTPS port: any bytes in, responses out. No HTTP library.

use std::io::{self, ErrorKind, Read, Write};

use super::hub::Hub;
use super::sas;
use super::tls::{self, Certificate, TlsStream};

/// Largest head of a response that a test expects.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A response as far as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// All lines of the head, the first included.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// An open connection.
pub(crate) struct HttpConnection {
    stream: TlsStream,
    authority: String,
    token: String,
}

impl HttpConnection {
    /// Connects, and prepares a token of the hub's owner for [`request`](Self::request).
    pub(crate) fn open(hub: &Hub) -> io::Result<Self> {
        let authority = hub.address.host();
        let token = sas::token(&authority, &hub.policy_key("iothubowner"), Some("iothubowner"));
        Ok(Self { stream: tls::connect(hub, hub.address.https_port)?, authority, token })
    }

    /// As a client with any token, on a stream of the test's own.
    pub(crate) fn over(stream: TlsStream, authority: String, token: String) -> Self {
        Self { stream, authority, token }
    }

    /// Connects with a certificate, and without a token.
    pub(crate) fn open_with(hub: &Hub, certificate: &Certificate) -> io::Result<Self> {
        let stream = tls::connect_with(hub, hub.address.https_port, certificate)?;
        Ok(Self { stream, authority: hub.address.host(), token: String::new() })
    }

    /// The text of a registry request as the owner; `headers` are whole lines.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        format!(
            "{method} {path}?api-version=2021-04-12 HTTP/1.1\r\nHost: {}\r\n\
             Authorization: {}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.authority,
            self.token,
            body.len()
        )
    }

    /// Sends one registry request and reads its response; the connection stays open.
    pub(crate) fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<Response> {
        let request = self.request(method, path, headers, body);
        self.send(request.as_bytes())?;
        self.read_response()
    }

    /// Sends any bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Reads the next response; a body needs `Content-Length`.
    pub(crate) fn read_response(&mut self) -> io::Result<Response> {
        let head = self.read_head()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body)?;
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, head.clone()))?;
        let body = String::from_utf8(body).map_err(io::Error::other)?;
        Ok(Response { status, head, body })
    }

    fn read_head(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
            if head.len() > HEAD_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
        }
        String::from_utf8(head).map_err(io::Error::other)
    }

    /// Reads exactly `length` bytes.
    pub(crate) fn read(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads until the hub ends the connection, and returns what came until then.
    pub(crate) fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        tls::read_to_end(&mut self.stream)
    }
}
