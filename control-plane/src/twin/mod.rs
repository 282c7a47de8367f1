//! Twins of devices and modules: how they are changed in the store and told to devices.
//!
//! The rules are in `core`. Changes and the reads of devices go through the writer, so that a
//! device hears replies and notifications in the order of the versions; back ends read on their
//! own.

mod apply;
mod change;
mod reply;

pub(crate) use apply::{TwinApplier, owner};
pub(crate) use change::{Changed, Reader, TwinChange, TwinOutcome, TwinOwner};
pub(crate) use reply::TwinRefusalReason;
pub use reply::{TwinRefusal, TwinReply, TwinReplyDone};
