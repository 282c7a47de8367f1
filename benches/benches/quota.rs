//! Quotas: what the check of a message costs, with one thread and with two.
//!
//! The same loop runs without a check, with the check of a hub without limits, with that of a hub
//! like S3 x 10, and with one addition to a number that the threads share, which is what the
//! simplest counter costs. Runs are interleaved, so that drift of the machine meets all.

use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use ringhub_benches::quartiles;
use ringhub_core::quota::{HubQuota, Moment, TierUnits, Verdict};
use ringhub_core::time::{Timestamp, UnixMillis};

const MESSAGES: u64 = 5_000_000;
const ROUNDS: usize = 15;
/// Between two messages of all threads: 50,000 a second, below the rate of the tier.
const INTERVAL_NS: u64 = 20_000;

/// A hub as a seat holds it.
type Held = OnceLock<Box<HubQuota>>;

fn limited() -> Held {
    let tier: TierUnits = "S3 x 10".parse().expect("a tier");
    OnceLock::from(Box::new(HubQuota::new(&tier.limits())))
}

/// Nanoseconds for each message of `threads` threads that run `check` side by side.
fn time(threads: u16, check: impl Fn(u16, Moment) -> bool + Sync) -> f64 {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for lane in 0..threads {
            let check = &check;
            scope.spawn(move || {
                let mut taken = 0;
                for number in 0..MESSAGES {
                    let now = Timestamp::from_nanos(number * INTERVAL_NS * u64::from(threads));
                    let wall =
                        UnixMillis::from_millis(1_800_000_000_000 + (number >> 20).cast_signed());
                    taken += u64::from(check(lane, Moment::new(black_box(now), black_box(wall))));
                }
                assert_eq!(black_box(taken), MESSAGES, "the rate is below the limit");
            });
        }
    });
    begin.elapsed().as_secs_f64() * 1e9 / MESSAGES as f64
}

fn send(held: &Held, lane: u16, at: Moment) -> bool {
    let Some(quota) = held.get() else { return true };
    quota.send(lane, quota.messages_of(black_box(300)), at) == Verdict::Pass
}

fn main() {
    println!("quota: ns for each message; {ROUNDS} interleaved rounds of {MESSAGES} a thread");
    for threads in [1, 2] {
        let mut samples = [const { Vec::new() }; 4];
        for _ in 0..ROUNDS {
            let (off, on, shared) = (Held::new(), limited(), AtomicU64::new(0));
            samples[0].push(time(threads, |_, at| black_box(at).now >= Timestamp::ZERO));
            samples[1].push(time(threads, |lane, at| send(&off, lane, black_box(at))));
            samples[2].push(time(threads, |lane, at| send(&on, lane, black_box(at))));
            samples[3].push(time(threads, |_, at| {
                black_box(at);
                shared.fetch_add(1, Relaxed) < u64::MAX
            }));
        }
        let names = ["without a check", "no limits", "S3 x 10", "one shared addition"];
        let floor = quartiles(samples[0].clone()).1;
        for (name, values) in names.iter().zip(samples) {
            let (low, median, high) = quartiles(values);
            println!(
                "{threads} thread(s)  {name:>20}  median {median:6.2}  quartiles {low:6.2} to {high:6.2}  \
                 above the loop {:6.2}",
                median - floor
            );
        }
    }
}
