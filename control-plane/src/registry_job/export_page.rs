//! Lines of some devices, with those of their modules.

use std::ops::ControlFlow;

use ringhub_core::id::{DeviceId, HubId};
use ringhub_core::limits::{EXPORT_LEVELS_MAX, EXPORT_PAGE_BYTES_MAX, EXPORT_PAGE_IDENTITIES_MAX};
use ringhub_core::twin::{SectionView, Tags, Twin};
use serde::Serialize;
use serde_json::Value;

use crate::api::{device_json, module_json};
use crate::directory::Directory;
use crate::identity_file::{device_line, module_line, scope_device};
use crate::registry::Device;
use crate::store::{
    SqliteStore, Store as _, StoreError, StoredTwin, TwinColumns, TwinKeys, TwinScan,
    TwinScans as _,
};
use crate::twin::TwinOwner;

/// What a line needs of an identity.
const COLUMNS: TwinColumns = TwinColumns::IDENTITY
    .and(TwinColumns::ETAG)
    .and(TwinColumns::TAGS)
    .and(TwinColumns::DESIRED_VERSION)
    .and(TwinColumns::DESIRED)
    .and(TwinColumns::DESIRED_STAMPS)
    .and(TwinColumns::REPORTED_VERSION)
    .and(TwinColumns::REPORTED)
    .and(TwinColumns::REPORTED_STAMPS);

/// What is exported.
#[derive(Clone, Copy)]
pub(super) struct Exported<'a> {
    pub(super) store: &'a SqliteStore,
    pub(super) directory: &'a Directory,
    pub(super) hub: HubId,
    pub(super) exclude_keys: bool,
    /// Devices below so many edge devices.
    pub(super) level: usize,
}

/// A page: a snapshot of the store each, so that a long export keeps no version of the database.
#[derive(Default)]
pub(super) struct ExportPage {
    pub(super) lines: String,
    /// Devices of this level.
    pub(super) devices: u64,
    /// The device that the next page is behind; `None` for the last one.
    pub(super) last: Option<String>,
    /// The highest level that a device was found at.
    pub(super) deepest: usize,
}

impl Exported<'_> {
    /// Reads the devices behind `after`, in the order of their ids, that are of the level. Others
    /// are passed over.
    pub(super) fn read(self, after: &str) -> Result<ExportPage, StoreError> {
        let mut page = ExportPage::default();
        let mut devices = Vec::new();
        let (mut looked_at, mut bytes, mut last) = (0, 0, String::new());
        let is_end = self.scan(false, &TwinKeys::All, (after, ""), &mut |twin| {
            if looked_at == EXPORT_PAGE_IDENTITIES_MAX || bytes >= EXPORT_PAGE_BYTES_MAX {
                return Ok(ControlFlow::Break(()));
            }
            looked_at += 1;
            twin.device.clone_into(&mut last);
            let TwinOwner::Device(device) = twin.owner()? else {
                return Ok(ControlFlow::Continue(()));
            };
            let level = self.level_of(&device)?;
            page.deepest = page.deepest.max(level);
            if level == self.level {
                let json = device_json(self.directory, self.hub, &device);
                let line = self.line(device_line(json, self.exclude_keys), twin)?;
                bytes += line.len();
                devices.push((device.id, line));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        page.last = (!is_end).then_some(last);
        self.add_modules(devices, &mut page)?;
        Ok(page)
    }

    /// Puts the lines of devices and modules together; ends the page behind a device when there are
    /// enough.
    fn add_modules(
        self,
        devices: Vec<(DeviceId, String)>,
        page: &mut ExportPage,
    ) -> Result<(), StoreError> {
        let [Some((first, _)), Some((last, _))] = [devices.first(), devices.last()] else {
            return Ok(());
        };
        let keys = TwinKeys::Between(first.as_str().to_owned(), last.as_str().to_owned());
        let first = first.clone();
        let mut devices = devices.into_iter().peekable();
        let mut current: Option<DeviceId> = None;
        let is_whole = self.scan(true, &keys, (first.as_str(), ""), &mut |twin| {
            while let Some((id, line)) = devices.next_if(|(id, _)| id.as_str() <= twin.device) {
                if page.lines.len() >= EXPORT_PAGE_BYTES_MAX {
                    return Ok(ControlFlow::Break(()));
                }
                page.lines += &line;
                page.devices += 1;
                current = Some(id);
            }
            if current.as_ref().is_some_and(|id| id.as_str() == twin.device)
                && let TwinOwner::Module(module) = twin.owner()?
            {
                let json = module_json(self.directory, self.hub, &module);
                page.lines += &self.line(module_line(json, self.exclude_keys), twin)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if is_whole {
            for (_, line) in devices {
                page.lines += &line;
                page.devices += 1;
            }
        } else {
            page.last = current.map(|id| id.as_str().to_owned());
        }
        Ok(())
    }

    fn scan(
        self,
        of_modules: bool,
        keys: &TwinKeys,
        after: (&str, &str),
        visit: &mut dyn FnMut(&StoredTwin<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<bool, StoreError> {
        let scan = TwinScan { hub: self.hub, of_modules, keys, columns: COLUMNS, after };
        self.store.scan_twins(scan, visit)
    }

    /// The line with what the twin says, unless that is what every twin says in the beginning.
    fn line(self, identity: Value, stored: &StoredTwin<'_>) -> Result<String, StoreError> {
        let twin = stored.twin()?;
        let fresh = Twin::new(stored.generation.created());
        let is_fresh = twin.etag == fresh.etag && twin.reported.version() == 1;
        let line = match is_fresh {
            true => identity.to_string(),
            // Names are text and numbers finite.
            false => serde_json::to_string(&Line::new(identity, &twin)).unwrap_or_default(),
        };
        Ok(line + "\n")
    }

    /// How many edge devices are above a device, as far as they are told apart.
    fn level_of(self, device: &Device) -> Result<usize, StoreError> {
        let mut scope = device.parent_scope.clone();
        let mut level = 0;
        while let Some(parent) = scope
            && level < EXPORT_LEVELS_MAX
        {
            level += 1;
            let id = scope_device(&parent);
            let Some(id) = id.and_then(|id| DeviceId::parse(id).ok()) else { break };
            scope = self.store.device(self.hub, &id)?.and_then(|parent| parent.parent_scope);
        }
        Ok(level)
    }
}

/// Source: control-plane reference, "Import / export jobs (v1 jobs)".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(flatten)]
    identity: Value,
    #[serde(rename = "twinETag")]
    twin_etag: String,
    tags: &'a Tags,
    properties: Properties<'a>,
}

#[derive(Serialize)]
struct Properties<'a> {
    desired: SectionView<'a>,
    reported: SectionView<'a>,
}

impl<'a> Line<'a> {
    fn new(identity: Value, twin: &'a Twin) -> Self {
        Self {
            identity,
            twin_etag: twin.etag.text(),
            tags: &twin.tags,
            properties: Properties { desired: twin.desired.view(), reported: twin.reported.view() },
        }
    }
}
