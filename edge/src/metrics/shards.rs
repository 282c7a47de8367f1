//! What the shards have counted.

use std::sync::Arc;

use ringhub_core::meter::{Counter, Snapshot};

use super::Sources;
use super::page::{Kind, Page, Scale, seconds};
use super::process::open_descriptors;
use crate::shard::ShardCounters;

/// A number of each shard: name, meaning, where it stands.
type Plain = (&'static str, Kind, &'static str, fn(&ShardCounters) -> &Counter);

const PLAIN: [Plain; 18] = [
    ("ringhub_connections_accepted_total", Kind::Counter, "Sockets accepted.", |c| {
        &c.connections_accepted
    }),
    ("ringhub_accept_pauses_total", Kind::Counter, PAUSES, |c| &c.accept_pauses),
    ("ringhub_tls_handshakes_total", Kind::Counter, "TLS handshakes completed.", |c| {
        &c.handshakes_completed
    }),
    ("ringhub_mqtt_connects_total", Kind::Counter, "MQTT clients let in with CONNACK 0.", |c| {
        &c.connects_accepted
    }),
    ("ringhub_amqp_seats_total", Kind::Counter, "Devices and modules let in over AMQP.", |c| {
        &c.amqp_seats_admitted
    }),
    ("ringhub_received_bytes_total", Kind::Counter, "Bytes received, TLS included.", |c| {
        &c.received_bytes
    }),
    ("ringhub_sent_bytes_total", Kind::Counter, "Bytes that sockets took, TLS included.", |c| {
        &c.sent_bytes
    }),
    ("ringhub_receives_total", Kind::Counter, "Calls of recv that brought bytes.", |c| &c.receives),
    ("ringhub_sends_total", Kind::Counter, "Calls of send at the end of a turn.", |c| &c.sends),
    ("ringhub_d2c_messages_total", Kind::Counter, D2C, |c| &c.d2c_messages),
    ("ringhub_d2c_bytes_total", Kind::Counter, "Bytes of their records.", |c| &c.d2c_bytes),
    ("ringhub_c2d_messages_total", Kind::Counter, "Messages sent to devices.", |c| &c.c2d_messages),
    ("ringhub_c2d_bytes_total", Kind::Counter, "Bytes of those, properties included.", |c| {
        &c.c2d_bytes
    }),
    ("ringhub_reader_messages_total", Kind::Counter, "Events sent to readers.", |c| {
        &c.reader_messages
    }),
    ("ringhub_reader_bytes_total", Kind::Counter, "Bytes of their records.", |c| &c.reader_bytes),
    ("ringhub_ring_full_total", Kind::Counter, RING_FULL, |c| &c.ring_full),
    ("ringhub_turns_total", Kind::Counter, "Ends of turns.", |c| &c.turns),
    ("ringhub_mail_total", Kind::Counter, "Messages taken from the mailbox.", |c| &c.mail_taken),
];

const PAUSES: &str = "Times that accepting paused for want of descriptors or memory.";
const D2C: &str = "Messages of devices taken into a ring, wills included.";
const RING_FULL: &str = "Times that a message found its ring full and its connection had to wait.";

/// A reason, and where it is counted.
type Refusal = (&'static str, fn(&ShardCounters) -> &Counter);

/// Reasons to refuse a peer, or to end its connection.
const REFUSALS: [Refusal; 15] = [
    ("connection_limit", |c| &c.connections_refused),
    ("tls", |c| &c.handshakes_failed),
    ("violation", |c| &c.violations_closed),
    ("slow_reader", |c| &c.slow_readers_closed),
    ("connack_1_protocol_level", |c| &c.connack_1),
    ("connack_2_client_id", |c| &c.connack_2),
    ("connack_3_unavailable", |c| &c.connack_3),
    ("connack_4_user_name", |c| &c.connack_4),
    ("connack_5_not_authorized", |c| &c.connack_5),
    ("amqp_login", |c| &c.amqp_logins_refused),
    ("amqp_link", |c| &c.amqp_links_refused),
    ("http_401_unauthorized", |c| &c.http_401),
    ("http_429_throttled", |c| &c.http_429),
    ("http_4xx_other", |c| &c.http_4xx),
    ("http_5xx", |c| &c.http_5xx),
];

pub(super) fn write(sources: &Sources, page: &mut Page) {
    write_connections(sources, page);
    for (name, kind, help, counter) in PLAIN {
        let mut family = page.family(name, kind, help);
        for (shard, counters) in numbered(sources) {
            family.sample(&[("shard", &shard)], counter(counters).read());
        }
    }
    write_refusals(sources, page);
    write_turns(sources, page);
    write_memory(sources, page);
    let help = "Messages that wait in the mailbox.";
    let mut depth = page.family("ringhub_mailbox_depth", Kind::Gauge, help);
    for (shard, mailbox) in sources.mailboxes.iter().enumerate() {
        depth.sample(&[("shard", &shard)], mailbox.len());
    }
    let help = "Descriptors in the shard's own table; absent before Linux 6.2.";
    let mut descriptors = page.family("ringhub_open_fds", Kind::Gauge, help);
    for (shard, counters) in numbered(sources) {
        if let Some(count) = open_descriptors(counters.thread_id.read()) {
            descriptors.sample(&[("shard", &shard)], count);
        }
    }
}

fn numbered(sources: &Sources) -> impl Iterator<Item = (usize, &Arc<ShardCounters>)> {
    sources.shards.iter().enumerate()
}

fn write_connections(sources: &Sources, page: &mut Page) {
    let help = "Connections now, those in the handshake included.";
    let mut family = page.family("ringhub_connections", Kind::Gauge, help);
    for (shard, c) in numbered(sources) {
        let mqtt_ws = c.mqtt_websockets_open.read();
        let amqp_ws = c.amqp_websockets_open.read();
        let https = c.https_open.read().saturating_sub(mqtt_ws + amqp_ws);
        for (protocol, count) in [
            ("mqtt", c.mqtt_open.read()),
            ("amqp", c.amqp_open.read()),
            ("https", https),
            ("mqtt_websocket", mqtt_ws),
            ("amqp_websocket", amqp_ws),
        ] {
            family.sample(&[("shard", &shard), ("protocol", &protocol)], count);
        }
    }
}

fn write_refusals(sources: &Sources, page: &mut Page) {
    let help = "Peers refused, or cut off for what they did, by reason.";
    let mut family = page.family("ringhub_refusals_total", Kind::Counter, help);
    for (shard, counters) in numbered(sources) {
        for (reason, counter) in REFUSALS {
            let labels: [(&str, &dyn std::fmt::Display); 2] =
                [("shard", &shard), ("reason", &reason)];
            family.sample(&labels, counter(counters).read());
        }
    }
    let help = "Answers over HTTP, by class of status.";
    let mut family = page.family("ringhub_http_responses_total", Kind::Counter, help);
    for (shard, c) in numbered(sources) {
        let client_errors = c.http_4xx.read() + c.http_401.read() + c.http_429.read();
        for (class, count) in [
            ("2xx", c.http_2xx.read()),
            ("3xx", c.http_3xx.read()),
            ("4xx", client_errors),
            ("5xx", c.http_5xx.read()),
        ] {
            family.sample(&[("shard", &shard), ("class", &class)], count);
        }
    }
}

fn write_turns(sources: &Sources, page: &mut Page) {
    let help = "Length of the ends of turns: publish, commits, mail, deadlines, flush.";
    let mut family = page.histograms("ringhub_turn_duration_seconds", Scale::TURN, help);
    for (shard, counters) in numbered(sources) {
        let mut snapshot = Snapshot::default();
        counters.stages.turn.add_to(&mut snapshot);
        family.histogram(&[("shard", &shard)], &snapshot);
    }
    let help = "Longest end of a turn since the start.";
    let mut family = page.family("ringhub_turn_duration_max_seconds", Kind::Gauge, help);
    for (shard, counters) in numbered(sources) {
        family.sample(&[("shard", &shard)], seconds(counters.turn_time_max_ns.read()));
    }
}

fn write_memory(sources: &Sources, page: &mut Page) {
    let help = "Memory of a shard by owner, as far as it is cheaply known: without what TLS and \
                sessions own.";
    let mut family = page.family("ringhub_memory_bytes", Kind::Gauge, help);
    for (shard, c) in numbered(sources) {
        let rings =
            sources.partitions.executors().filter_map(|executor| executor.rings().nth(shard));
        let rings: u64 = rings.map(|ring| ring.capacity_bytes).sum();
        for (owner, bytes) in [
            ("connection_table", c.table_bytes.read()),
            ("connection_buffers", c.buffered_bytes.read()),
            ("shard_buffers", c.scratch_bytes.read()),
            ("rings", rings),
        ] {
            family.sample(&[("shard", &shard), ("owner", &owner)], bytes);
        }
    }
}
