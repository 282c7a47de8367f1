//! The certificates that handshakes choose from; they are exchanged while connections are open.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
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
    /// What its key signs with.
    pub key_kind: KeyKind,
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

/// What the key of a certificate signs with; the first one that a client can verify is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// ECDSA, the cheapest to sign with.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// RSA, which every client verifies, at a multiple of the cost.
    Rsa,
}

impl KeyKind {
    /// The kind of the key of `certified`.
    #[must_use]
    pub fn of(certified: &CertifiedKey) -> Self {
        match certified.key.algorithm() {
            SignatureAlgorithm::ECDSA => Self::Ecdsa,
            SignatureAlgorithm::ED25519 => Self::Ed25519,
            _ => Self::Rsa,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ecdsa => "ECDSA",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        })
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

/// What is presented at a moment. It is never changed: another one takes its place.
#[derive(Clone, Debug, Default)]
struct Served {
    /// Those that do not come and go with hubs, the first one first.
    fixed: Vec<ServedCertificate>,
    /// Those of hubs, by host name.
    of_hubs: HashMap<Box<str>, Vec<ServedCertificate>>,
    /// The former by host name.
    of_hosts: HashMap<Box<str>, Vec<ServedCertificate>>,
}

impl Served {
    fn new(fixed: Vec<ServedCertificate>) -> Self {
        Self { of_hosts: by_host(fixed.clone()), fixed, of_hubs: HashMap::new() }
    }

    /// The certificates for a name in lower case.
    fn named(&self, name: &str) -> Option<&[ServedCertificate]> {
        let found = self.of_hosts.get(name).or_else(|| self.of_hubs.get(name));
        found.map(Vec::as_slice)
    }
}

fn by_host(all: Vec<ServedCertificate>) -> HashMap<Box<str>, Vec<ServedCertificate>> {
    let mut hosts: HashMap<Box<str>, Vec<_>> = HashMap::new();
    for served in all {
        hosts.entry(lower(&served.status.host_name).into()).or_default().push(served);
    }
    hosts
}

fn lower(name: &str) -> Cow<'_, str> {
    let is_lower = !name.bytes().any(|b| b.is_ascii_uppercase());
    if is_lower { name.into() } else { name.to_ascii_lowercase().into() }
}

/// All certificates of the process, for all shards.
///
/// A handshake takes the one whose host name is in SNI, and the first one without SNI, with an IP
/// address there, or with a name that has none: which hub a client means is said by the protocol
/// later, so no name is a reason to refuse a handshake. Where a host has certificates of several
/// kinds, the client gets the first [`KeyKind`] that it can verify, by the cipher suites and
/// signature algorithms that it offers. Choosing takes a lock for some nanoseconds, once per full
/// handshake and never afterwards; everything here may be called from any thread.
#[derive(Debug)]
pub struct Certificates {
    served: RwLock<Arc<Served>>,
    completed: AtomicU64,
    failed: AtomicU64,
}

impl Certificates {
    /// Serves `certificates`, of which the host of the first is for clients that name none.
    #[must_use]
    pub fn new(certificates: Vec<ServedCertificate>) -> Arc<Self> {
        Arc::new(Self {
            served: RwLock::new(Arc::new(Served::new(certificates))),
            completed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// Presents `certificates` in all handshakes from now on. Connections that are open, and
    /// handshakes that have chosen, go on with what they have. Those of hubs stay.
    pub fn replace(&self, certificates: Vec<ServedCertificate>) {
        self.change(|served| {
            let of_hubs = std::mem::take(&mut served.of_hubs);
            *served = Served { of_hubs, ..Served::new(certificates) };
        });
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    /// Presents the certificates of hubs as well, in place of those that are for the same names.
    pub(crate) fn put_hubs(&self, certificates: Vec<ServedCertificate>) {
        self.change(|served| served.of_hubs.extend(by_host(certificates)));
    }

    /// Presents nothing for a hub any more that was [put](Self::put_hubs).
    pub(crate) fn remove_hub(&self, host_name: &str) {
        self.change(|served| drop(served.of_hubs.remove(&*lower(host_name))));
    }

    /// The hosts that certificates were [put](Self::put_hubs) for.
    pub(crate) fn hosts_of_hubs(&self) -> Vec<Box<str>> {
        self.served().of_hubs.keys().cloned().collect()
    }

    fn change(&self, change: impl FnOnce(&mut Served)) {
        let mut held = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let mut served = Served::clone(&held);
        change(&mut served);
        *held = Arc::new(served);
    }

    /// Counts a reload that left everything as it was.
    pub(crate) fn count_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// What is presented now, the first one first, without those of hubs. Allocates; not for a hot
    /// path.
    #[must_use]
    pub fn status(&self) -> Vec<CertificateStatus> {
        self.served().fixed.iter().map(|served| served.status.clone()).collect()
    }

    /// Reloads since the start.
    #[must_use]
    pub fn reloads(&self) -> ReloadCounts {
        ReloadCounts {
            completed: self.completed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The certificate for a client that names `name` and verifies `schemes`; one that it cannot
    /// verify when there is none, so that the handshake fails for the client's offer.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let served = self.served();
        let first = || served.named(&lower(&served.fixed.first()?.status.host_name));
        let host = name.and_then(|name| served.named(&lower(name))).or_else(first)?;
        let chosen = host.iter().min_by_key(|served| {
            let fits = served.certified.key.choose_scheme(schemes).is_some();
            (!fits, served.status.key_kind)
        });
        chosen.map(|served| Arc::clone(&served.certified))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // The schemes come without those that no offered cipher suite of TLS 1.2 can use.
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use time::Duration;

    use super::*;

    const ECDSA: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
    const RSA: SignatureScheme = SignatureScheme::RSA_PSS_SHA256;

    fn served(host_name: &str) -> ServedCertificate {
        served_with(host_name, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
    }

    fn served_with(host_name: &str, key: KeyPair) -> ServedCertificate {
        let parameters = CertificateParams::new([host_name.to_owned()]).unwrap();
        let chain = vec![parameters.self_signed(&key).unwrap().der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let certified = CertifiedKey::from_der(chain, key, &default_provider()).unwrap();
        let status = CertificateStatus {
            host_name: host_name.to_owned(),
            key_kind: KeyKind::of(&certified),
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
            let chosen = certificates.choose(name, &[ECDSA]).unwrap();
            assert!(Arc::ptr_eq(&chosen, &expected.certified), "{name:?}");
        }
        certificates.replace(vec![one, three.clone()]);
        let chosen = certificates.choose(Some("b.example"), &[ECDSA]).unwrap();
        assert!(Arc::ptr_eq(&chosen, &three.certified));
        assert_eq!(certificates.reloads(), ReloadCounts { completed: 1, failed: 0 });
    }

    #[test]
    fn those_of_hubs_come_and_go_and_stay_over_reloads() {
        let (first, hub, own) = (served("a.example"), served("Hub.example"), served("b.example"));
        let certificates = Certificates::new(vec![first.clone(), own.clone()]);
        let chosen = |name| certificates.choose(Some(name), &[ECDSA]).unwrap();
        certificates.put_hubs(vec![hub.clone(), served("b.example")]);
        certificates.replace(vec![first.clone(), own.clone()]);
        assert!(Arc::ptr_eq(&chosen("hub.EXAMPLE"), &hub.certified));
        assert!(Arc::ptr_eq(&chosen("b.example"), &own.certified), "what was given comes first");
        assert_eq!(certificates.status().len(), 2);
        certificates.remove_hub("HUB.example");
        assert!(Arc::ptr_eq(&chosen("hub.example"), &first.certified));
        assert_eq!(certificates.hosts_of_hubs(), ["b.example".into()]);
    }

    #[test]
    fn the_host_chooses_before_the_kind_and_ecdsa_comes_first() {
        let rsa = |name| served_with(name, KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());
        let all = [rsa("a.example"), served("a.example"), served("b.example")];
        let certificates = Certificates::new(all.to_vec());
        for (name, schemes, expected) in [
            (None, &[RSA, ECDSA][..], 1),
            (None, &[ECDSA], 1),
            (None, &[RSA], 0),
            (Some("a.example"), &[SignatureScheme::RSA_PKCS1_SHA256], 0),
            (Some("c.example"), &[SignatureScheme::ED25519], 1),
            (Some("b.example"), &[RSA], 2),
        ] {
            let chosen = certificates.choose(name, schemes).unwrap();
            assert!(Arc::ptr_eq(&chosen, &all[expected].certified), "{name:?} {schemes:?}");
        }
    }

    #[test]
    fn time_until_the_end_is_told() {
        let status = served("a.example").status;
        assert_eq!(status.expiry_s(OffsetDateTime::UNIX_EPOCH), 86_400);
        assert_eq!(status.expiry_s(OffsetDateTime::UNIX_EPOCH + Duration::days(2)), -86_400);
    }
}
