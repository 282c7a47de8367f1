//! Certificates as people hand them over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::CertificateRefused;

/// How each part of a PEM file begins.
const PEM: &str = "-----BEGIN ";

/// The one certificate in `text`, in DER: a PEM file, DER in base64, or a PEM file in base64.
/// White space does not matter, and other parts of a PEM file are passed over.
///
/// # Errors
/// [`CertificateRefused::Unreadable`], or [`NotOne`](CertificateRefused::NotOne) for a PEM file
/// with none or several.
///
/// Source: control-plane reference, "Certificates".
pub fn certificate_of(text: &str) -> Result<Vec<u8>, CertificateRefused> {
    if text.contains(PEM) {
        return of_pem(text);
    }
    let bare: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let bytes = STANDARD.decode(bare).map_err(|_| CertificateRefused::Unreadable)?;
    match str::from_utf8(&bytes) {
        Ok(inner) if inner.contains(PEM) => of_pem(inner),
        _ => Ok(bytes),
    }
}

fn of_pem(text: &str) -> Result<Vec<u8>, CertificateRefused> {
    let mut found = CertificateDer::pem_slice_iter(text.as_bytes());
    match (found.next(), found.next()) {
        (Some(Ok(one)), None) => Ok(one.to_vec()),
        (Some(Err(_)), _) | (_, Some(Err(_))) => Err(CertificateRefused::Unreadable),
        _ => Err(CertificateRefused::NotOne),
    }
}
