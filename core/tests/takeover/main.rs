//! Takeover of identities under a seeded simulation: devices that go between MQTT, the shared
//! connections of gateways and requests over HTTP, on shards that run at different speeds, with
//! mail that waits, rings that are full, commits that lag, and connections that end at any moment,
//! also while a seat waits for its predecessors.
//!
//! Checked whatever happens: the order of each identity, that nothing acknowledged is lost or
//! stored twice, that one seat of an identity is live, and that a device which stays on a gateway
//! notices nothing. A failure prints its seed, `RINGHUB_TAKEOVER_SEED` repeats it.

mod connection;
mod history;
mod hub;
#[path = "../random/mod.rs"]
mod random;
mod seat;
mod world;

use std::collections::BTreeMap;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use history::Carrier;
use world::World;

const SEEDS: u64 = 300;
const STEPS: usize = 4_000;

/// Runs `check` with each seed, or with that of the environment; names the one that fails.
fn with_seeds(mut check: impl FnMut(u64)) {
    let given = env::var("RINGHUB_TAKEOVER_SEED").ok();
    let given = given.map(|seed| seed.parse::<u64>().expect("RINGHUB_TAKEOVER_SEED is a number"));
    let seeds = given.map_or(1..=SEEDS, |seed| seed..=seed);
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(seed))) {
            eprintln!("failed with RINGHUB_TAKEOVER_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

fn world(seed: u64) -> World {
    World::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[test]
fn events_keep_their_order_over_every_change_of_protocol() {
    let mut moves = BTreeMap::<(Carrier, Carrier), usize>::new();
    let (mut stored, mut full) = (0, 0);
    with_seeds(|seed| {
        let mut world = world(seed);
        world.run(STEPS);
        world.settle();
        world.hub.history.verify().unwrap_or_else(|why| panic!("{why}"));
        world.check_steady();
        world.hub.history.count_moves(&mut moves);
        stored += world.hub.history.stored();
        full += world.hub.full;
    });
    println!("{SEEDS} seeds: {stored} events, {full} times a ring was full, moves {moves:?}");
    assert_eq!(moves.len(), 9, "every protocol after every other: {moves:?}");
    assert!(stored > 100 && full > 100, "{stored} events, {full} times a ring was full");
}

#[test]
fn whoever_comes_last_is_served() {
    with_seeds(|seed| {
        let mut world = world(seed);
        world.run(STEPS / 10);
        world.check_everybody_enters();
        world.hub.history.verify().unwrap_or_else(|why| panic!("{why}"));
        world.check_steady();
    });
}
