//! Verdicts on credentials: SAS tokens, the keys that sign them, what they cover and what their
//! policies allow; certificates of clients and the authorities that issue them.
//!
//! Pure: the token text, the keys and the wall clock are arguments. Finding the keys of an identity
//! is the directory's work.

pub mod certificate;
pub mod key;
pub mod policy;
pub mod sas_token;
pub mod scope;

pub use certificate::{Authority, CertificateChain, CertificateRefused, certificate_of};
pub use key::{InvalidKey, KeyPair, KeyReading};
pub use policy::{DefaultPolicy, Permissions};
pub use sas_token::{InvalidToken, SasToken, TokenRefused};
pub use scope::{InvalidScope, Scope, Segment};
