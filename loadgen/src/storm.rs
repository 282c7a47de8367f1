//! A storm: all connections are gone at once, and every device comes back.

use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

use crate::alarm::Alarm;
use crate::device::Stage;
use crate::engine::Engine;
use crate::schedule::Schedule;

/// How everybody comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storm {
    /// Time between the last CONNACK and the storm.
    pub(crate) calm: Duration,
    /// When each device comes back.
    pub(crate) schedule: Schedule,
}

/// Connections that are opened together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wave {
    pub(crate) start: Instant,
    /// Whether the devices were connected before.
    pub(crate) is_return: bool,
}

impl Engine {
    /// Ends all connections at `start`, without a goodbye, and opens them again.
    pub(crate) async fn reconnect(self: &Rc<Self>, storm: Storm, start: Instant, alarm: Alarm) {
        // A timer that cannot be set makes the storm early, which changes nothing about it.
        let _ = alarm.sleep_until(start).await;
        self.expect_as_many_again();
        if let Some(tickets) = &self.plan.tickets {
            tickets.are_used.store(true, Ordering::Relaxed);
        }
        let connections: Vec<_> = self.connections.borrow().iter().flatten().cloned().collect();
        for connection in connections {
            if connection.stage() == Stage::Connected {
                self.tally.borrow_mut().leave();
                connection.leave();
            }
        }
        let wave = Wave { start, is_return: true };
        monoio::spawn(Rc::clone(self).arrive(alarm, storm.schedule, wave));
        self.wait_while(|| self.is_unsettled()).await;
    }
}

/// Tickets of all devices of a process: a server gives and takes them without regard to who the
/// client is, so any device may use any. As many as there are devices; more are dropped.
pub(crate) struct Tickets {
    room: usize,
    /// Whether the storm has come: before it every handshake is a full one.
    are_used: AtomicBool,
    tickets: Mutex<Vec<Tls13ClientSessionValue>>,
}

impl Tickets {
    pub(crate) fn new(room: usize) -> Self {
        Self { room, are_used: AtomicBool::new(false), tickets: Mutex::default() }
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        if tickets.len() < self.room {
            tickets.push(ticket);
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let are_used = self.are_used.load(Ordering::Relaxed);
        let pop = || self.tickets.lock().unwrap_or_else(PoisonError::into_inner).pop();
        are_used.then(pop).flatten()
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").field("room", &self.room).finish_non_exhaustive()
    }
}
