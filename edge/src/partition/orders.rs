//! What an executor does when a hub comes, changes or goes.

use std::rc::Rc;

use super::executor::Executor;
use super::hubs::{HubChange, HubOrder};
use super::readers::end_readers_of;
use super::retention::hide_old;

/// Carries out what the process wants with its hubs, for the life of the executor.
pub(super) async fn follow_orders(executor: Rc<Executor>, orders: flume::Receiver<HubOrder>) {
    while let Ok(HubOrder { change, done }) = orders.recv_async().await {
        let outcome = {
            let mut hubs = executor.hubs.borrow_mut();
            match change {
                HubChange::Add(log) => hubs.add(log),
                HubChange::SetRetention(hub, retention) => hubs.set_retention(hub, retention),
                HubChange::Remove(hub) => hubs.remove(hub),
            }
        };
        match (&outcome, change) {
            (Ok(()), HubChange::Remove(hub)) => {
                end_readers_of(&executor, hub);
                executor.tail.borrow_mut().remove_hub(hub);
                executor.want_purge();
            }
            (Ok(()), HubChange::SetRetention(..)) => hide_old(&executor).await,
            _ => {}
        }
        // Who asked may have ended meanwhile.
        let _ = done.send(outcome);
    }
}
