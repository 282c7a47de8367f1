//! The certificate authorities of a hub: uploaded, proved to be the owner's, and taken away.
//!
//! An authority admits devices once it is verified: its owner has signed a code of the hub with its
//! key. Knows neither HTTP nor SQL.

mod apply;
mod change;
mod error;
mod record;

pub(crate) use apply::{CertificateApplier, verified_authorities};
pub(crate) use change::{CertificateChange, CertificateDraft};
pub(crate) use error::CertificateError;
pub(crate) use record::{CertificateETag, HubCertificate, VerificationCode};

#[cfg(test)]
mod tests;
