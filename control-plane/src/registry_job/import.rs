//! Identities of a blob into the hub.

use std::collections::VecDeque;
use std::fmt::Display;

use bytes::Bytes;
use ringhub_core::codec::json_text;
use ringhub_core::id::{DeviceId, HubId};
use ringhub_core::limits::{BULK_ITEMS_MAX, IMPORT_TURN_BYTES_MAX, IMPORT_TURNS_IN_FLIGHT_MAX};
use serde_json::Value;

use super::input::BlobReader;
use super::output::BlobWriter;
use super::run::{Halt, Run, Written};
use super::{
    BlobProperties, BlobUri, ImportItem, ImportTurn, ImportedIdentity, RegistryJobChange,
    error_line,
};
use crate::api::{ApiError, BulkItem, configuration_draft, parse_body};
use crate::identity_file::{ImportLine, ImportMode, InvalidLine, LineReader, parent};
use crate::store::RegistryJobStore as _;

impl Run {
    pub(super) fn import(&self) -> Result<(), Halt> {
        let blob = self.job.request.input();
        let properties = self.open(&blob)?;
        if self.progress()?.position == 0 {
            // Who may not write the errors hears of it before anything is changed.
            BlobWriter::new(self, self.job.request.output()).finish()?;
            self.import_configurations()?;
        }
        while !self.import_from(&blob, &properties, self.progress()?.position)? {}
        self.write_errors()
    }

    /// The blob must be the one that the import began with.
    fn open(&self, blob: &BlobUri) -> Result<BlobProperties, Halt> {
        let found =
            self.ask(|| format!("cannot read {blob}"), |storage| storage.properties(blob))?;
        match self.progress()?.input_etag {
            None => {
                let number = self.number();
                self.write(|| RegistryJobChange::Open(number, found.etag.clone()))?;
            }
            Some(etag) if etag == found.etag => {}
            Some(_) => {
                let text = format!(
                    "{blob} has changed since the import began: its lines so far are applied; \
                     import it again"
                );
                return Err(Halt::Failed(text));
            }
        }
        Ok(found)
    }

    fn import_configurations(&self) -> Result<(), Halt> {
        let Some(blob) = self.job.request.configurations() else { return Ok(()) };
        let properties =
            self.ask(|| format!("cannot read {blob}"), |storage| storage.properties(&blob))?;
        let mut lines = LineReader::new(BlobReader::new(self, blob, properties, 0), 0);
        let mut items = Vec::new();
        while let Some(line) = lines.next_line()? {
            items.extend(line.map_or_else(|why| Some(too_long(&why)), configuration_of));
        }
        let number = self.number();
        let turn = ImportTurn { from: 0, to: 0, percent: 0, items };
        self.write(|| RegistryJobChange::Import(number, Box::new(turn.clone()))).map(drop)
    }

    /// Applies all lines from `position` on. False when a turn was refused: then everything behind
    /// it was, too.
    fn import_from(
        &self,
        blob: &BlobUri,
        properties: &BlobProperties,
        position: u64,
    ) -> Result<bool, Halt> {
        let reader = BlobReader::new(self, blob.clone(), properties.clone(), position);
        let mut lines = LineReader::new(reader, position);
        let mut under_way: VecDeque<Written> = VecDeque::new();
        loop {
            let turn = read_turn(self.job.hub, &mut lines, properties.len)?;
            let is_last = turn.is_none();
            if let Some(turn) = turn {
                let change = RegistryJobChange::Import(self.number(), Box::new(turn));
                under_way.push_back(self.submit(change)?);
            }
            while under_way.len() >= IMPORT_TURNS_IN_FLIGHT_MAX || is_last {
                let Some(oldest) = under_way.pop_front() else { return Ok(true) };
                if self.written(&oldest)?.is_none() {
                    return self.refused(under_way);
                }
            }
        }
    }

    /// Waits for turns that stand behind one that was refused.
    fn refused(&self, under_way: VecDeque<Written>) -> Result<bool, Halt> {
        for written in under_way {
            // Whatever it says: where the import is tells what comes next.
            let _ = written.recv();
        }
        Ok(false)
    }

    /// The blob is there, and empty when all went well.
    fn write_errors(&self) -> Result<(), Halt> {
        let mut writer = BlobWriter::new(self, self.job.request.output());
        let mut after = None;
        while let Some((place, errors)) =
            self.read(|store| store.import_errors(self.number(), after))?
        {
            writer.write(errors.as_bytes())?;
            after = Some(place);
        }
        writer.finish()
    }
}

/// Lines for one turn; `None` behind the last one.
fn read_turn(
    hub: HubId,
    lines: &mut LineReader<BlobReader<'_>>,
    len: u64,
) -> Result<Option<ImportTurn>, Halt> {
    let from = lines.position();
    let mut items = Vec::new();
    let is_full = |items: &Vec<_>, lines: &LineReader<_>| {
        let bytes = lines.position() - from;
        items.len() == BULK_ITEMS_MAX || bytes >= IMPORT_TURN_BYTES_MAX as u64
    };
    while !is_full(&items, lines)
        && let Some(line) = lines.next_line()?
    {
        let item = line.map_or_else(|why| Some(too_long(&why)), |line| item_of(hub, line));
        items.extend(item);
    }
    let to = lines.position();
    if to == from {
        return Ok(None);
    }
    // The errors are still to be written when all lines are applied.
    let percent = u8::try_from(to.saturating_mul(99) / len.max(1)).unwrap_or(99).min(99);
    Ok(Some(ImportTurn { from, to, percent, items }))
}

fn unreadable(line: &[u8], why: &dyn Display) -> ImportItem {
    ImportItem::Unreadable(error_line::unreadable(line, why))
}

/// Nothing of the line is kept.
fn too_long(why: &InvalidLine) -> ImportItem {
    unreadable(b"", why)
}

/// What a line asks for; `None` when nothing is on it.
fn item_of(hub: HubId, line: &[u8]) -> Option<ImportItem> {
    let mode = ImportMode::CreateOrUpdate;
    let ImportLine { device, item, .. } = match ImportLine::parse(line, mode) {
        Ok(read) => read?,
        Err(why) => return Some(unreadable(line, &why)),
    };
    let parent = parent(&item, &device).and_then(|parent| DeviceId::parse(&parent).ok());
    let reported = reported(&item);
    Some(match BulkItem::read(hub, &item, mode) {
        Ok(BulkItem { name, change, .. }) => {
            let imported = ImportedIdentity { name, change, parent, reported };
            ImportItem::Identity(Box::new(imported))
        }
        Err(why) => unreadable(line, &why),
    })
}

/// The reported properties of a line, if there are any.
fn reported(item: &Value) -> Option<Bytes> {
    let reported = item.pointer("/properties/reported")?.as_object()?;
    let has_any = reported.keys().any(|name| !name.starts_with('$'));
    has_any.then(|| Value::from(reported.clone()).to_string().into())
}

/// The configuration of a line; `None` when nothing is on it.
fn configuration_of(line: &[u8]) -> Option<ImportItem> {
    if json_text::trim(line).is_empty() {
        return None;
    }
    let body = match parse_body(line) {
        Ok(body) => body,
        Err(why) => return Some(unreadable(line, &why)),
    };
    Some(match (configuration_draft(&body), body["id"].as_str()) {
        (Ok(draft), _) => ImportItem::Configuration(Box::new(draft)),
        (Err(ApiError::Registry(why)), Some(id)) => {
            ImportItem::Unreadable(error_line::of_configuration(id, &why))
        }
        (Err(why), _) => unreadable(line, &why),
    })
}
