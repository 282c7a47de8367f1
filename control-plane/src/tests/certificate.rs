//! Certificates that tests make.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer};
use ringhub_core::auth::{Authority, CertificateChain};
use time::{Duration, OffsetDateTime};

/// A certificate with one common name, and itself as an issuer.
pub(crate) struct Made {
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
    issuer: Issuer<'static, rcgen::KeyPair>,
}

impl Made {
    /// One that is valid from and to some days from now.
    pub(crate) fn lasting(
        name: &str,
        is_ca: IsCa,
        by: Option<&Self>,
        (from, to): (i64, i64),
    ) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = is_ca;
        parameters.not_before = OffsetDateTime::now_utc() + Duration::days(from);
        parameters.not_after = OffsetDateTime::now_utc() + Duration::days(to);
        let key = rcgen::KeyPair::generate().expect("keys can be made");
        let signed = match by {
            None => parameters.self_signed(&key),
            Some(by) => parameters.signed_by(&key, &by.issuer),
        };
        let signed = signed.expect("the issuer signs");
        let (der, pem) = (signed.der().to_vec(), signed.pem());
        Self { der, pem, issuer: Issuer::new(parameters, key) }
    }

    pub(crate) fn leaf(name: &str, by: Option<&Self>) -> Self {
        Self::lasting(name, IsCa::ExplicitNoCa, by, (-20_000, 20_000))
    }

    pub(crate) fn authority(name: &str) -> Self {
        Self::authority_lasting(name, (-20_000, 20_000))
    }

    pub(crate) fn authority_lasting(name: &str, days: (i64, i64)) -> Self {
        Self::lasting(name, IsCa::Ca(BasicConstraints::Unconstrained), None, days)
    }

    pub(crate) fn chain(&self) -> Box<CertificateChain> {
        CertificateChain::new([&self.der[..]].into_iter()).expect("one certificate")
    }

    pub(crate) fn parsed(&self) -> Authority {
        Authority::parse(&self.der).expect("an authority")
    }

    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    pub(crate) fn thumbprint(&self, algorithm: &'static aws_lc_rs::digest::Algorithm) -> String {
        let digest = aws_lc_rs::digest::digest(algorithm, &self.der);
        digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    pub(crate) fn sha1(&self) -> String {
        self.thumbprint(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY)
    }
}
