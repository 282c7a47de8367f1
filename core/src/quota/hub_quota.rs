//! All limits of one hub.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use core::time::Duration;

use super::lease::{Lease, Stock};
use super::{
    Booking, Bucket, DailyCount, Day, OperationClass, QuotaLimits, QuotaRefusal, Usage, Verdict,
};
use crate::limits::{QUOTA_LEASE_MESSAGES, QUOTA_LEASES, QUOTA_WAITING_MAX};
use crate::time::{Timestamp, UnixMillis};

/// When an operation happens, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For rates; all who ask about one class have the same clock.
    pub now: Timestamp,
    /// For the messages of the day.
    pub today: Day,
}

impl Moment {
    /// A moment by its times.
    #[must_use]
    #[inline]
    pub fn new(now: Timestamp, wall: UnixMillis) -> Self {
        Self { now, today: Day::of(wall) }
    }
}

/// The limits of a hub and what is used of them. Shared by all threads; nothing waits, nothing is
/// allocated.
#[derive(Debug)]
pub struct HubQuota {
    leases: [Lease; QUOTA_LEASES],
    buckets: [Bucket; OperationClass::COUNT],
    refused_by_day: [AtomicU64; OperationClass::COUNT],
    daily: DailyCount,
    /// `u64::MAX` is no limit.
    messages_per_day: AtomicU64,
    message_bytes_log2: AtomicU32,
    is_basic: AtomicBool,
    /// Requests that wait for their time.
    waiting: AtomicU32,
}

impl HubQuota {
    /// A hub that has used nothing yet.
    #[must_use]
    pub fn new(limits: &QuotaLimits) -> Self {
        let bucket = |class| Bucket::new(limits.rates[class as usize], limits.shaping);
        let quota = Self {
            leases: std::array::from_fn(|_| Lease::default()),
            buckets: OperationClass::ALL.map(bucket),
            refused_by_day: std::array::from_fn(|_| AtomicU64::new(0)),
            daily: DailyCount::default(),
            messages_per_day: AtomicU64::new(u64::MAX),
            message_bytes_log2: AtomicU32::new(0),
            is_basic: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
        };
        quota.set_limits(limits);
        quota
    }

    /// Other limits from now on; what is used stays used.
    pub fn set_limits(&self, limits: &QuotaLimits) {
        for class in OperationClass::ALL {
            self.bucket(class).set(limits.rates[class as usize], limits.shaping);
        }
        self.messages_per_day.store(limits.messages_per_day.unwrap_or(u64::MAX), Relaxed);
        self.message_bytes_log2.store(limits.message_bytes.max(1).ilog2(), Relaxed);
        self.is_basic.store(limits.is_basic, Relaxed);
    }

    /// Messages that `bytes` are charged as, at least one.
    #[must_use]
    #[inline]
    pub fn messages_of(&self, bytes: usize) -> u32 {
        let log2 = self.message_bytes_log2.load(Relaxed);
        u32::try_from(bytes.saturating_sub(1) >> log2).unwrap_or(u32::MAX - 1) + 1
    }

    /// Lets a device send telemetry that is charged as `messages`. Threads with different numbers
    /// as `lane` do not meet each other as long as there is plenty of both; each has its own.
    ///
    /// Costs one operation on a number of the thread's own, and every sixty-fourth time some on
    /// numbers of all threads. Near a limit it is that each time, and exact.
    #[inline]
    pub fn send(&self, lane: u16, messages: u32, at: Moment) -> Verdict {
        let lease = &self.leases[usize::from(lane) % QUOTA_LEASES];
        if lease.spend(at.today, messages) {
            return Verdict::Pass;
        }
        self.send_beyond_lease(lease, messages.into(), at)
    }

    #[cold]
    fn send_beyond_lease(&self, lease: &Lease, messages: u64, at: Moment) -> Verdict {
        let today = self.daily.read(at.today).day;
        let held = lease.empty(today);
        let (verdict, sends) = if held.sends > 0 {
            (Verdict::Pass, held.sends - 1)
        } else {
            match self.bucket(OperationClass::D2cSends).book(1, QUOTA_LEASE_MESSAGES, at.now) {
                Booking::Now { spare } => (Verdict::Pass, spare),
                Booking::At(time) => (Verdict::Delayed(time), 0),
                Booking::Refused(after) => {
                    lease.put(held);
                    return Verdict::Refused(QuotaRefusal::Throttled { after });
                }
            }
        };
        match self.draw(held.of_day, messages, at.today) {
            Some(of_day) => {
                lease.put(Stock { sends, of_day });
                verdict
            }
            None => {
                // The send was not used.
                let sends = sends + u64::from(verdict == Verdict::Pass);
                lease.put(Stock { sends, of_day: Usage { day: today, messages: 0 } });
                self.refuse_for_the_day(OperationClass::D2cSends)
            }
        }
    }

    /// Pays `messages` out of what a lease held, and the rest out of the day. Returns what is left
    /// over; on failure all that was held is back with the day.
    fn draw(&self, held: Usage, messages: u64, today: Day) -> Option<Usage> {
        if let Some(left) = held.messages.checked_sub(messages) {
            return Some(Usage { messages: left, ..held });
        }
        let missing = messages - held.messages;
        let limit = self.messages_per_day.load(Relaxed);
        if let Some(more) = self.daily.take(today, missing, QUOTA_LEASE_MESSAGES, limit) {
            return Some(more);
        }
        self.daily.give_back(held, today);
        self.charge(messages, today).then_some(Usage { day: held.day, messages: 0 })
    }

    /// Charges the day, with what shards have taken ahead if there is nothing else left.
    fn charge(&self, messages: u64, today: Day) -> bool {
        let limit = self.messages_per_day.load(Relaxed);
        if self.daily.take(today, messages, 0, limit).is_some() {
            return true;
        }
        let day = self.daily.read(today).day;
        for lease in &self.leases {
            let messages = lease.take_messages(day);
            if messages > 0 {
                self.daily.give_back(Usage { day, messages }, today);
            }
        }
        self.daily.take(today, messages, 0, limit).is_some()
    }

    /// Lets an operation of `units`, which is charged as `messages` of the day, happen.
    pub fn operate(&self, class: OperationClass, units: u64, messages: u64, at: Moment) -> Verdict {
        if class.is_standard_only() && self.is_basic.load(Relaxed) {
            return Verdict::Refused(QuotaRefusal::Tier);
        }
        if messages > 0 && !self.charge(messages, at.today) {
            return self.refuse_for_the_day(class);
        }
        match self.bucket(class).book(units, 0, at.now) {
            Booking::Now { .. } => Verdict::Pass,
            Booking::At(time) => Verdict::Delayed(time),
            Booking::Refused(after) => {
                self.refund(messages, at.today);
                Verdict::Refused(QuotaRefusal::Throttled { after })
            }
        }
    }

    /// Charges what became known only when an operation had happened, as far as the day has it.
    pub fn charge_later(&self, messages: u64, today: Day) {
        self.daily.take_up_to(today, messages, self.messages_per_day.load(Relaxed));
    }

    /// Gives back messages of an operation that did not happen after all.
    pub fn refund(&self, messages: u64, today: Day) {
        let day = self.daily.read(today).day;
        self.daily.give_back(Usage { day, messages }, today);
    }

    /// Takes a place among the requests that wait; `false` when there is none.
    pub fn begin_waiting(&self) -> bool {
        let add = |waiting: u32| (waiting < QUOTA_WAITING_MAX).then_some(waiting + 1);
        self.waiting.fetch_update(Relaxed, Relaxed, add).is_ok()
    }

    /// Leaves a place that was [taken](Self::begin_waiting).
    pub fn end_waiting(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    /// Messages that the day has; `None` is no limit.
    #[must_use]
    pub fn messages_per_day(&self) -> Option<u64> {
        Some(self.messages_per_day.load(Relaxed)).filter(|limit| *limit < u64::MAX)
    }

    /// What is used of the day, without what shards have taken ahead.
    pub fn used(&self, today: Day) -> Usage {
        let Usage { day, messages } = self.daily.read(today);
        let ahead: u64 = self.leases.iter().map(|lease| lease.messages(day)).sum();
        Usage { day, messages: messages.saturating_sub(ahead) }
    }

    /// What a former process has used.
    pub fn restore(&self, usage: Usage) {
        self.daily.restore(usage);
    }

    /// Operations that had to wait, since the start.
    #[must_use]
    pub fn delayed(&self, class: OperationClass) -> u64 {
        self.bucket(class).delayed()
    }

    /// Operations that came too fast, since the start.
    #[must_use]
    pub fn throttled(&self, class: OperationClass) -> u64 {
        self.bucket(class).refused()
    }

    /// Operations for which the day had no messages, since the start.
    #[must_use]
    pub fn refused_by_day(&self, class: OperationClass) -> u64 {
        self.refused_by_day[class as usize].load(Relaxed)
    }

    fn bucket(&self, class: OperationClass) -> &Bucket {
        &self.buckets[class as usize]
    }

    fn refuse_for_the_day(&self, class: OperationClass) -> Verdict {
        self.refused_by_day[class as usize].fetch_add(1, Relaxed);
        Verdict::Refused(QuotaRefusal::DailyQuota)
    }
}

/// The refusal of a request that finds no place to wait.
impl QuotaRefusal {
    /// As many requests wait as may.
    pub const NO_PLACE: Self = Self::Throttled { after: Duration::from_secs(1) };
}

#[cfg(test)]
mod tests {
    use super::super::{Rate, Shaping};
    use super::*;

    const TODAY: Day = Day(20_000);
    const DAILY: Verdict = Verdict::Refused(QuotaRefusal::DailyQuota);

    fn at(millis: u64) -> Moment {
        Moment { now: Timestamp::from_nanos(millis * 1_000_000), today: TODAY }
    }

    fn quota(messages_per_day: u64, sends: Option<Rate>) -> HubQuota {
        let mut limits =
            QuotaLimits { messages_per_day: Some(messages_per_day), ..QuotaLimits::NONE };
        limits.rates[OperationClass::D2cSends as usize] = sends;
        limits.shaping = Shaping { burst: Duration::from_secs(1), wait_max: Duration::ZERO };
        HubQuota::new(&limits)
    }

    #[test]
    fn bodies_are_charged_in_steps() {
        let quota = quota(1, None);
        let charged = [0, 1, 4096, 4097, 8192, 8193].map(|bytes| quota.messages_of(bytes));
        assert_eq!(charged, [1, 1, 1, 2, 2, 3]);
        quota.set_limits(&"F1".parse::<super::super::TierUnits>().expect("a tier").limits());
        assert_eq!([512, 513, 256 * 1024].map(|bytes| quota.messages_of(bytes)), [1, 2, 512]);
    }

    /// Goal: no message too many and none too few, however many threads send and whatever they have
    /// taken ahead.
    #[test]
    fn threads_use_up_a_day_to_the_message() {
        let quota = quota(100_003, None);
        let passed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for lane in 0..4 {
                let (quota, passed) = (&quota, &passed);
                scope.spawn(move || {
                    let mut refused = 0;
                    for turn in 0_u32.. {
                        let messages = 1 + turn % 3;
                        match quota.send(lane, messages, at(1)) {
                            Verdict::Pass => {
                                passed.fetch_add(messages.into(), Relaxed);
                            }
                            _ => refused += 1,
                        }
                        if refused == 100 {
                            return;
                        }
                    }
                });
            }
        });
        // What one had in its hands when the others asked for the last time is there again.
        while quota.send(9, 1, at(1)) == Verdict::Pass {
            passed.fetch_add(1, Relaxed);
        }
        assert_eq!(passed.into_inner(), 100_003);
        assert_eq!(quota.used(TODAY).messages, 100_003);
        assert!(quota.refused_by_day(OperationClass::D2cSends) >= 401);
    }

    #[test]
    fn threads_get_together_the_sends_of_one_burst() {
        let quota = quota(1 << 39, Some(Rate::per_second(50_000)));
        let passed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for lane in 0..4 {
                let (quota, passed) = (&quota, &passed);
                scope.spawn(move || {
                    while quota.send(lane, 1, at(1)) == Verdict::Pass {
                        passed.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 50_000);
        assert_eq!(quota.throttled(OperationClass::D2cSends), 4);
        let used = quota.used(TODAY).messages;
        assert_eq!(used, 50_000, "a refused send is not charged");
    }

    #[test]
    fn what_shards_have_taken_ahead_is_there_for_all() {
        let quota = quota(1000, None);
        assert_eq!(quota.send(0, 1, at(1)), Verdict::Pass);
        assert_eq!(quota.send(1, 1, at(1)), Verdict::Pass);
        assert_eq!(quota.used(TODAY).messages, 2);
        let rest = quota.operate(OperationClass::TwinReads, 1, 998, at(1));
        assert_eq!(rest, Verdict::Pass, "with what the shards have taken");
        assert_eq!(quota.send(0, 1, at(1)), DAILY);
        assert_eq!(quota.operate(OperationClass::TwinReads, 1, 1, at(1)), DAILY);
        assert_eq!(quota.operate(OperationClass::Connections, 1, 0, at(1)), Verdict::Pass);
        quota.refund(1, TODAY);
        assert_eq!(quota.send(1, 1, at(1)), Verdict::Pass);
        let tomorrow = Moment { today: Day(TODAY.0 + 1), ..at(1) };
        assert_eq!(quota.send(0, 1, tomorrow), Verdict::Pass);
        assert_eq!(quota.used(tomorrow.today).messages, 1);
    }

    #[test]
    fn a_refused_operation_uses_nothing_up() {
        let mut limits = QuotaLimits { messages_per_day: Some(10), ..QuotaLimits::NONE };
        limits.rates[OperationClass::Queries as usize] = Some(Rate::per_second(1));
        limits.shaping =
            Shaping { burst: Duration::from_secs(1), wait_max: Duration::from_secs(1) };
        let quota = HubQuota::new(&limits);
        let ask = || quota.operate(OperationClass::Queries, 1, 1, at(500));
        assert_eq!(ask(), Verdict::Pass);
        assert_eq!(ask(), Verdict::Delayed(Timestamp::from_nanos(1_500_000_000)));
        let after = Duration::from_secs(1);
        assert_eq!(ask(), Verdict::Refused(QuotaRefusal::Throttled { after }));
        assert_eq!(quota.used(TODAY).messages, 2);
        quota.charge_later(100, TODAY);
        assert_eq!(quota.used(TODAY).messages, 10);
    }

    #[test]
    fn basic_tiers_do_without_some_operations() {
        let basic = "B1".parse::<super::super::TierUnits>().expect("a tier").limits();
        let quota = HubQuota::new(&basic);
        let refused = Verdict::Refused(QuotaRefusal::Tier);
        assert_eq!(quota.operate(OperationClass::TwinReads, 1, 1, at(1)), refused);
        assert_eq!(quota.operate(OperationClass::IdentityRegistry, 1, 0, at(1)), Verdict::Pass);
    }

    #[test]
    fn so_many_may_wait_and_no_more() {
        let quota = quota(1, None);
        assert!((0..QUOTA_WAITING_MAX).all(|_| quota.begin_waiting()));
        assert!(!quota.begin_waiting());
        quota.end_waiting();
        assert!(quota.begin_waiting());
    }
}
