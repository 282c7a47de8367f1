//! A flag that one task of the shard waits for and others raise.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Remembers one raise until it is awaited; raises in between are merged.
#[derive(Debug, Default)]
pub(super) struct Signal {
    is_raised: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl Signal {
    pub(super) fn raise(&self) {
        self.is_raised.set(true);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    pub(super) async fn raised(&self) {
        poll_fn(|cx| {
            if self.is_raised.take() {
                return Poll::Ready(());
            }
            self.waiter.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
