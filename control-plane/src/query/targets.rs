//! The identities that the condition of a job takes.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ringhub_core::id::{DeviceId, HubId, Identity, ModuleId};

use super::document::Document;
use super::error::{Piece, Problem, QueryError};
use super::execution::Sources;
use super::plan::Plan;
use super::syntax::{Collection, Query, Select};
use crate::directory::GenerationId;
use crate::store::{StoreError, StoredTwin, TwinScan};

/// What stands before a condition, so that places in errors are those of the original.
const DEVICES: &str = "SELECT * FROM devices";

/// A condition that was understood.
#[derive(Debug)]
pub(crate) struct Targets {
    plan: Plan,
}

/// Some of the identities, and where the next ones are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TargetPage {
    pub(crate) targets: Vec<(Identity, GenerationId)>,
    /// Device and module that were looked at last.
    pub(crate) last: (String, String),
    pub(crate) is_end: bool,
}

impl Targets {
    /// Reads what stands behind WHERE; `*` is all devices, and `FROM devices.modules WHERE …` is
    /// for modules.
    ///
    /// # Errors
    /// [`QueryError`], with its place in the query that the condition is a part of.
    ///
    /// Source: control-plane reference, "Create body" of scheduled jobs.
    pub(crate) fn parse(condition: &str) -> Result<Self, QueryError> {
        let condition = condition.trim();
        let first = condition.split_whitespace().next().unwrap_or_default();
        let names_collection = first.eq_ignore_ascii_case("from");
        let text = match condition {
            "*" => DEVICES.to_owned(),
            _ if names_collection => format!("SELECT * {condition}"),
            _ => format!("{DEVICES} WHERE {condition}"),
        };
        let mut query = Query::parse(&text)?;
        if query.from == Collection::Jobs {
            let found = Piece::of("devices.jobs");
            let problem = Problem::Expected { expected: "devices or devices.modules", found };
            return Err(QueryError::at(&text, "SELECT * FROM ".len(), problem));
        }
        // Nothing is shown, so nothing is read but what the condition asks for.
        query.select = Select::Columns(Vec::new());
        Ok(Self { plan: Plan::new(query) })
    }

    /// Looks at identities behind `after` for a time, until `max` of them are taken.
    ///
    /// Blocks on the disk; costs some microseconds more than `turn`, or as long as one takes.
    pub(crate) fn next(
        &self,
        hub: HubId,
        sources: Sources<'_>,
        (device, module): (&str, &str),
        max: usize,
        turn: Duration,
    ) -> Result<TargetPage, StoreError> {
        let until = Instant::now() + turn;
        let indexes = sources.directory.hub(hub).map(|hub| hub.query_indexes.read());
        let indexed = indexes.and_then(|indexes| self.plan.indexed(&indexes));
        let scan = TwinScan {
            hub,
            of_modules: self.plan.query.from == Collection::Modules,
            keys: indexed.as_ref().map_or(&self.plan.keys, |(_, keys)| keys),
            columns: self.plan.columns,
            after: (device, module),
        };
        let condition = self.plan.query.condition.as_ref();
        let mut targets = Vec::new();
        let mut last = (device.to_owned(), module.to_owned());
        let is_end = sources.store.scan_twins(scan, &mut |stored| {
            let document = Document::new(hub, sources.directory, stored);
            if condition.map_or(Ok(true), |condition| condition.takes(&document))? {
                targets.push((identity(stored)?, stored.generation));
            }
            last = (stored.device.to_owned(), stored.module.unwrap_or_default().to_owned());
            let is_done = targets.len() >= max || Instant::now() >= until;
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(TargetPage { targets, last, is_end })
    }
}

fn identity(stored: &StoredTwin<'_>) -> Result<Identity, StoreError> {
    let device = DeviceId::parse(stored.device).map_err(|_| StoreError::Column("device_id"))?;
    let module = stored.module.map(ModuleId::parse).transpose();
    Ok(Identity { device, module: module.map_err(|_| StoreError::Column("module_id"))? })
}
