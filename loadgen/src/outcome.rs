//! What a run, or the share of one worker, has come to.

use serde::{Deserialize, Serialize};

use crate::process::Usage;
use crate::tally::Tally;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// As planned.
    #[default]
    Complete,
    /// No connection stood any more, or ever.
    GaveUp,
    /// By a signal.
    Interrupted,
}

/// What this program spent in a part of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Spent {
    pub(crate) cpu_s: f64,
    pub(crate) elapsed_s: f64,
}

impl Spent {
    pub(crate) fn between(from: Usage, to: Usage) -> Self {
        Self {
            cpu_s: to.cpu.saturating_sub(from.cpu).as_secs_f64(),
            elapsed_s: to.at.saturating_duration_since(from.at).as_secs_f64(),
        }
    }

    /// Part of one core that was busy.
    pub(crate) fn busy(self) -> f64 {
        if self.elapsed_s > 0.0 { self.cpu_s / self.elapsed_s } else { 0.0 }
    }
}

/// What one process of this program cost.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// While connections were opened.
    pub(crate) ramp: Spent,
    /// From then on.
    pub(crate) steady: Spent,
    /// Resident memory while all connections stood.
    pub(crate) resident_bytes: u64,
}

/// What one process has counted, and what it cost.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) end: End,
    pub(crate) cost: Cost,
}
