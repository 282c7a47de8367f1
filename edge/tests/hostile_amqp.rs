//! Clients of the AMQP port that break every rule, beside a device that keeps all of them.
//!
//! Goal: each gets the close, end or detach with the condition that AMQP 1.0 names for its fault,
//! nobody else notices, and the hub neither grows nor loses a thread.

mod support;

use std::io;

use support::amqp_raw::{
    AMQP_HEADER, ATTACH, BEGIN, CLOSE, DETACH, DISPOSITION, END, FALSE, FLOW, NULL, OPEN, RawAmqp,
    SASL_HEADER, SOURCE, TARGET, TRANSFER, TRUE, aborted_transfer, attach_receiver, attach_sender,
    begin_frame, binary, contains, described, frame, open_frame, sasl_anonymous, sasl_init, str,
    symbol, text, transfer, transfer_part, uint,
};
use support::bystander::Arena;
use support::history::read_all;
use support::hub::{Hub, HubOptions};

/// What a run of these tests may add to the memory of the hub.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

fn arena() -> Arena {
    Arena::start(Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() }))
}

/// Sends `bytes` as the first of a connection and returns all that comes back until its end.
fn answer_to(hub: &Hub, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut connection = RawAmqp::open(hub)?;
    connection.send(bytes)?;
    connection.read_to_end()
}

#[test]
fn what_is_no_amqp_gets_a_protocol_header_and_the_end() {
    let arena = arena();
    for bytes in [
        b"AMQP\x02\x01\x00\x00".as_slice(),
        b"AMQP\x00\x00\x09\x01",
        b"AMQP\x01\x01\x00\x0a",
        b"AMQP\x00\x01\x00\x01",
        b"AMQP\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00",
        &[0; 512],
        &[0xff; 512],
    ] {
        let answer = answer_to(&arena.hub, bytes).unwrap_or_else(|e| panic!("{bytes:02x?}: {e}"));
        let is_header = answer == *AMQP_HEADER || answer == *SASL_HEADER;
        assert!(is_header, "{}: {}", text(bytes), text(&answer));
    }
    arena.finish("hostile AMQP, header", GROWTH_KIB_MAX);
}

#[test]
fn a_login_that_is_wrong_ends_the_connection() {
    let arena = arena();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("unknown mechanism", sasl_init("GSSAPI", b"")),
        ("PLAIN without response", sasl_init("PLAIN", b"")),
        ("PLAIN without user", sasl_init("PLAIN", b"\0\0")),
        ("PLAIN as unknown policy", sasl_init("PLAIN", b"\0nobody\0secret")),
        ("PLAIN that is not UTF-8", sasl_init("PLAIN", b"\0\xff\xfe\0\xff")),
        ("PLAIN of 60 KB", sasl_init("PLAIN", &[b'x'; 60_000])),
        ("an open instead of SASL", open_frame()),
        ("frame type 7", vec![0, 0, 0, 8, 2, 7, 0, 0]),
        ("4 GiB announced", vec![0xff, 0xff, 0xff, 0xff, 2, 1, 0, 0]),
        ("a frame of 7 bytes", vec![0, 0, 0, 7, 2, 1, 0, 0]),
        ("garbage in a SASL frame", vec![0, 0, 0, 12, 2, 1, 0, 0, 0xde, 0xad, 0xbe, 0xef]),
    ];
    for (title, bytes) in cases {
        let bytes = [&SASL_HEADER[..], &bytes].concat();
        let answer = answer_to(&arena.hub, &bytes).unwrap_or_else(|e| panic!("{title}: {e}"));
        assert!(answer.starts_with(SASL_HEADER), "{title}: {}", text(&answer));
        assert!(!contains(&answer, b"Welcome"), "{title}: {}", text(&answer));
    }
    arena.finish("hostile AMQP, login", GROWTH_KIB_MAX);
}

/// The answer to `bytes` on a begun session: the performative, and the condition in it.
fn check(hub: &Hub, title: &str, bytes: &[u8], performative: u8, condition: &str) {
    let mut connection =
        RawAmqp::begun(hub).unwrap_or_else(|error| panic!("before {title}: {error}"));
    connection.send(bytes).expect("the hub listens");
    let answer = connection.read_until(condition.as_bytes());
    let mut answer = answer.unwrap_or_else(|error| panic!("{title}: {error}"));
    if performative == CLOSE {
        answer.extend(connection.read_to_end().unwrap_or_else(|e| panic!("{title}: {e}")));
    }
    assert!(contains(&answer, &[0, 0x53, performative]), "{title}: {}", text(&answer));
}

#[test]
fn broken_frames_close_the_connection_with_their_condition() {
    let arena = arena();
    let hub = &arena.hub;
    let framing = "amqp:connection:framing-error";
    let decode = "amqp:decode-error";
    let raw = |hex: &[u8]| frame(0, hex);
    let nested = {
        let mut body = vec![0, 0x53, FLOW, 0xd0];
        let inner = [0xc0_u8, 0x7f, 1].repeat(2000);
        body.extend_from_slice(&(inner.len() as u32 + 4).to_be_bytes());
        body.extend_from_slice(&1_u32.to_be_bytes());
        body.extend(inner);
        body
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("4 GiB announced", vec![0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0], framing),
        ("65,537 bytes announced", vec![0, 1, 0, 1, 2, 0, 0, 0], framing),
        ("a frame of 7 bytes", vec![0, 0, 0, 7, 2, 0, 0, 0], framing),
        ("a frame of 0 bytes", vec![0; 8], framing),
        ("data offset 1", vec![0, 0, 0, 8, 1, 0, 0, 0], framing),
        ("data offset past the end", vec![0, 0, 0, 8, 200, 0, 0, 0], framing),
        ("frame type 2", vec![0, 0, 0, 8, 2, 2, 0, 0], framing),
        ("no descriptor", raw(&[0x40]), decode),
        ("a descriptor cut short", raw(&[0, 0x53]), decode),
        ("an unknown performative", raw(&[0, 0x53, 0x19, 0x45]), decode),
        ("an unknown constructor", raw(&[0, 0x53, FLOW, 0x3f]), decode),
        ("a list past the end", raw(&[0, 0x53, FLOW, 0xd0, 0xff, 0xff, 0xff, 0xff]), decode),
        (
            "more elements than bytes",
            raw(&[0, 0x53, FLOW, 0xd0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]),
            decode,
        ),
        ("a map as fields", raw(&[0, 0x53, FLOW, 0xc1, 1, 0]), decode),
        ("text as a number", frame(0, &described(FLOW, &[&str("many")])), decode),
        ("attach without fields", frame(0, &described(ATTACH, &[])), decode),
        (
            "a name that is not UTF-8",
            frame(0, &described(ATTACH, &[&[0xa1, 2, 0xc3, 0x28]])),
            decode,
        ),
        ("lists in lists", raw(&nested), decode),
    ];
    for (title, bytes, condition) in cases {
        check(hub, title, &bytes, CLOSE, condition);
    }
    arena.finish("hostile AMQP, frames", GROWTH_KIB_MAX);
}

#[test]
fn frames_out_of_place_end_connection_or_session() {
    let arena = arena();
    let hub = &arena.hub;
    let framing = "amqp:connection:framing-error";
    let unattached = "amqp:session:unattached-handle";
    let in_use = "amqp:session:handle-in-use";
    let cbs = |handle: u32| attach_sender("requests", handle, "$cbs");
    let flow = |handle: u32| {
        let (zero, window, credit) = (uint(0), uint(1000), uint(10));
        let fields: [&[u8]; 7] = [&zero, &window, &zero, &window, &uint(handle), &zero, &credit];
        frame(0, &described(FLOW, &fields))
    };
    let detach = |handle: u32| frame(0, &described(DETACH, &[&uint(handle), TRUE]));
    let then = |frames: &[Vec<u8>]| frames.concat();
    let cases: Vec<(&str, Vec<u8>, u8, &str)> = vec![
        ("second open", open_frame(), CLOSE, "amqp:illegal-state"),
        ("SASL after open", sasl_anonymous(), CLOSE, "amqp:illegal-state"),
        ("second begin", begin_frame(0), CLOSE, framing),
        ("channel not begun", frame(5, &described(END, &[])), CLOSE, framing),
        ("channel too high", begin_frame(60_000), CLOSE, framing),
        (
            "begin as an answer to nothing",
            frame(1, &described(BEGIN, &[&[0x60, 0, 9], &uint(0), &uint(9), &uint(9)])),
            CLOSE,
            framing,
        ),
        ("transfer without link", transfer(3, 0, b"x"), END, unattached),
        ("flow without link", flow(3), END, unattached),
        ("detach without link", detach(3), END, unattached),
        ("handle twice", then(&[cbs(0), attach_sender("other", 0, "$cbs")]), END, in_use),
        ("handle too high", cbs(400_000), END, in_use),
    ];
    for (title, bytes, performative, condition) in cases {
        check(hub, title, &bytes, performative, condition);
    }
    arena.finish("hostile AMQP, sessions", GROWTH_KIB_MAX);
}

#[test]
fn links_that_are_misused_are_detached() {
    let arena = arena();
    let cbs = || attach_sender("requests", 0, "$cbs");
    let then = |frames: &[Vec<u8>]| frames.concat();
    let part = |n: u32| transfer_part(0, (n == 0).then_some(0), true, &[b'x'; 32 * 1024]);
    let large_request: Vec<Vec<u8>> = std::iter::once(cbs()).chain((0..32).map(part)).collect();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "transfer without delivery number",
            then(&[cbs(), transfer_part(0, None, false, b"x")]),
            "amqp:invalid-field",
        ),
        (
            "two messages at a time",
            then(&[cbs(), transfer_part(0, Some(1), true, b"x"), transfer(0, 2, b"y")]),
            "amqp:invalid-field",
        ),
        ("a request of 1 MiB", large_request.concat(), "amqp:link:message-size-exceeded"),
        (
            "transfer against the direction",
            then(&[attach_receiver("answers", 0, "$cbs"), transfer(0, 0, b"x")]),
            "amqp:not-allowed",
        ),
        (
            "events without a claim",
            attach_receiver("events", 0, "ringhub/ConsumerGroups/$Default/Partitions/0"),
            "amqp:unauthorized-access",
        ),
        ("node that is not there", attach_receiver("events", 0, "nothing"), "amqp:"),
        ("name of 2 KB", attach_receiver(&"n".repeat(2048), 0, "$cbs"), "amqp:invalid-field"),
    ];
    for (title, bytes, condition) in cases {
        check(&arena.hub, title, &bytes, DETACH, condition);
    }
    arena.finish("hostile AMQP, links", GROWTH_KIB_MAX);
}

/// A connection with links for requests to `$cbs`, under handles 0 and 1.
fn with_requests(hub: &Hub) -> RawAmqp {
    let mut connection = RawAmqp::begun(hub).expect("the hub listens");
    let links =
        [attach_sender("requests", 0, "$cbs"), attach_receiver("answers", 1, "$cbs")].concat();
    connection.send(&links).expect("the hub listens");
    connection.read_until(&[0, 0x53, FLOW]).expect("credit");
    connection
}

/// Sends each attach, waits for the end of its link, and finds the link for requests served on.
fn check_links_end_alone(connection: &mut RawAmqp, cases: &[(&str, Vec<u8>)], told: &[u8]) {
    for (number, (title, bytes)) in (0..).zip(cases) {
        connection.send(bytes).expect("the connection stays");
        let answer = connection.read_until(told);
        let answer = answer.unwrap_or_else(|error| panic!("{title}: {error}"));
        assert!(contains(&answer, &[0, 0x53, DETACH]), "{title}: {}", text(&answer));
        connection.send(&transfer(0, number, b"garbage")).expect("the connection stays");
        let answer = connection.read_until(&[0, 0x53, DISPOSITION]);
        answer.unwrap_or_else(|error| panic!("after {title}: {error}"));
    }
}

/// An attach to send under `handle`; `fields` are those behind the role.
fn attach_with(handle: u32, fields: &[&[u8]]) -> Vec<u8> {
    let (name, handle) = (str(&format!("odd-{handle}")), uint(handle));
    frame(0, &described(ATTACH, &[&[&name, &handle, FALSE], fields].concat()))
}

#[test]
fn a_link_that_makes_no_sense_ends_alone() {
    let arena = arena();
    let mut connection = with_requests(&arena.hub);
    let source = described(SOURCE, &[&str("here")]);
    let attach = |handle: u32, target: &[u8]| {
        attach_with(handle, &[NULL, NULL, &source, target, NULL, NULL, &uint(0)])
    };
    let long_tag = {
        let fields: [&[u8]; 4] = [&uint(9), &uint(0), &binary(&[7; 33]), &uint(0)];
        frame(0, &described(TRANSFER, &fields))
    };
    let cases = [
        ("coordinator of transactions", attach(2, &described(0x30, &[&symbol("amqp:local")]))),
        ("address in bytes", attach(3, &described(TARGET, &[&binary(b"$cbs")]))),
        ("number as address", attach(4, &described(TARGET, &[&uint(1)]))),
        ("source as target", attach(5, &source)),
        ("tag of 33 bytes", [attach_sender("tags", 9, "$cbs"), long_tag].concat()),
    ];
    check_links_end_alone(&mut connection, &cases, &[0, 0x53, DETACH]);
    arena.finish("hostile AMQP, one link of many", GROWTH_KIB_MAX);
}

#[test]
fn an_attach_with_a_wrong_field_ends_its_link_alone() {
    let arena = arena();
    let mut connection = with_requests(&arena.hub);
    let source = described(SOURCE, &[&str("here")]);
    let target = described(TARGET, &[&str("$cbs")]);
    let count = uint(0);
    let good: [&[u8]; 11] =
        [NULL, NULL, &source, &target, NULL, NULL, &count, NULL, NULL, NULL, NULL];
    let cases: [(&str, usize, Vec<u8>); 12] = [
        ("settle mode 7 of the sender", 0, vec![0x50, 7]),
        ("settle mode of the sender in words", 0, str("mixed")),
        ("settle mode 7 of the receiver", 1, vec![0x50, 7]),
        ("source without descriptor", 2, str("here")),
        ("source that is no list", 2, [&[0, 0x53, SOURCE][..], &str("here")].concat()),
        ("target without descriptor", 3, str("$cbs")),
        ("target that is no list", 3, [&[0, 0x53, TARGET][..], &str("$cbs")].concat()),
        ("target of text and text", 3, [&[0][..], &str("target"), &str("$cbs")].concat()),
        ("delivery count in words", 6, str("0")),
        ("delivery count of 64 bits", 6, [&[0x80][..], &[0xff; 8]].concat()),
        ("messages of less than nothing", 7, vec![0x55, 0xff]),
        ("properties that are no map", 10, uint(1)),
    ];
    let attaches = (2..).zip(cases).map(|(handle, (title, place, field))| {
        let mut fields = good;
        fields[place] = &field;
        (title, attach_with(handle, &fields))
    });
    let attaches: Vec<_> = attaches.collect();
    check_links_end_alone(&mut connection, &attaches, b"amqp:invalid-field");
    arena.finish("hostile AMQP, fields of an attach", GROWTH_KIB_MAX);
}

#[test]
fn what_is_taken_back_costs_back_ends_no_credit() {
    let arena = arena();
    let mut requests = RawAmqp::begun(&arena.hub).expect("the hub listens");
    take_back(&mut requests, "$cbs");
    let mut messages = RawAmqp::logged_in(&arena.hub, "service").expect("the login is good");
    take_back(&mut messages, "/messages/devicebound");
    arena.finish("hostile AMQP, messages taken back", GROWTH_KIB_MAX);
}

/// Takes back many more messages than there is credit for at a time; credit comes in halves of 100.
fn take_back(connection: &mut RawAmqp, address: &str) {
    connection.send(&attach_sender("sends", 0, address)).expect("the hub listens");
    connection.read_until(&[0, 0x53, FLOW]).expect("credit");
    for round in 0..10 {
        let aborted = (0..50).flat_map(|n| aborted_transfer(0, round * 50 + n));
        connection.send(&aborted.collect::<Vec<_>>()).expect("the hub listens");
        connection.read_until(&[0, 0x53, FLOW]).expect("credit again");
    }
    connection.send(&transfer(0, 500, b"garbage")).expect("the hub listens");
    connection.read_until(&[0, 0x53, DISPOSITION]).expect("the link takes messages");
}

#[test]
fn an_open_that_is_impossible_is_refused() {
    let arena = arena();
    let open = |fields: &[&[u8]]| frame(0, &described(OPEN, fields));
    let (id, decode) = (str("hostile"), "amqp:decode-error");
    for (title, bytes, condition) in [
        ("no container id", open(&[]), decode),
        ("null container id", open(&[NULL]), decode),
        ("number as container id", open(&[&uint(1)]), decode),
        ("frames of 100 bytes", open(&[&id, NULL, &uint(100)]), "amqp:invalid-field"),
        ("begin first", begin_frame(0), "amqp:illegal-state"),
        ("garbage", frame(0, &[0xde, 0xad, 0xbe, 0xef]), decode),
        ("4 GiB announced", vec![0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0], "framing-error"),
    ] {
        let bytes = [&AMQP_HEADER[..], &bytes].concat();
        let answer = answer_to(&arena.hub, &bytes).unwrap_or_else(|e| panic!("{title}: {e}"));
        assert!(contains(&answer, condition.as_bytes()), "{title}: {}", text(&answer));
        // AMQP 1.0 section 2.4.1: open comes before close, also in a refusal.
        assert!(contains(&answer, &[0, 0x53, OPEN]), "{title}: {}", text(&answer));
    }
    arena.finish("hostile AMQP, open", GROWTH_KIB_MAX);
}

#[test]
fn garbage_for_cbs_is_rejected_and_the_link_stays() {
    let arena = arena();
    let mut connection = RawAmqp::begun(&arena.hub).expect("the hub listens");
    let attach =
        [attach_sender("requests", 0, "$cbs"), attach_receiver("answers", 1, "$cbs")].concat();
    connection.send(&attach).expect("the hub listens");
    // The flow that gives credit to the requests.
    connection.read_until(&[0, 0x53, FLOW]).expect("credit");
    let data = |body: &[u8]| [&[0, 0x53, 0x75][..], &binary(body)].concat();
    let value = |body: &str| [&[0, 0x53, 0x77][..], &str(body)].concat();
    let payloads: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0xff; 100],
        vec![0; 100],
        data(b"SharedAccessSignature"),
        value("SharedAccessSignature sr=x&sig=y&se=z"),
        vec![0, 0x53, 0x74, 0xd1, 0xff, 0xff, 0xff, 0xff],
        vec![0, 0x53, 0x73, 0xc0, 0x7f, 0x7f],
    ];
    for (number, payload) in (0..).zip(&payloads) {
        connection.send(&transfer(0, number, payload)).expect("the link stays");
        let answer = connection.read_until(&[0, 0x53, DISPOSITION]);
        answer.unwrap_or_else(|error| panic!("{}: {error}", text(payload)));
    }
    connection.send(&frame(0, &described(CLOSE, &[]))).expect("the hub listens");
    let answer = connection.read_to_end().expect("the hub closes too");
    assert!(contains(&answer, &[0, 0x53, CLOSE]), "{}", text(&answer));
    arena.finish("hostile AMQP, CBS", GROWTH_KIB_MAX);
}

#[test]
fn floods_of_links_and_sessions_hit_their_bounds() {
    let arena = arena();
    let mut connection = RawAmqp::begun(&arena.hub).expect("the hub listens");
    let links: Vec<u8> =
        (0..9000).flat_map(|n| attach_receiver(&format!("link-{n}"), n, "$cbs")).collect();
    connection.send(&links).expect("the hub listens");
    connection.read_until(b"amqp:resource-limit-exceeded").expect("8,192 links are the limit");

    let mut connection = RawAmqp::begun(&arena.hub).expect("the hub listens");
    let sessions: Vec<u8> = (1..3000).flat_map(begin_frame).collect();
    connection.send(&sessions).expect("the hub listens");
    connection.read_until(b"amqp:resource-limit-exceeded").expect("2,048 sessions are the limit");
    arena.finish("hostile AMQP, floods", 2 * GROWTH_KIB_MAX);
}

#[test]
fn frames_in_single_bytes_are_frames() {
    let arena = arena();
    let mut connection = RawAmqp::open(&arena.hub).expect("the hub listens");
    let bytes = [&AMQP_HEADER[..], &open_frame(), &begin_frame(0)].concat();
    for byte in bytes {
        connection.send(&[byte]).expect("the hub listens");
    }
    connection.read_until(&[0, 0x53, BEGIN]).expect("an answer to begin");
    connection.send(&frame(0, &described(DISPOSITION, &[]))).expect("the hub listens");
    let answer = connection.read_to_end().expect("the hub closes");
    assert!(contains(&answer, b"amqp:decode-error"), "{}", text(&answer));
    assert!(!read_all(&arena.hub).is_empty(), "readers are served on");
    arena.finish("hostile AMQP, bytes", GROWTH_KIB_MAX);
}
