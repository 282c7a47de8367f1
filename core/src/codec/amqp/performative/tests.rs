//! Byte-exact tables of the reference, and what comes back from them.

use bytes::BytesMut;
use hex_literal::hex;

use super::sasl::{write_init, write_mechanisms, write_outcome};
use super::*;
use crate::codec::amqp::frame::{Frame, FrameKind, write_frame};
use crate::codec::amqp::primitive::{Map, Value};

fn framed(body: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write_frame(&mut out, FrameKind::Amqp, 0, body);
    out.to_vec()
}

fn decoded(bytes: &[u8]) -> (Performative<'_>, &[u8]) {
    let (frame, used) = Frame::decode(bytes, u32::MAX).unwrap().unwrap();
    assert_eq!(used, bytes.len());
    Performative::decode(frame.body).unwrap()
}

const OPEN: Open<'static> = Open {
    container_id: "ringhub-0001",
    hostname: Some("localhost"),
    max_frame_size: 65536,
    channel_max: 8191,
    idle_timeout_ms: Some(240_000),
    properties: None,
};

#[test]
fn open_begin_flow_end_and_close_are_byte_exact() {
    let open = hex!(
        "00000039 02000000 005310 c02c0a a10c 72696e676875622d30303031"
        "a109 6c6f63616c686f7374 7000010000 601fff 700003a980 4040404040"
    );
    assert_eq!(framed(|out| OPEN.encode(out)), open);
    assert_eq!(decoded(&open).0, Performative::Open(OPEN));

    let begin = Begin {
        remote_channel: Some(1),
        next_outgoing_id: 1,
        incoming_window: 5000,
        outgoing_window: 5000,
        handle_max: 255,
    };
    let bytes =
        hex!("00000022 02000000 005311 c01508 600001 5201 7000001388 7000001388 52ff 404040");
    assert_eq!(framed(|out| begin.encode(out)), bytes);
    assert_eq!(decoded(&bytes).0, Performative::Begin(begin));

    let link = LinkFlow {
        handle: 0,
        delivery_count: Some(0),
        link_credit: Some(100),
        available: 0,
        drain: false,
    };
    let flow = Flow {
        next_incoming_id: Some(0),
        incoming_window: 5000,
        next_outgoing_id: 1,
        outgoing_window: 5000,
        link: Some(link),
        echo: false,
    };
    let bytes = hex!(
        "00000023 02000000 005313 c0160b 43 7000001388 5201 7000001388 43 43 5264 43 42 42 40"
    );
    assert_eq!(framed(|out| flow.encode(out)), bytes);
    assert_eq!(decoded(&bytes).0, Performative::Flow(flow));

    let bytes = hex!("0000000f 02000000 005317 c00201 40");
    assert_eq!(framed(|out| End { error: None }.encode(out)), bytes);
    assert_eq!(decoded(&bytes).0, Performative::End(End { error: None }));
    let bytes = hex!("0000000f 02000000 005318 c00201 40");
    assert_eq!(framed(|out| Close { error: None }.encode(out)), bytes);
    assert_eq!(decoded(&bytes).0, Performative::Close(Close { error: None }));
}

#[test]
fn attach_answer_is_byte_exact() {
    let attach = Attach {
        name: "rx-0",
        handle: 0,
        role: Role::Sender,
        snd_settle_mode: SenderSettleMode::Settled,
        rcv_settle_mode: ReceiverSettleMode::First,
        source: Some(Source::new("eh/ConsumerGroups/$Default/Partitions/0")),
        target: Some(Target::new("rx-0")),
        initial_delivery_count: Some(0),
        max_message_size: Some(u64::MAX),
        desired_capabilities: Value::Null,
        properties: None,
        fault: None,
    };
    let bytes = framed(|out| attach.encode(out));
    assert_eq!(bytes.len(), 140);
    let address = b"eh/ConsumerGroups/$Default/Partitions/0";
    let expected =
        [
            &hex!(
                "0000008c 02000000 005312 c07f0e a104 72782d30 43 42 5001 5000 005328 c0400b a127"
            )[..],
            address,
            &hex!("43 a30b 73657373696f6e2d656e64 43 42 404040404040"),
            &hex!("005329 c01907 a104 72782d30 43 a30b 73657373696f6e2d656e64 43 42 40 40"),
            &hex!("40 40 43 80ffffffffffffffff 40 40 40"),
        ]
        .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn transfer_and_disposition_are_byte_exact() {
    let transfer = Transfer {
        handle: 1,
        delivery_id: Some(0),
        delivery_tag: DeliveryTag::new(b"CABB"),
        is_tag_too_long: false,
        message_format: Some(0),
        settled: Some(true),
        more: false,
        aborted: false,
    };
    let bytes = hex!("0000001f 02000000 005314 c0120b 5201 43 a00443414242 43 41 42 40404040 42");
    assert_eq!(framed(|out| transfer.encode(out)), bytes);
    assert_eq!(decoded(&bytes), (Performative::Transfer(transfer), &[][..]));

    let disposition = Disposition {
        role: Role::Receiver,
        first: 7,
        last: 7,
        settled: true,
        state: Some(DeliveryState::Accepted),
    };
    let bytes = hex!("00000019 02000000 005315 c00c06 41 5207 5207 41 00532445 42");
    assert_eq!(framed(|out| disposition.encode(out)), bytes);
    assert_eq!(decoded(&bytes).0, Performative::Disposition(disposition));
}

#[test]
fn short_lists_and_wide_numbers_are_accepted() {
    let transfer = hex!("00 80 0000000000000014 d0 0000000b 00000002 52 03 70 00000009 ffee");
    let (performative, payload) = Performative::decode(&transfer[..]).unwrap();
    let Performative::Transfer(transfer) = performative else { panic!("{performative:?}") };
    assert_eq!((transfer.handle, transfer.delivery_id, transfer.more), (3, Some(9), false));
    assert_eq!(payload, hex!("ffee"));
    let accepted = hex!("00 53 15 c0 0a 05 41 52 01 40 41 00 53 24 45");
    let (Performative::Disposition(accepted), _) = Performative::decode(&accepted).unwrap() else {
        panic!("disposition");
    };
    assert_eq!((accepted.last, accepted.state), (1, Some(DeliveryState::Accepted)));
    let open = hex!("00 53 10 c0 04 01 a1 01 78");
    let (Performative::Open(open), _) = Performative::decode(&open).unwrap() else {
        panic!("open")
    };
    assert_eq!((open.max_frame_size, open.channel_max), (u32::MAX, u16::MAX));
}

#[test]
fn malformed_performatives_are_refused() {
    for (bytes, error) in [
        (&hex!("00 53 10 45")[..], DecodeError::MissingField("container-id")),
        (&hex!("00 53 10 c0 02 01 41"), DecodeError::WrongType),
        (&hex!("00 53 19 45"), DecodeError::UnknownDescriptor(0x19)),
        (&hex!("00 53 14 45"), DecodeError::MissingField("handle")),
        (&hex!("00 53 14 40"), DecodeError::WrongType),
        (&hex!("00 53 14 c1 01 00"), DecodeError::WrongType),
        (&hex!("53 14 45"), DecodeError::WrongType),
        (&hex!("00 53"), DecodeError::UnexpectedEnd),
        (&hex!("00 53 11 c0 0a 02 60 00 01 80 0000000100000000")[..14], DecodeError::UnexpectedEnd),
        (
            &hex!("00 53 11 c0 0b 02 40 80 0000000100000000"),
            DecodeError::OutOfRange("next-outgoing-id"),
        ),
        (&hex!("00 53 18 c0 06 01 00 53 24 45 00"), DecodeError::UnknownDescriptor(0x24)),
    ] {
        assert_eq!(Performative::decode(bytes).map(|_| ()), Err(error), "{bytes:02x?}");
    }
}

#[test]
fn a_tag_that_is_too_long_is_left_to_its_link() {
    let bytes = [&hex!("00 53 14 c0 26 03 43 43 a0 21")[..], &[0; 33]].concat();
    let Ok((Performative::Transfer(transfer), _)) = Performative::decode(&bytes) else {
        panic!("it is a transfer");
    };
    assert_eq!((transfer.delivery_tag, transfer.is_tag_too_long), (None, true));
}

#[test]
fn selectors_are_found_under_any_descriptor() {
    let expression = "amqp.annotation.x-opt-offset > '@latest'";
    let key = [&[0xa3, 0x21][..], SELECTOR_FILTER.as_bytes()].concat();
    let text = [&[0xa1, 0x28][..], expression.as_bytes()].concat();
    for descriptor in [&hex!("00 80 0000468c00000004")[..], &hex!("00 80 000000137000000a"), &[]] {
        let pair = [&key[..], descriptor, &text].concat();
        let mut out = BytesMut::new();
        let source = Source {
            filter: Some(Map::from_encoded(2, &pair).unwrap()),
            ..Source::new("eh/ConsumerGroups/a/Partitions/0")
        };
        let attach = Attach {
            name: "r",
            handle: 0,
            role: Role::Receiver,
            snd_settle_mode: SenderSettleMode::Mixed,
            rcv_settle_mode: ReceiverSettleMode::First,
            source: Some(source),
            target: None,
            initial_delivery_count: None,
            max_message_size: None,
            desired_capabilities: Value::Symbol("com.microsoft:georeplication"),
            properties: None,
            fault: None,
        };
        attach.encode(&mut out);
        let (Performative::Attach(back), _) = Performative::decode(&out).unwrap() else {
            panic!("attach");
        };
        assert_eq!(back.selector_text(), Ok(Some(expression)));
        assert!(back.desires("com.microsoft:georeplication"));
        assert_eq!(back.node_address(), Some("eh/ConsumerGroups/a/Partitions/0"));
    }
}

#[test]
fn sasl_frames_are_byte_exact() {
    let mut out = BytesMut::new();
    write_mechanisms(&mut out, &["EXTERNAL", "MSSBCBS", "ANONYMOUS", "PLAIN"]);
    let expected = [
        &hex!("0000003f 02010000 005340 c03201 e02f04b3")[..],
        &hex!("00000008 45585445524e414c 00000007 4d535342434253"),
        &hex!("00000009 414e4f4e594d4f5553 00000005 504c41494e"),
    ]
    .concat();
    assert_eq!(out[..], expected);
    let offered = SaslFrame::decode(&out[8..]).unwrap();
    assert!(offered.offers("PLAIN") && !offered.offers("SCRAM-SHA-1"));

    let mut out = BytesMut::new();
    write_outcome(&mut out, SaslCode::Ok);
    assert_eq!(out[..], hex!("0000001a 02010000 005344 c00d02 5000 a008 57656c636f6d6521"));
    assert_eq!(SaslFrame::decode(&out[8..]), Ok(SaslFrame::Outcome(SaslCode::Ok)));

    let mut out = BytesMut::new();
    write_init(&mut out, "PLAIN", Some(b"\0u\0p"), None);
    let init = SaslFrame::Init { mechanism: "PLAIN", response: b"\0u\0p", hostname: None };
    assert_eq!(SaslFrame::decode(&out[8..]), Ok(init));
}

#[test]
fn condition_names_are_unique() {
    for condition in Condition::ALL {
        assert_eq!(Condition::from_name(condition.name()), Some(*condition));
    }
}

#[test]
fn symbols_are_ascii_because_they_are_written_again() {
    // Detach {0, true, error {string "\u{e9}"}}.
    let detach = hex!("005316 c00d03 43 41 00531d c00501 a102c3a9");
    assert_eq!(Performative::decode(&detach).err(), Some(DecodeError::NotAscii));
    // Disposition {receiver, 0, 0, true, rejected {the same error}}: a rejection all the same.
    let rejected = hex!("005315 c01505 41 43 43 41 005325 c00b01 00531d c00501 a102c3a9");
    let Ok((Performative::Disposition(disposition), _)) = Performative::decode(&rejected) else {
        panic!("the connection goes on");
    };
    assert_eq!(disposition.state, Some(DeliveryState::Rejected(None)));
    let symbol = hex!("a302c3a9");
    assert_eq!(Reader::new(&symbol).value(), Err(DecodeError::NotAscii));
    let text = hex!("a102c3a9");
    assert_eq!(Reader::new(&text).value(), Ok(Value::Str("é")));
}

#[test]
fn a_wrong_field_of_an_attach_is_the_fault_of_its_link() {
    // Attach {"r", 3, receiver, …} with what stands for the settle modes.
    let attach = |modes: &[u8]| {
        let fields = [&hex!("a10172 5203 41")[..], modes].concat();
        let size = u8::try_from(fields.len() + 1).unwrap();
        [&hex!("005312 c0")[..], &[size, 5], &fields].concat()
    };
    for (modes, fault) in [
        (&hex!("5000 5000")[..], None),
        (&hex!("5007 5000"), Some(DecodeError::OutOfRange("snd-settle-mode"))),
        (&hex!("5000 5007"), Some(DecodeError::OutOfRange("rcv-settle-mode"))),
        (&hex!("a10178 5000"), Some(DecodeError::WrongType)),
    ] {
        let bytes = attach(modes);
        let Ok((Performative::Attach(attach), _)) = Performative::decode(&bytes) else {
            panic!("the connection goes on");
        };
        assert_eq!((attach.name, attach.handle, attach.role), ("r", 3, Role::Receiver));
        assert_eq!(attach.fault, fault, "{modes:02x?}");
    }
    for (modes, error) in [
        (&hex!("5007 a109")[..], DecodeError::UnexpectedEnd),
        (&hex!("5007 3f"), DecodeError::UnknownConstructor(0x3f)),
        (&hex!("5007 a102c328"), DecodeError::NotUtf8),
    ] {
        assert_eq!(Performative::decode(&attach(modes)).err(), Some(error), "{modes:02x?}");
    }
}
