//! What is to be done next for the indexes of a hub.

use std::ops::ControlFlow;
use std::time::Instant;

use ringhub_core::id::HubId;
use ringhub_core::limits::{QUERY_INDEX_TURN_TWINS, QUERY_TURN};

use super::{BuildStep, IndexChange, IndexStage, QueryIndex};
use crate::query::TwinPart;
use crate::store::{
    QueryIndexStore as _, SectionName, SqliteStore, StoreError, StoredTwin, TwinKeys, TwinScan,
    TwinScans as _,
};

/// The next step for an index that is being built or was deleted; `None` when there is nothing to
/// do.
///
/// Twins are read on the connection of the caller. One that changes after it was read has noted its
/// key itself, and the step then leaves that.
///
/// Blocks on the disk, for as long as a query has its turn.
pub(crate) fn next_step(
    store: &SqliteStore,
    hub: HubId,
) -> Result<Option<IndexChange>, StoreError> {
    let Some(index) = store.unfinished_query_index(hub)? else { return Ok(None) };
    Ok(Some(match index.stage {
        IndexStage::Forgotten => IndexChange::Forget(index.number),
        IndexStage::Building | IndexStage::Ready => IndexChange::Built(build(store, hub, &index)?),
    }))
}

fn build(store: &SqliteStore, hub: HubId, index: &QueryIndex) -> Result<BuildStep, StoreError> {
    let until = Instant::now() + QUERY_TURN;
    let mut step = BuildStep { number: index.number, twins: 0, keys: Vec::new(), last: None };
    let mut last = index.last.clone();
    let scan = TwinScan {
        hub,
        of_modules: index.of_modules,
        keys: &TwinKeys::All,
        columns: index.columns(),
        after: (&index.last.0, &index.last.1),
    };
    let is_end = store.scan_twins(scan, &mut |stored| {
        let module = stored.module.unwrap_or_default();
        if let Some(key) = index.path.key(part(stored, index.path.part())?) {
            step.keys.push((stored.device.to_owned(), module.to_owned(), key));
        }
        step.twins += 1;
        last = (stored.device.to_owned(), module.to_owned());
        let is_done = step.keys.len() >= QUERY_INDEX_TURN_TWINS || Instant::now() >= until;
        Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    step.last = (!is_end).then_some(last);
    Ok(step)
}

fn part<'r>(stored: &StoredTwin<'r>, part: TwinPart) -> Result<&'r str, StoreError> {
    match part {
        TwinPart::Tags => stored.tags(),
        TwinPart::Desired => stored.properties(SectionName::Desired),
        TwinPart::Reported => stored.properties(SectionName::Reported),
    }
}
