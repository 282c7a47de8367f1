//! Everything that reads a peer's bytes, run over arbitrary ones.

use std::sync::Arc;

use bytes::BytesMut;

use super::cbs::{CbsRequest, TokenSubject};
use super::management::ManagementRequest;
use super::{
    AmqpConfig, AmqpConnection, AmqpEvent, CbsAnswer, LinkAccept, NodeAddress, Outgoing, PlainUser,
};
use crate::auth::Scope;
use crate::codec::amqp::performative::{DeliveryState, Performative, SaslCode};
use crate::codec::amqp::primitive::Reader;
use crate::codec::amqp::section::{BATCH_FORMAT, Message, MessageIdBuf};
use crate::limits::D2C_MESSAGE_BYTES_MAX;
use crate::message::AmqpTelemetry;
use crate::method::{AmqpAnswer, AmqpCall};
use crate::reader::Selector;
use crate::time::Timestamp;
use crate::twin::{TwinNews, TwinRequest};

/// Feeds bytes to each decoder and to a hub machine whose driver says yes to everything.
///
/// For fuzzing and for the replay of its corpus.
///
/// # Panics
/// If a performative does not survive being encoded and decoded, or the machine consumes more than
/// it was given.
pub fn exercise(data: &[u8]) {
    if let Ok(value) = Reader::new(data).value() {
        let _ = value.validate();
    }
    exercise_performative(data);
    exercise_message(data);
    exercise_device(data);
    exercise_hub(data);
}

fn exercise_performative(data: &[u8]) {
    let Ok((performative, _)) = Performative::decode(data) else { return };
    let (mut once, mut twice) = (BytesMut::new(), BytesMut::new());
    performative.encode(&mut once);
    // What is passed on unread, such as a map of properties, may be malformed inside.
    if let Ok((again, rest)) = Performative::decode(&once) {
        assert!(rest.is_empty(), "an encoded performative is longer than it says");
        again.encode(&mut twice);
        assert_eq!(once, twice, "decoding and encoding changed a performative");
    }
}

fn exercise_message(data: &[u8]) {
    let Ok(message) = Message::decode(data) else { return };
    let maps = [message.message_annotations, message.application_properties, message.footer];
    for map in maps.into_iter().flatten() {
        map.pairs().for_each(drop);
    }
    message.body.pieces().for_each(drop);
    let _ = CbsRequest::decode(data);
    let _ = ManagementRequest::decode(data);
}

/// Feeds bytes to what reads the messages of devices, whatever link they came on.
///
/// For fuzzing and for the replay of its corpus.
///
/// # Panics
/// If a message that was judged good is too large for a record, or an id does not survive being
/// kept as text.
pub fn exercise_device(data: &[u8]) {
    for format in [0, BATCH_FORMAT] {
        let mut telemetry = AmqpTelemetry::default();
        if telemetry.read(format, data).is_err() {
            continue;
        }
        let judged = telemetry.try_for_each(0, |message| {
            let message = message.as_d2c();
            let bytes = message.application.map(|(name, value)| name.len() + value.len());
            let len = message.body.len() + bytes.sum::<usize>();
            if len <= D2C_MESSAGE_BYTES_MAX { Ok(()) } else { Err(len) }
        });
        assert_eq!(judged, Ok(()));
    }
    if let Ok(request) = TwinRequest::decode(data) {
        let kept = MessageIdBuf::from(request.correlation_id);
        assert_eq!(MessageIdBuf::parse(&kept.to_string()), Some(kept));
    }
    let _ = AmqpAnswer::decode(data);
    let _ = (TwinNews::decode(data), AmqpCall::decode(data), CbsAnswer::decode(data));
    if let Ok(text) = core::str::from_utf8(data) {
        let _ = (PlainUser::parse(text), NodeAddress::parse(text));
        let _ = Scope::decode(text).map(|scope| TokenSubject::of(&scope));
    }
}

fn exercise_hub(data: &[u8]) {
    let mut hub = AmqpConnection::hub(Arc::new(AmqpConfig::default()), Timestamp::ZERO);
    let mut used = 0;
    while let Ok((consumed, event)) = hub.handle_bytes(&data[used..], Timestamp::ZERO) {
        used += consumed;
        match event {
            None if consumed == 0 => break,
            None => {}
            Some(event) => answer(&mut hub, &event),
        }
    }
    let mut out = BytesMut::new();
    hub.poll_transmit(&mut out);
}

fn answer(hub: &mut AmqpConnection, event: &AmqpEvent<'_>) {
    match event {
        AmqpEvent::Sasl(step) => {
            let _ = step.plain();
            hub.sasl_outcome(SaslCode::Ok);
        }
        AmqpEvent::LinkRequested { link, attach } => {
            attach.node_address().map(NodeAddress::parse);
            let _ = attach.selector_text().ok().flatten().map(Selector::parse);
            let _ = (attach.epoch(), attach.receiver_name());
            let accept = LinkAccept { credit: 10, max_message_size: 4096, snd_settle_mode: None };
            hub.accept_link(*link, accept);
        }
        AmqpEvent::Credit { link, drain, .. } => {
            let _ = hub.send(*link, &[b"event"], Outgoing::default());
            if *drain {
                hub.drain_done(*link);
            }
        }
        AmqpEvent::Message { delivery, settled: false, .. } => {
            hub.settle(*delivery, DeliveryState::Accepted);
        }
        _ => {}
    }
}
