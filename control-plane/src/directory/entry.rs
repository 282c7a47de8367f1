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

/// What admitted a seat and has to stay in the registry for it to stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// A token, which ends by itself.
    #[default]
    Token,
    /// The certificate with the primary thumbprint.
    PrimaryThumbprint,
    /// The certificate with the secondary thumbprint.
    SecondaryThumbprint,
    /// A certificate from the authority of this number.
    Authority(u8),
}

/// A seat, with the module that it is of; `None` is the device itself.
pub(super) type Seated = (SeatId, Option<ModuleId>);

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
    /// What admitted the live seat.
    pub(super) proof: Proof,
    /// How often the credentials have changed, modulo 256: who was judged by others may not sit
    /// down.
    pub(super) edition: u8,
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
            proof: Proof::default(),
            edition: 0,
        }
    }

    pub(super) fn presence(&self) -> Presence {
        Presence {
            seat: self.tenure.holder(),
            changed: self.changed,
            last_activity: self.last_activity,
        }
    }

    /// Takes over what the registry says; what is observed stays. Returns the live seat if the
    /// certificate that admitted it does not count any more.
    pub(super) fn update(&mut self, record: IdentityRecord) -> Option<SeatId> {
        debug_assert_eq!(self.generation, record.generation, "a deleted identity leaves its entry");
        self.subscriptions = record.subscriptions;
        if self.credentials == record.credentials {
            return None;
        }
        let before = std::mem::replace(&mut self.credentials, record.credentials);
        self.edition = self.edition.wrapping_add(1);
        match self.proof_after(&before) {
            Some(proof) => {
                self.proof = proof;
                None
            }
            None => self.tenure.holder(),
        }
    }

    /// What now stands for what has admitted the live seat when the credentials were `before`.
    fn proof_after(&self, before: &Credentials) -> Option<Proof> {
        let thumbprint = match (self.proof, before) {
            (Proof::Token, _) => return Some(Proof::Token),
            (Proof::Authority(_), _) => {
                let stays = self.credentials == Credentials::CertificateAuthority;
                return stays.then_some(self.proof);
            }
            (Proof::PrimaryThumbprint, Credentials::Thumbprints(pair)) => Some(&pair.primary),
            (_, Credentials::Thumbprints(pair)) => pair.secondary.as_ref(),
            _ => None,
        }?;
        let Credentials::Thumbprints(now) = &self.credentials else { return None };
        if now.primary.eq_ignore_ascii_case(thumbprint) {
            Some(Proof::PrimaryThumbprint)
        } else {
            let secondary = now.secondary.as_ref()?;
            secondary.eq_ignore_ascii_case(thumbprint).then_some(Proof::SecondaryThumbprint)
        }
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

    /// The seats of the device and of its modules.
    pub(super) fn seats(&self) -> Vec<Seated> {
        self.seats_with_proof().map(|(seated, _)| seated).collect()
    }

    /// The seats of the device and of its modules, with what admitted each.
    pub(super) fn seats_with_proof(&self) -> impl Iterator<Item = (Seated, Proof)> {
        let own = std::iter::once((&self.entry, None));
        let modules = self.modules.iter().flat_map(|m| m.iter());
        let all = own.chain(modules.map(|(id, entry)| (entry, Some(id))));
        all.filter_map(|(e, id)| Some(((e.tenure.holder()?, id.cloned()), e.proof)))
    }
}

pub(super) type DeviceMap = std::collections::HashMap<DeviceId, Box<DeviceEntry>>;
