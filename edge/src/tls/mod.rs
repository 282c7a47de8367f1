//! TLS: server configuration shared by all shards, and the record layer of one connection.

mod client_certificate;
mod config;
mod session;

pub use config::{TicketCount, TlsConfigError, TlsIdentity, server_config};
pub(crate) use session::{PlaintextSink, TlsFault, TlsSession};
