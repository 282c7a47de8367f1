use super::*;
use crate::position::{Committed, RingPosition};

/// A small generator is enough to vary lengths; the seed is printed by the assertions.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn drain(consumer: &mut Consumer) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some(popped) = consumer.pop() {
        records.push(consumer.record(popped).to_vec());
        consumer.release(popped.position);
    }
    records
}

#[test]
fn shows_records_only_after_publish() {
    let (mut producer, mut consumer) = ring(64);
    let position = producer.push(b"one").expect("room");
    assert_eq!(position, RingPosition(16));
    assert!(consumer.pop().is_none());
    assert!(producer.publish());
    assert!(!producer.publish());
    assert_eq!(drain(&mut consumer), [b"one"]);
}

#[test]
fn is_full_until_the_consumer_releases() {
    let (mut producer, mut consumer) = ring(64);
    for _ in 0..2 {
        producer.push(&[7; 16]).expect("room");
    }
    assert_eq!(producer.push(&[7; 16]), Err(RingFull), "48 of 64 bytes are taken");
    producer.publish();
    let popped = consumer.pop().expect("published");
    assert_eq!(producer.push(&[7; 16]), Err(RingFull), "popped is not released");
    consumer.release(popped.position);
    assert!(producer.push(&[7; 16]).is_ok());
}

#[test]
fn backlog_is_what_is_published_and_not_released() {
    let (mut producer, mut consumer) = ring(64);
    producer.push(&[7; 16]).expect("room");
    assert_eq!(producer.backlog(), 0, "not published");
    producer.publish();
    let popped = consumer.pop().expect("published");
    assert_eq!(producer.backlog(), 24, "popped is not released");
    consumer.release(popped.position);
    assert_eq!(producer.backlog(), 0);
}

#[test]
fn wraps_at_every_alignment() {
    for first in 0..=16 {
        for second in 0..=16 {
            let (mut producer, mut consumer) = ring(64);
            for round in 0..20_u8 {
                for len in [first, second] {
                    let record = vec![round; len];
                    let position = producer.push(&record).expect("room for one record");
                    producer.publish();
                    let popped = consumer.pop().expect("published");
                    assert_eq!((consumer.record(popped), popped.position), (&record[..], position));
                    consumer.release(position);
                }
            }
        }
    }
}

#[test]
fn largest_record_fits_an_empty_ring_wherever_it_stands() {
    let (mut producer, mut consumer) = ring(256);
    for small in 0..64 {
        producer.push(&vec![1; small]).expect("room");
        producer.publish();
        drain(&mut consumer);
        producer.push(&[2; 64]).expect("largest record");
        producer.publish();
        assert_eq!(drain(&mut consumer), [[2; 64]]);
    }
}

#[test]
fn tells_every_watch_what_is_committed() {
    let (mut producer, mut consumer) = ring(64);
    let watch = producer.watch();
    let position = producer.push(b"x").expect("room");
    producer.publish();
    consumer.pop().expect("published");
    assert_eq!(watch.committed(), Committed(RingPosition(0)));
    consumer.set_committed(position);
    assert_eq!(
        (watch.committed(), producer.committed()),
        (Committed(position), Committed(position))
    );
}

#[test]
#[should_panic(expected = "moved backwards")]
fn refuses_a_commit_that_moves_backwards() {
    let (mut producer, mut consumer) = ring(64);
    let first = producer.push(b"x").expect("room");
    let second = producer.push(b"y").expect("room");
    producer.publish();
    while consumer.pop().is_some() {}
    consumer.set_committed(second);
    consumer.set_committed(first);
}

#[test]
#[should_panic(expected = "record is not held")]
fn refuses_a_released_record() {
    let (mut producer, mut consumer) = ring(64);
    producer.push(b"x").expect("room");
    producer.publish();
    let popped = consumer.pop().expect("published");
    consumer.release(popped.position);
    let _ = consumer.record(popped);
}

/// Lengths and contents follow from the seed alone, so the consumer knows what must come.
fn stress(seed: u64, count: usize) {
    let (mut producer, mut consumer) = ring(512);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut lengths = Lcg(seed);
            for number in 0..count {
                let record = vec![number as u8; lengths.below(129) as usize];
                while producer.push(&record).is_err() {
                    producer.publish();
                    std::thread::yield_now();
                }
                if number % 3 == 0 {
                    producer.publish();
                }
            }
            producer.publish();
        });
        let mut lengths = Lcg(seed);
        let mut held = Vec::new();
        let mut number = 0;
        while number < count || !held.is_empty() {
            if let Some(popped) = consumer.pop() {
                held.push((popped, number));
                number += 1;
            } else {
                std::thread::yield_now();
            }
            if held.len() == 4 || (number == count) || !consumer.refresh() {
                for &(popped, number) in &held {
                    let expected = vec![number as u8; lengths.below(129) as usize];
                    assert_eq!(consumer.record(popped), expected, "seed {seed}, record {number}");
                }
                if let Some((last, _)) = held.drain(..).next_back() {
                    consumer.release(last.position);
                    consumer.set_committed(last.position);
                }
            }
        }
    });
}

#[test]
fn two_threads_pass_every_record_unharmed() {
    let (seeds, count) = if cfg!(miri) { (2, 150) } else { (50, 5_000) };
    for seed in 0..seeds {
        stress(seed, count);
    }
}
