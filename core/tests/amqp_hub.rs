//! The hub machine against hand-made bytes: orders on the wire, refusals and faults.

use std::sync::Arc;

use bytes::BytesMut;
use hex_literal::hex;
use ringhub_core::codec::amqp::performative::{
    AmqpError, Attach, Condition, DeliveryState, Performative, SaslCode,
};
use ringhub_core::codec::amqp::primitive::Map;
use ringhub_core::codec::amqp::{DecodeError, Frame};
use ringhub_core::limits::AMQP_REFUSAL_PAUSE;
use ringhub_core::session::amqp::cbs::CbsRequest;
use ringhub_core::session::amqp::{
    AmqpConfig, AmqpConnection, AmqpEvent, ClientSasl, LinkAccept, LinkId, Outgoing, RequestReply,
    SessionError, write_redirect_info,
};
use ringhub_core::time::Timestamp;

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../samples/amqp/", $name, ".bin"))
    };
}

const AMQP: &[u8] = b"AMQP\0\x01\0\0";
const SASL: &[u8] = b"AMQP\x03\x01\0\0";

/// A driver of a hub connection as `$cbs` needs it.
struct Driver {
    hub: AmqpConnection,
    reply_link: Option<LinkId>,
    refuse: Option<Condition>,
    credit: u32,
    detached: usize,
    messages: usize,
}

impl Driver {
    fn new() -> Self {
        let config = AmqpConfig {
            container_id: "ringhub-0001".into(),
            session_window: 4,
            ..AmqpConfig::default()
        };
        let hub = AmqpConnection::hub(Arc::new(config), Timestamp::ZERO);
        Self { hub, reply_link: None, refuse: None, credit: 100, detached: 0, messages: 0 }
    }

    /// Feeds bytes; what the hub wrote, and its error if there was one.
    fn feed(&mut self, parts: &[&[u8]]) -> (BytesMut, Option<SessionError>) {
        let input = parts.concat();
        let (mut used, mut out) = (0, BytesMut::new());
        let error = loop {
            match self.hub.handle_bytes(&input[used..], Timestamp::ZERO) {
                Ok((0, None)) => break None,
                Ok((consumed, event)) => {
                    used += consumed;
                    if let Some(event) = event {
                        self.answer(event);
                    }
                }
                Err(error) => break Some(error),
            }
        };
        self.hub.poll_transmit(&mut out);
        (out, error)
    }

    fn answer(&mut self, event: AmqpEvent<'_>) {
        match event {
            AmqpEvent::Sasl(_) => self.hub.sasl_outcome(SaslCode::Ok),
            AmqpEvent::LinkRequested { link, attach } => self.answer_attach(link, &attach),
            AmqpEvent::LinkDetached { .. } => self.detached += 1,
            AmqpEvent::Message { delivery, settled, payload, .. } => {
                self.messages += 1;
                if !settled {
                    self.hub.settle(delivery, DeliveryState::Accepted);
                }
                if let (Some(link), Ok(request)) = (self.reply_link, CbsRequest::decode(&payload)) {
                    let mut reply = BytesMut::new();
                    RequestReply::ok(request.message_id).encode(&mut reply);
                    let _ = self.hub.send(link, &[&reply], Outgoing::SETTLED);
                }
            }
            _ => {}
        }
    }

    fn answer_attach(&mut self, link: LinkId, attach: &Attach<'_>) {
        if let Some(condition) = self.refuse {
            let mut pairs = BytesMut::new();
            let address = "amqps://ns:5671/eh/$management";
            let count = write_redirect_info(&mut pairs, "ns", 5671, address);
            let info = Map::from_encoded(count, &pairs).ok();
            let error = AmqpError { condition: condition.name(), description: None, info };
            return self.hub.refuse_link(link, &error);
        }
        if attach.name == "cbs-rx" {
            self.reply_link = Some(link);
        }
        let accept =
            LinkAccept { credit: self.credit, max_message_size: 1000, snd_settle_mode: None };
        self.hub.accept_link(link, accept);
    }
}

/// Names of the performatives in what was written, after the protocol headers.
fn names(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while !bytes.is_empty() {
        if let Some(rest) = bytes.strip_prefix(AMQP).or_else(|| bytes.strip_prefix(SASL)) {
            bytes = rest;
            continue;
        }
        let (frame, used) = Frame::decode(bytes, 65536).unwrap().unwrap();
        bytes = &bytes[used..];
        if let Ok((performative, _)) = Performative::decode(frame.body) {
            let text = format!("{performative:?}");
            names.push(text.split('(').next().unwrap().to_owned());
        }
    }
    names
}

/// Condition of the error in the last frame.
fn last_condition(mut bytes: &[u8]) -> String {
    let mut condition = String::new();
    while let Ok(Some((frame, used))) = Frame::decode(bytes, 65536) {
        bytes = &bytes[used..];
        let error = match Performative::decode(frame.body).unwrap().0 {
            Performative::Close(close) => close.error,
            Performative::End(end) => end.error,
            Performative::Detach(detach) => detach.error,
            _ => None,
        };
        condition = error.map_or_else(String::new, |error| error.condition.to_owned());
    }
    condition
}

fn begun() -> Driver {
    let mut driver = Driver::new();
    let (_, error) = driver.feed(&[AMQP, sample!("open"), sample!("begin")]);
    assert_eq!(error, None);
    driver
}

#[test]
fn negotiation_is_byte_exact() {
    let mut driver = Driver::new();
    let (out, _) = driver.feed(&[SASL]);
    let mechanisms = [
        SASL,
        &hex!("0000003f 02010000 005340 c03201 e02f04b3 00000008 45585445524e414c"),
        &hex!("00000007 4d535342434253 00000009 414e4f4e594d4f5553 00000005 504c41494e"),
    ];
    assert_eq!(out[..], mechanisms.concat());
    let (out, _) = driver.feed(&[sample!("sasl_init_plain")]);
    assert_eq!(out[..], hex!("0000001a 02010000 005344 c00d02 5000 a008 57656c636f6d6521"));
    let (out, _) = driver.feed(&[AMQP, sample!("open")]);
    let open = [
        AMQP,
        &hex!("0000003b 02000000 005310 c02e0a a10c 72696e676875622d30303031"),
        &hex!("a10b 6875622e6578616d706c65 7000010000 601fff 700003a980 4040404040"),
    ];
    assert_eq!(out[..], open.concat());
}

#[test]
fn a_pipelined_client_is_answered_in_order_and_the_disposition_precedes_the_reply() {
    let mut driver = Driver::new();
    let (out, error) = driver.feed(&[
        AMQP,
        sample!("open"),
        sample!("begin"),
        sample!("attach_cbs_receiver"),
        &cbs_reader_credit(),
        sample!("attach_cbs_sender"),
        sample!("transfer_put_token"),
    ]);
    assert_eq!(error, None);
    let expected = ["Open", "Begin", "Attach", "Attach", "Flow", "Disposition", "Transfer"];
    assert_eq!(names(&out), expected);
    assert_eq!(driver.messages, 1);
}

/// A flow for handle 1 with a credit of 10.
fn cbs_reader_credit() -> Vec<u8> {
    hex!("00000024 02000001 005313 c0170b 5201 7000000800 43 7000000800 5201 43 520a 43 42 42 40")
        .to_vec()
}

#[test]
fn a_refusal_is_an_attach_without_termini_and_a_detach_some_time_later() {
    let mut driver = begun();
    driver.refuse = Some(Condition::LinkRedirect);
    let (out, error) = driver.feed(&[sample!("attach_partition_receiver")]);
    assert_eq!((names(&out), error), (vec!["Attach".to_owned()], None));
    let (attach, _) = Frame::decode(&out, 65536).unwrap().unwrap();
    let Performative::Attach(attach) = Performative::decode(attach.body).unwrap().0 else {
        panic!("attach");
    };
    assert_eq!((attach.source, attach.target), (None, None));
    assert_eq!(attach.initial_delivery_count, Some(0));
    let due = driver.hub.poll_timeout().unwrap();
    assert_eq!(due, Timestamp::ZERO + AMQP_REFUSAL_PAUSE);
    let mut out = BytesMut::new();
    driver.hub.handle_timeout(due).unwrap();
    driver.hub.poll_transmit(&mut out);
    let (detach, _) = Frame::decode(&out, 65536).unwrap().unwrap();
    let Performative::Detach(detach) = Performative::decode(detach.body).unwrap().0 else {
        panic!("detach");
    };
    let error = detach.error.unwrap();
    assert!(detach.closed);
    assert_eq!(error.condition, "amqp:link:redirect");
    let address = error.info.unwrap().value("address").unwrap();
    assert_eq!(address.as_text(), Some("amqps://ns:5671/eh/$management"));
}

#[test]
fn a_client_that_detaches_a_refused_link_at_once_gets_the_reason_as_answer() {
    let mut driver = begun();
    driver.refuse = Some(Condition::NotFound);
    let detach = hex!("00000011 02000001 005316 c00403 43 41 40");
    let (out, error) = driver.feed(&[sample!("attach_cbs_sender"), &detach]);
    assert_eq!((names(&out), error), (vec!["Attach".into(), "Detach".into()], None));
    assert_eq!((last_condition(&out).as_str(), driver.detached), ("amqp:not-found", 0));
    driver.hub.handle_timeout(Timestamp::ZERO + AMQP_REFUSAL_PAUSE).unwrap();
    assert!(!driver.hub.poll_transmit(&mut BytesMut::new()), "there is nothing left to say");
}

#[test]
fn a_hub_opens_under_the_name_that_was_dialled() {
    let client = AmqpConfig { hostname: Some("hub.example".into()), ..AmqpConfig::default() };
    let mut dialled = BytesMut::new();
    AmqpConnection::client(Arc::new(client), ClientSasl::Skip, Timestamp::ZERO)
        .poll_transmit(&mut dialled);
    let (out, error) = Driver::new().feed(&[&dialled]);
    let (open, _) = Frame::decode(out.strip_prefix(AMQP).unwrap(), 65536).unwrap().unwrap();
    let Performative::Open(open) = Performative::decode(open.body).unwrap().0 else {
        panic!("open");
    };
    assert_eq!((open.hostname, error), (Some("hub.example"), None));
}

#[test]
fn an_accepted_reader_gets_its_filter_and_termini_echoed() {
    let mut driver = begun();
    let (out, _) = driver.feed(&[sample!("attach_partition_receiver")]);
    let (frame, _) = Frame::decode(&out, 65536).unwrap().unwrap();
    let Performative::Attach(attach) = Performative::decode(frame.body).unwrap().0 else {
        panic!("attach");
    };
    let selector = "amqp.annotation.x-opt-offset > '@latest'";
    assert_eq!(attach.selector_text(), Ok(Some(selector)));
    assert_eq!((attach.epoch(), attach.receiver_name()), (Some(0), Some("r1")));
    assert!(attach.target.is_some());
    assert_eq!(attach.initial_delivery_count, Some(0));
}

#[test]
fn faults_of_the_connection_close_it_with_the_right_condition() {
    let begin_again = [AMQP, sample!("open"), sample!("begin"), sample!("begin")].concat();
    let open = [AMQP, sample!("open")].concat();
    let with = |tail: &[u8]| [&open[..], tail].concat();
    for (bytes, condition) in [
        (begin_again, "amqp:connection:framing-error"),
        (with(sample!("flow_credit")), "amqp:connection:framing-error"),
        (with(sample!("open")), "amqp:illegal-state"),
        (with(&hex!("00010001 02000000")), "amqp:connection:framing-error"),
        (with(&hex!("00000007 02000000")), "amqp:connection:framing-error"),
        (with(&hex!("0000000c 02000000 00531945")), "amqp:decode-error"),
        (with(&hex!("0000000c 02000000 00531145")), "amqp:decode-error"),
        (with(&hex!("0000000c 02010000 00534445")), "amqp:decode-error"),
    ] {
        let mut driver = Driver::new();
        let (out, error) = driver.feed(&[&bytes]);
        assert!(error.is_some(), "{bytes:02x?}");
        assert_eq!(last_condition(out.strip_prefix(AMQP).unwrap()), condition);
        assert!(driver.hub.is_closed());
    }
}

#[test]
fn another_protocol_is_told_the_right_header() {
    for first in [&b"GET / HTTP/1.1"[..], b"AMQP\x02\x01\0\0", b"AMQP\0\0\x09\x01"] {
        let (out, error) = Driver::new().feed(&[first]);
        assert!(matches!(error, Some(SessionError::Header(_))));
        assert_eq!(out[..], *SASL);
    }
    let small = hex!("00000017 02000000 005310 c00a03 a10178 40 70000001ff");
    let (_, error) = Driver::new().feed(&[AMQP, &small]);
    assert_eq!(error, Some(SessionError::FrameSizeTooSmall(511)));
    let (_, error) = Driver::new().feed(&[AMQP, &hex!("00010001")]);
    assert_eq!(error, Some(SessionError::Decode(DecodeError::FrameSize(65537))));
}

#[test]
fn faults_of_a_session_end_it_and_detach_its_links() {
    let mut driver = begun();
    driver.feed(&[sample!("attach_cbs_sender")]);
    let (out, error) = driver.feed(&[sample!("flow_credit")]);
    assert_eq!((last_condition(&out).as_str(), error), ("amqp:session:unattached-handle", None));
    assert_eq!(driver.detached, 1);
    let late = [
        sample!("transfer_put_token").as_slice(),
        sample!("end"),
        sample!("detach"),
        sample!("flow_credit"),
        sample!("transfer_put_token"),
        sample!("end"),
    ];
    let (out, error) = driver.feed(&late);
    assert_eq!((out.len(), error), (0, None), "they were on their way");
    let (out, _) = driver.feed(&[sample!("begin"), sample!("attach_cbs_sender")]);
    assert_eq!(names(&out), ["Begin", "Attach", "Flow"]);
}

#[test]
fn a_link_with_its_handle_taken_ends_the_session() {
    let mut driver = begun();
    let (out, _) = driver.feed(&[sample!("attach_cbs_sender"), sample!("attach_cbs_sender")]);
    assert_eq!(last_condition(&out), "amqp:session:handle-in-use");
}

#[test]
fn transfers_beyond_credit_or_size_detach_the_link_only() {
    let mut driver = begun();
    driver.credit = 0;
    let (out, error) = driver.feed(&[sample!("attach_cbs_sender"), sample!("transfer_put_token")]);
    assert_eq!(last_condition(&out), "amqp:link:transfer-limit-exceeded");
    assert_eq!((driver.detached, driver.messages, error), (1, 0, None));

    let mut driver = begun();
    let mut large = sample!("transfer_put_token").to_vec();
    large.extend_from_slice(&[0; 1000]);
    let size = u32::try_from(large.len()).unwrap();
    large[..4].copy_from_slice(&size.to_be_bytes());
    let (out, error) = driver.feed(&[sample!("attach_cbs_sender"), &large]);
    assert_eq!(last_condition(&out), "amqp:link:message-size-exceeded");
    assert_eq!((driver.detached, driver.messages, error), (1, 0, None));
}

#[test]
fn the_session_window_is_kept_open_while_messages_arrive() {
    let mut driver = begun();
    driver.feed(&[sample!("attach_cbs_sender")]);
    let (mut flows, mut error) = (0, None);
    for _ in 0..20 {
        let (out, fault) = driver.feed(&[sample!("transfer_put_token")]);
        flows += names(&out).iter().filter(|name| *name == "Flow").count();
        error = error.or(fault);
    }
    assert_eq!((driver.messages, error), (20, None));
    assert_eq!(flows, 10);
}

#[test]
fn detach_end_and_close_are_answered() {
    let mut driver = begun();
    driver.feed(&[
        sample!("attach_cbs_sender"),
        sample!("attach_cbs_receiver"),
        sample!("attach_partition_receiver"),
    ]);
    let (out, _) = driver.feed(&[sample!("detach")]);
    assert_eq!((names(&out), driver.detached), (vec!["Detach".to_owned()], 1));
    let (out, _) = driver.feed(&[sample!("end")]);
    assert_eq!((names(&out), driver.detached), (vec!["End".to_owned()], 3));
    let late = [sample!("detach").as_slice(), sample!("flow_credit"), sample!("end")];
    let (out, error) = driver.feed(&late);
    assert_eq!((out.len(), error), (0, None), "what follows an end is not looked at");
    let (out, _) = driver.feed(&[sample!("close")]);
    assert_eq!(out[..], hex!("0000000f 02000000 005318 c00201 40"));
    assert!(driver.hub.is_closed());
}
