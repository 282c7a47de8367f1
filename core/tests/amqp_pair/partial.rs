//! Messages of many links whose frames come in turns.

use bytes::BytesMut;
use ringhub_core::codec::amqp::performative::{DeliveryTag, Performative, Transfer};
use ringhub_core::codec::amqp::{FrameKind, write_frame};
use ringhub_core::limits::AMQP_PARTIAL_BYTES_MAX;
use ringhub_core::session::amqp::{AmqpConfig, AmqpEvent, ClientSasl};
use ringhub_core::time::Timestamp;

use crate::support::{Fact, Pair};

const LINKS: u32 = 20;
const FRAME_BYTES: usize = 60_000;
const FRAMES: u32 = 4;

/// Has messages of four frames sent on all links in turns; returns how many came whole.
fn messages_in_turns(partial_bytes_max: usize) -> usize {
    let client = AmqpConfig::default();
    let mut pair = Pair::new(17, AmqpConfig::default(), client, ClientSasl::Skip);
    pair.run();
    let session = pair.client.begin_session().unwrap();
    for number in 0..LINKS {
        let name = format!("device {number}");
        pair.client.attach_sender(session, &name, "/devices/d/messages/events").unwrap();
    }
    pair.run();
    assert_eq!(pair.hub_facts.iter().filter(|fact| **fact == Fact::Requested).count(), 20);
    pair.hub.permit_partial_bytes(partial_bytes_max);
    let mut whole = 0;
    for frame in 0..FRAMES {
        for link in 0..LINKS {
            let bytes = frame_of(link, frame);
            let mut seen = 0;
            loop {
                let (used, event) = pair.hub.handle_bytes(&bytes[seen..], Timestamp::ZERO).unwrap();
                seen += used;
                whole += usize::from(matches!(event, Some(AmqpEvent::Message { .. })));
                if used == 0 && event.is_none() {
                    break;
                }
            }
        }
    }
    whole
}

/// The client numbers its links from 0.
fn frame_of(link: u32, frame: u32) -> BytesMut {
    let is_first = frame == 0;
    let transfer = Transfer {
        handle: link,
        delivery_id: is_first.then_some(link),
        delivery_tag: is_first.then(|| DeliveryTag::of_delivery_id(link)),
        is_tag_too_long: false,
        message_format: is_first.then_some(0),
        settled: None,
        more: frame + 1 < FRAMES,
        aborted: false,
    };
    let mut out = BytesMut::new();
    write_frame(&mut out, FrameKind::Amqp, 0, |out| {
        Performative::Transfer(transfer).encode(out);
        out.extend_from_slice(&[7; FRAME_BYTES]);
    });
    out
}

#[test]
fn as_many_messages_may_be_under_way_as_there_is_room_for() {
    assert!(messages_in_turns(AMQP_PARTIAL_BYTES_MAX) < LINKS as usize);
    let room = LINKS as usize * FRAMES as usize * FRAME_BYTES;
    assert_eq!(messages_in_turns(room), LINKS as usize);
}
