//! Uploads as devices do them over HTTPS, without any storage client.

use std::io;

use serde_json::{Value, json};

use super::http::{HttpConnection, Response};
use super::http_device::HttpDevice;
use super::hub::Hub;

/// An upload that a device has begun.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) correlation_id: String,
    /// Path of the blob, without its signature.
    pub(crate) path: String,
    /// The signature, with its question mark.
    pub(crate) query: String,
}

impl Upload {
    /// Begins an upload, or gives the refusal.
    pub(crate) fn try_start(device: &mut HttpDevice, name: &str) -> Result<Self, Response> {
        let body = json!({ "blobName": name }).to_string();
        let answer = device.exchange("POST", "/files", "", &body);
        if answer.status != 200 {
            return Err(answer);
        }
        let address: Value = serde_json::from_str(&answer.body).expect("the answer is JSON");
        let text = |name: &str| address[name].as_str().expect("all members are texts").to_owned();
        assert!(!text("hostName").contains('/'), "some clients dial it as it is");
        Ok(Self {
            correlation_id: text("correlationId"),
            path: format!("/{}/{}", text("containerName"), text("blobName")),
            query: text("sasToken"),
        })
    }

    /// Begins an upload.
    pub(crate) fn start(device: &mut HttpDevice, name: &str) -> Self {
        Self::try_start(device, name).expect("the device may upload")
    }

    /// The head of a request to its address; `query` follows the signature, `headers` are lines.
    pub(crate) fn head(&self, hub: &Hub, method: &str, query: &str, headers: &str) -> String {
        let Self { path, query: signature, .. } = self;
        let host = hub.address.https_host();
        format!("{method} {path}{signature}{query} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
    }

    /// Sends all of a blob on a connection of its own.
    pub(crate) fn put(&self, hub: &Hub, content: &[u8]) -> io::Result<Response> {
        let mut connection = HttpConnection::open(hub)?;
        self.put_on(hub, &mut connection, content)
    }

    /// Sends all of a blob.
    pub(crate) fn put_on(
        &self,
        hub: &Hub,
        connection: &mut HttpConnection,
        content: &[u8],
    ) -> io::Result<Response> {
        let headers = format!("x-ms-blob-type: BlockBlob\r\nContent-Length: {}\r\n", content.len());
        connection.send(self.head(hub, "PUT", "", &headers).as_bytes())?;
        connection.send(content)?;
        connection.read_response()
    }

    /// Reads the blob.
    pub(crate) fn get(&self, hub: &Hub, headers: &str) -> Response {
        let mut connection = HttpConnection::open(hub).expect("the hub listens");
        let request = self.head(hub, "GET", "", headers);
        connection.send(request.as_bytes()).expect("the hub listens");
        connection.read_response().expect("the hub answers")
    }

    /// Tells the hub how it went.
    pub(crate) fn finish(&self, device: &mut HttpDevice, is_success: bool) -> Response {
        let body = json!({
            "correlationId": self.correlation_id,
            "isSuccess": is_success,
            "statusCode": 200,
            "statusDescription": "OK",
        });
        device.exchange("POST", "/files/notifications", "", &body.to_string())
    }
}
