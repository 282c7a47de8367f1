//! Heap bytes of the parts of a connection, measured alone.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use ringhub_core::id::{DeviceId, Identity};
use ringhub_core::message::{AuthScope, Origin};
use ringhub_edge::tls::{TicketCount, TlsIdentity, server_config};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, RootCertStore};

/// Bytes that the value holds on the heap, and itself.
fn held<T>(make: impl FnOnce() -> T) -> usize {
    let mut value = None;
    let counted = allocation_counter::measure(|| value = Some(make()));
    drop(value);
    usize::try_from(counted.bytes_current).expect("a value that is made frees nothing")
        + size_of::<T>()
}

/// Bytes of the origin that a device with a short name keeps.
pub(crate) fn origin_bytes() -> usize {
    let device = DeviceId::parse("device-12345").expect("a device id");
    let identity = Identity { device, module: None };
    held(|| Origin::new(&identity, AuthScope::Hub, "638000000000000000", None))
}

/// The server's side of a TLS connection after the handshake, without what the C library holds for
/// its keys.
pub(crate) fn rustls_session_bytes() -> usize {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let identity = TlsIdentity { chain: vec![cert.der().clone()], key };
    let config = server_config(identity, TicketCount::default()).expect("a configuration");
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a certificate to trust");
    let mut client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // What the client keeps of a session would count as the server's.
    client.resumption = Resumption::disabled();
    let (client, name) = (Arc::new(client), ServerName::try_from("localhost").expect("a name"));
    held(|| {
        // Made and dropped inside, so that all it takes it gives back.
        let mut client = UnbufferedClientConnection::new(Arc::clone(&client), name.clone());
        let client = client.as_mut().expect("a client");
        let mut server = UnbufferedServerConnection::new(Arc::clone(&config)).expect("a server");
        shake_hands(client, &mut server);
        server
    })
}

fn shake_hands(client: &mut UnbufferedClientConnection, server: &mut UnbufferedServerConnection) {
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    for _flight in 0..4 {
        while step(client.process_tls_records(&mut to_client), &mut to_server)
            .consume(&mut to_client)
        {}
        while step(server.process_tls_records(&mut to_server), &mut to_client)
            .consume(&mut to_server)
        {}
    }
    assert!(!client.is_handshaking() && !server.is_handshaking(), "the handshake ends");
}

/// What one call has used, and whether another one is due.
struct Step {
    discard: usize,
    goes_on: bool,
}

impl Step {
    fn consume(self, input: &mut Vec<u8>) -> bool {
        input.drain(..self.discard);
        self.goes_on
    }
}

fn step<Data>(status: UnbufferedStatus<'_, '_, Data>, out: &mut Vec<u8>) -> Step {
    let mut discard = status.discard;
    let goes_on = match status.state.expect("both sides are sound") {
        ConnectionState::EncodeTlsData(mut data) => {
            let start = out.len();
            let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else {
                panic!("nothing fits into no room")
            };
            out.resize(start + size.required_size, 0);
            data.encode(&mut out[start..]).expect("there is room now");
            true
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            true
        }
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                discard += record.expect("a sound record").discard;
            }
            true
        }
        _ => false,
    };
    Step { discard, goes_on }
}
