//! What a device answered.

use ringhub_core::codec::json_text;
use ringhub_core::limits::METHOD_PAYLOAD_BYTES_MAX;
use serde_json::value::RawValue;

use super::MethodError;

/// The answer of a device to a call.
#[derive(Clone, Debug)]
pub(crate) struct MethodAnswer {
    /// What the device made of the call; any number.
    status: i32,
    /// JSON as the device wrote it; `null` if it wrote nothing.
    payload: Box<RawValue>,
}

impl MethodAnswer {
    /// Takes an answer as it came. Payloads pass through as they are, numbers of any length
    /// included.
    ///
    /// # Errors
    /// [`MethodError::BadAnswer`] when `body` is no JSON or too large.
    ///
    /// Source: control-plane reference, "Direct methods".
    pub(crate) fn parse(status: i32, body: &[u8]) -> Result<Self, MethodError> {
        let payload = match json_text::trim(body) {
            b"" => Ok(RawValue::NULL.to_owned()),
            body if body.len() > METHOD_PAYLOAD_BYTES_MAX => return Err(MethodError::BadAnswer),
            body => serde_json::from_slice(body),
        };
        Ok(Self { status, payload: payload.map_err(|_| MethodError::BadAnswer)? })
    }

    /// The answer as callers get it.
    pub(crate) fn to_json(&self) -> String {
        let Self { status, payload } = self;
        format!(r#"{{"status":{status},"payload":{payload}}}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_json_or_the_device_is_to_blame() {
        let text =
            |status, body: &[u8]| MethodAnswer::parse(status, body).map(|answer| answer.to_json());
        for (body, expected) in [
            (&b""[..], r#"{"status":200,"payload":null}"#),
            (b" ", r#"{"status":200,"payload":null}"#),
            (b"{\"ok\":1}\0", r#"{"status":200,"payload":{"ok":1}}"#),
            (b"\xef\xbb\xbf[1]\r\n\0\0", r#"{"status":200,"payload":[1]}"#),
            (b"\0", r#"{"status":200,"payload":null}"#),
            (b" 1e400 ", r#"{"status":200,"payload":1e400}"#),
            (b"{\"a\": [1]}", r#"{"status":200,"payload":{"a": [1]}}"#),
        ] {
            assert_eq!(text(200, body), Ok(expected.to_owned()));
        }
        assert_eq!(text(-3, b"\"x\""), Ok(r#"{"status":-3,"payload":"x"}"#.to_owned()));
        for bad in [&b"{"[..], b"{} {}", b"\xff", b"nul", &b"1".repeat(128 * 1024 + 1)] {
            assert_eq!(text(200, bad), Err(MethodError::BadAnswer), "{bad:.20?}");
        }
    }
}
