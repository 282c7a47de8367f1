//! What the hub says when it refuses a request.

use serde_json::Value;

const UNAUTHORIZED: u16 = 401;
const NOT_FOUND: u16 = 404;

/// How the remark for the support begins.
const FOR_SUPPORT: &str = ". If you contact a support representative";

/// A refusal with the codes of the service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({status}{})", code_text(.code))]
pub struct Refusal {
    /// HTTP status; AMQP conditions have none, and count as 400.
    pub status: u16,
    /// Symbolic name of the error, such as `DeviceNotFound`; empty when there is none.
    pub code: String,
    /// Text for people.
    pub message: String,
}

fn code_text(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(" {code}") }
}

impl Refusal {
    /// Reads the body of an error; `code` is the header `iothub-errorcode`.
    ///
    /// Bodies have two shapes: `{"Message":"ErrorCode:Name;text", …}`, and one where `Message`
    /// holds JSON again. The resource provider has two more: `{"error":{"code":"Name", …}}`, and
    /// `{"code":400004, …}` with a text that ends with a remark for the support.
    ///
    /// Source: control-plane reference, "Error body".
    #[must_use]
    pub fn from_body(status: u16, code: Option<&str>, body: &[u8]) -> Self {
        let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
        if body["error"].is_object() {
            body = body["error"].take();
        }
        let message =
            body["Message"].as_str().or_else(|| body["message"].as_str()).unwrap_or_default();
        let message = message.split(FOR_SUPPORT).next().unwrap_or_default();
        let inner: Value = serde_json::from_str(message).unwrap_or_default();
        let (named, text) = match message.strip_prefix("ErrorCode:") {
            Some(rest) => rest.split_once(';').map_or((Some(rest), ""), |(n, t)| (Some(n), t)),
            None => (None, inner["message"].as_str().unwrap_or(message)),
        };
        let named =
            named.or_else(|| body["code"].as_str()).or_else(|| body["httpStatusCode"].as_str());
        let code = code.or(named).unwrap_or_default().to_owned();
        let text = if text.is_empty() { "the hub refuses the request" } else { text };
        Self { status, code, message: text.trim_end_matches('.').to_owned() }
    }

    /// Whether the thing that was asked for does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status == NOT_FOUND
    }

    /// Whether the login may not do this.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.status == UNAUTHORIZED
    }

    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.status, 429 | 503)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_bodies_are_read() {
        let plain = br#"{"Message":"ErrorCode:DeviceNotFound;No device.","ExceptionMessage":"Tracking ID:1"}"#;
        let nested = br#"{"Message":"{\"errorCode\":404103,\"message\":\"Timed out waiting for device to connect.\"}","ExceptionMessage":""}"#;
        for (code, body, expected) in [
            (None, &plain[..], "No device (404 DeviceNotFound)"),
            (
                Some("DeviceNotOnline"),
                nested,
                "Timed out waiting for device to connect (404 DeviceNotOnline)",
            ),
            (None, b"<html>", "the hub refuses the request (404)"),
        ] {
            let refusal = Refusal::from_body(404, code, body);
            assert_eq!(refusal.to_string(), expected);
            assert!(refusal.is_not_found());
        }
    }
}
