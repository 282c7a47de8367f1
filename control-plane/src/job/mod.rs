//! Scheduled jobs: one change of twins, or one method call, for every device that a condition
//! takes.
//!
//! ```text
//!  REST ── create, cancel ──▶ writer ── wake ──▶ executor ── Schedule: which step of which job ──┐
//!    list      condition ──▶ identities ── rows of the job, pending ──▶ writer                   │
//!    work      pending rows ── patches and rows in one transaction ──▶ writer            ◀───────┤
//!              pending rows ── running ──▶ writer ── calls ──▶ devices ── outcomes ──▶ writer ◀──┘
//! ```
//!
//! All targets are listed before the first device is touched, so a job never changes what it is
//! for. A row and the counts of its job move in one transaction, so counts are right whenever they
//! are read. A twin and its row change together: each device is done exactly once. A call leaves
//! after its row is stored as running; one that was under way when the process ended is in doubt,
//! and its row fails and says so: no device is called twice.
//!
//! Source: control-plane reference, "Scheduled jobs (v2 jobs)".

mod apply;
mod call;
mod change;
mod executor;
mod pace;
mod record;
mod row;
mod schedule;
mod task;

pub(crate) use apply::JobApplier;
pub(crate) use call::CallEnd;
pub(crate) use change::{JobChange, JobOutcome, NewJob};
pub(crate) use executor::{JobExecutor, JobWaker};
pub(crate) use record::{
    JobCounts, JobKind, JobNumber, JobProgress, JobRecord, JobState, ListedTo,
};
pub(crate) use row::{JobRow, JobTarget, RowError, RowState};

#[cfg(test)]
mod tests;
