//! The hub that a command is for: where it is, whom to trust, who logs in.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

use super::connection_string::{ConnectionString, Principal};
use super::error::Origin;
use super::token::Credential;
use super::{Administrator, ClientError, Result};
use crate::hub::EVENT_HUB;
use crate::startup::{
    ADMIN_TOKEN_FILE, DEVELOPMENT_CA_FILE, Endpoints, POLICIES_FILE, PolicyRecord,
};

/// Ports that the SDKs dial.
const HTTPS_PORT: u16 = 443;
const AMQP_PORT: u16 = 5671;
const MQTT_PORT: u16 = 8883;

/// The policy that may do everything.
const OWNER_POLICY: &str = "iothubowner";

/// What is dialled: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Address {
    /// A listener on this machine; one on all addresses is dialled on loopback.
    fn local(listener: SocketAddr) -> Self {
        let ip = match listener.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self { host: ip.to_string(), port: listener.port() }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What a connection string does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// PEM file of the CA; without it the authorities of the system are trusted.
    pub ca: Option<PathBuf>,
    /// Port of HTTPS, over that in the connection string; 443 without either.
    pub https_port: Option<u16>,
    /// Port of AMQP; 5671 without it.
    pub amqp_port: Option<u16>,
    /// Port of MQTT; 8883 without it.
    pub mqtt_port: Option<u16>,
}

/// Certificates that may sign those of the hub.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    /// Their encoded form.
    pub(super) roots: Vec<CertificateDer<'static>>,
    /// What they are called in errors.
    pub(super) name: String,
}

/// A hub as seen by one command.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name in tokens and in the certificate.
    pub host_name: String,
    /// Name of the Event-Hubs-compatible entity.
    pub event_hub: String,
    /// Who logs in.
    pub credential: Credential,
    /// Where REST is.
    pub https: Address,
    /// Where AMQP is.
    pub amqp: Address,
    /// Where MQTT is.
    pub mqtt: Address,
    /// Where all this was known from.
    pub origin: Origin,
    pub(super) trust: Trust,
}

impl Target {
    /// The hub whose data is in `directory`, with the key of its owner.
    ///
    /// # Errors
    /// [`ClientError`] when there is no hub, or the directory is another user's.
    pub fn local(directory: &Path) -> Result<Self> {
        let endpoints = read_endpoints(directory)?;
        let policy = read_policy(directory, OWNER_POLICY)?;
        let principal = Principal::Policy(policy.name);
        let credential = credential(principal, &policy.primary_key, directory)?;
        let trust = if endpoints.development_ca {
            Trust::file(&directory.join(DEVELOPMENT_CA_FILE))?
        } else {
            Trust::system()?
        };
        Ok(Self {
            host_name: endpoints.host_name,
            event_hub: endpoints.event_hub,
            credential,
            https: Address::local(endpoints.https),
            amqp: Address::local(endpoints.amqp),
            mqtt: Address::local(endpoints.mqtt),
            origin: Origin::DataDirectory(directory.to_owned()),
            trust,
        })
    }

    /// Another hub of the process whose data is in `directory`, by its name. The process must run:
    /// it gives the key of the owner.
    ///
    /// # Errors
    /// [`ClientError`] when there is no such hub, or it cannot be asked for.
    pub fn other(directory: &Path, name: &str) -> Result<Self> {
        let administrator = Administrator::local(directory)?;
        let hub = administrator.named_hub(name, &read_endpoints(directory)?.host_name)?;
        let policies = administrator.policies(&hub)?;
        let policies: Vec<_> = policies.iter().filter_map(PolicyRecord::of_provider).collect();
        let policy = policy_named(policies, OWNER_POLICY)?;
        let principal = Principal::Policy(policy.name);
        let host_name = hub["properties"]["hostName"].as_str().unwrap_or_default().to_owned();
        let credential = credential(principal, &policy.primary_key, directory)?;
        Ok(Self { host_name, credential, ..Self::local(directory)? })
    }

    /// The hub of a connection string.
    ///
    /// # Errors
    /// [`ClientError`] when the string is malformed or the CA cannot be read.
    pub fn remote(text: &str, remote: &Remote) -> Result<Self> {
        let parsed = ConnectionString::parse(text)?;
        let https_port = remote.https_port.or(parsed.https_port).unwrap_or(HTTPS_PORT);
        let address = |port| Address { host: parsed.host_name.clone(), port };
        Ok(Self {
            https: address(https_port),
            amqp: address(remote.amqp_port.unwrap_or(AMQP_PORT)),
            mqtt: address(remote.mqtt_port.unwrap_or(MQTT_PORT)),
            credential: credential(parsed.principal, &parsed.key, Path::new("the key"))?,
            event_hub: parsed.entity_path.unwrap_or_else(|| EVENT_HUB.to_owned()),
            host_name: parsed.host_name,
            origin: Origin::ConnectionString,
            trust: remote.ca.as_deref().map_or_else(Trust::system, Trust::file)?,
        })
    }

    /// Trusts another CA than the one that the target came with.
    ///
    /// # Errors
    /// [`ClientError::BadFile`] when it cannot be read.
    pub fn trust(&mut self, ca: &Path) -> Result<()> {
        self.trust = Trust::file(ca)?;
        Ok(())
    }

    /// TLS as all protocols of the commands use it.
    pub(super) fn tls(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.trust.roots.iter().cloned());
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions();
        let builder = builder.map_err(std::io::Error::other)?;
        Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }
}

impl Trust {
    fn file(path: &Path) -> Result<Self> {
        let bad = |reason: String| ClientError::BadFile { path: path.to_owned(), reason };
        let roots = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        let roots: Vec<_> =
            roots.map_err(|error| bad(format!("{error}, and a PEM file is due")))?;
        if roots.is_empty() {
            return Err(bad("it holds no certificate, and a CA in PEM is due".to_owned()));
        }
        Ok(Self { roots, name: path.display().to_string() })
    }

    fn system() -> Result<Self> {
        let loaded = rustls_native_certs::load_native_certs();
        if loaded.certs.is_empty() {
            let path = PathBuf::from("the list of authorities of this system");
            let reason = "it holds none; name the CA of the hub with --ca".to_owned();
            return Err(ClientError::BadFile { path, reason });
        }
        Ok(Self { roots: loaded.certs, name: "an authority that this system trusts".to_owned() })
    }
}

/// The authorities of the PEM file `ca`, or those that the system trusts.
pub(crate) fn trusted_roots(ca: Option<&Path>) -> Result<Vec<CertificateDer<'static>>> {
    Ok(ca.map_or_else(Trust::system, Trust::file)?.roots)
}

fn credential(principal: Principal, key: &str, origin: &Path) -> Result<Credential> {
    Credential::new(principal, key).ok_or_else(|| ClientError::BadFile {
        path: origin.to_owned(),
        reason: "a key is not base64".to_owned(),
    })
}

/// What the hub of a data directory offers, as it wrote it at its last start.
///
/// # Errors
/// [`ClientError`] when there is no hub, or the directory is another user's.
pub fn read_endpoints(directory: &Path) -> Result<Endpoints> {
    let path = directory.join(Endpoints::FILE);
    let text = read(directory, &path)?;
    toml::from_str(&text).map_err(|error| ClientError::BadFile {
        path,
        reason: format!("{}; the next start of the hub writes it anew", error.message()),
    })
}

/// The policies of the hub of a data directory.
///
/// # Errors
/// As [`read_endpoints`].
pub fn read_policies(directory: &Path) -> Result<Vec<PolicyRecord>> {
    #[derive(Deserialize)]
    struct File {
        policies: Vec<PolicyRecord>,
    }
    let path = directory.join(POLICIES_FILE);
    let text = read(directory, &path)?;
    let file: File = serde_json::from_str(&text).map_err(|error| ClientError::BadFile {
        path,
        reason: format!("{error}; the next start of the hub writes it anew"),
    })?;
    Ok(file.policies)
}

/// One policy of the hub of a data directory.
///
/// # Errors
/// As [`read_endpoints`], and [`ClientError::NoPolicy`].
pub fn read_policy(directory: &Path, name: &str) -> Result<PolicyRecord> {
    policy_named(read_policies(directory)?, name)
}

/// The policy of a name.
///
/// # Errors
/// [`ClientError::NoPolicy`], which names those that there are.
pub fn policy_named(mut policies: Vec<PolicyRecord>, name: &str) -> Result<PolicyRecord> {
    let Some(index) = policies.iter().position(|policy| policy.name == name) else {
        let known = policies.into_iter().map(|policy| policy.name).collect();
        return Err(ClientError::NoPolicy { name: name.to_owned(), known });
    };
    Ok(policies.swap_remove(index))
}

/// The token of administrators of a data directory.
///
/// # Errors
/// As [`read_endpoints`].
pub fn read_admin_token(directory: &Path) -> Result<String> {
    let text = read(directory, &directory.join(ADMIN_TOKEN_FILE))?;
    Ok(text.trim().to_owned())
}

/// Reads a file of a data directory that the hub writes at every start.
fn read(directory: &Path, path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => ClientError::NoHub(directory.to_owned()),
        ErrorKind::PermissionDenied => {
            ClientError::Forbidden { path: path.to_owned(), owner: owner(path) }
        }
        _ => ClientError::BadFile { path: path.to_owned(), reason: error.to_string() },
    })
}

/// The user who owns `path`, or the nearest folder above it that lets itself be looked at.
fn owner(path: &Path) -> u32 {
    path.ancestors().find_map(|path| fs::metadata(path).ok()).map_or(0, |found| found.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_on_all_addresses_are_dialled_on_loopback() {
        for (listener, dialled) in [
            ("0.0.0.0:443", "127.0.0.1:443"),
            ("[::]:443", "[::1]:443"),
            ("192.0.2.7:8443", "192.0.2.7:8443"),
        ] {
            let address = Address::local(listener.parse().unwrap());
            assert_eq!(address.to_string(), dialled);
        }
    }

    #[test]
    fn a_connection_string_has_the_ports_of_the_sdks_unless_it_is_told_others() {
        let directory = std::env::temp_dir().join(format!("ringhub-ca-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let now = time::OffsetDateTime::now_utc();
        crate::startup::development_certificates(&directory, "h", now).unwrap();
        let ca = directory.join(DEVELOPMENT_CA_FILE);
        let text = "HostName=h:8443;SharedAccessKeyName=p;SharedAccessKey=AA==";
        let mut remote = Remote { ca: Some(ca.clone()), ..Remote::default() };
        let target = Target::remote(text, &remote).unwrap();
        let ports = [target.https.port, target.amqp.port, target.mqtt.port];
        assert_eq!((ports, target.event_hub.as_str()), ([8443, 5671, 8883], "ringhub"));
        (remote.https_port, remote.amqp_port) = (Some(1), Some(2));
        let target = Target::remote(text, &remote).unwrap();
        assert_eq!((target.https.port, target.amqp.port), (1, 2));
        remote.ca = Some(directory.join("tls/ca.key"));
        let error = Target::remote(text, &remote).unwrap_err().to_string();
        assert!(error.contains("ca.key cannot be used: it holds no certificate"), "{error}");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_folder_without_a_hub_says_how_to_start_one() {
        let error = Target::local(Path::new("/nonexistent/hub")).unwrap_err().to_string();
        assert!(error.contains("ringhub serve --data-dir /nonexistent/hub"), "{error}");
    }
}
