//! The one server configuration of the process.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WantsServerCert};
use rustls::version::{TLS12, TLS13};
use rustls::{ConfigBuilder, ServerConfig};

use super::certificates::Certificates;
use super::client_certificate::AskForCertificate;

/// Certificate chain and private key of the hub.
#[derive(Debug)]
pub struct TlsIdentity {
    /// Leaf first, then intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// Key of the leaf.
    pub key: PrivateKeyDer<'static>,
}

/// How many tickets a TLS 1.3 client gets after a full handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TicketCount {
    /// No resumption under TLS 1.3: saves a record per connect where devices never resume.
    Zero,
    /// One, enough for a device that keeps one connection.
    #[default]
    One,
}

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// The random source gave no ticket key.
    #[error("no ticket key could be made: {0}")]
    Ticketer(#[source] rustls::Error),
    /// Certificate and key are unusable or do not belong together.
    #[error("the server certificate or its key cannot be used: {0}")]
    Identity(#[source] rustls::Error),
    /// The crypto provider lacks what TLS 1.2 or 1.3 needs.
    #[error("the crypto provider supports neither TLS 1.2 nor TLS 1.3: {0}")]
    Versions(#[source] rustls::Error),
}

/// Makes the configuration that every connection of every shard shares, with the certificates that
/// [`Certificates`] holds at each handshake.
///
/// TLS 1.2 and 1.3. Sessions are resumed through stateless tickets under one rotating key set, so a
/// ticket works on every shard, and nothing is kept per session. A client certificate is asked for
/// and never required; its DER is kept with the connection, unjudged. No ALPN protocol is
/// configured: an offer is ignored instead of refused, and a client that offers `http/1.1` or
/// `mqtt` goes on without a selected protocol (RFC 7301 section 3.2).
///
/// # Errors
/// [`TlsConfigError`]; nothing else can be started then.
pub fn reloadable_server_config(
    certificates: Arc<Certificates>,
    tickets: TicketCount,
) -> Result<Arc<ServerConfig>, TlsConfigError> {
    finish(builder()?.with_cert_resolver(certificates), tickets)
}

/// As [`reloadable_server_config`], with one certificate for good.
///
/// # Errors
/// [`TlsConfigError`]; nothing else can be started then.
pub fn server_config(
    identity: TlsIdentity,
    tickets: TicketCount,
) -> Result<Arc<ServerConfig>, TlsConfigError> {
    let config = builder()?.with_single_cert(identity.chain, identity.key);
    finish(config.map_err(TlsConfigError::Identity)?, tickets)
}

fn builder() -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, TlsConfigError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(AskForCertificate::new(Arc::clone(&provider)));
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsConfigError::Versions)?;
    Ok(builder.with_client_cert_verifier(verifier))
}

fn finish(
    mut config: ServerConfig,
    tickets: TicketCount,
) -> Result<Arc<ServerConfig>, TlsConfigError> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsConfigError::Ticketer)?;
    config.send_tls13_tickets = match tickets {
        TicketCount::Zero => 0,
        TicketCount::One => 1,
    };
    Ok(Arc::new(config))
}
