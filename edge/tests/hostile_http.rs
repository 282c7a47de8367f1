//! Clients of the HTTPS port that break every rule, beside a device that keeps all of them.
//!
//! Goal: each gets the status that RFC 9112 and RFC 6455 name for its fault and then the end, so
//! that nothing behind a malformed request is ever taken for a request; nobody else notices, and
//! the hub neither grows nor loses a thread.

mod support;

use std::io;

use support::bystander::Arena;
use support::http::{HttpConnection, Response};
use support::hub::{Hub, HubOptions};
use support::mqtt::{Login, MqttDevice};
use support::rest::Device;

/// What a run of these tests may add to the memory of the hub.
const GROWTH_KIB_MAX: u64 = 16 * 1024;
/// A request that deletes a device, hidden behind others.
const VICTIM: &str = "victim";

fn arena() -> Arena {
    Arena::start(Hub::start_with(HubOptions { shards: 2, ..HubOptions::default() }))
}

/// All statuses that come back for `bytes` until the end of the connection.
fn statuses(hub: &Hub, bytes: &[u8]) -> io::Result<Vec<String>> {
    let mut connection = HttpConnection::open(hub)?;
    // The hub may have closed already, without reading the rest.
    let _ = connection.send(bytes);
    let answer = connection.read_to_end()?;
    let answer = String::from_utf8_lossy(&answer);
    let lines = answer.split("HTTP/1.1 ").skip(1);
    Ok(lines.map(|rest| rest.chars().take(3).collect()).collect())
}

#[test]
fn malformed_requests_get_their_status_and_the_end() {
    let arena = arena();
    let head = "GET /devices HTTP/1.1\r\n";
    let many: String = (0..65).map(|n| format!("X-{n}: 1\r\n")).collect();
    let events = "POST /devices/pump-1/messages/events?api-version=2021-04-12 HTTP/1.1\r\n";
    let properties: String = (0..10_000).map(|n| format!("iothub-app-{n}: 1\r\n")).collect();
    let cases: Vec<(&str, String, &str)> = vec![
        ("no HTTP", "\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0\r\n\r\n".to_owned(), "400"),
        ("AMQP", "AMQP\0\x01\0\0\r\n\r\n".to_owned(), "400"),
        ("lines of line feeds", "GET / HTTP/1.1\nHost: x\n\n".to_owned(), "400"),
        ("no host", format!("{head}\r\n"), "400"),
        ("two hosts", format!("{head}Host: a\r\nHost: b\r\n\r\n"), "400"),
        ("HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(), "505"),
        ("HTTP/0.9", "GET /\r\n\r\n".to_owned(), "400"),
        ("no method", " / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "400"),
        // What follows the second space is the version.
        ("a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "505"),
        ("a target of nothing known", "GET a:b HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "400"),
        ("a name with space", format!("{head}Host: x\r\nA b: c\r\n\r\n"), "400"),
        ("space before the colon", format!("{head}Host : x\r\n\r\n"), "400"),
        ("a folded header", format!("{head}Host: x\r\nA: b\r\n c\r\n\r\n"), "400"),
        ("NUL in a value", format!("{head}Host: x\r\nA: b\0c\r\n\r\n"), "400"),
        ("a bare CR in a value", format!("{head}Host: x\r\nA: b\rc\r\n\r\n"), "400"),
        ("long target", format!("GET /{} HTTP/1.1\r\n", "a".repeat(9000)), "414"),
        ("long header", format!("{head}Host: x\r\nA: {}\r\n", "b".repeat(20_000)), "431"),
        ("65 headers", format!("{head}Host: x\r\n{many}\r\n"), "431"),
        ("10,000 properties", format!("{events}Host: x\r\n{properties}\r\n"), "431"),
        ("endless headers", format!("{head}{}", "A: b\r\n".repeat(50_000)), "431"),
        (
            "unknown expectation",
            format!("{head}Host: x\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n"),
            "417",
        ),
    ];
    for (title, bytes, status) in cases {
        let found = statuses(&arena.hub, bytes.as_bytes());
        assert_eq!(found.unwrap_or_else(|e| panic!("{title}: {e}")), [status], "{title}");
    }
    arena.finish("hostile HTTP, requests", GROWTH_KIB_MAX);
}

#[test]
fn nothing_is_smuggled_behind_an_ambiguous_length() {
    let arena = arena();
    let hub = &arena.hub;
    Device::create(hub, VICTIM);
    let connection = HttpConnection::open(hub).expect("the hub listens");
    let delete = connection.request("DELETE", &format!("/devices/{VICTIM}"), "If-Match: *\r\n", "");
    let with = |headers: &str, body: &str| {
        format!(
            "POST /devices?api-version=2021-04-12 HTTP/1.1\r\nHost: x\r\n\
             {headers}\r\n{body}{delete}"
        )
    };
    let chunked = "Transfer-Encoding: chunked\r\n";
    let cases: Vec<(&str, String, &str)> = vec![
        ("both lengths", with(&format!("Content-Length: 4\r\n{chunked}"), "0\r\n\r\n"), "400"),
        ("both, other order", with(&format!("{chunked}Content-Length: 4\r\n"), "0\r\n\r\n"), "400"),
        ("two lengths", with("Content-Length: 0\r\nContent-Length: 5\r\n", "hello"), "400"),
        ("a list of lengths", with("Content-Length: 0, 5\r\n", "hello"), "400"),
        ("a signed length", with("Content-Length: +5\r\n", "hello"), "400"),
        ("a negative length", with("Content-Length: -1\r\n", ""), "400"),
        ("a hexadecimal length", with("Content-Length: 0x5\r\n", "hello"), "400"),
        ("a length in words", with("Content-Length: five\r\n", "hello"), "400"),
        ("an empty length", with("Content-Length:\r\n", ""), "400"),
        ("a length past 64 bits", with("Content-Length: 18446744073709551616\r\n", ""), "400"),
        ("a body of 8 EiB", with("Content-Length: 9223372036854775807\r\n", ""), "413"),
        ("an unknown coding", with("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), "501"),
        ("chunked not last", with("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), "501"),
        ("chunked twice", with(&chunked.repeat(2), "0\r\n\r\n"), "400"),
        ("chunked misspelt", with("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), "501"),
        ("space before the colon", with("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), "400"),
        ("a chunk size in words", with(chunked, "zero\r\n\r\n"), "400"),
        ("a signed chunk size", with(chunked, "+0\r\n\r\n"), "400"),
        ("a chunk size with 0x", with(chunked, "0x0\r\n\r\n"), "400"),
        ("an empty chunk size", with(chunked, "\r\n\r\n"), "400"),
        ("a chunk size past 64 bits", with(chunked, "10000000000000000\r\n"), "400"),
        ("a chunk of 4 EiB", with(chunked, "4000000000000000\r\nx"), "400"),
        ("a chunk longer than its size", with(chunked, "2\r\nabc\r\n0\r\n\r\n"), "400"),
        ("a chunk line of a line feed", with(chunked, "2\nab\n0\n\n"), "400"),
        ("a long chunk extension", with(chunked, &format!("1;{}\r\n", "x".repeat(2000))), "400"),
        ("long trailers", with(chunked, &format!("0\r\n{}", "A: b\r\n".repeat(2000))), "400"),
    ];
    for (title, bytes, status) in cases {
        let found = statuses(hub, bytes.as_bytes());
        let found = found.unwrap_or_else(|error| panic!("{title}: {error}"));
        assert_eq!(found, [status], "{title}");
    }
    let endless = format!("{:x}\r\n{}\r\n", 32 * 1024, "x".repeat(32 * 1024)).repeat(40);
    assert_eq!(statuses(hub, with(chunked, &endless).as_bytes()).expect("a refusal"), ["413"]);
    let path = format!("/devices/{VICTIM}");
    let mut connection = HttpConnection::open(hub).expect("the hub listens");
    let response = connection.exchange("GET", &path, "", "").expect("the registry answers");
    assert_eq!(response.status, 200, "the device is still there");
    arena.finish("hostile HTTP, smuggling", GROWTH_KIB_MAX);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    const REQUESTS: usize = 30;
    let arena = arena();
    let mut connection = HttpConnection::open(&arena.hub).expect("the hub listens");
    let id = |n: usize| format!("pump-{n}");
    let put = |n: usize| {
        let body = format!(r#"{{"deviceId":"{}"}}"#, id(n));
        connection.request("PUT", &format!("/devices/{}", id(n)), "", &body)
    };
    // A write takes its time, a read is answered at once, and must wait for its turn.
    let requests: String = (0..REQUESTS)
        .map(|n| {
            let get = connection.request("GET", &format!("/devices/{}", id(n)), "", "");
            put(n) + &get + "\r\n"
        })
        .collect();
    connection.send(requests.as_bytes()).expect("the hub listens");
    for n in 0..REQUESTS {
        for method in ["PUT", "GET"] {
            let Response { status, body, .. } = connection.read_response().expect("an answer");
            let device: serde_json::Value = serde_json::from_str(&body).expect("a device");
            assert_eq!((status, &device["deviceId"]), (200, &id(n).into()), "{method}");
        }
    }
    let last = connection.exchange("GET", "/statistics/devices", "Connection: close\r\n", "");
    assert!(last.expect("an answer").body.contains("31"), "30 devices and the bystander");
    assert_eq!(connection.read_to_end().expect("the end that was asked for"), b"");
    arena.finish("hostile HTTP, pipelined", GROWTH_KIB_MAX);
}

#[test]
fn a_body_may_wait_for_100_continue_and_come_in_chunks() {
    let arena = arena();
    let mut connection = HttpConnection::open(&arena.hub).expect("the hub listens");
    let body = r#"{"deviceId":"pump-7"}"#;
    let request = connection.request("PUT", "/devices/pump-7", "Expect: 100-continue\r\n", body);
    let (head, _) = request.split_at(request.len() - body.len());
    connection.send(head.as_bytes()).expect("the hub listens");
    let go_on = connection.read(b"HTTP/1.1 100 Continue\r\n\r\n".len()).expect("an interim answer");
    assert!(go_on.starts_with(b"HTTP/1.1 100"), "{go_on:02x?}");
    connection.send(body.as_bytes()).expect("the hub listens");
    assert_eq!(connection.read_response().expect("an answer").status, 200);

    let request = connection.request("PUT", "/devices/pump-8", "", "");
    let (start, _) = request.split_once("Content-Length").expect("the length comes last");
    let head = format!("{start}Transfer-Encoding: chunked\r\n\r\n");
    connection.send(head.as_bytes()).expect("the hub listens");
    for byte in r#"{"deviceId":"pump-8"}"#.bytes() {
        let chunk = format!("1;note=x\r\n{}\r\n", char::from(byte));
        connection.send(chunk.as_bytes()).expect("the hub listens");
    }
    connection.send(b"0\r\nX-Trailer: y\r\n\r\n").expect("the hub listens");
    let response = connection.read_response().expect("an answer");
    assert_eq!(response.status, 200, "{}", response.body);
    arena.finish("hostile HTTP, bodies", GROWTH_KIB_MAX);
}

/// The handshake of a WebSocket that offers `subprotocol`.
fn handshake(subprotocol: &str, key: &str, version: u8) -> String {
    format!(
        "GET /$iothub/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: {version}\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    )
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A frame of a client: final, masked with zeros, so that the payload is readable in this file.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut frame = match u8::try_from(length) {
        Ok(short @ ..126) => vec![first, 0x80 | short],
        _ => [&[first, 0x80 | 126][..], &(length as u16).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn upgraded(hub: &Hub) -> HttpConnection {
    let mut connection = HttpConnection::open(hub).expect("the hub listens");
    connection.send(handshake("mqtt", KEY, 13).as_bytes()).expect("the hub listens");
    let response = connection.read_response().expect("an answer");
    assert_eq!(response.status, 101, "{}", response.head);
    connection
}

#[test]
fn a_websocket_handshake_that_is_wrong_is_refused() {
    let arena = arena();
    for (title, bytes, status) in [
        ("unknown subprotocol", handshake("stomp", KEY, 13), "400"),
        ("no subprotocol", handshake("", KEY, 13), "400"),
        ("short key", handshake("mqtt", "c2hvcnQ=", 13), "400"),
        ("no key", handshake("mqtt", "", 13), "400"),
        ("version 8", handshake("mqtt", KEY, 8), "426"),
        ("POST", handshake("mqtt", KEY, 13).replacen("GET", "POST", 1), "400"),
    ] {
        let found = statuses(&arena.hub, bytes.as_bytes());
        assert_eq!(found.unwrap_or_else(|e| panic!("{title}: {e}")), [status], "{title}");
    }
    arena.finish("hostile HTTP, handshakes", GROWTH_KIB_MAX);
}

#[test]
fn websocket_frames_that_are_wrong_end_the_connection_with_their_code() {
    let arena = arena();
    let hub = &arena.hub;
    let device = Device::create(hub, "pump-7");
    let huge = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    let unmasked = vec![0x82, 2, 0xc0, 0];
    let cases: Vec<(&str, Vec<u8>, Option<u16>)> = vec![
        ("text", masked(0x81, b"hello"), Some(1003)),
        ("unmasked", unmasked, Some(1002)),
        ("reserved bit", masked(0xc2, b"x"), Some(1002)),
        ("reserved opcode", masked(0x83, b"x"), Some(1002)),
        ("continuation of nothing", masked(0x80, b"x"), Some(1002)),
        ("ping in fragments", masked(0x09, b"x"), Some(1002)),
        ("long ping", masked(0x89, &[b'x'; 126]), Some(1002)),
        ("8 EiB announced", huge.to_vec(), Some(1009)),
        ("close with half a code", masked(0x88, &[3]), Some(1002)),
        ("close", masked(0x88, &1000_u16.to_be_bytes()), Some(1000)),
        // Whatever the frame is like, MQTT decides what it holds.
        ("no MQTT inside", masked(0x82, b"GET / HTTP/1.1\r\n"), Some(1000)),
    ];
    for (title, bytes, code) in cases {
        let mut connection = upgraded(hub);
        connection.send(&bytes).expect("the hub listens");
        let answer = connection.read_to_end().unwrap_or_else(|e| panic!("{title}: {e}"));
        // A close frame of a server: final, opcode 8, not masked.
        let found = match answer[..] {
            [0x88, _, high, low, ..] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        };
        assert_eq!(found, code, "{title}: {answer:02x?}");
    }

    let mut connection = upgraded(hub);
    let connect = Login::device(hub, &device).connect_packet();
    let (first, second) = connect.split_at(9);
    let frames = [masked(0x02, first), masked(0x89, b"still here?"), masked(0x80, second)];
    connection.send(&frames.concat()).expect("the hub listens");
    let pong = connection.read(13).expect("an answer to the ping between fragments");
    assert_eq!(pong, [&[0x8a, 11][..], b"still here?"].concat());
    assert_eq!(connection.read(6).expect("a verdict"), [0x82, 4, 0x20, 2, 0, 0]);
    MqttDevice::connect(hub, &device).expect("the same device over plain MQTT takes over");
    connection.read_to_end().expect("and the WebSocket is closed");
    arena.finish("hostile HTTP, WebSocket", GROWTH_KIB_MAX);
}

#[test]
fn requests_that_stop_half_way_hold_up_nobody() {
    const HALF: usize = 200;
    let arena = arena();
    let half: Vec<HttpConnection> = (0..HALF)
        .map(|n| {
            let mut connection = HttpConnection::open(&arena.hub).expect("the hub serves on");
            let request = connection.request("PUT", "/devices/x", "", &"x".repeat(500));
            connection.send(&request.as_bytes()[..1 + n % 400]).expect("the hub listens");
            connection
        })
        .collect();
    let mut connection = HttpConnection::open(&arena.hub).expect("the hub serves on");
    let response = connection.exchange("GET", "/devices/bystander", "", "");
    assert_eq!(response.expect("an answer").status, 200);
    println!("hostile HTTP: {} half requests", half.len());
    arena.finish("hostile HTTP, half requests", GROWTH_KIB_MAX);
}
