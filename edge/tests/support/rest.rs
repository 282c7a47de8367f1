//! The identity registry over HTTPS without any SDK: one request per connection.

use std::io::{self, ErrorKind, Read, Write};

use super::hub::Hub;
use super::{sas, tls};

/// A device that exists in the hub's registry.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) key: String,
}

impl Device {
    /// Registers a device and lets the hub make its keys.
    pub(crate) fn create(hub: &Hub, id: &str) -> Self {
        let body = format!(r#"{{"deviceId":"{id}"}}"#);
        Self::of(id, exchange(hub, "PUT", &format!("/devices/{id}"), &body))
    }

    /// A device that is registered already.
    pub(crate) fn known(hub: &Hub, id: &str) -> Self {
        Self::of(id, exchange(hub, "GET", &format!("/devices/{id}"), ""))
    }

    fn of(id: &str, answer: io::Result<(u16, String)>) -> Self {
        let (status, reply) = answer.expect("the hub answers registry requests");
        assert_eq!(status, 200, "{reply}");
        let device: serde_json::Value = serde_json::from_str(&reply).expect("a device is JSON");
        let key = device["authentication"]["symmetricKey"]["primaryKey"].as_str();
        Self { id: id.to_owned(), key: key.expect("the hub made a primary key").to_owned() }
    }

    /// The device's own token, as its MQTT password.
    pub(crate) fn token(&self, hub: &Hub) -> String {
        sas::token(&format!("{}/devices/{}", hub.address.ip, self.id), &self.key, None)
    }
}

/// A module of a device.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub(crate) device_id: String,
    pub(crate) id: String,
    pub(crate) key: String,
}

impl Module {
    /// Registers a module and lets the hub make its keys.
    pub(crate) fn create(hub: &Hub, device_id: &str, id: &str) -> Self {
        let body = format!(r#"{{"deviceId":"{device_id}","moduleId":"{id}"}}"#);
        let (status, reply) =
            exchange(hub, "PUT", &format!("/devices/{device_id}/modules/{id}"), &body)
                .expect("the hub answers registry requests");
        assert_eq!(status, 200, "{reply}");
        let module: serde_json::Value = serde_json::from_str(&reply).expect("a module is JSON");
        let key = module["authentication"]["symmetricKey"]["primaryKey"].as_str();
        let key = key.expect("the hub made a primary key").to_owned();
        Self { device_id: device_id.to_owned(), id: id.to_owned(), key }
    }

    /// The module's own token, as its MQTT password.
    pub(crate) fn token(&self, hub: &Hub) -> String {
        let Self { device_id, id, key } = self;
        sas::token(&format!("{}/devices/{device_id}/modules/{id}", hub.address.ip), key, None)
    }
}

/// Puts `body` in the place of what is at `path`, whatever that is.
pub(crate) fn replace(hub: &Hub, path: &str, body: &str) -> (u16, String) {
    send(hub, "PUT", path, "If-Match: \"*\"\r\n", body).expect("the hub answers")
}

/// Registers a device that proves itself with a certificate from an authority of the hub.
pub(crate) fn create_certified(hub: &Hub, id: &str) {
    let body = r#"{"authentication":{"type":"certificateAuthority"}}"#;
    let (status, reply) =
        exchange(hub, "PUT", &format!("/devices/{id}"), body).expect("the hub answers");
    assert_eq!(status, 200, "{reply}");
}

/// Uploads a certificate authority, in PEM, which counts at once.
pub(crate) fn add_authority(hub: &Hub, name: &str, pem: &str) {
    let body = serde_json::json!({ "properties": { "certificate": pem, "isVerified": true } });
    let path = format!("/certificates/{name}");
    let (status, reply) = exchange(hub, "PUT", &path, &body.to_string()).expect("it answers");
    assert_eq!(status, 201, "{reply}");
}

/// Takes a certificate authority away.
pub(crate) fn remove_authority(hub: &Hub, name: &str) {
    let path = format!("/certificates/{name}");
    let (status, reply) = send(hub, "DELETE", &path, "If-Match: *\r\n", "").expect("it answers");
    assert_eq!(status, 200, "{reply}");
}

/// Enables or disables a device, which keeps what it proves itself with.
pub(crate) fn set_status(hub: &Hub, id: &str, status: &str) {
    let path = format!("/devices/{id}");
    let (code, text) = exchange(hub, "GET", &path, "").expect("the hub answers");
    assert_eq!(code, 200, "{text}");
    let mut document: serde_json::Value = serde_json::from_str(&text).expect("a device is JSON");
    document["status"] = status.into();
    let (code, answer) = replace(hub, &path, &document.to_string());
    assert_eq!(code, 200, "{answer}");
}

/// Sends one request as the owner of the hub and returns status and body of the answer.
pub(crate) fn exchange(
    hub: &Hub,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    send(hub, method, path, "", body)
}

fn send(
    hub: &Hub,
    method: &str,
    path: &str,
    header: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    let host = hub.address.host();
    let token = sas::token(&host, &hub.policy_key("iothubowner"), Some("iothubowner"));
    let mut stream = tls::connect(hub, hub.address.https_port)?;
    write!(
        stream,
        "{method} {path}?api-version=2021-04-12 HTTP/1.1\r\nHost: {host}\r\n\
         Authorization: {token}\r\nContent-Type: application/json; charset=utf-8\r\n\
         {header}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()?;
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Ok(_) => {}
        // A close without close_notify is fine here: the head says how long the body is.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(error),
    }
    parse(&reply).ok_or_else(|| ErrorKind::InvalidData.into())
}

fn parse(reply: &[u8]) -> Option<(u16, String)> {
    let reply = std::str::from_utf8(reply).ok()?;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}
