//! One connection as its task, the pacer and the sweep share it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use ringhub_edge::shard::Socket;
use rustix::net::Shutdown;

use crate::device::{Device, Scratch, Stage};
use crate::failure::Failure;

/// A device and the socket that it talks through.
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    pub(crate) device: RefCell<Device>,
    pub(crate) due: Instant,
    /// What the socket has not taken yet, and since when.
    unsent: RefCell<Vec<u8>>,
    stalled: Cell<Option<Instant>>,
    /// Why others than its task have ended it.
    ended: Cell<Option<Failure>>,
    is_leaving: Cell<bool>,
    has_left: Cell<bool>,
}

impl Connection {
    pub(crate) fn new(socket: Socket, device: Device, due: Instant) -> Self {
        Self {
            socket,
            device: RefCell::new(device),
            due,
            unsent: RefCell::default(),
            stalled: Cell::default(),
            ended: Cell::default(),
            is_leaving: Cell::default(),
            has_left: Cell::default(),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.device.borrow().stage()
    }

    /// Since when the socket takes nothing.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        self.stalled.get()
    }

    /// Ends the connection; its task finds out by itself.
    pub(crate) fn end(&self, failure: Failure) {
        self.ended.set(Some(failure));
        self.socket.shutdown(Shutdown::Both);
    }

    /// The device is to leave as soon as nothing of it is under way.
    pub(crate) fn prepare_to_leave(&self) {
        self.is_leaving.set(true);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.get()
    }

    /// Whether the socket has taken everything, and everything was acknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.stalled.get().is_none() && self.device.borrow().inflight() == 0
    }

    /// Ends the connection on purpose, without a goodbye.
    pub(crate) fn leave(&self) {
        self.has_left.set(true);
        self.socket.shutdown(Shutdown::Both);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.has_left.get()
    }

    /// Why it was ended, if it was.
    pub(crate) fn take_ended(&self) -> Option<Failure> {
        self.ended.take()
    }

    /// Sends what the socket takes now; the rest, which there seldom is, waits for a task of its
    /// own. The flag tells whether that task is to be started.
    pub(crate) fn transmit(&self, scratch: &mut Scratch) -> Result<bool, Failure> {
        if self.stalled.get().is_some() {
            self.unsent.borrow_mut().append(&mut scratch.out);
            return Ok(false);
        }
        let sent = match scratch.out.is_empty() {
            true => return Ok(false),
            false => self.socket.send(&scratch.out).map_err(Failure::of_errno)?,
        };
        let is_stalled = sent < scratch.out.len();
        if is_stalled {
            self.unsent.borrow_mut().extend_from_slice(&scratch.out[sent..]);
            self.stalled.set(Some(Instant::now()));
        }
        scratch.out.clear();
        Ok(is_stalled)
    }

    /// Sends the rest as the socket takes it. An error has ended the connection.
    pub(crate) async fn drain(self: &Rc<Self>) -> Result<(), ()> {
        let result = self.send_unsent().await;
        self.stalled.set(None);
        result.map_err(|failure| self.end(failure))
    }

    async fn send_unsent(&self) -> Result<(), Failure> {
        loop {
            self.socket.writable().await.map_err(|error| Failure::Tcp(error.kind()))?;
            let mut unsent = self.unsent.borrow_mut();
            let sent = self.socket.send(&unsent).map_err(Failure::of_errno)?;
            if sent == unsent.len() {
                *unsent = Vec::new();
                return Ok(());
            }
            unsent.drain(..sent);
        }
    }
}
