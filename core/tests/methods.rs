//! Direct methods under a seeded simulation: mail that waits, devices that come, go, are taken
//! over, subscribe late, answer twice, answer for others or never, and a clock that jumps.
//!
//! The checker knows nothing of the machine: it hears what callers and devices hear.

mod random;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use random::Random;
use ringhub_core::id::{ConnectionId, DeviceId, HubId, Identity, SeatId, ShardId};
use ringhub_core::method::{
    CallId, Event, Failure, Invocation, MethodCall, Patience, PendingCalls, Target, Undelivered,
};
use ringhub_core::time::Timestamp;

const DEVICES: u64 = 4;
const STEPS: u64 = 4000;

/// One seat; a seat that was taken over lives on until it reads its mail.
struct Seat {
    device: u64,
    is_listening: bool,
    was_called: bool,
    mail: VecDeque<MethodCall>,
    /// Calls that the device holds: id and the number that the payload carries.
    held: Vec<(CallId, u64)>,
}

/// A call as the checker follows it.
struct Watched {
    device: u64,
    latest_end: Timestamp,
    heard_by: Option<u32>,
    has_ended: bool,
}

struct World {
    random: Random,
    calls: PendingCalls<u64>,
    now: Timestamp,
    seats: BTreeMap<u32, Seat>,
    /// The live seat of each device, as the directory has it.
    live: BTreeMap<u64, u32>,
    next_seat: u32,
    watched: Vec<Watched>,
    answered: u64,
    failed: BTreeMap<&'static str, u64>,
}

fn target(device: u64) -> Target {
    let device = DeviceId::parse(&format!("d{device}")).expect("a valid id");
    Target { hub: HubId(0), identity: Identity { device, module: None } }
}

fn id_of(number: u32) -> SeatId {
    let shard = ShardId(u16::try_from(number % 3).expect("small"));
    SeatId { connection: ConnectionId { shard, slot: 0, generation: 0 }, number }
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            calls: PendingCalls::new(seed << 20),
            now: Timestamp::ZERO,
            seats: BTreeMap::new(),
            live: BTreeMap::new(),
            next_seat: 0,
            watched: Vec::new(),
            answered: 0,
            failed: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        match self.random.below(12) {
            0 | 1 => self.call(),
            2 => self.connect(),
            3 => self.listen(),
            4 => self.close(),
            5..=8 => self.deliver(),
            9 | 10 => self.answer(),
            _ => self.tick(),
        }
        self.drain();
    }

    fn live_of(&self, device: u64) -> Option<SeatId> {
        self.live.get(&device).copied().map(id_of)
    }

    fn call(&mut self) {
        let device = self.random.below(DEVICES);
        let connect = Duration::from_millis(self.random.below(3) * 400);
        let response = Duration::from_millis(500 + self.random.below(500));
        let number = self.watched.len() as u64;
        let payload = number.to_string().into();
        let invocation = Invocation { name: "m".into(), payload };
        let patience = Patience { connect, response };
        let taken = self.calls.handle_call(number, target(device), invocation, patience, self.now);
        let Ok(id) = taken else { return };
        let latest_end = self.now + connect + response;
        self.watched.push(Watched { device, latest_end, heard_by: None, has_ended: false });
        let live = self.live_of(device);
        self.calls.handle_located(id, live, self.now);
    }

    fn connect(&mut self) {
        let device = self.random.below(DEVICES);
        let seat_number = self.next_seat;
        self.next_seat += 1;
        let seat = Seat {
            device,
            is_listening: false,
            was_called: false,
            mail: VecDeque::new(),
            held: Vec::new(),
        };
        self.seats.insert(seat_number, seat);
        self.live.insert(device, seat_number);
    }

    fn any_seat(&mut self) -> Option<u32> {
        let count = self.seats.len() as u64;
        let nth = usize::try_from(self.random.below(count.max(1))).expect("small");
        self.seats.keys().nth(nth).copied()
    }

    fn listen(&mut self) {
        let Some(seat_number) = self.any_seat() else { return };
        let stops = self.random.one_in(6);
        let seat = self.seats.get_mut(&seat_number).expect("it is there");
        seat.is_listening = !stops;
        if !stops {
            let device = seat.device;
            self.calls.handle_ready(&target(device), id_of(seat_number), self.now);
        }
    }

    fn close(&mut self) {
        let Some(seat_number) = self.any_seat() else { return };
        let seat = self.seats.remove(&seat_number).expect("it is there");
        if self.live.get(&seat.device) == Some(&seat_number) {
            self.live.remove(&seat.device);
        }
        if seat.was_called {
            self.calls.handle_gone(&target(seat.device), id_of(seat_number));
        }
        for call in seat.mail {
            self.undelivered(call.id, seat.device, seat_number, Undelivered::NotListening);
        }
    }

    fn undelivered(&mut self, id: CallId, device: u64, seat_number: u32, why: Undelivered) {
        let live = self.live_of(device);
        self.calls.handle_undelivered(id, id_of(seat_number), why, live, self.now);
    }

    fn deliver(&mut self) {
        let Some(seat_number) = self.any_seat() else { return };
        let is_behind = self.random.one_in(40);
        let seat = self.seats.get_mut(&seat_number).expect("it is there");
        let Some(call) = seat.mail.pop_front() else { return };
        let device = seat.device;
        if is_behind {
            self.undelivered(call.id, device, seat_number, Undelivered::Behind);
        } else if seat.is_listening {
            let text = str::from_utf8(&call.invocation.payload).expect("a number");
            let number: u64 = text.parse().expect("a number");
            seat.was_called = true;
            seat.held.push((call.id, number));
            let watched = &mut self.watched[usize::try_from(number).expect("small")];
            assert_eq!(watched.device, device, "a call reaches its own device");
            assert_eq!(watched.heard_by.replace(seat_number), None, "a device hears a call once");
        } else {
            self.undelivered(call.id, device, seat_number, Undelivered::NotListening);
        }
    }

    /// A device answers something that it holds, once or again; or another device does.
    fn answer(&mut self) {
        let Some(seat_number) = self.any_seat() else { return };
        let (forges, repeats) = (self.random.one_in(8), self.random.one_in(8));
        let seat = self.seats.get_mut(&seat_number).expect("it is there");
        let Some(&(id, number)) = seat.held.first() else { return };
        if !repeats {
            seat.held.remove(0);
        }
        if forges {
            let forged = self.calls.handle_answer(id, id_of(seat_number + 1));
            assert_eq!(forged, None, "only the seat that was called may answer");
        }
        if let Some(caller) = self.calls.handle_answer(id, id_of(seat_number)) {
            assert_eq!(caller, number, "an answer is for its own caller");
            assert_eq!(self.watched_of(caller).heard_by, Some(seat_number));
            self.answered += 1;
            self.end(caller);
        }
    }

    fn watched_of(&mut self, caller: u64) -> &mut Watched {
        &mut self.watched[usize::try_from(caller).expect("small")]
    }

    fn tick(&mut self) {
        self.now = self.now + Duration::from_millis(self.random.below(200));
        self.calls.handle_timeout(self.now);
        assert!(self.calls.poll_timeout().is_none_or(|at| at > self.now));
    }

    fn end(&mut self, caller: u64) {
        let watched = self.watched_of(caller);
        assert!(!std::mem::replace(&mut watched.has_ended, true), "call {caller} ends once");
    }

    fn drain(&mut self) {
        while let Some(event) = self.calls.poll_event() {
            match event {
                Event::Send(SeatId { number: seat_number, .. }, call) => {
                    match self.seats.get_mut(&seat_number) {
                        Some(seat) => seat.mail.push_back(call),
                        None => {
                            let device = self.device_of(&call);
                            let why = Undelivered::NotListening;
                            self.undelivered(call.id, device, seat_number, why);
                        }
                    }
                }
                Event::Fail(caller, why) => {
                    let name = match why {
                        Failure::NotOnline(_) => "not online",
                        Failure::ConnectionClosed => "connection closed",
                        Failure::Behind => "behind",
                        Failure::TimedOut => "timed out",
                        Failure::HubDeleted => "hub deleted",
                    };
                    *self.failed.entry(name).or_default() += 1;
                    self.end(caller);
                }
            }
        }
        let now = self.now;
        let late = |watched: &Watched| !watched.has_ended && watched.latest_end <= now;
        let is_late =
            self.calls.poll_timeout().is_none_or(|at| at > now) && self.watched.iter().any(late);
        assert!(!is_late, "a call outlives the patience of its caller");
    }

    fn device_of(&self, call: &MethodCall) -> u64 {
        let text = str::from_utf8(&call.invocation.payload).expect("a number");
        self.watched[text.parse::<usize>().expect("a number")].device
    }

    /// Everybody falls silent: the clock alone has to end what is left.
    fn finish(&mut self) {
        while let Some(at) = self.calls.poll_timeout() {
            self.now = self.now.max(at);
            self.calls.handle_timeout(self.now);
            self.drain();
        }
        assert!(self.watched.iter().all(|watched| watched.has_ended), "every call has ended");
        assert_eq!(self.calls.waiting(), 0);
    }
}

#[test]
fn every_call_ends_once_whatever_happens() {
    let mut answered = 0;
    let mut failed = BTreeMap::<&str, u64>::new();
    for seed in 1..=200 {
        let mut world = World::new(seed * 0x9e37_79b9);
        (0..STEPS).for_each(|_| world.step());
        world.finish();
        answered += world.answered;
        for (why, count) in world.failed {
            *failed.entry(why).or_default() += count;
        }
    }
    println!("methods: {answered} answered, {failed:?}");
    let is_rare = |count: &u64| *count < 1000;
    assert!(!is_rare(&answered) && failed.len() == 4, "the simulation reaches every end");
    assert!(!failed.values().any(is_rare), "and each of them often");
}
