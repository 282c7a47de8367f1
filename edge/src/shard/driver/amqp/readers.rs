//! Links that read partitions: what back ends ask for, and what executors answer.

use ringhub_control_plane::directory::Hub;
use ringhub_core::codec::amqp::performative::{Attach, Condition, SenderSettleMode};
use ringhub_core::limits::AMQP_READERS_MAX;
use ringhub_core::reader::Selector;
use ringhub_core::session::amqp::{LinkAccept, LinkId};
use tracing::{debug, info};

use super::attach::{LISTEN, check_entity, partition_named};
use super::links::LinkRole;
use super::{AmqpDriver, Context};
use crate::partition::{PartitionReply, PartitionRequest, ReplyBody, RequestBody};
use crate::reader::{OpenedLink, PartitionLink, PartitionPlace, Refusal};

/// Capability by which a client asks for [`OpenedLink::with_metrics`].
const RUNTIME_METRICS: &str = "com.microsoft:enable-receiver-runtime-metric";

impl AmqpDriver {
    /// Asks the executor of a partition for a reader; the link is answered when it has. The
    /// partition is named by entity, consumer group and number, as spelled.
    pub(super) fn ask_for_reader(
        &mut self,
        link: LinkId,
        attach: &Attach<'_>,
        (entity, group, partition): (&str, &str, &str),
        cx: &Context<'_>,
    ) -> Result<(), Refusal> {
        let hub =
            self.authorize(&[entity, "ConsumerGroups", group, "Partitions", partition], cx)?;
        check_entity(Some(entity), &hub.host_name, cx)?;
        let place = place_in(&hub, entity, group, partition)?;
        let selector = selector_of(attach)?;
        if self.readers.len() >= AMQP_READERS_MAX {
            let text = "The connection has as many receivers as it may have.";
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        if let Some(reason) = cx.services.pipeline.failed() {
            return Err(Refusal::internal(reason));
        }
        let asked = OpenedLink {
            link,
            connection: cx.connection,
            token: self.take_token(),
            epoch: attach.epoch(),
            name: attach.receiver_name().map(ToOwned::to_owned),
            with_metrics: attach.desires(RUNTIME_METRICS),
            requests: cx.services.pipeline.requests(place.place()),
            recorder: cx.delivery_recorder(),
            place,
        };
        let PartitionPlace { hub, group, partition, .. } = asked.place.clone();
        let (epoch, name) = (asked.epoch, asked.name.clone());
        let body = RequestBody::Open { group, selector, epoch, name };
        let (connection, token) = (asked.connection, asked.token);
        asked.requests.request(PartitionRequest { hub, partition, connection, token, body });
        self.links.set(link, LinkRole::Reader(token));
        self.readers.note_asked(asked);
        Ok(())
    }

    pub(super) fn on_partition_reply(&mut self, reply: PartitionReply, cx: &Context<'_>) {
        let PartitionReply { token, body, .. } = reply;
        if let Some(asked) = self.readers.take_asked(token) {
            return self.on_opened(asked, body, cx);
        }
        let Some(reader) = self.readers.get_mut(token) else {
            return self.on_answer(token, body, cx);
        };
        match body {
            ReplyBody::Records { records, partition, answered } => {
                reader.handle_records(records, &partition, (answered, cx.wall));
            }
            ReplyBody::AtEnd => reader.handle_at_end(),
            ReplyBody::Stolen { epoch, by, .. } => {
                let refusal = reader.stolen(by.as_deref(), epoch);
                self.detach_reader(token, &refusal);
            }
            ReplyBody::Refused(refused) => {
                let refusal = reader.refused(&refused);
                self.detach_reader(token, &refusal);
            }
            ReplyBody::Described(_) | ReplyBody::Opened(_) => {}
        }
    }

    /// An answer for `$management`, or for a reader that is gone.
    fn on_answer(&mut self, token: u64, body: ReplyBody, cx: &Context<'_>) {
        match body {
            ReplyBody::Described(partition) => self.requests.handle_described(token, &partition),
            ReplyBody::Refused(refused) => self.requests.handle_refused(token, &refused),
            ReplyBody::Opened(reader) => cx.services.pipeline.close_reader(reader, cx.connection),
            ReplyBody::Records { .. } | ReplyBody::AtEnd | ReplyBody::Stolen { .. } => {}
        }
    }

    fn on_opened(&mut self, asked: OpenedLink, body: ReplyBody, cx: &Context<'_>) {
        match body {
            ReplyBody::Opened(reader) => {
                // Events go out settled whatever was asked for, as from the real service.
                let snd_settle_mode = Some(SenderSettleMode::Settled);
                let accept = LinkAccept { credit: 0, max_message_size: u64::MAX, snd_settle_mode };
                self.connection.accept_link(asked.link, accept);
                let (place, connection, epoch) = (&asked.place, cx.connection, asked.epoch);
                debug!(hub = place.host_name, %place, %connection, epoch, "reader attached");
                let credit = self.connection.credit_of(asked.link);
                let mut reader = PartitionLink::new(asked, reader);
                // The client may have given credit before it had its answer.
                reader.handle_credit(credit.is_some_and(|credit| credit.drain));
                self.readers.insert(reader);
            }
            ReplyBody::Refused(refused) => {
                let refusal = Refusal::of_read(&refused, asked.epoch);
                cx.counters().amqp_links_refused.add(1);
                let (place, reason, connection) = (&asked.place, &refusal.text, cx.connection);
                info!(hub = place.host_name, %place, %connection, %reason, "reader refused");
                self.refuse_reader(&asked, &refusal);
            }
            ReplyBody::Described(_)
            | ReplyBody::Records { .. }
            | ReplyBody::AtEnd
            | ReplyBody::Stolen { .. } => {
                self.refuse_reader(&asked, &Refusal::internal("the log has given no answer"));
            }
        }
    }

    fn refuse_reader(&mut self, asked: &OpenedLink, refusal: &Refusal) {
        self.links.remove(asked.link);
        self.connection.refuse_link(asked.link, &refusal.error());
    }

    /// The link of a reader is gone. What its executor has not answered yet is closed when it does.
    pub(super) fn forget_reader(&mut self, token: u64) {
        self.readers.take_asked(token);
        if let Some(reader) = self.readers.remove(token) {
            reader.close();
        }
    }

    fn detach_reader(&mut self, token: u64, refusal: &Refusal) {
        let Some(reader) = self.readers.remove(token) else { return };
        let (place, connection, reason) = (reader.place(), reader.connection(), &refusal.text);
        debug!(hub = place.host_name, %place, %connection, %reason, "reader detached");
        self.connection.detach(reader.link(), Some(refusal.error()));
        self.links.remove(reader.link());
        reader.close();
    }

    /// Detaches the readers that no claim allows any more.
    pub(super) fn detach_unclaimed_readers(&mut self, cx: &Context<'_>) {
        let entity = &cx.services.hub.event_hub;
        let is_unclaimed = |reader: &&PartitionLink| {
            let allowed = reader.place().with_resource(entity, |resource| {
                self.claims.allow(reader.place().hub, resource, LISTEN, cx.wall)
            });
            !allowed
        };
        let unclaimed: Vec<u64> =
            self.readers.iter().filter(is_unclaimed).map(PartitionLink::token).collect();
        for token in unclaimed {
            self.detach_reader(token, &Refusal::expired());
        }
    }

    /// Moves events into the output.
    pub(super) fn pump_readers(&mut self) {
        let pumped = self.readers.pump(&mut self.connection, &mut self.head);
        if let Err((token, refusal)) = pumped {
            self.detach_reader(token, &refusal);
        }
    }

    /// The log that failed refuses its readers, and the others wait for the restart too.
    pub(super) fn detach_all_readers(&mut self, refusal: &Refusal) {
        let tokens: Vec<u64> = self.readers.iter().map(PartitionLink::token).collect();
        for token in tokens {
            self.detach_reader(token, refusal);
        }
        while let Some(asked) = self.readers.take_any_asked() {
            self.refuse_reader(&asked, refusal);
        }
    }

    /// The connection ends.
    pub(super) fn close_readers(&mut self) {
        let tokens: Vec<u64> = self.readers.iter().map(PartitionLink::token).collect();
        for token in tokens {
            self.forget_reader(token);
        }
    }
}

fn place_in(
    hub: &Hub,
    entity: &str,
    consumer_group: &str,
    partition: &str,
) -> Result<PartitionPlace, Refusal> {
    let Some(group) = hub.consumer_group(consumer_group) else {
        let path = format!("{entity}/ConsumerGroups/{consumer_group}");
        return Err(Refusal::not_found(&hub.host_name, path));
    };
    let partition = partition_named(partition, hub.partition_count);
    let partition = partition.ok_or_else(|| Refusal::no_partition(hub.partition_count))?;
    Ok(PartitionPlace { hub: hub.id, host_name: hub.host_name.clone(), group, partition })
}

fn selector_of(attach: &Attach<'_>) -> Result<Selector, Refusal> {
    let invalid = |text: String| {
        Refusal::new(Condition::ArgumentError, format!("The filter is invalid: {text}."))
    };
    match attach.selector_text() {
        Ok(None) => Ok(Selector::Earliest),
        Ok(Some(text)) => Selector::parse(text).map_err(|error| invalid(error.to_string())),
        Err(error) => Err(invalid(error.to_string())),
    }
}
