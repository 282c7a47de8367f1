//! How far the reader is behind, asked every second.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use monoio::task::JoinHandle;
use monoio::time::{sleep, timeout};

use super::account::Account;
use super::desk::Desk;
use super::fault::Fault;

/// Time between two looks, in ticks: an end is heard within one.
const TICKS: u32 = 20;
const TICK: Duration = Duration::from_millis(50);
/// Time that the end may wait for an answer.
const GRACE: Duration = Duration::from_secs(1);

/// A task that compares what was read with where the partitions stand.
pub(super) struct Watch {
    is_ending: Rc<Cell<bool>>,
    task: JoinHandle<Option<Fault>>,
}

impl Watch {
    pub(super) fn start(desk: Desk, account: Rc<RefCell<Account>>) -> Self {
        let is_ending = Rc::new(Cell::new(false));
        let task = monoio::spawn(watch(desk, account, Rc::clone(&is_ending)));
        Self { is_ending, task }
    }

    /// Ends the task; gives what kept it from going on.
    pub(super) async fn end(self) -> Option<Fault> {
        self.is_ending.set(true);
        timeout(GRACE, self.task).await.ok().flatten()
    }
}

async fn watch(
    mut desk: Desk,
    account: Rc<RefCell<Account>>,
    is_ending: Rc<Cell<bool>>,
) -> Option<Fault> {
    let ids: Vec<String> = account.borrow().partitions.iter().map(|p| p.id.clone()).collect();
    loop {
        for _ in 0..TICKS {
            if is_ending.get() {
                desk.close().await;
                return None;
            }
            sleep(TICK).await;
        }
        for (place, id) in ids.iter().enumerate() {
            match desk.position(id).await {
                Ok(position) => {
                    if let Some(partition) = account.borrow_mut().partitions.get_mut(place) {
                        partition.handle_position(position);
                    }
                }
                Err(fault) => return Some(fault),
            }
        }
    }
}
