//! TLS: server configuration shared by all shards, and the record layer of one connection.

mod certificates;
mod client_certificate;
mod config;
mod session;

pub use certificates::{CertificateStatus, Certificates, ReloadCounts, ServedCertificate};
pub use config::{
    TicketCount, TlsConfigError, TlsIdentity, reloadable_server_config, server_config,
};
pub use session::{PlaintextSink, TlsFault, TlsSession};
