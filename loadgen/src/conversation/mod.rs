//! CONVERSATION: what back ends and devices say to each other beside telemetry.
//!
//! ```text
//!  parent   caller ── POST /twins/…/methods ──▶ hub ──▶ device ─ answers ─▶ hub ──▶ caller
//!           sender ── devicebound over AMQP ──▶ hub ──▶ device
//!              └─ accepted ─▶ mailbox ◀─ heard ── news ── worker
//!  worker   pacer ─── reported patch ─────────▶ hub ──▶ device
//! ```
//!
//! Methods and messages are the business of the parent, on a few threads that block; patches and
//! answers that of the workers that have the devices.

pub(crate) mod back_end;
mod caller;
pub(crate) mod device;
mod mailbox;
mod patches;
mod sender;
pub(crate) mod service;
mod shared;
pub(crate) mod talk;

use crate::cli;

/// How much is said, per second of all devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conversation {
    /// Direct methods that a back end calls.
    pub(crate) methods: Option<u32>,
    /// Patches of reported properties.
    pub(crate) patches: Option<u32>,
    /// Messages to devices.
    pub(crate) c2d: Option<u32>,
}

impl Conversation {
    /// `None` where nothing is said.
    pub(crate) fn new(arguments: &cli::Conversation) -> Option<Self> {
        let cli::Conversation { methods, patches, c2d, .. } = *arguments;
        let is_silent = methods.is_none() && patches.is_none() && c2d.is_none();
        (!is_silent).then_some(Self { methods, patches, c2d })
    }

    /// Whether a back end takes part.
    pub(crate) const fn has_back_end(self) -> bool {
        self.methods.is_some() || self.c2d.is_some()
    }
}
