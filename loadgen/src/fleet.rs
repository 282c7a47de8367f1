//! The devices and how each proves who it is.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringhub_core::auth::sas_token;
use ringhub_core::id::DeviceId;

/// Revision of the device API that the user name asks for.
pub(crate) const API_VERSION: &str = "2021-04-12";
/// Devices without a file if their number is not given.
const DEVICES_DEFAULT: u32 = 100;

/// Why there is no fleet.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The device file cannot be read.
    #[error("cannot read the device file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line is not a device.
    #[error("line {line} of the device file: {problem}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file of nobody.
    #[error("the device file has no devices: write a line of device id, tab, base64 key for each")]
    Empty,
    /// Fewer devices than connections.
    #[error("{wanted} devices are to connect, but the file has {there}")]
    TooFew {
        /// Devices asked for.
        wanted: u32,
        /// Devices in the file.
        there: usize,
    },
    /// The key of the policy is not base64.
    #[error("the key of the policy is not base64")]
    PolicyKey,
    /// The prefix makes ids that no hub takes.
    #[error("`{0}` cannot begin a device id")]
    Prefix(String),
}

/// What a device says to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) client_id: String,
    pub(crate) user_name: Option<String>,
    pub(crate) token: Option<String>,
}

#[derive(Debug)]
enum Credentials {
    Keys(Vec<(String, Vec<u8>)>),
    Policy {
        name: String,
        key: Vec<u8>,
        prefix: String,
    },
    /// A certificate, which the handshake shows.
    Certificate {
        prefix: String,
    },
    /// Names alone.
    Nothing {
        prefix: String,
    },
}

/// All devices of a run.
#[derive(Debug)]
pub(crate) struct Fleet {
    host: String,
    credentials: Credentials,
    size: u32,
}

impl Fleet {
    /// Devices of a file, all of them or the first `devices`.
    pub(crate) fn from_file(
        host: &str,
        path: &Path,
        devices: Option<u32>,
    ) -> Result<Self, FleetError> {
        let text = fs::read_to_string(path)
            .map_err(|source| FleetError::Unreadable { path: path.to_owned(), source })?;
        Self::from_lines(host, &text, devices)
    }

    fn from_lines(host: &str, text: &str, connections: Option<u32>) -> Result<Self, FleetError> {
        let devices = parse_devices(text)?;
        let there = devices.len();
        if there == 0 {
            return Err(FleetError::Empty);
        }
        let size = connections.unwrap_or_else(|| u32::try_from(there).unwrap_or(u32::MAX));
        if usize::try_from(size).map_or(true, |size| size > there) {
            return Err(FleetError::TooFew { wanted: size, there });
        }
        Ok(Self { host: host.to_owned(), credentials: Credentials::Keys(devices), size })
    }

    /// Devices called by a prefix and their number, signed for by one policy.
    pub(crate) fn of_policy(
        host: &str,
        (name, key): (&str, &str),
        prefix: &str,
        connections: Option<u32>,
    ) -> Result<Self, FleetError> {
        let key = STANDARD.decode(key).map_err(|_| FleetError::PolicyKey)?;
        check_prefix(prefix)?;
        let (name, prefix) = (name.to_owned(), prefix.to_owned());
        Ok(Self {
            host: host.to_owned(),
            credentials: Credentials::Policy { name, key, prefix },
            size: connections.unwrap_or(DEVICES_DEFAULT),
        })
    }

    /// Devices called by a prefix and their number, of which TLS says who they are.
    pub(crate) fn of_certificate(
        host: &str,
        prefix: &str,
        connections: Option<u32>,
    ) -> Result<Self, FleetError> {
        check_prefix(prefix)?;
        let credentials = Credentials::Certificate { prefix: prefix.to_owned() };
        let size = connections.unwrap_or(DEVICES_DEFAULT);
        Ok(Self { host: host.to_owned(), credentials, size })
    }

    /// Clients of a broker that lets everybody in, called by a prefix and their number.
    pub(crate) fn of_names(prefix: &str, connections: Option<u32>) -> Result<Self, FleetError> {
        let size = connections.unwrap_or(DEVICES_DEFAULT);
        check_prefix(prefix)?;
        let credentials = Credentials::Nothing { prefix: prefix.to_owned() };
        Ok(Self { host: String::new(), credentials, size })
    }

    /// Number of devices.
    pub(crate) const fn size(&self) -> u32 {
        self.size
    }

    /// What device `number` says; a token is good until `expiry_secs` of Unix time.
    pub(crate) fn login(&self, number: u32, expiry_secs: u64) -> Login {
        let client_id = self.client_id(number);
        let sign = |key: &[u8], policy| {
            let resource = percent_encode(&format!("{}/devices/{client_id}", self.host));
            sas_token::sign(&resource, key, expiry_secs, policy)
        };
        let token = match &self.credentials {
            Credentials::Keys(devices) => Some(sign(&devices[number as usize].1, None)),
            Credentials::Policy { name, key, .. } => Some(sign(key, Some(name))),
            Credentials::Certificate { .. } => None,
            Credentials::Nothing { .. } => {
                return Login { client_id, user_name: None, token: None };
            }
        };
        let user_name = format!("{}/{client_id}/?api-version={API_VERSION}", self.host);
        Login { client_id, user_name: Some(user_name), token }
    }

    /// Where device `number` publishes.
    pub(crate) fn topic(&self, number: u32) -> String {
        format!("devices/{}/messages/events/", self.client_id(number))
    }

    /// Id of device `number`.
    pub(crate) fn client_id(&self, number: u32) -> String {
        match &self.credentials {
            Credentials::Keys(devices) => devices[number as usize].0.clone(),
            Credentials::Policy { prefix, .. }
            | Credentials::Certificate { prefix }
            | Credentials::Nothing { prefix } => format!("{prefix}{number}"),
        }
    }
}

fn check_prefix(prefix: &str) -> Result<(), FleetError> {
    let longest = DeviceId::parse(&format!("{prefix}{}", u32::MAX));
    longest.map(drop).map_err(|_| FleetError::Prefix(prefix.to_owned()))
}

/// Reads lines of device id, tab, base64 key; empty lines are passed over.
fn parse_devices(text: &str) -> Result<Vec<(String, Vec<u8>)>, FleetError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            parse_device(line).map_err(|problem| FleetError::Line { line: index + 1, problem })
        })
        .collect()
}

fn parse_device(line: &str) -> Result<(String, Vec<u8>), &'static str> {
    let (id, key) = line.split_once('\t').ok_or("no tab between device id and key")?;
    DeviceId::parse(id).map_err(|_| "not a device id")?;
    let key = STANDARD.decode(key.trim()).map_err(|_| "the key is not base64")?;
    Ok((id.to_owned(), key))
}

/// Escapes all but the unreserved characters (RFC 3986 section 2.3).
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringhub_core::auth::sas_token::SasToken;

    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NQ==";

    #[test]
    fn a_device_of_the_file_signs_for_itself() {
        let fleet = Fleet::from_lines("hub", &format!("a#1\t{KEY}\n\nb\t{KEY}\n"), None).unwrap();
        assert_eq!(fleet.size(), 2);
        let login = fleet.login(0, 4_000_000_000);
        assert_eq!(login.client_id, "a#1");
        assert_eq!(login.user_name.unwrap(), "hub/a#1/?api-version=2021-04-12");
        let token = login.token.unwrap();
        let start = "SharedAccessSignature sr=hub%2Fdevices%2Fa%231&sig=";
        assert!(token.starts_with(start), "{token}");
        assert_eq!(SasToken::parse(&token).unwrap().policy(), None);
    }

    #[test]
    fn a_policy_signs_for_numbered_devices() {
        let fleet = Fleet::of_policy("hub", ("device", KEY), "sim-", Some(3)).unwrap();
        let login = fleet.login(2, 4_000_000_000);
        assert_eq!(login.client_id, "sim-2");
        let text = login.token.unwrap();
        let token = SasToken::parse(&text).unwrap();
        assert_eq!(token.policy(), Some("device"));
        assert_eq!(token.expiry().as_secs(), 4_000_000_000);
    }

    #[test]
    fn clients_of_a_broker_have_names_only() {
        let fleet = Fleet::of_names("c-", Some(2)).unwrap();
        let login = Login { client_id: "c-1".to_owned(), user_name: None, token: None };
        assert_eq!(fleet.login(1, 0), login);
        assert_eq!(fleet.topic(1), "devices/c-1/messages/events/");
    }

    #[test]
    fn who_shows_a_certificate_has_a_user_name_and_no_token() {
        let fleet = Fleet::of_certificate("hub", "c-", Some(2)).unwrap();
        let Login { client_id, user_name, token } = fleet.login(1, 0);
        assert_eq!((&*client_id, token), ("c-1", None));
        assert_eq!(user_name.unwrap(), "hub/c-1/?api-version=2021-04-12");
    }

    #[test]
    fn says_which_line_is_wrong_and_why() {
        let problem = |text: &str| Fleet::from_lines("h", text, None).unwrap_err().to_string();
        let line_2 = "line 2 of the device file: ";
        for (second, expected) in [
            ("b", "no tab between device id and key"),
            ("b c\tMDEy", "not a device id"),
            ("b\t!", "the key is not base64"),
        ] {
            assert_eq!(problem(&format!("a\tMDEy\n{second}\n")), format!("{line_2}{expected}"));
        }
    }

    #[test]
    fn refuses_more_connections_than_devices() {
        let error = Fleet::from_lines("h", "a\tMDEy", Some(2)).unwrap_err();
        assert!(matches!(error, FleetError::TooFew { wanted: 2, there: 1 }), "{error}");
        let error = Fleet::from_lines("h", "\n", None).unwrap_err();
        assert!(matches!(error, FleetError::Empty), "{error}");
    }

    #[test]
    fn refuses_policies_that_cannot_sign_and_prefixes_that_name_nothing() {
        let fleet = |key, prefix| Fleet::of_policy("h", ("p", key), prefix, None).unwrap_err();
        assert!(matches!(fleet("!", "d"), FleetError::PolicyKey));
        assert!(matches!(fleet(KEY, "a b"), FleetError::Prefix(_)));
    }
}
