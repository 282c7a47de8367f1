//! How committed changes reach the queues, and the shards of those who wait.

use std::sync::Arc;
use std::time::Instant;

use ringhub_core::id::{HubId, Identity};
use ringhub_core::time::UnixMillis;

use super::hub_queues::{C2dDue, C2dQueues};
use super::{C2dChange, C2dEffect};
use crate::directory::{Directory, IdentityRef};
use crate::shards::Shards;

/// Tells the queues what is durable, and the shards what there is to deliver.
pub(crate) fn tell(effect: C2dEffect, directory: &Directory, shards: &dyn Shards, now: UnixMillis) {
    match effect {
        C2dEffect::Enqueued { hub, identity, message, .. } => {
            let Some(queues) = directory.c2d(hub) else { return };
            queues.push(&identity, message);
            tell_device(hub, &identity, directory, shards, Some(Instant::now()));
        }
        C2dEffect::Ended { hub, identity, number, feedback } => {
            let Some(queues) = directory.c2d(hub) else { return };
            queues.remove(&identity, number);
            let waiting = feedback.map(|record| queues.push_feedback(record, now));
            waiting.into_iter().flatten().for_each(|connection| shards.notices_ready(connection));
        }
        C2dEffect::Abandoned { hub, identity, number, token, count } => {
            let Some(queues) = directory.c2d(hub) else { return };
            queues.put_back(&identity, number, token, count);
            tell_device(hub, &identity, directory, shards, None);
        }
        C2dEffect::FileReported(hub, file) => {
            let Some(queues) = directory.c2d(hub) else { return };
            let waiting = queues.push_file(file, now);
            waiting.into_iter().for_each(|connection| shards.notices_ready(connection));
        }
        C2dEffect::NoticesForgotten(hub, kind, ids) => {
            let Some(queues) = directory.c2d(hub) else { return };
            queues.remove_notices(kind, &ids);
        }
    }
}

/// Does what time asks for, and returns what the store must write for it.
pub(crate) fn take_due(
    directory: &Directory,
    shards: &dyn Shards,
    now: UnixMillis,
) -> Vec<C2dChange> {
    let mut changes = Vec::new();
    let is_due = |queues: &Arc<C2dQueues>| queues.deadline().is_some_and(|at| at <= now);
    for queues in directory.all_c2d().into_iter().filter(is_due) {
        let C2dDue { changes: of_hub, lapsed, notices_ready } = queues.take_due(now);
        changes.extend(of_hub);
        for identity in lapsed {
            tell_device(queues.hub(), &identity, directory, shards, None);
        }
        notices_ready.into_iter().for_each(|connection| shards.notices_ready(connection));
    }
    changes
}

fn tell_device(
    hub: HubId,
    identity: &Identity,
    directory: &Directory,
    shards: &dyn Shards,
    stored: Option<Instant>,
) {
    if let Some(seat) = directory.seat(hub, IdentityRef::from(identity)) {
        shards.device_bound(seat, stored);
    }
}
