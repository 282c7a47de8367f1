//! Certificates of devices as their makers issue them: authorities, those in between, and leaves
//! with every kind of defect.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use super::tls::Certificate;

/// What a certificate shall be.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) name: &'a str,
    /// Valid from and to some days from now.
    pub(crate) days: (i64, i64),
    /// How many authorities may stand below it; `None` for a leaf.
    pub(crate) below: Option<u8>,
    pub(crate) purpose: ExtendedKeyUsagePurpose,
}

impl<'a> Wish<'a> {
    pub(crate) fn leaf(name: &'a str) -> Self {
        let purpose = ExtendedKeyUsagePurpose::ClientAuth;
        Self { name, days: (-1, 9), below: None, purpose }
    }

    pub(crate) fn authority(name: &'a str) -> Self {
        Self { below: Some(5), ..Self::leaf(name) }
    }
}

/// A certificate, with its key and with what stands between it and its root.
pub(crate) struct Made {
    /// Leaf first, without the root.
    pub(crate) certificate: Certificate,
    pems: Vec<String>,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
    is_root: bool,
}

impl Made {
    /// Signs itself.
    pub(crate) fn root(wish: &Wish<'_>) -> Self {
        Self::new(wish, None)
    }

    /// A root that may have others below it.
    pub(crate) fn authority(name: &str) -> Self {
        Self::root(&Wish::authority(name))
    }

    /// A certificate that this one signs.
    pub(crate) fn issue(&self, wish: &Wish<'_>) -> Self {
        Self::new(wish, Some(self))
    }

    /// A device's certificate that this one signs.
    pub(crate) fn device(&self, id: &str) -> Self {
        self.issue(&Wish::leaf(id))
    }

    fn new(wish: &Wish<'_>, by: Option<&Self>) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, wish.name);
        parameters.not_before = OffsetDateTime::now_utc() + Duration::days(wish.days.0);
        parameters.not_after = OffsetDateTime::now_utc() + Duration::days(wish.days.1);
        match wish.below {
            Some(below) => {
                parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
                parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            }
            None => parameters.extended_key_usages = vec![wish.purpose.clone()],
        }
        let key = KeyPair::generate().expect("keys can be made");
        let signed = match by {
            None => parameters.self_signed(&key),
            Some(by) => parameters.signed_by(&key, &by.issuer),
        };
        let signed = signed.expect("the issuer signs");
        let (mut chain, mut pems) = (vec![signed.der().to_vec()], vec![signed.pem()]);
        // A root has one certificate, which the hub has itself.
        if let Some(between) = by.filter(|by| !by.is_root) {
            chain.extend(between.certificate.chain.iter().cloned());
            pems.extend(between.pems.iter().cloned());
        }
        let certificate = Certificate { chain, key: key.serialize_der() };
        let key_pem = key.serialize_pem();
        let issuer = Issuer::new(parameters, key);
        Self { certificate, pems, key_pem, issuer, is_root: by.is_none() }
    }

    /// The certificate alone, in PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pems[0]
    }

    /// What a device sends, with `more` behind it.
    pub(crate) fn with(&self, more: &Self) -> Certificate {
        let mut certificate = self.certificate.clone();
        certificate.chain.extend(more.certificate.chain.iter().cloned());
        certificate
    }

    /// The leaf without those in between.
    pub(crate) fn alone(&self) -> Certificate {
        let mut certificate = self.certificate.clone();
        certificate.chain.truncate(1);
        certificate
    }

    /// Writes chain and key as PEM files into `home`, which is made; gives their paths.
    pub(crate) fn write(&self, home: &Path, name: &str) -> [PathBuf; 2] {
        fs::create_dir_all(home).expect("the home is writable");
        let files = ["pem", "key"].map(|kind| home.join(format!("{name}.{kind}")));
        fs::write(&files[0], self.pems.concat()).expect("the home is writable");
        fs::write(&files[1], &self.key_pem).expect("the home is writable");
        files
    }
}
