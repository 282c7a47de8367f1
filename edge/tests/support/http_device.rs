//! A device that speaks HTTPS, on a connection that it keeps.

use std::io;

use super::http::{HttpConnection, Response};
use super::hub::Hub;
use super::rest::Device;
use super::tls::Certificate;

/// A device or module, and how it proves who it is.
pub(crate) struct HttpDevice {
    pub(crate) connection: HttpConnection,
    host: String,
    path: String,
    pub(crate) token: String,
}

impl HttpDevice {
    pub(crate) fn open(hub: &Hub, device: &Device) -> io::Result<Self> {
        Self::with(hub, format!("/devices/{}", device.id), device.token(hub))
    }

    /// A device that has nothing but its certificate.
    pub(crate) fn certified(hub: &Hub, id: &str, certificate: &Certificate) -> io::Result<Self> {
        let connection = HttpConnection::open_with(hub, certificate)?;
        let path = format!("/devices/{id}");
        Ok(Self { connection, host: hub.address.host(), path, token: String::new() })
    }

    /// As above with any path and token.
    pub(crate) fn with(hub: &Hub, path: String, token: String) -> io::Result<Self> {
        let connection = HttpConnection::open(hub)?;
        Ok(Self { connection, host: hub.address.host(), path, token })
    }

    /// A whole request; `rest` follows the path of the device.
    pub(crate) fn text(&self, method: &str, rest: &str, headers: &str, body: &str) -> String {
        let mark = if rest.contains('?') { '&' } else { '?' };
        let login = match self.token.as_str() {
            "" => String::new(),
            token => format!("Authorization: {token}\r\n"),
        };
        format!(
            "{method} {}{rest}{mark}api-version=2020-03-13 HTTP/1.1\r\nHost: {}\r\n\
             {login}Content-Length: {}\r\n{headers}\r\n{body}",
            self.path,
            self.host,
            body.len()
        )
    }

    /// Sends one message and waits for the status of the answer.
    pub(crate) fn post(&mut self, body: &str) -> io::Result<u16> {
        let request = self.text("POST", "/messages/events", "", body);
        self.connection.send(request.as_bytes())?;
        Ok(self.connection.read_response()?.status)
    }

    pub(crate) fn exchange(
        &mut self,
        method: &str,
        rest: &str,
        headers: &str,
        body: &str,
    ) -> Response {
        let request = self.text(method, rest, headers, body);
        self.connection.send(request.as_bytes()).expect("the hub listens");
        self.connection.read_response().expect("the hub answers")
    }

    pub(crate) fn send(&mut self, headers: &str, body: &str) -> Response {
        self.exchange("POST", "/messages/events", headers, body)
    }

    pub(crate) fn receive(&mut self, headers: &str) -> Response {
        self.exchange("GET", "/messages/deviceBound", headers, "")
    }

    pub(crate) fn settle(&mut self, method: &str, rest: &str) -> Response {
        self.exchange(method, &format!("/messages/devicebound/{rest}"), "", "")
    }
}
