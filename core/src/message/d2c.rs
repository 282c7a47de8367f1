//! Device-to-cloud messages as they are stored: AMQP sections, ready to be sent to a reader.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::{BufMut, BytesMut};
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;
use zerocopy::IntoBytes;

use super::origin::Origin;
use crate::codec::amqp::primitive::{write_str, write_symbol, write_timestamp};
use crate::codec::amqp::section::{
    MapSection, MessageId, Properties, begin_map_section, end_map_section, write_data,
};
use crate::id::HubPartition;
use crate::limits::D2C_MESSAGE_BYTES_MAX;
use crate::log::record::{Content, RECORD_HEADER_BYTES, RecordTooLarge};
use crate::time::UnixMillis;

/// Above this many application properties, duplicates are found by hashing instead of comparing
/// each with each.
const COMPARED_PROPERTIES_MAX: usize = 16;

/// The system properties that a device may set, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemProperties<'a> {
    /// `$.mid`
    pub message_id: Option<Cow<'a, str>>,
    /// `$.cid`
    pub correlation_id: Option<Cow<'a, str>>,
    /// `$.uid`
    pub user_id: Option<Cow<'a, str>>,
    /// `$.to`, which says nothing to the hub.
    pub to: Option<Cow<'a, str>>,
    /// `$.ct`, ASCII only: AMQP carries it as a symbol.
    pub content_type: Option<Cow<'a, str>>,
    /// `$.ce`, ASCII only: AMQP carries it as a symbol.
    pub content_encoding: Option<Cow<'a, str>>,
    /// `$.exp`
    pub absolute_expiry: Option<UnixMillis>,
    /// `$.sub`, the Plug and Play component.
    pub component: Option<Cow<'a, str>>,
    /// `$.ifid`
    pub interface_id: Option<Cow<'a, str>>,
}

/// One message as a protocol decoded it.
#[derive(Debug)]
pub struct D2cMessage<'a, A> {
    /// System properties; by reference, because they are larger than most messages.
    pub system: &'a SystemProperties<'a>,
    /// Of what an AMQP device set, the fields that no other protocol has: subject, reply-to and
    /// group. The others are not looked at.
    pub amqp: Option<&'a Properties<'a>>,
    /// Application properties in the order of arrival; of several with one name the last counts.
    pub application: A,
    /// Payload.
    pub body: &'a [u8],
}

/// The message has more than [`D2C_MESSAGE_BYTES_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a message has at most {D2C_MESSAGE_BYTES_MAX} bytes with its properties, this one has {0}"
)]
pub struct MessageTooLarge(pub usize);

impl From<RecordTooLarge> for MessageTooLarge {
    fn from(record: RecordTooLarge) -> Self {
        Self(record.0)
    }
}

/// Turns messages into records in a buffer that a shard reuses for all its connections.
#[derive(Debug, Default)]
pub struct D2cEncoder {
    record: BytesMut,
    entries: Vec<Entry>,
}

impl D2cEncoder {
    /// Encodes `message` as a ring record; the executor stamps offset, sequence number and time of
    /// append later.
    ///
    /// `ingress` is the wall-clock time of arrival. Allocates only while the buffer grows to the
    /// largest message of the shard, and for messages with many application properties.
    ///
    /// # Errors
    /// [`MessageTooLarge`]: the sender is to be refused; nothing was stored.
    #[inline]
    pub fn encode<'m, A>(
        &mut self,
        to: HubPartition,
        origin: &Origin,
        message: D2cMessage<'m, A>,
        ingress: UnixMillis,
    ) -> Result<&[u8], MessageTooLarge>
    where
        A: Iterator<Item = (Cow<'m, str>, Cow<'m, str>)>,
    {
        let Self { record, entries } = self;
        let D2cMessage { system, amqp, application, body } = message;
        record.clear();
        record.put_bytes(0, RECORD_HEADER_BYTES);
        let annotation_count = write_annotations(record, origin, system, ingress);
        let sections_start = record.len();
        write_properties(record, system, amqp);
        let application_len = write_application_properties(record, application, entries);
        let system_len = system.len() + amqp.map_or(0, amqp_len);
        check_size(body.len() + system_len + application_len)?;
        write_data(record, body);
        let content = Content {
            hub: to.hub,
            partition: to.partition,
            annotation_count,
            annotations_len: sections_start - RECORD_HEADER_BYTES,
            sections_len: record.len() - sections_start,
        };
        record[..RECORD_HEADER_BYTES].copy_from_slice(content.header()?.as_bytes());
        record.put_bytes(0, content.padding_len());
        Ok(record)
    }
}

/// A time as devices write it; `None` for what is no ISO 8601 time.
pub(crate) fn parse_time(text: &str) -> Option<UnixMillis> {
    let time = OffsetDateTime::parse(text, &Iso8601::DEFAULT).ok()?;
    let millis = i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()?;
    Some(UnixMillis::from_millis(millis))
}

impl SystemProperties<'_> {
    /// Bytes of the values that count towards the size of a message.
    pub(super) fn len(&self) -> usize {
        let texts = [
            &self.message_id,
            &self.correlation_id,
            &self.user_id,
            &self.to,
            &self.content_type,
            &self.content_encoding,
            &self.component,
            &self.interface_id,
        ];
        texts.into_iter().flatten().map(|text| text.len()).sum()
    }

    /// Whether nothing is set that the properties section carries.
    fn is_empty_section(&self) -> bool {
        let texts = [
            &self.message_id,
            &self.correlation_id,
            &self.user_id,
            &self.to,
            &self.content_type,
            &self.content_encoding,
        ];
        self.absolute_expiry.is_none() && texts.into_iter().all(Option::is_none)
    }
}

/// Bytes that the texts which only AMQP has count towards the size of a message.
pub(super) fn amqp_len(amqp: &Properties<'_>) -> usize {
    let texts = [amqp.subject, amqp.reply_to, amqp.group_id, amqp.reply_to_group_id];
    texts.into_iter().flatten().map(str::len).sum()
}

/// Body, system property values, and names and values of application properties count.
///
/// Source: device-endpoints reference, "Sizes".
fn check_size(len: usize) -> Result<(), MessageTooLarge> {
    if len > D2C_MESSAGE_BYTES_MAX { Err(MessageTooLarge(len)) } else { Ok(()) }
}

fn write_annotations(
    out: &mut BytesMut,
    origin: &Origin,
    system: &SystemProperties<'_>,
    ingress: UnixMillis,
) -> u16 {
    out.extend_from_slice(origin.pairs());
    write_timestamp(out, ingress.as_millis());
    let mut count = origin.element_count() + 1;
    for (name, value) in
        [("dt-subject", &system.component), ("iothub-interface-id", &system.interface_id)]
    {
        if let Some(value) = value {
            write_symbol(out, name);
            write_str(out, value);
            count += 2;
        }
    }
    count
}

/// Writes what the sender has set and nothing else; no section at all when that is nothing.
///
/// Source: service-endpoints reference, "Message content on delivery".
fn write_properties(
    out: &mut BytesMut,
    system: &SystemProperties<'_>,
    amqp: Option<&Properties<'_>>,
) {
    if amqp.is_none() && system.is_empty_section() {
        return;
    }
    let none = Properties::default();
    let amqp = amqp.unwrap_or(&none);
    let properties = Properties {
        message_id: system.message_id.as_deref().map(MessageId::Str),
        user_id: system.user_id.as_deref().map(str::as_bytes),
        to: system.to.as_deref(),
        correlation_id: system.correlation_id.as_deref().map(MessageId::Str),
        content_type: system.content_type.as_deref(),
        content_encoding: system.content_encoding.as_deref(),
        absolute_expiry_time: system.absolute_expiry.map(UnixMillis::as_millis),
        subject: amqp.subject,
        reply_to: amqp.reply_to,
        group_id: amqp.group_id,
        group_sequence: amqp.group_sequence,
        reply_to_group_id: amqp.reply_to_group_id,
        creation_time: None,
    };
    if properties != Properties::default() {
        properties.encode(out);
    }
}

/// Where an application property stands in the encoded section.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    name_end: usize,
    end: usize,
}

/// Writes the last property of each name, nothing at all when there is none, and returns the bytes
/// of all names and values. `entries` is scratch.
fn write_application_properties<'m>(
    out: &mut BytesMut,
    application: impl Iterator<Item = (Cow<'m, str>, Cow<'m, str>)>,
    entries: &mut Vec<Entry>,
) -> usize {
    entries.clear();
    let mut len = 0;
    let before = out.len();
    let map = begin_map_section(out, MapSection::ApplicationProperties);
    for (name, value) in application {
        let start = out.len();
        write_str(out, &name);
        let name_end = out.len();
        write_str(out, &value);
        entries.push(Entry { start, name_end, end: out.len() });
        len += name.len() + value.len();
    }
    if entries.is_empty() {
        out.truncate(before);
        return 0;
    }
    let kept = remove_overridden(out, entries);
    end_map_section(out, map, u32::try_from(2 * kept).expect("a message has far fewer properties"));
    len
}

/// Takes out every entry that a later one of the same name overrides, and returns how many are
/// left.
fn remove_overridden(out: &mut BytesMut, entries: &[Entry]) -> usize {
    let overridden = if entries.len() <= COMPARED_PROPERTIES_MAX {
        overridden_by_comparing(out, entries)
    } else {
        overridden_by_hashing(out, entries)
    };
    if overridden.is_empty() {
        return entries.len();
    }
    let mut end = entries[0].start;
    let kept = entries.iter().enumerate().filter(|(place, _)| !overridden.contains(place));
    for (_, entry) in kept {
        out.copy_within(entry.start..entry.end, end);
        end += entry.end - entry.start;
    }
    out.truncate(end);
    entries.len() - overridden.len()
}

/// Does not allocate unless a name is overridden.
fn overridden_by_comparing(out: &[u8], entries: &[Entry]) -> HashSet<usize> {
    let name = |entry: &Entry| &out[entry.start..entry.name_end];
    let is_overridden = |&place: &usize| {
        let later = &entries[place + 1..];
        later.iter().any(|entry| name(entry) == name(&entries[place]))
    };
    (0..entries.len()).filter(is_overridden).collect()
}

fn overridden_by_hashing(out: &[u8], entries: &[Entry]) -> HashSet<usize> {
    let mut seen = HashSet::new();
    let name = |place: &usize| &out[entries[*place].start..entries[*place].name_end];
    (0..entries.len()).rev().filter(|place| !seen.insert(name(place))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::amqp::section::Message;
    use crate::id::{DeviceId, HubId, Identity, PartitionId};
    use crate::log::record::RecordView;
    use crate::message::AuthScope;
    use hex_literal::hex;

    type Pair<'p> = (Cow<'p, str>, Cow<'p, str>);

    fn origin() -> Origin {
        let device = DeviceId::parse("d").expect("valid");
        Origin::new(&Identity { device, module: None }, AuthScope::Device, "638", None)
    }

    fn message<'m>(
        system: &'m SystemProperties<'static>,
        application: &[(&'static str, &'static str)],
        body: &'static [u8],
    ) -> D2cMessage<'m, std::vec::IntoIter<Pair<'m>>> {
        let pairs: Vec<Pair<'m>> =
            application.iter().map(|&(n, v)| (Cow::Borrowed(n), Cow::Borrowed(v))).collect();
        D2cMessage { system, amqp: None, application: pairs.into_iter(), body }
    }

    fn sections<'m>(
        message: D2cMessage<'m, std::vec::IntoIter<Pair<'m>>>,
        annotation_count: u16,
    ) -> Vec<u8> {
        let mut encoder = D2cEncoder::default();
        let to = HubPartition { hub: HubId(0), partition: PartitionId(3) };
        let record =
            encoder.encode(to, &origin(), message, UnixMillis::from_millis(5)).expect("small");
        let record = RecordView::parse(record).expect("just encoded");
        assert_eq!(record.partition(), PartitionId(3));
        assert_eq!(record.annotation_count(), annotation_count);
        record.sections().to_vec()
    }

    #[test]
    fn a_message_has_the_properties_that_its_sender_set_and_no_others() {
        let data = hex!("00 53 75 a0 00");
        let none = SystemProperties::default();
        assert_eq!(sections(message(&none, &[], b""), 10), data);
        let component = SystemProperties { component: Some("c".into()), ..none.clone() };
        assert_eq!(sections(message(&component, &[], b""), 12), data, "it is an annotation");

        let id = SystemProperties { message_id: Some("m".into()), ..none.clone() };
        let only_id = hex!("00 53 73 c0 10 0d a1 01 6d 40 40 40 40 40 40 40 40 40 40 40 40");
        assert_eq!(sections(message(&id, &[], b""), 10), [&only_id[..], &data].concat());
        let to = SystemProperties { to: Some("t".into()), ..none };
        let only_to = hex!("00 53 73 c0 10 0d 40 40 a1 01 74 40 40 40 40 40 40 40 40 40 40");
        assert_eq!(sections(message(&to, &[], b""), 10), [&only_to[..], &data].concat());
    }

    /// Goal: logs of hubs that gave every event an address stay readable, since the number of their
    /// format is the present one. Method: the bytes of such a record.
    #[test]
    fn events_that_were_stored_with_an_address_are_read_as_they_were_written() {
        let sections = [
            &hex!("00 53 73 c0 29 0d 40 40 a1 1a")[..],
            b"/devices/d/messages/events",
            &hex!("40 40 40 40 40 40 40 40 40 40")[..],
            &hex!("00 53 75 a0 01 78")[..],
        ]
        .concat();
        let header = hex!(
            "70000000 06000000 34000000 0200 0300"
            "0010000000000000 0700000000000000 0500000000000000 00000000 00000000"
        );
        let annotations = hex!("a3016b a10176");
        let record = [&header[..], &annotations, &sections, &[0; 6]].concat();
        let record = RecordView::parse(&record).expect("a whole record");
        assert_eq!((record.partition(), record.sequence_number().0), (PartitionId(3), 7));
        assert_eq!((record.annotation_count(), record.annotations()), (2, &annotations[..]));
        assert_eq!(record.sections(), sections, "readers get it as it stands");
        let message = Message::decode(record.sections()).expect("sections of a message");
        assert_eq!(message.properties.to, Some("/devices/d/messages/events"));
        assert_eq!(message.body.pieces().collect::<Vec<_>>(), [b"x"]);
    }

    #[test]
    fn of_properties_with_one_name_the_last_counts() {
        let pairs = [("a", "1"), ("b", "2"), ("a", "3")];
        let few = sections(message(&SystemProperties::default(), &pairs, b"x"), 10);
        let map = hex!("00 53 74 c1 0d 04 a1 01 62 a1 01 32 a1 01 61 a1 01 33");
        assert!(few.windows(map.len()).any(|w| w == map), "{few:02x?}");
        let names: Vec<String> = (0..40).map(|n| format!("n{}", n % 20)).collect();
        let names: &'static [String] = Box::leak(names.into_boxed_slice());
        let pairs: Vec<(&'static str, &'static str)> = names
            .iter()
            .enumerate()
            .map(|(i, n)| (&**n, if i < 20 { "old" } else { "new" }))
            .collect();
        let many = sections(message(&SystemProperties::default(), &pairs, b"x"), 10);
        let count = |needle: &[u8]| many.windows(needle.len()).filter(|w| *w == needle).count();
        assert_eq!((count(b"old"), count(b"new")), (0, 20));
    }

    #[test]
    fn refuses_what_is_larger_than_the_limit_with_its_properties() {
        let body: &'static [u8] = Box::leak(vec![0; D2C_MESSAGE_BYTES_MAX - 4].into_boxed_slice());
        let mut encoder = D2cEncoder::default();
        let to = HubPartition { hub: HubId(0), partition: PartitionId(0) };
        let mut encode = |application: &[(&'static str, &'static str)]| {
            let system = SystemProperties::default();
            let message = message(&system, application, body);
            encoder.encode(to, &origin(), message, UnixMillis::EPOCH).map(|_| ())
        };
        assert_eq!(encode(&[("ab", "cd")]), Ok(()));
        assert_eq!(encode(&[("ab", "cde")]), Err(MessageTooLarge(D2C_MESSAGE_BYTES_MAX + 1)));
    }
}
