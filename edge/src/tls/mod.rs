//! TLS: server configuration shared by all shards, and the record layer of one connection.

mod certificates;
mod client_certificate;
mod config;
mod refusal;
mod session;

pub use certificates::{CertificateStatus, Certificates, KeyKind, ReloadCounts, ServedCertificate};
pub use config::{
    TicketCount, TlsConfigError, TlsIdentity, reloadable_server_config, server_config,
};
pub(crate) use refusal::HandshakeRefusal;
pub use session::{PlaintextSink, TlsFault, TlsSession, encode};
