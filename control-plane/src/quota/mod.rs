//! Quotas of hubs: who asks them, who waits for them, and how they outlive the process.
//!
//! ```text
//!  request ─▶ Gate ── HubQuota says: now ───────────────▶ goes on, on the same thread
//!                 ├── later ──▶ the thread of the quotas ──▶ goes on, on that thread
//!                 └── no ────▶ refused
//! ```
//!
//! Telemetry and connects do not come here: shards ask the [`HubQuota`](ringhub_core::quota) that
//! their seats hold.

mod cost;
mod gate;
mod store;
mod thread;

pub(crate) use cost::{AnswerCost, Cost};
pub(crate) use gate::Gate;
pub(crate) use store::restore;
pub(crate) use thread::QuotaThread;

#[cfg(test)]
mod tests;
