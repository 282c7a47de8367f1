//! Everything that reads a peer's bytes, run over arbitrary ones.

use std::sync::Arc;

use bytes::BytesMut;

use super::cbs::CbsRequest;
use super::management::ManagementRequest;
use super::{AmqpConfig, AmqpConnection, AmqpEvent, LinkAccept, NodeAddress, Outgoing};
use crate::codec::amqp::performative::{DeliveryState, Performative, SaslCode};
use crate::codec::amqp::primitive::Reader;
use crate::codec::amqp::section::Message;
use crate::reader::Selector;
use crate::time::Timestamp;

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
