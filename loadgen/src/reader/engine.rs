//! The reading: one receiving link per partition, on one connection, until its end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringhub_core::codec::amqp::primitive::Value;
use ringhub_core::codec::amqp::section::Message;
use ringhub_core::session::amqp::AmqpEvent;

use super::account::Account;
use super::backend::BackEnd;
use super::desk::Desk;
use super::fault::Fault;
use super::links::Links;
use super::partition::Partition;
use super::plan::{Plan, Until};
use super::watch::Watch;

/// How often signals and clocks are looked at.
const TICK: Duration = Duration::from_millis(50);

/// How a run ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// As planned.
    Complete,
    /// By a signal.
    Interrupted,
    /// The hub sent nothing more, although there was more.
    Stalled,
    /// The connection, or a link of it, is gone.
    Lost(Fault),
}

/// A run under way; everything happens on one thread.
pub(super) struct Engine {
    plan: Plan,
    stop: Arc<AtomicBool>,
    back_end: BackEnd,
    links: Links,
    account: Rc<RefCell<Account>>,
    watch: Watch,
    start: Instant,
    /// The same moment, in milliseconds since 1970.
    start_ms: i64,
    /// Since when there may be something to read: the last moment at which there was nothing.
    since: Instant,
    is_drained: bool,
    last_event: Instant,
}

impl Engine {
    /// Connects, and attaches to all partitions. The `desk` is where their positions are from; it
    /// is asked again every second.
    pub(super) async fn open(plan: Plan, stop: Arc<AtomicBool>) -> Result<Self, Fault> {
        let mut desk = Desk::open(&plan).await?;
        let mut partitions = Vec::new();
        for id in chosen(&plan.partitions, desk.partition_ids().await?)? {
            let position = desk.position(&id).await?;
            partitions.push(Partition::new(id, position, plan.start));
        }
        let mut back_end = BackEnd::connect(&plan).await?;
        let links = Links::attach(&mut back_end, &plan, &partitions).await?;
        let account = Rc::new(RefCell::new(Account::new(partitions, plan.is_numbered)));
        let watch = Watch::start(desk, Rc::clone(&account));
        let (now, start_ms) = (Instant::now(), unix_ms());
        Ok(Self {
            plan,
            stop,
            back_end,
            links,
            account,
            watch,
            start: now,
            start_ms,
            since: now,
            is_drained: true,
            last_event: now,
        })
    }

    /// Partitions that are read.
    pub(super) fn partition_count(&self) -> usize {
        self.account.borrow().partitions.len()
    }

    /// Reads until the end. `show` is called at every tick with the time since the beginning.
    pub(super) async fn read(
        mut self,
        mut show: impl FnMut(Duration, &Account),
    ) -> (End, Duration, Account, Option<Fault>) {
        let end = loop {
            if let Some(end) = self.end() {
                break end;
            }
            if let Err(fault) = self.turn().await {
                break End::Lost(fault);
            }
            show(self.start.elapsed(), &self.account.borrow());
        };
        let elapsed = self.start.elapsed();
        if !matches!(end, End::Lost(_)) {
            self.back_end.close().await;
        }
        let watch_fault = self.watch.end().await;
        (end, elapsed, self.account.take(), watch_fault)
    }

    /// How the run ends, if it ends now.
    fn end(&self) -> Option<End> {
        if self.stop.load(Ordering::Relaxed) {
            return Some(End::Interrupted);
        }
        match self.plan.until {
            Until::Elapsed(time) => (self.start.elapsed() >= time).then_some(End::Complete),
            Until::CaughtUp if self.account.borrow().to_catch_up == 0 => Some(End::Complete),
            Until::CaughtUp => {
                (self.last_event.elapsed() >= self.plan.timeout).then_some(End::Stalled)
            }
        }
    }

    /// Waits for events, for a tick at most, and counts what has come.
    async fn turn(&mut self) -> Result<(), Fault> {
        self.back_end.flush().await?;
        let waiting = Instant::now();
        let is_ready = self.back_end.wait(TICK).await?;
        let now = Instant::now();
        if self.is_drained {
            self.account.borrow_mut().idle += now - waiting;
            self.since = now;
        }
        let received = if is_ready { self.back_end.receive()? } else { None };
        self.is_drained = received.unwrap_or(true);
        if received.is_some() {
            self.handle_received()?;
            self.account.borrow_mut().delay.record(self.since.elapsed());
        }
        self.back_end.handle_timeout()
    }

    fn handle_received(&mut self) -> Result<(), Fault> {
        let (now_ms, start_ms, links) = (unix_ms(), self.start_ms, &mut self.links);
        let account = &mut *self.account.borrow_mut();
        let before = account.events;
        let result = self.back_end.handle_received(|machine, event| match event {
            AmqpEvent::Message { delivery, payload, .. } => {
                let Some(place) = links.place_of(delivery.link) else { return Ok(()) };
                let stamps = Stamps::read(&payload).ok_or_else(no_event)?;
                account.handle_event(place, stamps.sequence_number, &payload);
                if stamps.enqueued_ms >= start_ms {
                    let lag_ms = u64::try_from(now_ms - stamps.enqueued_ms).unwrap_or(0);
                    account.lag.record(Duration::from_millis(lag_ms));
                }
                links.use_credit(place, machine);
                Ok(())
            }
            AmqpEvent::LinkDetached { error, .. } | AmqpEvent::Closed(error) => {
                Err(Fault::of_end(error))
            }
            _ => Ok(()),
        });
        if account.events > before {
            self.last_event = Instant::now();
        }
        result
    }
}

fn no_event() -> Fault {
    Fault::Protocol("the hub sent something that is no event".to_owned())
}

/// Those that were asked for, or all.
fn chosen(wanted: &[String], known: Vec<String>) -> Result<Vec<String>, Fault> {
    if let Some(partition) = wanted.iter().find(|wanted| !known.contains(wanted)) {
        return Err(Fault::Partition { partition: partition.clone(), known });
    }
    let is_chosen = |id: &String| wanted.is_empty() || wanted.contains(id);
    Ok(known.into_iter().filter(is_chosen).collect())
}

fn unix_ms() -> i64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(unix.as_millis()).unwrap_or(i64::MAX)
}

/// What the hub has stamped on an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamps {
    sequence_number: i64,
    enqueued_ms: i64,
}

impl Stamps {
    /// Reads both in one walk, which ends with the second.
    fn read(message: &[u8]) -> Option<Self> {
        let annotations = Message::decode(message).ok()?.message_annotations?;
        let (mut number, mut time) = (None, None);
        for (key, value) in annotations.pairs().map_while(Result::ok) {
            match (key.as_text(), value) {
                (Some("x-opt-sequence-number"), Value::Long(value)) => number = Some(value),
                (Some("x-opt-enqueued-time"), Value::Timestamp(value)) => time = Some(value),
                _ => continue,
            }
            if let (Some(sequence_number), Some(enqueued_ms)) = (number, time) {
                return Some(Self { sequence_number, enqueued_ms });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringhub_core::session::amqp::event_head::EventHead;

    use super::*;

    #[test]
    fn stamps_are_those_of_the_hub() {
        let mut message = BytesMut::new();
        let (sequence_number, enqueued_time_ms) = (7, 1_700_000_000_000);
        EventHead {
            sequence_number,
            offset: 9,
            enqueued_time_ms,
            annotation_count: 0,
            annotations: &[],
        }
        .encode(&mut message);
        let stamps = Stamps { sequence_number: 7, enqueued_ms: enqueued_time_ms };
        assert_eq!(Stamps::read(&message), Some(stamps));
        assert_eq!(Stamps::read(b""), None);
    }

    #[test]
    fn partitions_that_are_not_there_are_named() {
        let known = || ["0", "1", "2"].map(ToOwned::to_owned).to_vec();
        assert_eq!(chosen(&[], known()).unwrap(), known());
        assert_eq!(chosen(&["2".to_owned()], known()).unwrap(), ["2"]);
        let error = chosen(&["3".to_owned()], known()).unwrap_err().to_string();
        assert_eq!(error, "there is no partition `3`, only 0, 1, 2");
    }
}
