//! Indexes for queries: which devices have a value at a path.
//!
//! ```text
//!  PUT ── writer: a row that says "building" ── from now on every change of a twin notes its key
//!      ──▶ thread: reads twins in order ── small steps ──▶ writer: notes the keys of the others
//!      ──▶ "ready": queries ask it for devices, and their condition of each of these
//! ```
//!
//! A key is a hash of the value, so that each costs the same, and an index may name a device too
//! many but never one too few.

mod apply;
mod build;
mod change;
mod index;

pub(crate) use build::next_step;
pub(crate) use change::{BuildStep, IndexChange};
pub(crate) use index::{IndexNumber, IndexStage, QueryIndex, QueryIndexDraft};
