//! Memory of the parts of a connection, measured alone.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use ringhub_core::id::{DeviceId, Identity};
use ringhub_core::message::{AuthScope, Origin};
use ringhub_core::session::amqp::{AmqpConfig, AmqpConnection, AmqpEvent, ClientSasl, LinkAccept};
use ringhub_core::time::Timestamp;
use ringhub_edge::tls::{TicketCount, TlsIdentity, server_config};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, RootCertStore};

/// Values that are made to measure one.
const COUNT: usize = 4_000;
/// How long the allocator takes to give back what is free.
const DECAY: Duration = Duration::from_secs(12);

/// Resident bytes that a value adds to this process, itself and whatever the allocator rounds up
/// included: the growth with many of them.
fn held<T>(mut make: impl FnMut() -> T) -> usize {
    let mut values: Vec<Option<T>> = (0..COUNT).map(|_| None).collect();
    let (before, room) = (quiet_bytes(), values.capacity() * size_of::<Option<T>>());
    values.iter_mut().for_each(|value| *value = Some(make()));
    (resident_bytes().saturating_sub(before) + room) / COUNT
}

/// As [`resident_bytes`], with nothing left that new values could take without growth.
fn quiet_bytes() -> usize {
    thread::sleep(DECAY);
    resident_bytes()
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.expect("the kernel shows kB") * 1024
}

/// Bytes of the origin that a device with a short name keeps.
pub(crate) fn origin_bytes() -> usize {
    let device = DeviceId::parse("device-12345").expect("a device id");
    let identity = Identity { device, module: None };
    held(|| Origin::new(&identity, AuthScope::Hub, "638000000000000000", None))
}

/// Bytes of a link that a device sends on, in the machine of a connection that has a thousand.
pub(crate) fn amqp_link_bytes() -> usize {
    const LINKS: usize = 1_000;
    const CONNECTIONS: usize = 8;
    let hubs = |links| -> Vec<_> { (0..CONNECTIONS).map(|_| hub_with_links(links)).collect() };
    // What one more connection costs is not the links'.
    let bare = hubs(0);
    let before = quiet_bytes();
    let full = hubs(LINKS);
    let grown = resident_bytes().saturating_sub(before);
    drop((bare, full));
    grown / (CONNECTIONS * LINKS)
}

/// The hub's side of a connection to which a client has attached so many links, without the client.
fn hub_with_links(links: usize) -> AmqpConnection {
    let config = Arc::new(AmqpConfig::default());
    let mut hub = AmqpConnection::hub(Arc::clone(&config), Timestamp::ZERO);
    let mut client = AmqpConnection::client(config, ClientSasl::Skip, Timestamp::ZERO);
    exchange(&mut client, &mut hub);
    let session = client.begin_session().expect("the connection is open");
    exchange(&mut client, &mut hub);
    for number in 0..links {
        let address = format!("/devices/device-{number}/messages/events");
        client.attach_sender(session, &address, &address).expect("there is room for the link");
    }
    exchange(&mut client, &mut hub);
    hub
}

/// Moves bytes both ways until there are none; the hub accepts what is asked.
fn exchange(client: &mut AmqpConnection, hub: &mut AmqpConnection) {
    loop {
        let (mut to_hub, mut to_client) = (BytesMut::new(), BytesMut::new());
        client.poll_transmit(&mut to_hub);
        feed(hub, &to_hub);
        hub.poll_transmit(&mut to_client);
        feed(client, &to_client);
        if to_hub.is_empty() && to_client.is_empty() {
            return;
        }
    }
}

fn feed(machine: &mut AmqpConnection, bytes: &[u8]) {
    let mut used = 0;
    loop {
        let step = machine.handle_bytes(&bytes[used..], Timestamp::ZERO);
        let (consumed, event) = step.expect("both sides are sound");
        used += consumed;
        match event {
            None if consumed == 0 => return,
            Some(AmqpEvent::LinkRequested { link, .. }) => {
                let accept = LinkAccept { credit: 100, max_message_size: 0, snd_settle_mode: None };
                machine.accept_link(link, accept);
            }
            _ => {}
        }
    }
}

/// The server's side of a TLS connection after the handshake.
pub(crate) fn tls_session_bytes() -> usize {
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
