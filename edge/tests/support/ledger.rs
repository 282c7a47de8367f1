//! What devices have sent and heard of, and whether the hub has kept it.

use std::collections::{BTreeMap, BTreeSet};

use super::history::StoredEvent;

/// The messages of one device, numbered from zero over all its connections.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) id: String,
    next: u64,
    /// Sent, and without an answer.
    unanswered: BTreeSet<u64>,
    acknowledged: BTreeSet<u64>,
    /// How often a message was sent again.
    resends: BTreeMap<u64, usize>,
    /// Bytes by which all messages are longer than they would be.
    padding: usize,
}

impl Ledger {
    pub(crate) fn new(id: &str) -> Self {
        Self::padded(id, 0)
    }

    /// As above for messages that are longer by `padding` bytes.
    pub(crate) fn padded(id: &str, padding: usize) -> Self {
        Self {
            id: id.to_owned(),
            next: 0,
            unanswered: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            resends: BTreeMap::new(),
            padding,
        }
    }

    /// Number of a message that is sent now.
    pub(crate) fn send(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.unanswered.insert(number);
        number
    }

    /// A message is sent once more.
    pub(crate) fn resend(&mut self, number: u64) {
        *self.resends.entry(number).or_default() += 1;
    }

    /// The hub has answered for a message.
    pub(crate) fn acknowledge(&mut self, number: u64) {
        self.unanswered.remove(&number);
        assert!(self.acknowledged.insert(number), "{}: two answers for {number}", self.id);
    }

    /// Messages that were sent.
    pub(crate) const fn sent(&self) -> u64 {
        self.next
    }

    /// Messages that the hub has answered for.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    /// Numbers of the messages without an answer, oldest first.
    pub(crate) fn unanswered(&self) -> Vec<u64> {
        self.unanswered.iter().copied().collect()
    }

    /// What message `number` says: device and number, in various lengths.
    pub(crate) fn body(&self, number: u64) -> String {
        let filling = self.padding + 20 + (number % 7) as usize * 30;
        format!("{}/{number}/{}", self.id, "x".repeat(filling))
    }
}

/// What is wrong; all zeros in a run without fault.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Acknowledged and not there.
    pub(crate) missing: usize,
    /// There more often than it was sent.
    pub(crate) surplus: usize,
    /// First appearances that come after a later message of the same device.
    pub(crate) disordered: usize,
    /// Events that nobody has sent.
    pub(crate) damaged: usize,
}

impl Verdict {
    /// Judges all that is stored, each partition in its order.
    pub(crate) fn of<'l>(
        ledgers: impl IntoIterator<Item = &'l Ledger>,
        events: &[StoredEvent],
    ) -> Self {
        let mut bodies = BTreeMap::<String, Vec<&str>>::new();
        for event in events {
            bodies.entry(event.identity()).or_default().push(&event.body);
        }
        let mut verdict = Self::default();
        for ledger in ledgers {
            verdict.judge(ledger, &bodies.remove(&ledger.id).unwrap_or_default());
        }
        verdict.damaged += bodies.values().map(Vec::len).sum::<usize>();
        verdict
    }

    fn judge(&mut self, ledger: &Ledger, bodies: &[&str]) {
        let mut copies = BTreeMap::<u64, usize>::new();
        for body in bodies {
            let number = body.split('/').nth(1).and_then(|text| text.parse().ok());
            let Some(number) =
                number.filter(|number| *number < ledger.next && ledger.body(*number) == *body)
            else {
                self.damaged += 1;
                continue;
            };
            let newest = copies.last_key_value().map(|(newest, _)| *newest);
            let copies = copies.entry(number).or_default();
            *copies += 1;
            let is_late = newest.is_some_and(|newest| newest > number);
            self.disordered += usize::from(*copies == 1 && is_late);
            let sent = 1 + ledger.resends.get(&number).copied().unwrap_or(0);
            self.surplus += usize::from(*copies > sent);
        }
        let is_there = |number: &&u64| copies.contains_key(number);
        self.missing += ledger.acknowledged.iter().filter(|n| !is_there(n)).count();
    }
}
