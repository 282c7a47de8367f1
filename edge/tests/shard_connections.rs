//! A shard over real sockets: TLS, turns, bounds and shutdown.

mod shard_support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ringhub_core::id::{ConnectionId, SeatId, ShardId};
use ringhub_core::limits::{HANDSHAKE_TIME_MAX, SHUTDOWN_TIME_MAX, WRITE_STALL_TIME_MAX};
use ringhub_edge::shard::mailbox::Mail;
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use shard_support::{Client, Hub, PATIENCE, Ports, eventually};

#[test]
fn both_tls_versions_carry_data() {
    let hub = Hub::start(1, Ports::Shared);
    for version in [&TLS12, &TLS13] {
        let mut client = Client::connect(hub.addresses[0], Arc::new(hub.client_config(version)));
        assert_eq!(client.ask("echo hello"), "hello");
        assert_eq!(client.tls().protocol_version(), Some(version.version));
        assert_eq!(client.ask("certificates"), "0");
    }
    eventually("both are gone", || hub.count("connections_open") == 0);
    hub.stop();
}

#[test]
fn an_offer_of_any_application_protocol_is_tolerated() {
    let hub = Hub::start(1, Ports::Shared);
    for offer in ["http/1.1", "h2", "mqtt"] {
        let mut config = hub.client_config(&TLS13);
        config.alpn_protocols = vec![offer.into()];
        let mut client = Client::connect(hub.addresses[0], Arc::new(config));
        assert_eq!(client.ask("echo x"), "x");
        assert_eq!(client.tls().alpn_protocol(), None);
    }
    hub.stop();
}

#[test]
fn a_client_certificate_of_any_issuer_reaches_the_protocol() {
    let hub = Hub::start(1, Ports::Shared);
    let device = rcgen::generate_simple_self_signed(["device".to_owned()]).expect("certificate");
    let key = device.signing_key.serialize_der().try_into().expect("key");
    for version in [&TLS12, &TLS13] {
        let mut config = hub.client_config(version);
        let resolver = rustls::sign::CertifiedKey::from_der(
            vec![device.cert.der().clone()],
            rustls::pki_types::PrivateKeyDer::clone_key(&key),
            &rustls::crypto::aws_lc_rs::default_provider(),
        );
        let resolver = rustls::sign::SingleCertAndKey::from(resolver.expect("key pair"));
        config.client_auth_cert_resolver = Arc::new(resolver);
        let mut client = Client::connect(hub.addresses[0], Arc::new(config));
        assert_eq!(client.ask("certificates"), "1", "{version:?}");
    }
    hub.stop();
}

#[test]
fn a_ticket_of_one_shard_resumes_on_another() {
    let hub = Hub::start(2, Ports::OnePerShard);
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(hub.client_config(version));
        let mut first = Client::connect(hub.addresses[0], Arc::clone(&config));
        assert_eq!(first.ask("shard"), "0");
        assert_eq!(first.tls().handshake_kind(), Some(HandshakeKind::Full));
        let mut second = Client::connect(hub.addresses[1], config);
        assert_eq!(second.ask("shard"), "1");
        assert_eq!(second.tls().handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
    }
    hub.stop();
}

/// Every record of handshake and data arrives one byte per segment.
#[test]
fn bytes_that_come_one_by_one_are_put_together() {
    let hub = Hub::start(1, Ports::Shared);
    for version in [&TLS12, &TLS13] {
        let mut client = Client::connect(hub.addresses[0], Arc::new(hub.client_config(version)));
        client.tls().writer().write_all(b"echo slow\n").expect("buffered");
        while client.tls().is_handshaking() || client.tls().wants_write() {
            let mut records = Vec::new();
            while client.tls().wants_write() {
                client.tls().write_tls(&mut records).expect("memory");
            }
            for byte in records {
                client.socket().write_all(&[byte]).expect("send");
                std::thread::sleep(Duration::from_micros(50));
            }
            if client.tls().is_handshaking() {
                let stream = client.stream.get_mut();
                stream.conn.read_tls(&mut stream.sock).expect("receive");
                stream.conn.process_new_packets().expect("valid");
            }
        }
        assert_eq!(client.receive(), "slow");
    }
    hub.stop();
}

#[test]
fn many_messages_of_one_segment_are_answered_in_one_send() {
    let hub = Hub::start(1, Ports::Shared);
    let mut client = hub.connect(0);
    assert_eq!(client.ask("echo 0"), "0");
    // A send is counted after it, when the client may have it already.
    eventually("the first send is counted", || hub.count("sends") > 0);
    let sends = hub.count("sends");
    let lines: String = (0..64).map(|number| format!("echo {number}\n")).collect();
    client.stream.get_mut().write_all(lines.as_bytes()).expect("send");
    for number in 0..64 {
        assert_eq!(client.receive(), number.to_string());
    }
    assert_eq!(client.ask("echo last"), "last");
    eventually("both sends are counted", || hub.count("sends") - sends > 1);
    assert_eq!(hub.count("sends") - sends, 2);
    hub.stop();
}

#[test]
fn a_message_of_many_records_arrives_whole() {
    let hub = Hub::start(1, Ports::Shared);
    let mut client = hub.connect(0);
    let long = "y".repeat(250_000);
    assert_eq!(client.ask(&format!("echo {long}")), long);
    hub.stop();
}

#[test]
fn a_message_beyond_the_bound_ends_the_connection() {
    let hub = Hub::start(1, Ports::Shared);
    let mut client = hub.connect(0);
    assert_eq!(client.ask("echo x"), "x");
    // The hub may close before all of it is sent.
    let _ = client.stream.get_mut().write_all("y".repeat(2_000_000).as_bytes());
    eventually("the violation is counted", || hub.count("violations_closed") == 1);
    assert_eq!(hub.world.closed.load(Ordering::SeqCst), 1);
    hub.stop();
}

#[test]
fn garbage_ends_its_connection_and_the_others_go_on() {
    let hub = Hub::start(1, Ports::Shared);
    let mut witness = hub.connect(0);
    const ALERT: Option<&u8> = Some(&21);
    let garbage: [(&[u8], Option<&u8>); 5] = [
        (b"GET / HTTP/1.1\r\n\r\n", ALERT),
        (&[0; 600], ALERT),
        (&[0xff; 7], ALERT),
        (&[0x17, 3, 3, 0, 4, 1, 2, 3, 4], ALERT),
        // A handshake message of 592,137 bytes: rustls has no alert for it.
        (&[0x16, 3, 1, 0, 4, 9, 9, 9, 9], None),
    ];
    for (bytes, alert) in garbage {
        let mut socket = TcpStream::connect(hub.addresses[0]).expect("connect");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
        socket.write_all(bytes).expect("send");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("an orderly end");
        assert_eq!(answer.first(), alert, "to {bytes:x?}");
        assert_eq!(witness.ask("echo alive"), "alive");
    }
    assert_eq!(hub.count("handshakes_failed"), 5);
    hub.stop();
}

#[test]
fn garbage_after_the_handshake_ends_its_connection_and_the_others_go_on() {
    let hub = Hub::start(1, Ports::Shared);
    let mut witness = hub.connect(0);
    let garbage: [&[u8]; 4] = [
        b"\xff\xff\xff\xff\xff\xff",
        &[0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0],
        &[0x16, 3, 3, 0, 4, 0, 0, 0, 0],
        &[0x14, 3, 3, 0, 1, 1, 0x14, 3, 3, 0, 1, 1],
    ];
    for version in [&TLS12, &TLS13] {
        for bytes in garbage {
            let config = Arc::new(hub.client_config(version));
            let mut client = Client::connect(hub.addresses[0], config);
            assert_eq!(client.ask("echo x"), "x");
            client.socket().write_all(bytes).expect("send");
            let error = client.read_to_end().expect_err("an alert").to_string();
            assert!(error.contains("received fatal alert"), "{error}");
            assert_eq!(witness.ask("echo alive"), "alive");
        }
    }
    hub.stop();
}

/// A client hello with one byte changed at every place: whatever happens, the shard lives.
#[test]
fn no_damaged_client_hello_harms_the_shard() {
    // Those that say too little end with their stream, not with their time.
    let hub = Hub::start_with(1, Ports::Shared, |config| config.handshake_time_max = 2 * PATIENCE);
    let mut client = hub.connect(0);
    let mut hello = Vec::new();
    client.tls().write_tls(&mut hello).expect("memory");
    for place in 0..hello.len() {
        let mut damaged = hello.clone();
        damaged[place] ^= 0x55;
        let mut socket = TcpStream::connect(hub.addresses[0]).expect("connect");
        socket.write_all(&damaged).expect("send");
        socket.shutdown(std::net::Shutdown::Write).expect("shutdown");
    }
    eventually("all are gone", || hub.count("connections_open") <= 1);
    assert_eq!(hub.connect(0).ask("echo alive"), "alive");
    hub.stop();
}

#[test]
fn a_stalled_handshake_is_cut() {
    let hub = Hub::start_with(1, Ports::Shared, |config| {
        config.handshake_time_max = Duration::from_millis(200);
    });
    let began = Instant::now();
    let mut socket = TcpStream::connect(hub.addresses[0]).expect("connect");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    socket.write_all(&[0x16, 3, 1]).expect("send");
    let mut rest = Vec::new();
    // A reset is as good an end as an end of stream.
    let _ = socket.read_to_end(&mut rest);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(150) && took < HANDSHAKE_TIME_MAX, "{took:?}");
    eventually("the connection is forgotten", || hub.count("connections_open") == 0);
    assert_eq!(hub.count("handshakes_failed"), 1);
    hub.stop();
}

#[test]
fn a_peer_that_does_not_read_is_bounded_and_closed() {
    let hub = Hub::start_with(1, Ports::Shared, |config| {
        config.write_stall_time_max = Duration::from_millis(500);
    });
    let mut client = hub.connect(0);
    let began = Instant::now();
    client.send("burst 1000000000");
    eventually("it is closed", || hub.count("slow_readers_closed") == 1);
    assert!(began.elapsed() < WRITE_STALL_TIME_MAX, "{:?}", began.elapsed());
    eventually("it is forgotten", || hub.count("connections_open") == 0);
    // Socket buffers take some megabytes; the rest was never made.
    assert!(hub.count("sent_bytes") < 100_000_000, "{}", hub.count("sent_bytes"));
    hub.stop();
}

#[test]
fn a_peer_that_reads_slowly_gets_everything() {
    let hub = Hub::start(1, Ports::Shared);
    let mut client = hub.connect(0);
    client.send("burst 20000000");
    std::thread::sleep(Duration::from_millis(200));
    let mut received = 0;
    let mut buffer = vec![0; 100_000];
    while received < 20_000_000 {
        let count = client.stream.read(&mut buffer).expect("receive");
        assert!(count > 0 && buffer[..count].iter().all(|byte| *byte == b'x'));
        received += count;
    }
    assert_eq!(client.ask("echo done"), "done");
    hub.stop();
}

#[test]
fn a_full_ring_pauses_reading_and_loses_nothing() {
    let hub = Hub::start(1, Ports::Shared);
    let mut client = hub.connect(0);
    assert_eq!(client.ask("echo x"), "x");
    let before = hub.count("received_bytes");
    hub.world.is_full.store(true, Ordering::SeqCst);
    let lines: String = (0..50_000).map(|number| format!("echo {number}\n")).collect();
    let mut stream = client.stream.get_ref().sock.try_clone().expect("clone");
    client.tls().writer().write_all(&lines.as_bytes()[..60_000]).expect("buffered");
    let mut records = Vec::new();
    while client.tls().wants_write() {
        client.tls().write_tls(&mut records).expect("memory");
    }
    stream.write_all(&records).expect("send");
    eventually("reading pauses, and a paused shard sleeps", || {
        let [received, turns] = ["received_bytes", "turns"].map(|name| hub.count(name));
        std::thread::sleep(Duration::from_millis(200));
        let is_paused = received > before && hub.count("received_bytes") == received;
        is_paused && hub.count("turns") - turns < 5
    });
    hub.world.is_full.store(false, Ordering::SeqCst);
    hub.ring();
    let whole = lines.as_bytes()[..60_000].split(|byte| *byte == b'\n').count() - 1;
    for number in 0..whole {
        assert_eq!(client.receive(), number.to_string());
    }
    hub.stop();
}

#[test]
fn a_commit_releases_exactly_what_it_covers() {
    let hub = Hub::start(1, Ports::Shared);
    let mut clients = [hub.connect(0), hub.connect(0)];
    assert_eq!(clients[0].ask("echo x"), "x");
    assert_eq!(clients[1].ask("echo x"), "x");
    clients[0].send("publish");
    eventually("pushed", || hub.world.pushed.load(Ordering::SeqCst) == 1);
    clients[1].send("publish");
    eventually("pushed", || hub.world.pushed.load(Ordering::SeqCst) == 2);
    hub.commit(1);
    assert_eq!(clients[0].receive(), "committed 1");
    assert_eq!(clients[1].ask("echo not yet"), "not yet");
    hub.commit(2);
    assert_eq!(clients[1].receive(), "committed 2");
    hub.stop();
}

/// The successor in a takeover waits for its predecessor's record, and no bell of its own rings for
/// that.
#[test]
fn a_commit_in_the_ring_of_another_shard_is_noticed() {
    let hub = Hub::start(2, Ports::OnePerShard);
    let mut client = hub.connect(1);
    assert_eq!(client.ask("echo x"), "x");
    client.send("await 0 5");
    std::thread::sleep(Duration::from_millis(50));
    hub.world.committed.store(5, Ordering::SeqCst);
    assert_eq!(client.receive(), "committed 5");
    hub.stop();
}

#[test]
fn a_deadline_of_the_protocol_fires() {
    let hub = Hub::start(1, Ports::Shared);
    let mut client = hub.connect(0);
    assert_eq!(client.ask("echo x"), "x");
    let began = Instant::now();
    assert_eq!(client.ask("timeout 150"), "timeout");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(10), "{took:?}");
    hub.stop();
}

#[test]
fn mail_wakes_a_sleeping_shard_and_old_ids_reach_nobody() {
    let hub = Hub::start(1, Ports::Shared);
    let mut client = hub.connect(0);
    let id = client.ask("id");
    let (slot, generation) = id.split_once(' ').expect("two numbers");
    let connection = ConnectionId {
        shard: ShardId(0),
        slot: slot.parse().expect("slot"),
        generation: generation.parse().expect("generation"),
    };
    let seat = SeatId::only(connection);
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(5));
        hub.mailboxes[0].post(Mail::SubscriptionsStored { seat, is_stored: true });
        assert_eq!(client.receive(), "mail");
    }
    assert_eq!(client.ask("quit"), "bye");
    assert_eq!(client.read_to_end().expect("close_notify"), "");
    drop(client);
    eventually("forgotten", || hub.count("connections_open") == 0);
    let mut successor = hub.connect(0);
    assert_eq!(successor.ask("id"), format!("{slot} {}", connection.generation + 1));
    hub.mailboxes[0].post(Mail::SubscriptionsStored { seat, is_stored: true });
    eventually("undeliverable", || hub.world.undeliverable.load(Ordering::SeqCst) == 1);
    assert_eq!(successor.ask("echo alone"), "alone");
    hub.stop();
}

#[test]
fn a_sleeping_shard_takes_no_turns() {
    let hub = Hub::start(1, Ports::Shared);
    let mut client = hub.connect(0);
    assert_eq!(client.ask("echo x"), "x");
    eventually("no turns are taken for half a second", || {
        let turns = hub.count("turns");
        std::thread::sleep(Duration::from_millis(500));
        hub.count("turns") - turns <= 1
    });
    hub.stop();
}

#[test]
fn connections_beyond_the_bound_are_refused() {
    let hub = Hub::start_with(1, Ports::Shared, |config| config.connections_max = 2);
    let mut clients = [hub.connect(0), hub.connect(0)];
    for client in &mut clients {
        assert_eq!(client.ask("echo in"), "in");
    }
    let mut third = TcpStream::connect(hub.addresses[0]).expect("the kernel accepts");
    assert_eq!(third.read(&mut [0; 8]).expect("closed"), 0);
    assert_eq!(hub.count("connections_refused"), 1);
    drop(clients);
    eventually("there is room again", || hub.count("connections_open") == 0);
    assert_eq!(hub.connect(0).ask("echo in"), "in");
    hub.stop();
}

#[test]
fn two_thousand_connections_talk_at_once() {
    // A client begins its handshake when those before it have theirs.
    let hub = Hub::start_with(2, Ports::Shared, |config| config.handshake_time_max = PATIENCE);
    let config = Arc::new(hub.client_config(&TLS13));
    let address = hub.addresses[0];
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let mut clients: Vec<Client> =
                    (0..250).map(|_| Client::connect(address, Arc::clone(&config))).collect();
                for round in 0..3 {
                    for (client, number) in clients.iter_mut().zip(0..) {
                        client.send(&format!("echo {thread} {number} {round}"));
                    }
                    for (client, number) in clients.iter_mut().zip(0..) {
                        assert_eq!(client.receive(), format!("{thread} {number} {round}"));
                    }
                }
                clients
            })
        })
        .collect();
    let clients: Vec<_> =
        threads.into_iter().map(|thread| thread.join().expect("clients")).collect();
    assert_eq!(hub.count("connections_open"), 2000);
    for shard in &hub.shards {
        let open = shard.counters.connections_open.read();
        assert!(open > 700, "shard {:?} has {open}", shard.shard);
    }
    drop(clients);
    eventually("all are gone", || hub.count("connections_open") == 0);
    assert_eq!(hub.world.closed.load(Ordering::SeqCst), 2000);
    hub.stop();
}

#[test]
fn shutdown_acknowledges_what_is_in_the_rings_then_closes_everybody() {
    let hub = Hub::start_with(1, Ports::Shared, |config| config.shutdown_time_max = PATIENCE);
    let mut publisher = hub.connect(0);
    assert_eq!(publisher.ask("echo x"), "x");
    let mut silent = TcpStream::connect(hub.addresses[0]).expect("connect");
    publisher.send("publish");
    eventually("pushed", || hub.world.pushed.load(Ordering::SeqCst) == 1);
    hub.mailboxes[0].post(Mail::Shutdown);
    eventually("nobody else comes in", || TcpStream::connect(hub.addresses[0]).is_err());
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(hub.world.closed.load(Ordering::SeqCst), 0, "the commit is awaited");
    hub.commit(1);
    assert_eq!(publisher.receive(), "committed 1");
    assert_eq!(publisher.read_to_end().expect("close_notify"), "");
    assert_eq!(silent.read(&mut [0; 8]).expect("closed"), 0);
    drop((publisher, silent));
    let began = Instant::now();
    let world = Arc::clone(&hub.world);
    hub.stop();
    assert!(began.elapsed() < PATIENCE / 3, "{:?}", began.elapsed());
    assert_eq!(world.closed.load(Ordering::SeqCst), 1);
}

#[test]
fn shutdown_does_not_wait_for_ever() {
    let hub = Hub::start_with(1, Ports::Shared, |config| {
        config.shutdown_time_max = Duration::from_millis(600);
    });
    let mut client = hub.connect(0);
    assert_eq!(client.ask("echo x"), "x");
    client.send("publish");
    eventually("pushed", || hub.world.pushed.load(Ordering::SeqCst) == 1);
    let began = Instant::now();
    hub.stop();
    assert!(began.elapsed() < SHUTDOWN_TIME_MAX, "{:?}", began.elapsed());
}
