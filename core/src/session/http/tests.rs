mod pieces;

use core::time::Duration;

use bytes::BytesMut;
use http::{HeaderMap, StatusCode};

use super::*;
use crate::codec::http::DecodeError;
use crate::codec::websocket::{ClientHandshake, Role, WebSocket};
use crate::time::{Timestamp, UnixMillis};

const TELEMETRY: &[u8] = include_bytes!("../../../samples/http/telemetry.bin");
const CHUNKED: &[u8] = include_bytes!("../../../samples/http/chunked.bin");
const EXPECT: &[u8] = include_bytes!("../../../samples/http/expect_continue.bin");
const PIPELINED: &[u8] = include_bytes!("../../../samples/http/pipelined.bin");
const UPGRADE_MQTT: &[u8] = include_bytes!("../../../samples/http/upgrade_mqtt.bin");
const UPGRADE_AMQP: &[u8] = include_bytes!("../../../samples/http/upgrade_amqp.bin");

const WALL: UnixMillis = UnixMillis::from_millis(784_111_777_000);

/// A driver that keeps what is not consumed.
struct Driver {
    exchange: HttpExchange,
    leftover: Vec<u8>,
    now: Timestamp,
}

impl Driver {
    fn new() -> Self {
        let limits = HttpLimits { body_bytes_max: 64, ..HttpLimits::default() };
        let exchange = HttpExchange::new(limits, Timestamp::ZERO);
        Self { exchange, leftover: Vec::new(), now: Timestamp::ZERO }
    }

    fn receive(&mut self, bytes: &[u8]) -> Option<Event> {
        self.leftover.extend_from_slice(bytes);
        let consumed = self.exchange.handle_bytes(&self.leftover, self.now, WALL);
        self.leftover.drain(..consumed);
        self.exchange.poll_event()
    }

    fn request(&mut self, bytes: &[u8]) -> Request {
        match self.receive(bytes) {
            Some(Event::Request(request)) => request,
            other => panic!("expected a request, got {other:?}"),
        }
    }

    fn respond(&mut self, status: StatusCode, body: &[u8]) -> String {
        assert!(self.exchange.respond(status, &HeaderMap::new(), body, (self.now, WALL)));
        self.sent()
    }

    fn sent(&mut self) -> String {
        let mut out = BytesMut::new();
        self.exchange.poll_transmit(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.exchange.handle_timeout(self.now, WALL);
    }
}

#[test]
fn a_request_arrives_whole_whatever_the_pieces() {
    for size in 1..=TELEMETRY.len() {
        let mut driver = Driver::new();
        let events: Vec<Event> =
            TELEMETRY.chunks(size).filter_map(|piece| driver.receive(piece)).collect();
        let [Event::Request(request)] = events.as_slice() else { panic!("{size}: {events:?}") };
        assert_eq!(request.method(), "POST");
        assert_eq!(request.path(), "/devices/cooler-7/messages/events");
        assert_eq!(request.query(), "api-version=2021-04-12");
        assert_eq!(request.host(), Some("hub.example"));
        assert_eq!(request.header("IotHub-App-TemperatureAlert"), Some("true"));
        assert_eq!(&request.body[..], br#"{"temperature":21.5}"#);
    }
}

#[test]
fn a_chunked_body_is_joined() {
    for size in 1..=CHUNKED.len() {
        let mut driver = Driver::new();
        let event = CHUNKED.chunks(size).filter_map(|piece| driver.receive(piece)).last();
        let Some(Event::Request(request)) = event else { panic!("pieces of {size}") };
        assert_eq!(&request.body[..], b"hello world, again");
        assert!(driver.leftover.is_empty());
    }
}

#[test]
fn the_second_pipelined_request_waits_for_the_first_answer() {
    let mut driver = Driver::new();
    assert_eq!(driver.request(PIPELINED).path(), "/devices/a");
    assert_eq!(driver.receive(b""), None);
    assert!(!driver.exchange.wants_input());
    assert!(driver.leftover.starts_with(b"GET /devices/b"), "left with the driver");
    assert!(driver.respond(StatusCode::OK, b"a").ends_with("Content-Length: 1\r\n\r\na"));
    assert_eq!(driver.request(b"").path(), "/devices/b");
    assert!(driver.respond(StatusCode::NO_CONTENT, b"").starts_with("HTTP/1.1 204 No Content\r\n"));
    assert!(!driver.exchange.is_closing());
}

#[test]
fn an_expected_continue_is_sent_only_while_the_body_is_missing() {
    let head_length = EXPECT.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut driver = Driver::new();
    assert_eq!(driver.receive(&EXPECT[..head_length]), None);
    assert_eq!(driver.sent(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(driver.request(&EXPECT[head_length..]).body.len(), 25);

    let mut driver = Driver::new();
    driver.request(EXPECT);
    assert_eq!(driver.sent(), "", "the body is there already");
}

#[test]
fn refusals_are_answered_and_close() {
    let cases: &[(&str, &str, ExchangeError)] = &[
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request", DecodeError::BadHost.into()),
        ("GET / HTTP/3.1\r\n\r\n", "505", DecodeError::UnsupportedVersion.into()),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65\r\nExpect: 100-continue\r\n\r\n",
            "413 Payload Too Large",
            ExchangeError::BodyTooLarge,
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n\
             aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "413 Payload Too Large",
            ExchangeError::BodyTooLarge,
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
            "400 Bad Request",
            DecodeError::AmbiguousLength.into(),
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: cake\r\n\r\n",
            "417",
            ExchangeError::UnknownExpectation,
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "400 Bad Request",
            DecodeError::BadChunk.into(),
        ),
        (
            "GET /$iothub/websocket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
             Connection: upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n",
            "426 Upgrade Required",
            UpgradeError::UnsupportedVersion.into(),
        ),
        (
            "GET /$iothub/websocket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
             Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: soap\r\n\r\n",
            "400 Bad Request",
            UpgradeError::UnknownSubprotocol.into(),
        ),
        (
            "GET /$iothub/websocket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
             Connection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\
             Sec-WebSocket-Protocol: mqtt\r\n\r\n",
            "400 Bad Request",
            UpgradeError::Malformed.into(),
        ),
    ];
    for (input, status, error) in cases {
        let mut driver = Driver::new();
        assert_eq!(driver.receive(input.as_bytes()), Some(Event::Refused(*error)), "{input:?}");
        let answer = driver.sent();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{input:?}: {answer}");
        assert!(answer.contains("Connection: close\r\n") && answer.contains("Date: "), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let name = head.split_once("iothub-errorcode: ").and_then(|(_, rest)| rest.lines().next());
        let text = format!(r#"{{"Message":"ErrorCode:{};{error}","#, name.expect("a code"));
        assert!(body.starts_with(&text), "{body}");
        assert!(driver.exchange.is_closing());
        assert_eq!(driver.receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), None);
        assert!(driver.leftover.is_empty(), "input after a refusal is thrown away");
    }
}

#[test]
fn closes_after_the_answer_when_the_client_or_its_version_says_so() {
    let cases = [
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", true, "Connection: close\r\n"),
        ("GET / HTTP/1.0\r\n\r\n", true, "Connection: close\r\n"),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, "Connection: keep-alive\r\n"),
    ];
    for (input, closes, header) in cases {
        let mut driver = Driver::new();
        driver.request(input.as_bytes());
        assert!(driver.respond(StatusCode::OK, b"").contains(header), "{input:?}");
        assert_eq!(driver.exchange.is_closing(), closes, "{input:?}");
    }
}

#[test]
fn head_answers_tell_the_length_without_the_body() {
    let mut driver = Driver::new();
    driver.request(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(driver.respond(StatusCode::OK, b"12345").ends_with("Content-Length: 5\r\n\r\n"));
}

#[test]
fn empty_lines_before_a_request_and_absolute_targets_are_accepted() {
    let mut driver = Driver::new();
    let request =
        driver.request(b"\r\n\r\nGET https://Hub:8443/twins/d?a=b HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_eq!(request.path_and_query(), "/twins/d?a=b");
    assert_eq!(request.host(), Some("Hub"));
}

#[test]
fn an_idle_connection_closes_silently_and_a_slow_one_with_408() {
    let mut driver = Driver::new();
    driver.wait(119);
    assert!(!driver.exchange.is_closing());
    driver.wait(1);
    assert!(driver.exchange.is_closing());
    assert_eq!(driver.sent(), "");

    for (input, seconds) in [(&TELEMETRY[..30], 10), (&TELEMETRY[..TELEMETRY.len() - 1], 60)] {
        let mut driver = Driver::new();
        assert_eq!(driver.receive(input), None);
        driver.wait(seconds - 1);
        assert_eq!(driver.receive(b""), None, "a drip does not move the deadline");
        driver.wait(1);
        assert_eq!(driver.exchange.poll_event(), Some(Event::Refused(ExchangeError::TimedOut)));
        assert!(driver.sent().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    }
}

#[test]
fn an_awaited_answer_has_no_deadline() {
    let mut driver = Driver::new();
    driver.request(TELEMETRY);
    assert_eq!(driver.exchange.poll_timeout(), None);
    driver.respond(StatusCode::NO_CONTENT, b"");
    assert_eq!(driver.exchange.poll_timeout(), Some(Timestamp::ZERO + Duration::from_secs(120)));
}

#[test]
fn an_answer_nobody_waits_for_is_not_written() {
    let mut driver = Driver::new();
    let at = (Timestamp::ZERO, WALL);
    assert!(!driver.exchange.respond(StatusCode::OK, &HeaderMap::new(), b"", at));
    assert_eq!(driver.sent(), "");
}

#[test]
fn shutting_down_lets_the_answer_under_way_out() {
    let mut driver = Driver::new();
    driver.request(TELEMETRY);
    driver.exchange.shut_down();
    assert!(!driver.exchange.is_closing());
    assert!(driver.respond(StatusCode::OK, b"").contains("Connection: close\r\n"));
    assert!(driver.exchange.is_closing());
}

#[test]
fn an_accepted_upgrade_hands_the_rest_to_the_websocket() {
    let mut driver = Driver::new();
    let frame = include_bytes!("../../../samples/websocket/binary_masked.bin");
    let event = driver.receive(&[UPGRADE_MQTT, frame].concat());
    let Some(Event::Upgrade(upgrade)) = event else { panic!("{event:?}") };
    assert_eq!(upgrade.protocol, Protocol::Mqtt);
    assert_eq!(upgrade.host.as_deref(), Some("hub.example"));
    assert_eq!(driver.exchange.accept_upgrade(), Some(upgrade));
    let handshake = ClientHandshake {
        host: "hub.example",
        path: "/$iothub/websocket",
        subprotocol: "MQTT",
        nonce: *b"the sample nonce",
    };
    let answer = driver.sent();
    assert_eq!(handshake.decode_answer(answer.as_bytes()), Ok(Some(answer.len())));
    assert_eq!(driver.receive(b""), None);
    assert!(driver.exchange.is_upgraded());
    let mut bytes = driver.leftover.clone();
    let length = WebSocket::new(Role::Server).handle_bytes(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"Hello");
}

#[test]
fn an_upgrade_can_be_refused_with_an_ordinary_answer() {
    let mut driver = Driver::new();
    let Some(Event::Upgrade(upgrade)) = driver.receive(UPGRADE_AMQP) else { panic!() };
    assert_eq!((upgrade.protocol, upgrade.subprotocol.as_str()), (Protocol::Amqp, "AMQPWSB10"));
    assert!(driver.respond(StatusCode::NOT_FOUND, b"").starts_with("HTTP/1.1 404 Not Found\r\n"));
    assert!(driver.exchange.is_closing());
    assert_eq!(driver.exchange.accept_upgrade(), None);
}

#[test]
fn our_client_handshake_is_accepted_by_our_server() {
    let handshake = ClientHandshake {
        host: "hub.example",
        path: "/$iothub/websocket",
        subprotocol: "AMQPWSB10",
        nonce: [7; 16],
    };
    let mut wire = BytesMut::new();
    handshake.encode(&mut wire);
    let mut driver = Driver::new();
    assert!(matches!(driver.receive(&wire), Some(Event::Upgrade(_))));
    assert!(driver.exchange.accept_upgrade().is_some());
    let answer = driver.sent();
    assert_eq!(handshake.decode_answer(answer.as_bytes()), Ok(Some(answer.len())));
}

#[test]
fn an_upgrade_elsewhere_is_an_ordinary_request() {
    let mut driver = Driver::new();
    let request = driver.request(
        b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    );
    assert_eq!(request.path(), "/chat");
}
