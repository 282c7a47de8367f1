//! Quotas and throttles of a hub: how much of each kind of operation it takes in a second, and how
//! many messages in a day.
//!
//! ```text
//!  operation ─▶ HubQuota ── Pass ─────▶ goes on
//!                │  │       Delayed ──▶ goes on at that time; it is paid for
//!                │  │       Refused ──▶ the protocol's own error
//!                │  └ Bucket: the rate of a class    DailyCount: the messages of the day
//!                └ Lease: what a shard has taken of both ahead, so that its messages cost one
//!                  operation on a number that no other thread writes
//! ```
//!
//! Any thread may ask at any time; there is no lock, and what is let through is exact however many
//! ask at once. Time is an argument.
//!
//! Source: control-plane reference, "Quotas and throttles".

mod bucket;
mod class;
mod daily;
mod hub_quota;
mod lease;
mod limits;
mod plan;
mod tier;
mod verdict;

pub use bucket::{Booking, Bucket};
pub use class::OperationClass;
pub use daily::{DailyCount, Day, Usage};
pub use hub_quota::{HubQuota, Moment};
pub use limits::{QuotaLimits, Rate, Shaping};
pub use plan::{Imitated, QuotaPlan};
pub use tier::{InvalidTier, Tier, TierUnits};
pub use verdict::{QuotaRefusal, Verdict};
