//! One link on which a back end sends messages to devices.

use ringhub_core::codec::amqp::performative::DeliveryState;
use ringhub_core::id::HubId;
use ringhub_core::limits::C2D_SENDER_CREDIT;
use ringhub_core::session::amqp::{AmqpConnection, DeliveryId, LinkId};

use crate::reader::Refusal;

/// A message that the store has not answered for.
#[derive(Debug)]
struct UnderWay {
    token: u64,
    delivery: DeliveryId,
    settled: bool,
}

/// Messages under way, of which there are never more than the link has credit.
#[derive(Debug)]
pub(crate) struct SenderLink {
    link: LinkId,
    hub: HubId,
    under_way: Vec<UnderWay>,
    /// Messages that were answered or taken back since credit was given last.
    answered: u32,
}

impl SenderLink {
    pub(crate) fn new(link: LinkId, hub: HubId) -> Self {
        Self { link, hub, under_way: Vec::new(), answered: 0 }
    }

    pub(crate) fn link(&self) -> LinkId {
        self.link
    }

    pub(crate) fn hub(&self) -> HubId {
        self.hub
    }

    /// Notes a message; its answer will carry `token`.
    pub(crate) fn note(&mut self, token: u64, delivery: DeliveryId, settled: bool) {
        self.under_way.push(UnderWay { token, delivery, settled });
    }

    /// Answers a message. Nothing happens if `token` is of another link.
    pub(crate) fn answer(
        &mut self,
        token: u64,
        outcome: Result<(), &Refusal>,
        connection: &mut AmqpConnection,
    ) {
        let Some(place) = self.under_way.iter().position(|sent| sent.token == token) else {
            return;
        };
        let sent = self.under_way.remove(place);
        if !sent.settled {
            let state = match outcome {
                Ok(()) => DeliveryState::Accepted,
                Err(refusal) => DeliveryState::Rejected(Some(refusal.error())),
            };
            connection.settle(sent.delivery, state);
        }
        self.count_done(connection);
    }

    /// Counts a message that is done with, and gives credit back, in halves.
    pub(crate) fn count_done(&mut self, connection: &mut AmqpConnection) {
        self.answered += 1;
        if self.answered >= C2D_SENDER_CREDIT / 2 {
            connection.grant_credit(self.link, std::mem::take(&mut self.answered));
        }
    }
}
