//! What the directory takes of memory, by owner.

use std::sync::atomic::Ordering::Relaxed;

use ringhub_core::id::{DeviceId, HubId, ModuleId};

use super::entry::{DeviceEntry, Entry};
use super::{Directory, Stripe};
use crate::credentials::Credentials;

/// Entries of a stripe that are looked at; the others count as the average of these.
const SAMPLE: usize = 16;
/// The two counts before the text of an id.
const SHARED_TEXT_HEAD_BYTES: usize = 2 * size_of::<usize>();

/// Bytes asked of the allocator for the identities of a hub, without what it adds to each piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryMemory {
    /// Slots of the tables, those in reserve included.
    pub tables_bytes: usize,
    /// Device and module ids, and the models that they announce.
    pub names_bytes: usize,
    /// Status, presence, generation and tenure of devices and modules.
    pub entries_bytes: usize,
    /// Keys and thumbprints.
    pub credentials_bytes: usize,
}

impl DirectoryMemory {
    fn add(&mut self, other: Self) {
        self.tables_bytes += other.tables_bytes;
        self.names_bytes += other.names_bytes;
        self.entries_bytes += other.entries_bytes;
        self.credentials_bytes += other.credentials_bytes;
    }

    /// What `count` identities take, of which these are a `sample`.
    fn scaled(self, count: usize, sample: usize) -> Self {
        let scale = |bytes: usize| bytes * count / sample.max(1);
        Self {
            tables_bytes: scale(self.tables_bytes),
            names_bytes: scale(self.names_bytes),
            entries_bytes: scale(self.entries_bytes),
            credentials_bytes: scale(self.credentials_bytes),
        }
    }

    fn of_device(id: &str, device: &DeviceEntry) -> Self {
        let mut memory = Self {
            tables_bytes: 0,
            names_bytes: names_bytes(id, &device.entry),
            entries_bytes: size_of::<DeviceEntry>(),
            credentials_bytes: credentials_bytes(&device.entry.credentials),
        };
        if let Some(modules) = &device.modules {
            memory.entries_bytes += size_of_val(&**modules);
            memory.entries_bytes += modules.capacity() * size_of::<(ModuleId, Entry)>();
            for (id, entry) in modules.iter() {
                memory.names_bytes += names_bytes(id.as_str(), entry);
                memory.credentials_bytes += credentials_bytes(&entry.credentials);
            }
        }
        memory
    }
}

fn names_bytes(id: &str, entry: &Entry) -> usize {
    SHARED_TEXT_HEAD_BYTES + id.len() + entry.model.as_ref().map_or(0, |model| model.len())
}

fn credentials_bytes(credentials: &Credentials) -> usize {
    match credentials {
        Credentials::Keys(keys) => keys.primary().len() + keys.secondary().len(),
        Credentials::Thumbprints(hashes) => {
            let secondary = hashes.secondary.as_ref().map_or(0, |hash| hash.len());
            size_of_val(&**hashes) + hashes.primary.len() + secondary
        }
        Credentials::CertificateAuthority | Credentials::None => 0,
    }
}

impl Stripe {
    fn memory(&self) -> DirectoryMemory {
        let mut memory = DirectoryMemory::default();
        let sample = self.devices.iter().take(SAMPLE);
        sample.for_each(|(id, device)| memory.add(DirectoryMemory::of_device(id.as_str(), device)));
        let count = self.devices.len();
        let mut memory = memory.scaled(count, count.min(SAMPLE));
        // Of eight slots, which have a control byte each, seven are used at most.
        let slots = self.devices.capacity().div_ceil(7) * 8;
        memory.tables_bytes = slots * (size_of::<(DeviceId, Box<DeviceEntry>)>() + 1);
        memory
    }
}

impl Directory {
    /// What messages to devices take of memory, in all hubs.
    #[must_use]
    pub fn cloud_to_device_bytes(&self) -> usize {
        self.c2d_memory.load(Relaxed)
    }

    /// What the identities of a hub take of memory: exact up to a few thousand devices, beyond that
    /// from sixteen in each stripe. Locks one stripe after the other, a microsecond
    /// each.
    #[must_use]
    pub fn memory(&self, hub: HubId) -> DirectoryMemory {
        let mut memory = DirectoryMemory::default();
        let Some(table) = self.table(hub) else { return memory };
        table.stripes().for_each(|stripe| memory.add(stripe.memory()));
        memory
    }
}

#[cfg(test)]
mod tests {
    use ringhub_core::auth::KeyPair;
    use ringhub_core::id::Identity;
    use ringhub_core::quota::QuotaPlan;

    use super::super::{GenerationId, Hub, IdentityRecord, Status};
    use super::*;

    const HUB: HubId = HubId(0);

    fn directory() -> Directory {
        Directory::new(vec![Hub::bare(HUB, "hub")], QuotaPlan::default())
    }

    fn register(directory: &Directory, number: usize) {
        let id = DeviceId::parse(&format!("device-{number:06}")).expect("it is a valid id");
        let keys = KeyPair::new(&[1; 32], &[2; 32]).expect("32 bytes are permitted");
        let record = IdentityRecord {
            generation: GenerationId(number as u64),
            credentials: Credentials::Keys(keys),
            subscriptions: 0,
        };
        assert!(directory.put_device(HUB, &id, Status::Enabled, record).is_empty());
    }

    #[test]
    fn each_owner_is_counted() {
        let directory = directory();
        assert_eq!(directory.memory(HUB), DirectoryMemory::default());
        (0..100).for_each(|number| register(&directory, number));
        let memory = directory.memory(HUB);
        assert_eq!(memory.names_bytes, 100 * (16 + 13));
        assert_eq!(memory.entries_bytes, 100 * size_of::<DeviceEntry>());
        assert_eq!(memory.credentials_bytes, 100 * 64);
        assert!(memory.tables_bytes >= 100 * 25, "{memory:?}");
        assert_eq!(directory.memory(HubId(1)), DirectoryMemory::default());
        let device = DeviceId::parse("device-000007").expect("it is a valid id");
        let identity = Identity { device, module: None };
        directory.set_model(HUB, &identity, GenerationId(7), Some("dtmi:a;1".into()));
        assert_eq!(directory.memory(HUB).names_bytes, memory.names_bytes + 8);
    }

    #[test]
    fn a_sample_stands_for_many() {
        let directory = directory();
        (0..20_000).for_each(|number| register(&directory, number));
        let memory = directory.memory(HUB);
        assert_eq!(memory.credentials_bytes, 20_000 * 64);
        assert_eq!(memory.names_bytes, 20_000 * (16 + 13));
    }
}
