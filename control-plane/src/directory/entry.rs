//! What the directory remembers about one identity.

use ringhub_core::id::{DeviceId, ModuleId, SeatId};
use ringhub_core::session::takeover::Tenure;
use ringhub_core::time::UnixMillis;

use crate::credentials::Credentials;

/// Whether a device may connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// May connect.
    #[default]
    Enabled,
    /// Is refused, with all of its modules.
    Disabled,
}

/// Tells an identity from another of the same name that was deleted before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId(pub u64);

/// What is observed of an identity, rather than configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// The live seat.
    pub seat: Option<SeatId>,
    /// When `seat` came or went; `None` is never.
    pub changed: Option<UnixMillis>,
    /// Last connect, disconnect or message, the message to a few seconds; `None` is never.
    pub last_activity: Option<UnixMillis>,
}

/// The part that devices and modules share.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) generation: GenerationId,
    pub(super) credentials: Credentials,
    pub(super) subscriptions: u32,
    pub(super) tenure: Tenure,
    /// Plug and Play model that was announced last, as the store has it.
    pub(super) model: Option<Box<str>>,
    /// When the live seat came or went.
    pub(super) changed: Option<UnixMillis>,
    pub(super) last_activity: Option<UnixMillis>,
    /// The store does not know the three above as they are; the stripe lists the identity.
    pub(super) is_unsaved: bool,
}

impl Entry {
    pub(super) fn new(record: IdentityRecord) -> Self {
        Self {
            generation: record.generation,
            credentials: record.credentials,
            subscriptions: record.subscriptions,
            tenure: Tenure::default(),
            model: None,
            changed: None,
            last_activity: None,
            is_unsaved: false,
        }
    }

    pub(super) fn presence(&self) -> Presence {
        Presence {
            seat: self.tenure.holder(),
            changed: self.changed,
            last_activity: self.last_activity,
        }
    }

    /// Takes over what the registry says; what is observed stays.
    pub(super) fn update(&mut self, record: IdentityRecord) {
        debug_assert_eq!(self.generation, record.generation, "a deleted identity leaves its entry");
        self.credentials = record.credentials;
        self.subscriptions = record.subscriptions;
    }
}

/// What the registry tells the directory about a device or module.
#[derive(Clone, Debug)]
pub(crate) struct IdentityRecord {
    pub(crate) generation: GenerationId,
    pub(crate) credentials: Credentials,
    pub(crate) subscriptions: u32,
}

/// A device with its modules; under one lock, so that both change together.
#[derive(Debug)]
pub(super) struct DeviceEntry {
    pub(super) entry: Entry,
    pub(super) status: Status,
    /// Not a map: a device has few modules, most have none.
    #[expect(clippy::box_collection, reason = "one word in each of a million entries, not three")]
    pub(super) modules: Option<Box<Vec<(ModuleId, Entry)>>>,
}

impl DeviceEntry {
    pub(super) fn module(&self, id: &str) -> Option<&Entry> {
        self.modules.iter().flat_map(|m| m.iter()).find(|(m, _)| m.as_str() == id).map(|(_, e)| e)
    }

    pub(super) fn module_mut(&mut self, id: &str) -> Option<&mut Entry> {
        let mut modules = self.modules.iter_mut().flat_map(|m| m.iter_mut());
        modules.find(|(m, _)| m.as_str() == id).map(|(_, e)| e)
    }

    /// The seats of the device and of its modules, with the module each belongs to.
    pub(super) fn seats(&self) -> Vec<(SeatId, Option<ModuleId>)> {
        let own = self.entry.tenure.holder().map(|seat| (seat, None));
        let modules = self.modules.iter().flat_map(|m| m.iter());
        let modules = modules.filter_map(|(id, e)| Some((e.tenure.holder()?, Some(id.clone()))));
        own.into_iter().chain(modules).collect()
    }
}

pub(super) type DeviceMap = std::collections::HashMap<DeviceId, Box<DeviceEntry>>;
