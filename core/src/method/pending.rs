//! The calls that wait: for their device, then for its answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::call::{
    CallId, Failure, Invocation, MethodCall, Patience, Refusal, Target, Undelivered,
};
use crate::id::{HubId, SeatId};
use crate::limits::{METHOD_BYTES_MAX, METHOD_CALLS_MAX, METHOD_CALLS_PER_IDENTITY_MAX};
use crate::time::Timestamp;

/// What the driver has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<C> {
    /// Hand the call to the seat, or report
    /// [`handle_undelivered`](PendingCalls::handle_undelivered).
    Send(SeatId, MethodCall),
    /// Tell the caller that there is no answer.
    Fail(C, Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody listens.
    Waiting,
    /// On its way to this seat, or at the device.
    Sent(SeatId),
}

#[derive(Debug)]
struct Call<C> {
    caller: C,
    target: Target,
    invocation: Invocation,
    patience: Patience,
    connect_until: Timestamp,
    state: State,
    /// End of the wait that it is in; also its place in the set of deadlines.
    deadline: Timestamp,
}

/// Calls of all hubs of the process, each of which ends exactly once: with the caller that
/// [`handle_answer`](Self::handle_answer) returns, or with [`Event::Fail`].
///
/// After every `handle_` call the driver takes all events. `C` is whoever waits for the end of a
/// call. Every operation takes logarithmic time in the number of calls.
///
/// Source: control-plane reference, "Direct methods".
#[derive(Debug)]
pub struct PendingCalls<C> {
    calls: BTreeMap<CallId, Call<C>>,
    /// Calls by target, oldest first.
    targets: BTreeMap<Target, Vec<CallId>>,
    deadlines: BTreeSet<(Timestamp, CallId)>,
    events: VecDeque<Event<C>>,
    next_id: u64,
    waiting: usize,
    bytes: usize,
}

impl<C> PendingCalls<C> {
    /// Starts without calls. Ids count from `first_id`, which should differ from start to start: a
    /// device may answer a call of the hub's former life.
    #[must_use]
    pub const fn new(first_id: u64) -> Self {
        Self {
            calls: BTreeMap::new(),
            targets: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            events: VecDeque::new(),
            next_id: first_id,
            waiting: 0,
            bytes: 0,
        }
    }

    /// Calls that wait for their device.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// A back end calls. The call waits until [`handle_located`](Self::handle_located), which must
    /// come next and must look for the seat after this returned: a device that connects
    /// between the two is then seen by one of them.
    ///
    /// # Errors
    /// [`Refusal`] with the caller, who is to be told.
    pub fn handle_call(
        &mut self,
        caller: C,
        target: Target,
        invocation: Invocation,
        patience: Patience,
        now: Timestamp,
    ) -> Result<CallId, (C, Refusal)> {
        let bytes = self.bytes + invocation.len();
        if self.calls.len() >= METHOD_CALLS_MAX || bytes > METHOD_BYTES_MAX {
            return Err((caller, Refusal::Full));
        }
        let of_target = self.targets.get(&target).map_or(0, Vec::len);
        if of_target >= METHOD_CALLS_PER_IDENTITY_MAX {
            return Err((caller, Refusal::TargetFull));
        }
        let id = CallId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let connect_until = now + patience.connect;
        self.bytes = bytes;
        self.waiting += 1;
        self.deadlines.insert((connect_until, id));
        self.targets.entry(target.clone()).or_default().push(id);
        let state = State::Waiting;
        let deadline = connect_until;
        let call = Call { caller, target, invocation, patience, connect_until, state, deadline };
        self.calls.insert(id, call);
        Ok(id)
    }

    /// The directory names the live seat of the target of `id`. Without one, a call whose
    /// back end does not wait ends here.
    pub fn handle_located(&mut self, id: CallId, seat: Option<SeatId>, now: Timestamp) {
        match seat {
            Some(seat) => self.send(id, seat, now),
            None => self.expire(id, now),
        }
    }

    /// `seat` did not take the call. `live` is the live seat of the target, looked for
    /// after that: a call that missed a takeover follows it.
    pub fn handle_undelivered(
        &mut self,
        id: CallId,
        seat: SeatId,
        why: Undelivered,
        live: Option<SeatId>,
        now: Timestamp,
    ) {
        if !self.is_sent_to(id, seat) {
            return;
        }
        if why == Undelivered::Behind {
            return self.fail(id, Failure::Behind);
        }
        self.unsend(id);
        let successor = live.filter(|live| *live != seat);
        self.handle_located(id, successor, now);
    }

    /// The target listens on `seat`: sends it what waits, in the order of the calls.
    pub fn handle_ready(&mut self, target: &Target, seat: SeatId, now: Timestamp) {
        let Some(ids) = self.targets.get(target) else { return };
        let is_waiting = |id: &&CallId| self.calls[*id].state == State::Waiting;
        let ids: Vec<CallId> = ids.iter().filter(is_waiting).copied().collect();
        for id in ids {
            self.send(id, seat, now);
        }
    }

    /// An answer came on `seat`. Returns who waits for it; nobody does if the call is
    /// unknown, has ended, or was sent elsewhere.
    pub fn handle_answer(&mut self, id: CallId, seat: SeatId) -> Option<C> {
        if !self.is_sent_to(id, seat) {
            return None;
        }
        self.remove(id).map(|call| call.caller)
    }

    /// `seat` of the target has ended: what was sent there is not answered any more.
    pub fn handle_gone(&mut self, target: &Target, seat: SeatId) {
        let Some(ids) = self.targets.get(target) else { return };
        let is_lost = |id: &&CallId| self.calls[*id].state == State::Sent(seat);
        let lost: Vec<CallId> = ids.iter().filter(is_lost).copied().collect();
        for id in lost {
            self.fail(id, Failure::ConnectionClosed);
        }
    }

    /// A hub is gone, and with it everybody who could answer.
    pub fn handle_hub_deleted(&mut self, hub: HubId) {
        let is_lost = |(_, call): &(&CallId, &Call<C>)| call.target.hub == hub;
        let lost: Vec<CallId> = self.calls.iter().filter(is_lost).map(|(id, _)| *id).collect();
        for id in lost {
            self.fail(id, Failure::HubDeleted);
        }
    }

    /// The clock spoke. Calling early is harmless.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            match self.calls[&id].state {
                State::Waiting => self.expire(id, now),
                State::Sent(_) => self.fail(id, Failure::TimedOut),
            }
        }
    }

    /// Next deadline; `None` while there is no call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Next thing to do.
    pub fn poll_event(&mut self) -> Option<Event<C>> {
        self.events.pop_front()
    }

    /// Who the call is for, while it has not ended.
    #[must_use]
    pub fn target(&self, id: CallId) -> Option<&Target> {
        self.calls.get(&id).map(|call| &call.target)
    }

    fn is_sent_to(&self, id: CallId, seat: SeatId) -> bool {
        self.calls.get(&id).is_some_and(|call| call.state == State::Sent(seat))
    }

    fn send(&mut self, id: CallId, seat: SeatId, now: Timestamp) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.state != State::Waiting {
            return;
        }
        self.waiting -= 1;
        call.state = State::Sent(seat);
        let invocation = call.invocation.clone();
        // A call that was sent again gets no more time than the back end waits in all.
        let deadline = now.min(call.connect_until) + call.patience.response;
        self.set_deadline(id, deadline);
        self.events.push_back(Event::Send(seat, MethodCall { id, invocation }));
    }

    fn unsend(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        self.waiting += 1;
        call.state = State::Waiting;
        let deadline = call.connect_until;
        self.set_deadline(id, deadline);
    }

    fn set_deadline(&mut self, id: CallId, deadline: Timestamp) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        self.deadlines.remove(&(call.deadline, id));
        call.deadline = deadline;
        self.deadlines.insert((deadline, id));
    }

    /// Ends a waiting call whose time to connect is over.
    fn expire(&mut self, id: CallId, now: Timestamp) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.connect_until <= now {
            let waited = call.patience.connect;
            self.fail(id, Failure::NotOnline(waited));
        }
    }

    fn fail(&mut self, id: CallId, why: Failure) {
        if let Some(call) = self.remove(id) {
            self.events.push_back(Event::Fail(call.caller, why));
        }
    }

    fn remove(&mut self, id: CallId) -> Option<Call<C>> {
        let call = self.calls.remove(&id)?;
        self.deadlines.remove(&(call.deadline, id));
        self.bytes -= call.invocation.len();
        self.waiting -= usize::from(call.state == State::Waiting);
        if let Some(ids) = self.targets.get_mut(&call.target) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.targets.remove(&call.target);
            }
        }
        Some(call)
    }
}

#[cfg(test)]
mod tests;
