//! How registry writes reach the directory. Called after the store has committed, before the answer
//! leaves.

use std::sync::atomic::Ordering::Relaxed;

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId, SeatId};

use super::entry::{DeviceEntry, Entry};
use super::{Cut, CutReason, Directory, IdentityRecord, IdentityRef, Status, Table};

impl Directory {
    /// Takes over a device as the registry has it. Returns the seats that must end.
    pub(crate) fn put_device(
        &self,
        hub: HubId,
        id: &DeviceId,
        status: Status,
        record: IdentityRecord,
    ) -> Vec<Cut> {
        let Some(table) = self.table(hub) else { return Vec::new() };
        let mut stripe = table.stripe(id.as_str());
        let Some(device) = stripe.devices.get_mut(id.as_str()) else {
            let entry = Entry::new(record);
            stripe
                .devices
                .insert(id.clone(), Box::new(DeviceEntry { entry, status, modules: None }));
            table.counters.devices.fetch_add(1, Relaxed);
            table.count_disabled(Status::Enabled, status);
            return Vec::new();
        };
        table.count_disabled(device.status, status);
        let mut cuts = Vec::new();
        if status == Status::Disabled {
            cuts.extend(device.seats().into_iter().map(cut(id, CutReason::Disabled)));
        }
        device.status = status;
        let lost = device.entry.update(record).map(|seat| (seat, None));
        cuts.extend(lost.map(cut(id, CutReason::CertificateRemoved)));
        cuts
    }

    /// Takes over a module as the registry has it. A module of an unknown device is not taken.
    /// Returns its seat, if it must end.
    pub(crate) fn put_module(
        &self,
        hub: HubId,
        device: &DeviceId,
        id: &ModuleId,
        record: IdentityRecord,
    ) -> Option<Cut> {
        let table = self.table(hub)?;
        let mut stripe = table.stripe(device.as_str());
        let found = stripe.devices.get_mut(device.as_str())?;
        if let Some(entry) = found.module_mut(id.as_str()) {
            let seat = entry.update(record)?;
            return Some(cut(device, CutReason::CertificateRemoved)((seat, Some(id.clone()))));
        }
        found.modules.get_or_insert_default().push((id.clone(), Entry::new(record)));
        None
    }

    /// Forgets a device and its modules. Returns the seats that must end.
    pub(crate) fn remove_device(&self, hub: HubId, id: &DeviceId) -> Vec<Cut> {
        let Some(table) = self.table(hub) else { return Vec::new() };
        let Some(device) = table.stripe(id.as_str()).devices.remove(id.as_str()) else {
            return Vec::new();
        };
        table.counters.devices.fetch_sub(1, Relaxed);
        table.count_disabled(device.status, Status::Enabled);
        let connected = i64::from(device.entry.tenure.holder().is_some());
        table.counters.connected.fetch_sub(connected, Relaxed);
        device.seats().into_iter().map(cut(id, CutReason::Deleted)).collect()
    }

    /// Forgets a module. Returns its seat, which must end.
    pub(crate) fn remove_module(
        &self,
        hub: HubId,
        device: &DeviceId,
        id: &ModuleId,
    ) -> Option<Cut> {
        let table = self.table(hub)?;
        let mut stripe = table.stripe(device.as_str());
        let modules = stripe.devices.get_mut(device.as_str())?.modules.as_mut()?;
        let at = modules.iter().position(|(module, _)| module == id)?;
        let (module, entry) = modules.swap_remove(at);
        let seat = entry.tenure.holder()?;
        Some(cut(device, CutReason::Deleted)((seat, Some(module))))
    }

    /// Sets the subscriptions of a persistent session.
    pub(crate) fn set_subscriptions(&self, hub: HubId, name: IdentityRef<'_>, flags: u32) {
        let Some(table) = self.table(hub) else { return };
        let mut stripe = table.stripe(name.device);
        let Some(device) = stripe.devices.get_mut(name.device) else { return };
        let entry = match name.module {
            None => Some(&mut device.entry),
            Some(module) => device.module_mut(module),
        };
        if let Some(entry) = entry {
            entry.subscriptions = flags;
        }
    }
}

impl Table {
    fn count_disabled(&self, from: Status, to: Status) {
        let number = |status| i64::from(status == Status::Disabled);
        self.counters.disabled.fetch_add(number(to) - number(from), Relaxed);
    }
}

pub(super) fn cut(
    device: &DeviceId,
    reason: CutReason,
) -> impl Fn((SeatId, Option<ModuleId>)) -> Cut + use<'_> {
    move |(seat, module)| {
        let identity = Identity { device: device.clone(), module };
        Cut { seat, identity, reason }
    }
}
