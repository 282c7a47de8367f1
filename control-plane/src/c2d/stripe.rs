//! A share of the queues of one hub, under one lock.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use ringhub_core::c2d::DeviceQueue;
use ringhub_core::id::{DeviceId, Identity, ModuleId};
use ringhub_core::time::UnixMillis;

/// Queues that hold something, with the time at which each wants to be looked at.
#[derive(Debug, Default)]
pub(super) struct Stripe {
    queues: HashMap<Identity, DeviceQueue>,
    deadlines: BTreeSet<(UnixMillis, DeviceId, Option<ModuleId>)>,
}

impl Stripe {
    /// Looks at a queue; nothing happens without one.
    pub(super) fn queue(&self, identity: &Identity) -> Option<&DeviceQueue> {
        self.queues.get(identity)
    }

    /// Changes a queue that is there; one that is empty afterwards is forgotten.
    pub(super) fn change<T>(
        &mut self,
        identity: &Identity,
        change: impl FnOnce(&mut DeviceQueue) -> T,
    ) -> Option<T> {
        let queue = self.queues.get_mut(identity)?;
        let before = queue.poll_timeout();
        let result = change(queue);
        let (after, is_empty) = (queue.poll_timeout(), queue.is_empty());
        self.reschedule(identity, before, after);
        if is_empty {
            self.queues.remove(identity);
        }
        Some(result)
    }

    /// Changes a queue, which is made if it is not there.
    pub(super) fn change_or_make<T>(
        &mut self,
        identity: &Identity,
        change: impl FnOnce(&mut DeviceQueue) -> T,
    ) -> Option<T> {
        if !self.queues.contains_key(identity) {
            self.queues.insert(identity.clone(), DeviceQueue::default());
        }
        self.change(identity, change)
    }

    /// Takes the queues of a deleted identity out, those of its modules too if it is a device.
    pub(super) fn remove(&mut self, deleted: &Identity) -> Vec<DeviceQueue> {
        let is_deleted = |identity: &&Identity| {
            identity.device == deleted.device
                && (deleted.module.is_none() || identity.module == deleted.module)
        };
        let gone: Vec<Identity> = self.queues.keys().filter(is_deleted).cloned().collect();
        let take = |identity: &Identity| {
            let queue = self.queues.remove(identity)?;
            let before = queue.poll_timeout();
            self.reschedule(identity, before, None);
            Some(queue)
        };
        gone.iter().filter_map(take).collect()
    }

    /// What the messages of all queues take together.
    pub(super) fn bytes(&self, of_content: fn(&Bytes) -> usize) -> usize {
        let messages = self.queues.values().flat_map(DeviceQueue::messages);
        messages.map(|message| of_content(&message.content)).sum()
    }

    /// The next time at which [`take_due`](Self::take_due) has something.
    pub(super) fn deadline(&self) -> Option<UnixMillis> {
        self.deadlines.first().map(|(at, ..)| *at)
    }

    /// An identity whose queue wants to be looked at by `now`.
    pub(super) fn due(&self, now: UnixMillis) -> Option<Identity> {
        let (at, device, module) = self.deadlines.first()?;
        (*at <= now).then(|| Identity { device: device.clone(), module: module.clone() })
    }

    fn reschedule(
        &mut self,
        identity: &Identity,
        before: Option<UnixMillis>,
        after: Option<UnixMillis>,
    ) {
        if before == after {
            return;
        }
        let entry = |at| (at, identity.device.clone(), identity.module.clone());
        if let Some(before) = before {
            self.deadlines.remove(&entry(before));
        }
        self.deadlines.extend(after.map(entry));
    }
}
