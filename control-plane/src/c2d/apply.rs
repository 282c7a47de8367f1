//! Writes changes of the queues. Runs on the writer thread, inside its transaction.

use ringhub_core::c2d::{FeedbackRecord, QueuedMessage};
use ringhub_core::id::{DeviceId, HubId, Identity};
use ringhub_core::time::UnixMillis;

use super::{C2dChange, C2dEffect, Ended, NewMessage};
use crate::directory::{Directory, GenerationId};
use crate::registry::{ChangeError, Effect, Outcome, RegistryError};
use crate::store::{Store, StoreError};

/// The writer's tools for the queues.
pub(crate) struct C2dApplier<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) directory: &'a Directory,
    /// What memory must learn after the commit, in this order.
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl C2dApplier<'_> {
    /// Makes one change, or says why not. A refused change has written nothing.
    pub(crate) fn apply(
        &mut self,
        change: C2dChange,
        now: UnixMillis,
    ) -> Result<Outcome, ChangeError> {
        match change {
            C2dChange::Enqueue(hub, new) => self.enqueue(hub, *new)?,
            C2dChange::End(hub, ended) => self.end(hub, ended)?,
            C2dChange::Abandon { hub, identity, number, token, count } => {
                self.store.set_delivery_count(number, count)?;
                self.tell(C2dEffect::Abandoned { hub, identity, number, token, count });
            }
            C2dChange::Purge(hub, device) => return self.purge(hub, device, now),
            C2dChange::ForgetNotices(hub, kind, ids) => {
                self.store.delete_notices(kind, &ids)?;
                self.tell(C2dEffect::NoticesForgotten(hub, kind, ids));
            }
        }
        Ok(Outcome::Done)
    }

    fn tell(&mut self, effect: C2dEffect) {
        self.effects.push(Effect::C2d(effect));
    }

    fn enqueue(&mut self, hub: HubId, new: NewMessage) -> Result<(), ChangeError> {
        let identity = &new.message.identity;
        if self.generation(hub, identity)?.is_none() {
            return Err(not_found(identity).into());
        }
        let sequence_number = self.store.insert_message(hub, &new)?;
        let NewMessage { message: new, enqueued, accepted } = new;
        let message = QueuedMessage {
            sequence_number,
            content: new.content,
            ack: new.ack,
            enqueued,
            expires: new.expires,
            delivery_count: 0,
            delivered: false,
        };
        self.tell(C2dEffect::Enqueued { hub, identity: new.identity, message, accepted });
        Ok(())
    }

    fn end(&mut self, hub: HubId, all: Vec<Ended>) -> Result<(), ChangeError> {
        for ended in all {
            let feedback = self.end_one(hub, &ended)?;
            let Ended { identity, sequence_number: number, .. } = ended;
            self.tell(C2dEffect::Ended { hub, identity, number, feedback });
        }
        Ok(())
    }

    /// Only the end that finds the message makes feedback, so that there is one record.
    fn end_one(&mut self, hub: HubId, ended: &Ended) -> Result<Option<FeedbackRecord>, StoreError> {
        let is_first = self.store.delete_message(ended.sequence_number)?;
        let Some(message_id) = ended.feedback.clone().filter(|_| is_first) else {
            return Ok(None);
        };
        let Some(GenerationId(generation)) = self.generation(hub, &ended.identity)? else {
            return Ok(None);
        };
        let mut record = FeedbackRecord {
            id: 0,
            identity: ended.identity.clone(),
            generation,
            message_id,
            outcome: ended.outcome,
            time: ended.time,
        };
        record.id = self.store.insert_feedback(hub, &record)?;
        Ok(Some(record))
    }

    fn purge(
        &mut self,
        hub: HubId,
        device: DeviceId,
        now: UnixMillis,
    ) -> Result<Outcome, ChangeError> {
        let identity = Identity { device, module: None };
        if self.generation(hub, &identity)?.is_none() {
            return Err(RegistryError::DeviceNotFound.into());
        }
        let queues = self.directory.c2d(hub);
        let taken = queues.map(|queues| queues.purge(&identity, now)).unwrap_or_default();
        let count = taken.len();
        self.end(hub, taken)?;
        Ok(Outcome::Purged(count))
    }

    fn generation(
        &self,
        hub: HubId,
        identity: &Identity,
    ) -> Result<Option<GenerationId>, StoreError> {
        self.store.generation(hub, identity)
    }
}

fn not_found(identity: &Identity) -> RegistryError {
    match identity.module {
        None => RegistryError::DeviceNotFound,
        Some(_) => RegistryError::ModuleNotFound,
    }
}
