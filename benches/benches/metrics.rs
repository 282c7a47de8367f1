//! What measuring costs, per message, beside the same loop with nothing in it.
//!
//! `count` is what a message adds to the counters of its shard; `histogram` one value, which most
//! stages record per turn or commit; `clock` one reading of the clock, which no message pays for.
//!
//! Then what a page of all numbers costs a hub of 16 shards and 128 partitions, by thread, beside
//! the same hub left alone for as long. `cargo build --release -p ringhub-edge` first.

#[path = "memory_support/hub.rs"]
#[expect(dead_code, reason = "other benches use more of it")]
mod hub;
#[path = "metrics_support/page.rs"]
mod page;

use std::hint::black_box;
use std::time::Instant;

use ringhub_benches::quartiles;
use ringhub_core::meter::{Counter, Histogram};

const CALLS: u64 = 1_000_000;
const RUNS: usize = 101;

/// Nanoseconds per call.
fn time(mut call: impl FnMut(u64)) -> f64 {
    let began = Instant::now();
    for number in 0..CALLS {
        call(black_box(number));
    }
    began.elapsed().as_nanos() as f64 / CALLS as f64
}

fn main() {
    recordings();
    page::measure();
}

fn recordings() {
    let (messages, bytes) = (Counter::default(), Counter::default());
    let histogram = Histogram::default();
    let mut runs: [Vec<f64>; 4] = Default::default();
    for _ in 0..RUNS {
        runs[0].push(time(|number| _ = black_box(number)));
        runs[1].push(time(|number| {
            black_box(&messages).add(1);
            black_box(&bytes).add(number);
        }));
        // Spread over the whole range, so that no bucket is always at hand.
        runs[2].push(time(|n| {
            black_box(&histogram).record(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (24 + n % 32), 1);
        }));
        runs[3].push(time(|_| _ = black_box(Instant::now())));
    }
    for (name, values) in ["empty loop", "count", "histogram", "clock"].iter().zip(runs) {
        let (low, median, high) = quartiles(values);
        println!("{name:>12}  median {median:6.2} ns  quartiles {low:6.2} to {high:6.2}");
    }
}
