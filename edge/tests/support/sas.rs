//! Shared access signatures, made independently of the hub's own code.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A token for `resource` that is good for an hour; `policy` is absent for a device's own key.
///
/// Source: device-endpoints reference, "SAS token grammar".
pub(crate) fn token(resource: &str, key: &str, policy: Option<&str>) -> String {
    token_until(resource, key, policy, SystemTime::now() + Duration::from_secs(3600))
}

/// A token that expires at `end`, which may have passed.
pub(crate) fn token_until(
    resource: &str,
    key: &str,
    policy: Option<&str>,
    end: SystemTime,
) -> String {
    let expiry = end.duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs();
    let resource = percent_encode(resource);
    let key = STANDARD.decode(key).expect("keys are base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signature = hmac::sign(&key, format!("{resource}\n{expiry}").as_bytes());
    let signature = percent_encode(&STANDARD.encode(signature));
    let policy = policy.map_or_else(String::new, |name| format!("&skn={name}"));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}{policy}")
}

fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
