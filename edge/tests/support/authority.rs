//! A certificate authority as an operator would have one, with the files that a hub is given.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256,
};
use time::{Duration, OffsetDateTime};

/// Issues certificates into a folder of its own, removed at the end.
pub(crate) struct Authority {
    pub(crate) home: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// Chain and key, in memory until they are put somewhere.
pub(crate) struct Issued {
    chain: String,
    key: String,
    /// The leaf as handshakes present it.
    pub(crate) der: Vec<u8>,
}

impl Authority {
    /// Makes the authority, with its certificate in [`ca_file`](Self::ca_file).
    pub(crate) fn new(name: &str) -> Self {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("authority-{}-{name}", std::process::id()));
        fs::create_dir_all(&home).expect("the target directory is writable");
        let key = KeyPair::generate().expect("keys can be made");
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = common_name("authority of a test");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let signed = parameters.self_signed(&key).expect("a CA signs itself");
        fs::write(home.join("ca.pem"), signed.pem()).expect("the home is writable");
        Self { home, issuer: Issuer::new(parameters, key) }
    }

    /// Whom clients have to trust.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.home.join("ca.pem")
    }

    /// A certificate for `host`, valid from `from` to `to` days from now.
    pub(crate) fn issue(&self, host: &str, from: i64, to: i64) -> Issued {
        self.sign(KeyPair::generate().expect("keys can be made"), host, from, to)
    }

    /// As above with an RSA key.
    pub(crate) fn issue_rsa(&self, host: &str, from: i64, to: i64) -> Issued {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("keys can be made");
        self.sign(key, host, from, to)
    }

    fn sign(&self, key: KeyPair, host: &str, from: i64, to: i64) -> Issued {
        let mut parameters = CertificateParams::new([host.to_owned()]).expect("a host name");
        parameters.distinguished_name = common_name(host);
        let now = OffsetDateTime::now_utc();
        parameters.not_before = now + Duration::days(from);
        parameters.not_after = now + Duration::days(to);
        let signed = parameters.signed_by(&key, &self.issuer).expect("the CA signs");
        Issued { chain: signed.pem(), key: key.serialize_pem(), der: signed.der().to_vec() }
    }

    /// Files of a certificate called `name`.
    pub(crate) fn files(&self, name: &str) -> [PathBuf; 2] {
        ["pem", "key"].map(|kind| self.home.join(format!("{name}.{kind}")))
    }

    /// Section of the configuration for the files called `name`, for the host name of the hub.
    pub(crate) fn section(&self, name: &str) -> String {
        let [certificate, key] = self.files(name);
        format!("[[tls.certificate]]\ncertificate_file = {certificate:?}\nkey_file = {key:?}\n")
    }

    /// Writes the chain to the first of the files called `name`.
    pub(crate) fn put_chain(&self, name: &str, issued: &Issued) {
        fs::write(&self.files(name)[0], &issued.chain).expect("the home is writable");
    }

    /// Writes the key to the second of the files called `name`.
    pub(crate) fn put_key(&self, name: &str, issued: &Issued) {
        fs::write(&self.files(name)[1], &issued.key).expect("the home is writable");
    }

    /// Writes both.
    pub(crate) fn put(&self, name: &str, issued: &Issued) {
        self.put_chain(name, issued);
        self.put_key(name, issued);
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // What stays behind lies below target and is only untidy.
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
