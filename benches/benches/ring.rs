//! Ring: records of 400 B from one thread to another, against `rtrb` with the same copies.
//!
//! Pairs are interleaved, so that drift of the machine meets both; the ratio is what counts.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ringhub_benches::report;

const RECORD_BYTES: usize = 400;
const RECORDS: usize = 1_000_000;
const PER_TURN: usize = 16;
const PAIRS: usize = 15;
const CAPACITY: usize = 4 * 1024 * 1024;

fn ringhub() -> Duration {
    let (mut producer, mut consumer) = ringhub_core::ring::ring(CAPACITY);
    let record = [7; RECORD_BYTES];
    let mut target = vec![0; RECORD_BYTES];
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..RECORDS {
                while producer.push(black_box(&record)).is_err() {
                    producer.publish();
                    std::thread::yield_now();
                }
                if number % PER_TURN == 0 {
                    producer.publish();
                }
            }
            producer.publish();
        });
        let mut received = 0;
        while received < RECORDS {
            let mut last = None;
            while let Some(popped) = consumer.pop() {
                target.copy_from_slice(consumer.record(popped));
                black_box(&mut target);
                received += 1;
                last = Some(popped.position);
                if received % PER_TURN == 0 {
                    break;
                }
            }
            match last {
                Some(position) => consumer.release(position),
                None => std::thread::yield_now(),
            }
        }
    });
    begin.elapsed()
}

/// `rtrb` of bytes, without framing: its reader knows the length.
fn rtrb() -> Duration {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<u8>::new(CAPACITY);
    let record = [7; RECORD_BYTES];
    let mut target = vec![0; RECORD_BYTES];
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut sent = 0;
            while sent < RECORDS {
                let Ok(mut chunk) = producer.write_chunk(RECORD_BYTES) else {
                    std::thread::yield_now();
                    continue;
                };
                let (first, second) = chunk.as_mut_slices();
                let (head, rest) = black_box(&record).split_at(first.len());
                first.copy_from_slice(head);
                second.copy_from_slice(rest);
                chunk.commit_all();
                sent += 1;
            }
        });
        let mut received = 0;
        while received < RECORDS {
            let Ok(chunk) = consumer.read_chunk(RECORD_BYTES) else {
                std::thread::yield_now();
                continue;
            };
            let (first, second) = chunk.as_slices();
            target[..first.len()].copy_from_slice(first);
            target[first.len()..].copy_from_slice(second);
            black_box(&mut target);
            chunk.commit_all();
            received += 1;
        }
    });
    begin.elapsed()
}

fn main() {
    let per_record = |time: Duration| time.as_secs_f64() * 1e9 / RECORDS as f64;
    let pairs: Vec<_> = (0..PAIRS).map(|_| (per_record(ringhub()), per_record(rtrb()))).collect();
    println!("ring: {RECORD_BYTES} B records, two threads, ns per record");
    report("ringhub ring", "rtrb + memcpy", &pairs);
}
