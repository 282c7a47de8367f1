use bytes::BytesMut;
use hex_literal::hex;

use super::*;

const BINARY: &[u8] = include_bytes!("../../../samples/websocket/binary_masked.bin");
const FRAGMENTS: &[u8] = include_bytes!("../../../samples/websocket/fragments_with_ping.bin");

fn receive(socket: &mut WebSocket, bytes: &[u8]) -> Result<Vec<u8>, WebSocketError> {
    let mut bytes = bytes.to_vec();
    let length = socket.handle_bytes(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn transmit(socket: &mut WebSocket) -> Vec<u8> {
    let mut out = BytesMut::new();
    assert_eq!(socket.poll_transmit(&mut out), !out.is_empty());
    out.to_vec()
}

#[test]
fn unmasks_the_example_of_the_standard() {
    assert_eq!(receive(&mut WebSocket::new(Role::Server), BINARY), Ok(b"Hello".to_vec()));
}

#[test]
fn fragments_in_any_pieces_give_one_stream_and_a_pong() {
    for size in 1..=FRAGMENTS.len() {
        let mut socket = WebSocket::new(Role::Server);
        let mut stream = Vec::new();
        for piece in FRAGMENTS.chunks(size) {
            stream.extend(receive(&mut socket, piece).unwrap());
        }
        assert_eq!(stream, b"Hello", "pieces of {size}");
        assert_eq!(transmit(&mut socket), hex!("8A 00"));
    }
}

#[test]
fn several_frames_in_one_read_are_joined_in_place() {
    let input = hex!("82 82 00000000 6162  89 81 01020304 7E  82 81 FF000000 9C  82 80 00000000");
    let mut socket = WebSocket::new(Role::Server);
    assert_eq!(receive(&mut socket, &input), Ok(b"abc".to_vec()));
    assert_eq!(transmit(&mut socket), hex!("8A 01 7F"));
}

#[test]
fn only_the_last_of_several_pings_is_answered() {
    let mut socket = WebSocket::new(Role::Server);
    let pings = hex!("89 81 00000000 01  89 81 00000000 02");
    assert_eq!(receive(&mut socket, &pings), Ok(Vec::new()));
    assert_eq!(transmit(&mut socket), hex!("8A 01 02"));
    assert_eq!(transmit(&mut socket), hex!(""));
}

#[test]
fn breaches_close_with_their_code() {
    let cases: &[(&[u8], WebSocketError, u16)] = &[
        (&hex!("C2 80 00000000"), WebSocketError::ReservedBit, 1002),
        (&hex!("92 80 00000000"), WebSocketError::ReservedBit, 1002),
        (&hex!("83 80 00000000"), WebSocketError::ReservedOpcode, 1002),
        (&hex!("8B 80 00000000"), WebSocketError::ReservedOpcode, 1002),
        (&hex!("82 01 61"), WebSocketError::WrongMasking, 1002),
        (&hex!("82 FE 007D 00000000"), WebSocketError::BadLength, 1002),
        (&hex!("82 FF 000000000000FFFF 00000000"), WebSocketError::BadLength, 1002),
        (&hex!("82 FF 8000000000000000 00000000"), WebSocketError::BadLength, 1002),
        (&hex!("89 FE 007E 00000000"), WebSocketError::BadControlFrame, 1002),
        (&hex!("09 80 00000000"), WebSocketError::BadControlFrame, 1002),
        (&hex!("80 80 00000000"), WebSocketError::BadFragmentation, 1002),
        (&hex!("02 80 00000000 82 80 00000000"), WebSocketError::BadFragmentation, 1002),
        (&hex!("88 81 00000000 03"), WebSocketError::BadClose, 1002),
        (&hex!("88 82 00000000 03ED"), WebSocketError::BadClose, 1002),
        (&hex!("88 83 00000000 03E8 FF"), WebSocketError::BadClose, 1002),
        (&hex!("81 80 00000000"), WebSocketError::Text, 1003),
        (&hex!("82 FF 0000000000100001 00000000"), WebSocketError::FrameTooLarge, 1009),
    ];
    for (input, error, code) in cases {
        let mut socket = WebSocket::new(Role::Server);
        assert_eq!(receive(&mut socket, input), Err(*error), "{input:02X?}");
        let [high, low] = code.to_be_bytes();
        assert_eq!(transmit(&mut socket), [0x88, 2, high, low], "{input:02X?}");
        assert!(socket.is_closed());
    }
}

#[test]
fn a_close_is_answered_with_its_code_and_ends_the_stream() {
    let mut socket = WebSocket::new(Role::Server);
    let input = hex!("82 81 00000000 61  88 82 00000000 0FA0  82 81 00000000 62");
    assert_eq!(receive(&mut socket, &input), Ok(b"a".to_vec()));
    assert_eq!(transmit(&mut socket), hex!("88 02 0FA0"));
    assert!(socket.is_closed());
    let mut out = BytesMut::new();
    socket.send(b"late", &mut out);
    assert!(out.is_empty(), "nothing follows a close frame");
}

#[test]
fn our_close_waits_for_the_answer_and_drops_data_until_then() {
    let mut socket = WebSocket::new(Role::Server);
    socket.close(CloseCode::GOING_AWAY);
    assert_eq!(transmit(&mut socket), hex!("88 02 03E9"));
    assert!(!socket.is_closed());
    let input = hex!("82 81 00000000 61  88 82 00000000 03E9");
    assert_eq!(receive(&mut socket, &input), Ok(Vec::new()));
    assert!(socket.is_closed());
    assert_eq!(transmit(&mut socket), hex!(""), "one close frame each way");
}

#[test]
fn both_roles_understand_each_other_at_every_length_form() {
    for length in [0_usize, 1, 7, 8, 125, 126, 65_535, 65_536] {
        let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let mut client = WebSocket::new(Role::Client { masking_seed: 7 });
        let mut server = WebSocket::new(Role::Server);
        let mut wire = BytesMut::new();
        client.send(&payload, &mut wire);
        assert_eq!(receive(&mut server, &wire), Ok(payload.clone()), "to the hub, {length}");
        wire.clear();
        server.send(&payload, &mut wire);
        assert_eq!(receive(&mut client, &wire), Ok(payload), "from the hub, {length}");
    }
}

#[test]
fn masking_in_pieces_equals_masking_byte_by_byte() {
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    let payload: Vec<u8> = (0..67).collect();
    let expected: Vec<u8> =
        payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect();
    for split in 0..payload.len() {
        let mut masked = payload.clone();
        let (front, back) = masked.split_at_mut(split);
        apply_mask(front, mask, 0);
        apply_mask(back, mask, split as u64);
        assert_eq!(masked, expected, "split at {split}");
    }
}

#[test]
fn accept_key_is_that_of_the_standard() {
    let key = AcceptKey::from_key("dGhlIHNhbXBsZSBub25jZQ==").unwrap();
    assert_eq!(key.as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    for bad in ["", "dGhlIHNhbXBsZSBub25jZQ", "c2hvcnQ=", "AAAAAAAAAAAAAAAAAAAAAAA="] {
        assert_eq!(AcceptKey::from_key(bad), None, "{bad:?}");
    }
}

#[test]
fn subprotocol_is_echoed_as_offered() {
    let cases: &[(&str, Option<(Protocol, &str)>)] = &[
        ("mqtt", Some((Protocol::Mqtt, "mqtt"))),
        ("MQTT", Some((Protocol::Mqtt, "MQTT"))),
        ("mqttv3.1", Some((Protocol::Mqtt, "mqttv3.1"))),
        ("foo, Mqtt", Some((Protocol::Mqtt, "Mqtt"))),
        ("amqp, AMQPWSB10", Some((Protocol::Amqp, "AMQPWSB10"))),
        ("amqp", Some((Protocol::Amqp, "amqp"))),
        ("mqtt, amqp", Some((Protocol::Mqtt, "mqtt"))),
        ("amqp, mqtt", Some((Protocol::Amqp, "amqp"))),
        ("soap", None),
        ("", None),
    ];
    for (offer, expected) in cases {
        assert_eq!(choose_subprotocol(offer.split(',')), *expected, "{offer:?}");
    }
}

#[test]
fn websocket_paths_match_in_every_spelling() {
    for path in [
        "/$iothub/websocket",
        "/%24iothub/websocket",
        "/$IotHub/WebSocket/",
        "/$iothub/websocket?iothub-no-client-cert=true",
        "/$servicebus/websocket",
        "/%24servicebus/websocket/",
        "https://hub.example/$iothub/websocket",
    ] {
        assert!(is_websocket_path(path), "{path}");
    }
    for path in
        ["/", "/$iothub", "/iothub/websocket", "/$iothub/websocket/x", "/$iothub/websocket//"]
    {
        assert!(!is_websocket_path(path), "{path}");
    }
}

#[test]
fn client_handshake_checks_the_proof_and_the_subprotocol() {
    let handshake = ClientHandshake {
        host: "hub.example",
        path: "/$iothub/websocket",
        subprotocol: "mqtt",
        nonce: *b"the sample nonce",
    };
    let answer = |accept: &str, subprotocol: &str| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
        )
    };
    let good = answer("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "mqtt");
    assert_eq!(handshake.decode_answer(good.as_bytes()), Ok(Some(good.len())));
    assert_eq!(handshake.decode_answer(&good.as_bytes()[..good.len() - 1]), Ok(None));
    let cases = [
        (answer("wrong", "mqtt"), HandshakeError::WrongAcceptKey),
        (answer("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "amqp"), HandshakeError::WrongSubprotocol),
        ("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned(), HandshakeError::Status(400)),
        ("nonsense\r\n\r\n".to_owned(), HandshakeError::Malformed),
    ];
    for (text, error) in cases {
        assert_eq!(handshake.decode_answer(text.as_bytes()), Err(error), "{text:?}");
    }
}
