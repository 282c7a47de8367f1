//! The seed of runs that chance decides, so that they can be repeated.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// A number from the environment, if it is there.
pub(crate) fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text}")))
}

/// The seed in the environment, for repeating a run; else one that differs from run to run.
pub(crate) fn seed_from(variable: &str) -> u64 {
    number_from(variable).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
        u64::from(now.subsec_nanos())
    })
}
