//! The certificates that handshakes choose from; they are exchanged while connections are open.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

/// One certificate as it is presented.
#[derive(Clone, Debug)]
pub struct ServedCertificate {
    /// Chain and key, which belong together.
    pub certified: Arc<CertifiedKey>,
    /// What can be told of it.
    pub status: CertificateStatus,
}

/// What operators want to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateStatus {
    /// Host name that it is presented for.
    pub host_name: String,
    /// File that it was read from.
    pub file: PathBuf,
    /// When it ends.
    pub not_after: OffsetDateTime,
}

impl CertificateStatus {
    /// Seconds from `now` until the certificate ends; negative once it has.
    #[must_use]
    pub fn expiry_s(&self, now: OffsetDateTime) -> i64 {
        (self.not_after - now).whole_seconds()
    }
}

/// How often the certificates were to be exchanged since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReloadCounts {
    /// They were.
    pub completed: u64,
    /// The new ones could not be used, and the old ones stayed.
    pub failed: u64,
}

/// All certificates of the process, for all shards.
///
/// A handshake takes the one whose host name is in SNI, and the first one without SNI, with an IP
/// address there, or with a name that has none: which hub a client means is said by the protocol
/// later, so no name is a reason to refuse a handshake. Choosing takes a lock for some
/// nanoseconds, once per full handshake and never afterwards; everything here may be called from
/// any thread.
#[derive(Debug)]
pub struct Certificates {
    served: RwLock<Arc<[ServedCertificate]>>,
    completed: AtomicU64,
    failed: AtomicU64,
}

impl Certificates {
    /// Serves `certificates`, of which the first is for clients that name no host.
    #[must_use]
    pub fn new(certificates: Vec<ServedCertificate>) -> Arc<Self> {
        Arc::new(Self {
            served: RwLock::new(certificates.into()),
            completed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// Presents `certificates` in all handshakes from now on. Connections that are open, and
    /// handshakes that have chosen, go on with what they have.
    pub fn replace(&self, certificates: Vec<ServedCertificate>) {
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = certificates.into();
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a reload that left everything as it was.
    pub(crate) fn count_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// What is presented now, the first one first. Allocates; not for a hot path.
    #[must_use]
    pub fn status(&self) -> Vec<CertificateStatus> {
        self.served().iter().map(|served| served.status.clone()).collect()
    }

    /// Reloads since the start.
    #[must_use]
    pub fn reloads(&self) -> ReloadCounts {
        ReloadCounts {
            completed: self.completed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    fn served(&self) -> Arc<[ServedCertificate]> {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let served = self.served();
        let named = name.and_then(|name| {
            served.iter().find(|served| served.status.host_name.eq_ignore_ascii_case(name))
        });
        named.or_else(|| served.first()).map(|served| Arc::clone(&served.certified))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use time::Duration;

    use super::*;

    fn served(host_name: &str) -> ServedCertificate {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new([host_name.to_owned()]).unwrap();
        let chain = vec![parameters.self_signed(&key).unwrap().der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let certified = CertifiedKey::from_der(chain, key, &default_provider()).unwrap();
        let status = CertificateStatus {
            host_name: host_name.to_owned(),
            file: PathBuf::from("/c.pem"),
            not_after: OffsetDateTime::UNIX_EPOCH + Duration::days(1),
        };
        ServedCertificate { certified: Arc::new(certified), status }
    }

    #[test]
    fn the_name_chooses_and_the_first_serves_all_others() {
        let (one, two, three) = (served("a.example"), served("b.example"), served("b.example"));
        let certificates = Certificates::new(vec![one.clone(), two.clone()]);
        for (name, expected) in [
            (Some("a.example"), &one),
            (Some("B.EXAMPLE"), &two),
            (Some("c.example"), &one),
            (None, &one),
        ] {
            let chosen = certificates.choose(name).unwrap();
            assert!(Arc::ptr_eq(&chosen, &expected.certified), "{name:?}");
        }
        certificates.replace(vec![one, three.clone()]);
        let chosen = certificates.choose(Some("b.example")).unwrap();
        assert!(Arc::ptr_eq(&chosen, &three.certified));
        assert_eq!(certificates.reloads(), ReloadCounts { completed: 1, failed: 0 });
    }

    #[test]
    fn time_until_the_end_is_told() {
        let status = served("a.example").status;
        assert_eq!(status.expiry_s(OffsetDateTime::UNIX_EPOCH), 86_400);
        assert_eq!(status.expiry_s(OffsetDateTime::UNIX_EPOCH + Duration::days(2)), -86_400);
    }
}
