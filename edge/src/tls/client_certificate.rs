//! Asks every client for a certificate and requires none.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use webpki::RawPublicKeyEntity;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Lets any certificate through whose private key the client holds.
///
/// Whom a certificate identifies depends on the registry entry that the client names later
/// (thumbprint or CA), so nothing about its issuer or validity is decided in the handshake. Only
/// the proof of possession is checked here, with the key alone: certificates of any version count,
/// also those of version 1 that common tools make.
///
/// Source: device-endpoints reference, "Client certificates (X.509)".
#[derive(Debug)]
pub(super) struct AskForCertificate {
    provider: Arc<CryptoProvider>,
}

impl AskForCertificate {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider }
    }
}

impl ClientCertVerifier for AskForCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = public_key(cert)?;
        let key = RawPublicKeyEntity::try_from(&spki).map_err(|_| unreadable())?;
        let known = self.provider.signature_verification_algorithms.mapping;
        let algorithms = known.iter().find(|(scheme, _)| *scheme == dss.scheme);
        let algorithms = algorithms.map_or(&[][..], |(_, algorithms)| algorithms);
        let is_signed = |algorithm: &&dyn SignatureVerificationAlgorithm| {
            key.verify_signature(*algorithm, message, dss.signature()).is_ok()
        };
        if algorithms.iter().any(is_signed) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &public_key(cert)?, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn public_key<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'a>, Error> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| unreadable())?;
    Ok(SubjectPublicKeyInfoDer::from(certificate.tbs_certificate.subject_pki.raw))
}

fn unreadable() -> Error {
    CertificateError::BadEncoding.into()
}
