//! TLS client streams that trust the hub's CA and nothing else.

use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureScheme, StreamOwned};

use super::hub::Hub;

/// How long reads and writes wait: more than a busy machine needs, and less than any time after
/// which a hub ends an established connection by itself, so that a missing end is an error.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(30);

/// A blocking TLS connection; reads and writes give up after thirty seconds.
pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Connects to a port of the hub and verifies its certificate against the hub's own CA.
pub(crate) fn connect(hub: &Hub, port: u16) -> io::Result<TlsStream> {
    connect_to(hub, port, ServerName::from(std::net::IpAddr::V4(hub.address.ip)))
}

/// As above, expecting any name, which goes into SNI unless it is an address. The handshake comes
/// with the first bytes.
pub(crate) fn connect_to(hub: &Hub, port: u16, name: ServerName<'static>) -> io::Result<TlsStream> {
    open((hub.address.ip, port), name, config(&hub.ca_file(), aws_lc_rs::default_provider())?)
}

/// As above, as a client that verifies signatures of these schemes and no others.
pub(crate) fn connect_verifying(
    hub: &Hub,
    port: u16,
    name: ServerName<'static>,
    schemes: &[SignatureScheme],
) -> TlsStream {
    let mut provider = aws_lc_rs::default_provider();
    let known = provider.signature_verification_algorithms.mapping;
    let verified: Vec<_> =
        known.iter().copied().filter(|(scheme, _)| schemes.contains(scheme)).collect();
    // The provider wants it for good; a test makes few.
    provider.signature_verification_algorithms.mapping = verified.leak();
    let config = config(&hub.ca_file(), provider).expect("the CA can be trusted");
    open((hub.address.ip, port), name, config).expect("the hub accepts")
}

/// What a client proves itself with: whatever the chain holds, it is sent as it is.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// In DER, leaf first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// PKCS#8 in DER.
    pub(crate) key: Vec<u8>,
}

#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Connects to a port of the hub and shows `certificate` when the hub asks.
pub(crate) fn connect_with(
    hub: &Hub,
    port: u16,
    certificate: &Certificate,
) -> io::Result<TlsStream> {
    let name = ServerName::from(std::net::IpAddr::V4(hub.address.ip));
    connect_at((hub.address.ip, port), name, &hub.ca_file(), Some(certificate))
}

/// Connects to any address as a client that trusts `ca`, expects `name` and shows `certificate`.
pub(crate) fn connect_at(
    address: (Ipv4Addr, u16),
    name: ServerName<'static>,
    ca: &Path,
    certificate: Option<&Certificate>,
) -> io::Result<TlsStream> {
    let mut config = config(ca, aws_lc_rs::default_provider())?;
    if let Some(certificate) = certificate {
        let key = PrivatePkcs8KeyDer::from(certificate.key.clone());
        let key = aws_lc_rs::sign::any_supported_type(&key.into()).map_err(io::Error::other)?;
        let chain = certificate.chain.iter().cloned().map(CertificateDer::from).collect();
        let shown = Shown(Arc::new(CertifiedKey::new(chain, key)));
        config.client_auth_cert_resolver = Arc::new(shown);
    }
    open(address, name, config)
}

fn open(
    address: (Ipv4Addr, u16),
    name: ServerName<'static>,
    config: ClientConfig,
) -> io::Result<TlsStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(SILENCE_TIME_MAX))?;
    socket.set_write_timeout(Some(SILENCE_TIME_MAX))?;
    let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(session, socket))
}

/// Reads until the hub ends the connection, and returns what came until then.
///
/// However the end comes, it is an end: with `close_notify`, without, or by a reset.
///
/// # Errors
/// When the hub keeps the connection open for thirty seconds.
pub(crate) fn read_to_end(stream: &mut TlsStream) -> io::Result<Vec<u8>> {
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Err(io::Error::new(ErrorKind::TimedOut, format!("still open after {received:02x?}")))
        }
        _ => Ok(received),
    }
}

fn config(ca: &Path, provider: CryptoProvider) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(ca).map_err(io::Error::other)?;
    roots.add(ca).map_err(io::Error::other)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
