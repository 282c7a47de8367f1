//! Shared access signatures of the commands' own logins.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ringhub_core::auth::sas_token::sign;

use super::connection_string::Principal;

/// How long a token lasts: longer than any command but a monitor, which the hub lets go on after
/// it has logged in.
const VALIDITY: Duration = Duration::from_hours(24);

/// All but the unreserved characters of URIs.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes one segment of a path, or one value of a query.
#[must_use]
pub fn encode_segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The user name with which a policy logs in over AMQP.
///
/// Source: service-endpoints reference, "SASL layer".
#[must_use]
pub fn sasl_user(policy: &str, host_name: &str) -> String {
    let label = host_name.split('.').next().unwrap_or_default();
    // The whole name is understood too, which matters where it is an IP address.
    let is_address = host_name.parse::<std::net::IpAddr>().is_ok();
    format!("{policy}@sas.root.{}", if is_address { host_name } else { label })
}

/// A name with its key, with which to log in at a hub.
#[derive(Clone)]
pub struct Credential {
    /// Who logs in.
    pub principal: Principal,
    key: Vec<u8>,
}

impl Credential {
    /// Takes a key in base64; `None` when it is not.
    #[must_use]
    pub fn new(principal: Principal, key: &str) -> Option<Self> {
        Some(Self { principal, key: STANDARD.decode(key).ok()? })
    }

    /// Signs a token for all that the principal may reach on `host_name`, for a day.
    #[must_use]
    pub fn token(&self, host_name: &str) -> String {
        self.token_for(host_name, VALIDITY)
    }

    /// Signs a token for all that the principal may reach on `host_name`, for as long as is said.
    #[must_use]
    pub fn token_for(&self, host_name: &str, validity: Duration) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let expiry_secs = now.saturating_add(validity).as_secs();
        let (resource, policy) = match &self.principal {
            Principal::Policy(policy) => (host_name.to_owned(), Some(policy.as_str())),
            Principal::Device(device) => (format!("{host_name}/devices/{device}"), None),
            Principal::Module { device, module } => {
                (format!("{host_name}/devices/{device}/modules/{module}"), None)
            }
        };
        sign(&encode_segment(&resource), &self.key, expiry_secs, policy)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("principal", &self.principal).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ringhub_core::auth::SasToken;

    use super::*;

    #[test]
    fn a_token_covers_what_its_principal_is() {
        let module = Principal::Module { device: "d#1".to_owned(), module: "m".to_owned() };
        for (principal, resource, policy) in [
            (Principal::Policy("service".to_owned()), "sr=h&", Some("service")),
            (Principal::Device("d".to_owned()), "sr=h%2Fdevices%2Fd&", None),
            (module, "sr=h%2Fdevices%2Fd%231%2Fmodules%2Fm&", None),
        ] {
            let token = Credential::new(principal, "c2VjcmV0").unwrap().token("h");
            assert!(token.contains(resource), "{token}");
            assert_eq!(SasToken::parse(&token).unwrap().policy(), policy);
        }
        assert!(Credential::new(Principal::Device("d".to_owned()), "not base64").is_none());
    }

    #[test]
    fn a_policy_logs_in_at_the_first_label_or_the_address() {
        assert_eq!(sasl_user("service", "ring.example.net"), "service@sas.root.ring");
        assert_eq!(sasl_user("service", "127.0.0.2"), "service@sas.root.127.0.0.2");
    }
}
