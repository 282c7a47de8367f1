//! What the hub of a seat lets it do.
//!
//! A seat holds its hub, so that nobody is looked up; a hub without limits costs a branch.

use ringhub_control_plane::directory::Hub;
use ringhub_core::quota::{HubQuota, Moment, OperationClass, Verdict};

use super::{Context, Seat};

impl Seat {
    /// What a message with a body of so many bytes is charged as; 0 where nothing is limited.
    #[inline]
    pub(crate) fn messages_of(&self, bytes: usize) -> u32 {
        self.hub.quota().map_or(0, |quota| quota.messages_of(bytes))
    }

    /// Asks for the sending of telemetry in one piece, which is charged as so many messages. What
    /// is let through is paid for, whatever becomes of it, unless it is
    /// [given back](Self::give_back).
    #[inline]
    pub(crate) fn pay(&self, messages: u32, cx: &Context<'_>) -> Verdict {
        let quota = self.hub.quota();
        quota.map_or(Verdict::Pass, |quota| quota.send(cx.services.shard.0, messages, moment(cx)))
    }

    /// Gives back what was [paid](Self::pay) for messages that are not taken after all.
    pub(crate) fn give_back(&self, messages: u32, cx: &Context<'_>) {
        if let Some(quota) = self.hub.quota() {
            quota.refund(messages.into(), moment(cx).today);
        }
    }

    /// Asks for the connect of this seat.
    pub(crate) fn pay_connect(&self, cx: &Context<'_>) -> Verdict {
        operate(&self.hub, OperationClass::Connections, cx)
    }
}

/// Asks for an operation of a device that is charged nothing of the day.
pub(crate) fn operate(hub: &Hub, class: OperationClass, cx: &Context<'_>) -> Verdict {
    let ask = |quota: &HubQuota| quota.operate(class, 1, 0, moment(cx));
    hub.quota().map_or(Verdict::Pass, ask)
}

fn moment(cx: &Context<'_>) -> Moment {
    Moment::new(cx.now, cx.wall)
}
