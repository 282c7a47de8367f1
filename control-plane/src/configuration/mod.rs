//! Configurations: settings for all devices and modules that a condition takes.
//!
//! ```text
//!  REST ── ConfigurationChange ──▶ writer: record, scan begins ──▶ Configurations in memory
//!  any change of a twin or identity ──▶ writer: the identity is due, in the same transaction
//!  evaluator thread: scan on a connection of its own ── those taken, or taken before ──▶ due
//!  evaluator thread ── Evaluate ──▶ writer: a few due identities, conditions asked of each,
//!      settings laid over each other ──▶ twin, its statuses ──▶ device
//! ```
//!
//! What is due and where a scan stands are rows, so that a crash loses neither. Without a
//! configuration nothing of this costs more than a look at a number in memory.
//!
//! Source: control-plane reference, "Configurations, edge deployments, digital twins".

mod active;
mod apply;
mod bell;
mod change;
mod content;
mod deployment;
mod due;
mod error;
mod evaluate;
mod evaluator;
mod follow;
mod id;
mod metrics;
mod one_time;
mod overlay;
mod path;
mod record;
mod state;
mod target;

pub(crate) use active::{Configurations, Followed};
pub(crate) use bell::EvaluationBell;
pub(crate) use change::{ConfigurationChange, ConfigurationOutcome};
pub(crate) use content::{Content, Kind};
pub(crate) use due::{Due, DueNumber, Scan, ScanNumber, ScanStep};
pub(crate) use error::ConfigurationError;
pub(crate) use evaluator::Evaluator;
pub(crate) use id::ConfigurationId;
pub(crate) use metrics::{Counted, MetricCounts, Results, system_metrics};
pub(crate) use record::{Configuration, ConfigurationDraft, ConfigurationKey, check_metric};
pub(crate) use state::{Statuses, TargetState};
pub(crate) use target::Target;

#[cfg(test)]
mod tests;
