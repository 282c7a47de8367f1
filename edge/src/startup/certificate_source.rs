//! Where the certificates of the process come from, at the start and whenever they change.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::{CertifiedKey, SigningKey};
use time::OffsetDateTime;

use super::ca::hubs::{self, HubIssuer};
use super::ca::{DEVELOPMENT_CA_FILE, development_certificates};
use super::certificate::{CertificateError, ServerCertificate, configured_certificate};
use crate::config::{CertificateFiles, Config};
use crate::tls::{CertificateStatus, KeyKind, ServedCertificate};

/// Certificates of the configuration, or else of the development CA: never both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Files that somebody else keeps fresh, each with the host name that it is for.
    Configured(Vec<(String, CertificateFiles)>),
    /// The CA in the data directory.
    Development {
        /// The data directory.
        data_directory: PathBuf,
        /// Name that the certificate is for.
        host_name: String,
    },
}

/// What changes when a file is written or another one takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(Vec<Option<FileIdentity>>);

/// Device, inode, length, and time of the last change in seconds and nanoseconds.
type FileIdentity = (u64, u64, u64, i64, i64);

impl CertificateSource {
    /// The files that `config` names; the development CA in `data_directory` when it names none.
    #[must_use]
    pub fn of(config: &Config, data_directory: &Path) -> Self {
        let hub = &config.hub.host_name;
        if config.tls.certificate.is_empty() {
            let data_directory = data_directory.to_owned();
            return Self::Development { data_directory, host_name: hub.clone() };
        }
        let files = config.tls.certificate.iter();
        let named = files.map(|files| (files.host_name(hub).to_owned(), files.clone()));
        Self::Configured(named.collect())
    }

    /// Reads and checks all certificates; the development CA is made, and its certificate renewed,
    /// where need be.
    ///
    /// # Errors
    /// [`CertificateError`] of the first that cannot be used.
    pub fn load(&self, now: OffsetDateTime) -> Result<Vec<ServedCertificate>, CertificateError> {
        match self {
            Self::Configured(all) => all
                .iter()
                .map(|(host_name, files)| {
                    let (file, key) = (&files.certificate_file, &files.key_file);
                    served(configured_certificate(file, key, host_name, now)?, host_name)
                })
                .collect::<Result<_, _>>()
                .and_then(one_of_each_kind),
            Self::Development { data_directory, host_name } => {
                let issued = development_certificates(data_directory, host_name, now)?;
                issued.into_iter().map(|certificate| served(certificate, host_name)).collect()
            }
        }
    }

    /// Certificates of hubs beside the configured one: by the development CA, made where need be.
    /// None where certificates are configured, which may be for such hubs as well.
    ///
    /// # Errors
    /// [`CertificateError`] of the first that cannot be made.
    pub(crate) fn load_hubs<'h>(
        &self,
        hosts: impl IntoIterator<Item = &'h str>,
        now: OffsetDateTime,
    ) -> Result<Vec<ServedCertificate>, CertificateError> {
        let Self::Development { data_directory, .. } = self else { return Ok(Vec::new()) };
        let mut hosts = hosts.into_iter().peekable();
        if hosts.peek().is_none() {
            return Ok(Vec::new());
        }
        let issuer = HubIssuer::open(data_directory, now)?;
        let mut all = Vec::new();
        // Hubs share the keys, which would take much memory otherwise.
        let mut keys: [Option<Arc<dyn SigningKey>>; 2] = [None, None];
        for host in hosts {
            for (loaded, key) in issuer.certificates(host)?.into_iter().zip(&mut keys) {
                let mut served = served(loaded, host)?;
                let shared = key.get_or_insert_with(|| Arc::clone(&served.certified.key));
                let chain = served.certified.cert.clone();
                served.certified = Arc::new(CertifiedKey::new(chain, Arc::clone(shared)));
                all.push(served);
            }
        }
        Ok(all)
    }

    /// Removes what [`load_hubs`](Self::load_hubs) has made for a host.
    ///
    /// # Errors
    /// [`CertificateError`] when a file cannot be removed.
    pub(crate) fn remove_hub(&self, host: &str) -> Result<(), CertificateError> {
        match self {
            Self::Configured(_) => Ok(()),
            Self::Development { data_directory, .. } => hubs::remove(data_directory, host),
        }
    }

    /// The certificate of the CA that clients have to trust; `None` when certificates are
    /// configured.
    #[must_use]
    pub fn ca(&self) -> Option<PathBuf> {
        match self {
            Self::Configured(_) => None,
            Self::Development { data_directory, .. } => {
                Some(data_directory.join(DEVELOPMENT_CA_FILE))
            }
        }
    }

    /// Looks at the configured files without reading them; links are followed, so a link that
    /// points elsewhere is a change.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let Self::Configured(all) = self else { return Fingerprint(Vec::new()) };
        let files = all.iter().flat_map(|(_, files)| [&files.certificate_file, &files.key_file]);
        let identity = |path: &PathBuf| {
            let file = path.metadata().ok()?;
            Some((file.dev(), file.ino(), file.size(), file.ctime(), file.ctime_nsec()))
        };
        Fingerprint(files.map(identity).collect())
    }
}

/// Refuses two certificates of which one would never be chosen.
fn one_of_each_kind(
    served: Vec<ServedCertificate>,
) -> Result<Vec<ServedCertificate>, CertificateError> {
    for (at, ServedCertificate { status: second, .. }) in served.iter().enumerate() {
        let same = served[..at].iter().map(|served| &served.status).find(|first| {
            first.key_kind == second.key_kind
                && first.host_name.eq_ignore_ascii_case(&second.host_name)
        });
        if let Some(first) = same {
            return Err(CertificateError::SameKind {
                first: first.file.clone(),
                second: second.file.clone(),
                host_name: second.host_name.clone(),
                key_kind: second.key_kind,
            });
        }
    }
    Ok(served)
}

fn served(
    loaded: ServerCertificate,
    host_name: &str,
) -> Result<ServedCertificate, CertificateError> {
    let certified = CertifiedKey::from_der(loaded.chain, loaded.key, &default_provider());
    let certified = certified.map_err(|error| CertificateError::NoKey {
        path: loaded.key_file,
        reason: error.to_string(),
    })?;
    let status = CertificateStatus {
        host_name: host_name.to_owned(),
        key_kind: KeyKind::of(&certified),
        file: loaded.certificate_file,
        not_after: loaded.not_after,
    };
    Ok(ServedCertificate { certified: Arc::new(certified), status })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::test_directory::TestDirectory;
    use super::*;
    use crate::config::Settings;

    #[test]
    fn the_development_ca_is_not_made_where_certificates_are_configured() {
        let (maker, data) = (TestDirectory::new(), TestDirectory::new());
        let now = OffsetDateTime::now_utc();
        development_certificates(maker.path(), "localhost", now).unwrap();
        let mut config = Settings::default().config().unwrap();
        let files = |name: &str| CertificateFiles {
            host_name: None,
            certificate_file: maker.path().join(format!("tls/{name}.pem")),
            key_file: maker.path().join(format!("tls/{name}.key")),
        };
        config.tls.certificate = vec![files("server"), files("server-rsa")];
        let source = CertificateSource::of(&config, data.path());
        let loaded = source.load(now).unwrap();
        assert_eq!(source.ca(), None);
        let kinds = loaded.iter().map(|served| served.status.key_kind);
        assert_eq!(kinds.collect::<Vec<_>>(), [KeyKind::Ecdsa, KeyKind::Rsa]);
        assert_eq!(loaded[0].status.host_name, "localhost");
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0, "nothing is made");

        config.tls.certificate = vec![files("server-rsa"), files("server-rsa")];
        let refused = CertificateSource::of(&config, data.path()).load(now).unwrap_err();
        let said = "are both for localhost with RSA keys: one of each kind is due";
        assert!(refused.to_string().contains(said), "{refused}");
    }

    #[test]
    fn the_fingerprint_follows_links_and_contents() {
        let directory = TestDirectory::new();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("one"), "1").unwrap();
        fs::write(path("two"), "2").unwrap();
        std::os::unix::fs::symlink("one", path("link")).unwrap();
        let files = CertificateFiles {
            host_name: None,
            certificate_file: path("link"),
            key_file: path("two"),
        };
        let source = CertificateSource::Configured(vec![("h".to_owned(), files)]);
        let first = source.fingerprint();
        assert_eq!(source.fingerprint(), first);
        fs::remove_file(path("link")).unwrap();
        assert_ne!(source.fingerprint(), first, "missing");
        std::os::unix::fs::symlink("two", path("link")).unwrap();
        let second = source.fingerprint();
        assert_ne!(second, first, "another target");
        fs::write(path("two"), "22").unwrap();
        assert_ne!(source.fingerprint(), second, "other contents");
    }
}
