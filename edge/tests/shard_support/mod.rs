//! A hub of a few shards that speak a line protocol, and a TLS client for it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

#[path = "../support/patience.rs"]
mod patience;

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use ringhub_core::id::{ConnectionId, ExecutorId, SeatId, ShardId};
use ringhub_core::position::{Committed, RingPosition};
use ringhub_core::time::Timestamp;
use ringhub_edge::listener::{ListenerConfig, ListenerKind, probe_ports};
use ringhub_edge::partition::Ticket;
use ringhub_edge::shard::mailbox::{Mail, MailboxSender, mailbox};
use ringhub_edge::shard::{
    Clock, Close, Opening, Protocol, Services, ShardConfig, ShardContext, ShardHandle, ShardParts,
    start_shards,
};
use ringhub_edge::tls::{TicketCount, TlsIdentity, server_config};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

pub(crate) use patience::{PATIENCE, eventually};

/// Stands for the rings and executors of the hub.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Position after the last record, over all shards.
    pub(crate) pushed: AtomicU64,
    /// What has been committed of it.
    pub(crate) committed: AtomicU64,
    /// True while no ring takes more.
    pub(crate) is_full: AtomicBool,
    /// Connections whose driver had its last word.
    pub(crate) closed: AtomicU64,
    /// Mail that came too late.
    pub(crate) undeliverable: AtomicU64,
}

pub(crate) struct LineServices {
    shard: ShardId,
    world: Arc<World>,
}

impl Services for LineServices {
    type Protocol = LineProtocol;

    fn open(&mut self, opening: &Opening<'_>, _connection: ConnectionId) -> LineProtocol {
        let certificates = opening.certificates.len();
        LineProtocol { certificates, output: VecDeque::new(), burst: 0, timeout: None }
    }

    fn publish(&mut self) {}

    fn committed(&self, _shard: ShardId, _executor: ExecutorId) -> Committed<RingPosition> {
        Committed(RingPosition(self.world.committed.load(Ordering::SeqCst)))
    }

    fn has_log_failed(&self) -> bool {
        false
    }

    fn handle_undeliverable(&mut self, _mail: Mail) {
        self.world.undeliverable.fetch_add(1, Ordering::SeqCst);
    }
}

/// Answers each line with a line; see [`LineProtocol::on_line`].
pub(crate) struct LineProtocol {
    certificates: usize,
    output: VecDeque<String>,
    burst: usize,
    timeout: Option<Timestamp>,
}

impl LineProtocol {
    fn on_line(
        &mut self,
        line: &str,
        cx: &mut ShardContext<'_, LineServices>,
    ) -> Result<(), Close> {
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        let reply = match command {
            "echo" => argument.to_owned(),
            "shard" => cx.services.shard.0.to_string(),
            "certificates" => self.certificates.to_string(),
            "id" => format!("{} {}", cx.connection.slot, cx.connection.generation),
            "burst" => {
                self.burst = argument.parse().expect("a number");
                return Ok(());
            }
            "publish" => {
                let position = cx.services.world.pushed.fetch_add(1, Ordering::SeqCst) + 1;
                cx.await_commit(
                    Ticket {
                        shard: cx.services.shard,
                        executor: ExecutorId(0),
                        position: RingPosition(position),
                    },
                    SeatId::only(cx.connection),
                );
                return Ok(());
            }
            "await" => {
                let (shard, position) = argument.split_once(' ').expect("two numbers");
                cx.await_commit(
                    Ticket {
                        shard: ShardId(shard.parse().expect("a number")),
                        executor: ExecutorId(0),
                        position: RingPosition(position.parse().expect("a number")),
                    },
                    SeatId::only(cx.connection),
                );
                return Ok(());
            }
            "timeout" => {
                let after = Duration::from_millis(argument.parse().expect("a number"));
                self.timeout = Some(cx.now + after);
                return Ok(());
            }
            "quit" => {
                self.output.push_back("bye\n".to_owned());
                return Err(Close::Finished);
            }
            _ => return Err(Close::Violation("unknown command")),
        };
        self.output.push_back(reply + "\n");
        Ok(())
    }
}

impl Protocol for LineProtocol {
    type Services = LineServices;

    fn handle_bytes(
        &mut self,
        input: &[u8],
        cx: &mut ShardContext<'_, LineServices>,
    ) -> Result<usize, Close> {
        let mut used = 0;
        while self.can_read(cx.services)
            && let Some(end) = input[used..].iter().position(|byte| *byte == b'\n')
        {
            let line = std::str::from_utf8(&input[used..used + end]).expect("text");
            used += end + 1;
            self.on_line(line, cx)?;
        }
        Ok(used)
    }

    fn handle_committed(
        &mut self,
        _: SeatId,
        upto: Committed<Ticket>,
        _cx: &mut ShardContext<'_, LineServices>,
    ) -> Result<(), Close> {
        self.output.push_back(format!("committed {}\n", upto.0.position.0));
        Ok(())
    }

    fn handle_mail(
        &mut self,
        mail: Mail,
        _cx: &mut ShardContext<'_, LineServices>,
    ) -> Result<(), Close> {
        assert!(matches!(mail, Mail::SubscriptionsStored { .. }), "{mail:?}");
        self.output.push_back("mail\n".to_owned());
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut ShardContext<'_, LineServices>) -> Result<(), Close> {
        assert!(self.timeout.is_some_and(|at| at <= cx.now), "called early");
        self.timeout = None;
        self.output.push_back("timeout\n".to_owned());
        Ok(())
    }

    fn handle_log_failed(&mut self, _cx: &mut ShardContext<'_, LineServices>) -> Result<(), Close> {
        Ok(())
    }

    fn handle_closed(&mut self, _why: Close, cx: &mut ShardContext<'_, LineServices>) {
        cx.services.world.closed.fetch_add(1, Ordering::SeqCst);
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.timeout
    }

    fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        if let Some(line) = self.output.pop_front() {
            out.extend_from_slice(line.as_bytes());
            return true;
        }
        let piece = self.burst.min(10_000);
        self.burst -= piece;
        out.resize(out.len() + piece, b'x');
        piece > 0
    }

    fn can_read(&self, services: &LineServices) -> bool {
        !services.world.is_full.load(Ordering::SeqCst)
    }
}

/// Which ports the shards have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ports {
    Shared,
    OnePerShard,
}

pub(crate) struct Hub {
    pub(crate) world: Arc<World>,
    /// Port of each shard.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) mailboxes: Vec<MailboxSender>,
    pub(crate) shards: Vec<ShardHandle>,
    certificate: CertificateDer<'static>,
}

impl Hub {
    pub(crate) fn start(shards: usize, ports: Ports) -> Self {
        Self::start_with(shards, ports, |_| {})
    }

    pub(crate) fn start_with(
        shards: usize,
        ports: Ports,
        change: impl FnOnce(&mut ShardConfig),
    ) -> Self {
        let key = rcgen::generate_simple_self_signed(["hub.test".to_owned()]).expect("certificate");
        let certificate = key.cert.der().clone();
        let identity = TlsIdentity {
            chain: vec![certificate.clone()],
            key: PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("key"),
        };
        let tls = server_config(identity, TicketCount::One).expect("configuration");
        let world = Arc::new(World::default());
        let ports = choose(shards, ports);
        let addresses = ports.iter().map(|port| port.address).collect();
        let mut config = ShardConfig::new(Clock::start());
        config.shutdown_time_max = Duration::from_secs(4);
        change(&mut config);
        let mut mailboxes = Vec::new();
        let parts = ports.into_iter().zip(0..).map(|(port, number)| {
            let (sender, mailbox) = mailbox().expect("mailbox");
            mailboxes.push(sender);
            let shard = ShardId(number);
            let world = Arc::clone(&world);
            let services = move || LineServices { shard, world };
            ShardParts { shard, mailbox, ports: vec![port], core: None, services }
        });
        let shards = start_shards(parts.collect(), config, &tls).expect("start");
        Self { world, addresses, mailboxes, shards, certificate }
    }

    /// Trusts the hub and nobody else.
    pub(crate) fn client_config(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(8);
        config
    }

    pub(crate) fn connect(&self, shard: usize) -> Client {
        let config = Arc::new(self.client_config(&rustls::version::TLS13));
        Client::connect(self.addresses[shard], config)
    }

    /// What one counter of all shards adds up to.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters = self.shards.iter().flat_map(|shard| shard.counters.iter());
        counters.filter(|(counter, _)| *counter == name).map(|(_, value)| value).sum()
    }

    /// Moves the commit position as an executor does: first the number, then the bells.
    pub(crate) fn commit(&self, upto: u64) {
        self.world.committed.store(upto, Ordering::SeqCst);
        self.ring();
    }

    pub(crate) fn ring(&self) {
        for mailbox in &self.mailboxes {
            mailbox.doorbell().ring();
        }
    }

    pub(crate) fn stop(self) {
        for mailbox in &self.mailboxes {
            mailbox.post(Mail::Shutdown);
        }
        for shard in self.shards {
            shard.join().expect("the shard ends without a panic");
        }
    }
}

fn choose(shards: usize, ports: Ports) -> Vec<ListenerConfig> {
    let address = ([127, 0, 0, 1], 0).into();
    let free = || probe_ports(&[ListenerConfig { kind: ListenerKind::Mqtt, address }]);
    match ports {
        Ports::Shared => free().expect("a free port").repeat(shards),
        Ports::OnePerShard => {
            let mut ports: Vec<ListenerConfig> = Vec::new();
            while ports.len() < shards {
                // A port that was free a moment ago may be the next free one again.
                let drawn = free().expect("a free port");
                if ports.iter().all(|port| port.address != drawn[0].address) {
                    ports.extend(drawn);
                }
            }
            ports
        }
    }
}

/// A blocking client.
pub(crate) struct Client {
    pub(crate) stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let socket = TcpStream::connect(address).expect("connect");
        socket.set_nodelay(true).expect("nodelay");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let name = ServerName::try_from("hub.test").expect("name");
        let connection = ClientConnection::new(config, name).expect("client");
        Self { stream: BufReader::new(StreamOwned::new(connection, socket)) }
    }

    pub(crate) fn tls(&mut self) -> &mut ClientConnection {
        &mut self.stream.get_mut().conn
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream.get_mut().sock
    }

    pub(crate) fn send(&mut self, line: &str) {
        writeln!(self.stream.get_mut(), "{line}").expect("send");
    }

    pub(crate) fn receive(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("receive");
        line.trim_end().to_owned()
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.send(line);
        self.receive()
    }

    /// Reads to the end; `Ok` only after a `close_notify`.
    pub(crate) fn read_to_end(&mut self) -> io::Result<String> {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).map(|_| rest)
    }
}
