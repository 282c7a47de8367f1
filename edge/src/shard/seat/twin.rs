//! Twin requests of the device to the control plane.
//!
//! A request is only handed over, so telemetry of the same seat does not wait for it. Its answer
//! comes as [`Mail::TwinReply`].

use bytes::Bytes;
use ringhub_control_plane::twin::TwinReplyDone;
use ringhub_core::codec::amqp::section::{MessageId, MessageIdBuf};
use ringhub_core::limits::TWIN_REQUESTS_PER_SEAT_MAX;

use super::{Context, Seat};
use crate::shard::mailbox::Mail;

/// Too many twin requests of the seat are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TwinBusy;

impl Seat {
    /// Asks for the twin; the answer names `rid`.
    pub(crate) fn read_twin(
        &mut self,
        rid: MessageId<'_>,
        cx: &Context<'_>,
    ) -> Result<(), TwinBusy> {
        let done = self.twin_done(rid, cx)?;
        cx.services.control.read_twin(&self.grant, done);
        Ok(())
    }

    /// Merges `patch` into the reported properties, with `version` only if they have it; the answer
    /// names `rid`.
    pub(crate) fn report_twin(
        &mut self,
        rid: MessageId<'_>,
        version: Option<u64>,
        patch: &[u8],
        cx: &Context<'_>,
    ) -> Result<(), TwinBusy> {
        let done = self.twin_done(rid, cx)?;
        let patch = Bytes::copy_from_slice(patch);
        cx.services.control.report_twin(&self.grant, version, patch, done);
        Ok(())
    }

    /// Takes note of [`Mail::TwinReply`].
    pub(crate) fn handle_twin_reply(&mut self) {
        self.twin_requests = self.twin_requests.saturating_sub(1);
    }

    fn twin_done(
        &mut self,
        rid: MessageId<'_>,
        cx: &Context<'_>,
    ) -> Result<TwinReplyDone, TwinBusy> {
        if self.twin_requests >= TWIN_REQUESTS_PER_SEAT_MAX {
            return Err(TwinBusy);
        }
        self.twin_requests += 1;
        let (seat, rid) = (self.id(cx), MessageIdBuf::from(rid));
        let mailboxes = cx.services.mailboxes.clone();
        Ok(Box::new(move |reply| {
            mailboxes.post(seat.connection.shard, Mail::TwinReply { seat, rid, reply });
        }))
    }
}
