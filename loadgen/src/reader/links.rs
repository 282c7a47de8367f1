//! The receiving links, one per partition, and their credit.

use bytes::BytesMut;
use ringhub_core::codec::amqp::performative::{Attach, Role, SenderSettleMode, Target};
use ringhub_core::codec::amqp::primitive::{Map, write_long, write_symbol};
use ringhub_core::session::amqp::{AmqpConnection, AmqpEvent, LinkId, SessionId};
use ringhub_edge::client::start::source;

use super::backend::BackEnd;
use super::fault::Fault;
use super::partition::Partition;
use super::plan::Plan;

/// All links, in the order of the partitions.
pub(super) struct Links {
    links: Vec<Link>,
    /// Where the last event came: the next one comes there too, mostly.
    last: usize,
    credit: u32,
}

struct Link {
    id: LinkId,
    /// Events since credit was given.
    used: u32,
}

impl Links {
    /// Attaches to each partition, and gives credit when all links stand.
    pub(super) async fn attach(
        back_end: &mut BackEnd,
        plan: &Plan,
        partitions: &[Partition],
    ) -> Result<Self, Fault> {
        let mut links = Vec::new();
        for partition in partitions {
            let address = plan.address(&partition.id);
            let id =
                back_end.attach(|machine, session| attach(machine, session, plan, &address))?;
            await_answer(back_end, plan, id).await?;
            links.push(Link { id, used: 0 });
        }
        links.iter().for_each(|link| back_end.machine().grant_credit(link.id, plan.credit));
        Ok(Self { links, last: 0, credit: plan.credit })
    }

    /// The place of the partition that a link is for.
    pub(super) fn place_of(&mut self, id: LinkId) -> Option<usize> {
        if self.links.get(self.last).is_none_or(|link| link.id != id) {
            self.last = self.links.iter().position(|link| link.id == id)?;
        }
        Some(self.last)
    }

    /// An event has used credit of the link in this place; from half of it on it is given anew.
    pub(super) fn use_credit(&mut self, place: usize, machine: &mut AmqpConnection) {
        let link = &mut self.links[place];
        link.used += 1;
        if link.used >= self.credit / 2 {
            machine.grant_credit(link.id, link.used);
            link.used = 0;
        }
    }
}

/// Asks for a link from the start on that is planned.
///
/// Source: service-endpoints reference, "Epoch (exclusive) receivers".
fn attach(
    machine: &mut AmqpConnection,
    session: SessionId,
    plan: &Plan,
    address: &str,
) -> Option<LinkId> {
    let (mut filter, mut epoch) = (BytesMut::new(), BytesMut::new());
    let source = source(address, Some(&plan.start.selector()), &mut filter);
    let properties = plan.epoch.and_then(|number| {
        write_symbol(&mut epoch, "com.microsoft:epoch");
        write_long(&mut epoch, number);
        Map::from_encoded(2, &epoch).ok()
    });
    let attach = Attach {
        snd_settle_mode: SenderSettleMode::Settled,
        properties,
        ..Attach::plain(address, Role::Receiver, source, Target::new(address))
    };
    machine.attach(session, &attach)
}

async fn await_answer(back_end: &mut BackEnd, plan: &Plan, wanted: LinkId) -> Result<(), Fault> {
    let mut is_attached = false;
    while !is_attached {
        let handle = |_: &mut _, event: AmqpEvent<'_>| {
            match event {
                // A refusal is an answer without a source, and a detach with the reason behind it.
                AmqpEvent::LinkAttached { link, attach } => {
                    is_attached |= link == wanted && attach.source.is_some();
                }
                AmqpEvent::LinkDetached { error, .. } | AmqpEvent::Closed(error) => {
                    return Err(Fault::of_end(error));
                }
                _ => {}
            }
            Ok(())
        };
        back_end.turn(plan.timeout, handle).await?;
    }
    Ok(())
}
