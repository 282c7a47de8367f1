//! The devices of jobs, a row each.

use std::cmp::max;
use std::ops::ControlFlow;

use ringhub_core::id::Identity;
use ringhub_core::time::UnixMillis;
use rusqlite::types::ValueRef;
use rusqlite::{Row, params};

use super::jobs::{index, value_of};
use super::row::{self, signed};
use super::{SqliteStore, StoreError};
use crate::directory::IdentityRef;
use crate::job::{JobNumber, JobRow, JobTarget, RowState};

/// Rows of all jobs. Writes count once the transaction around them is committed.
pub(crate) trait JobRowStore {
    /// Adds pending rows; those that are there already stay as they are. Returns how many are new.
    fn add_job_rows(
        &self,
        number: JobNumber,
        targets: &[JobTarget],
        now: UnixMillis,
    ) -> Result<u64, StoreError>;
    /// Moves a row from one state to another; false, and nothing happens, when it is not in the
    /// first.
    fn move_job_row(
        &self,
        number: JobNumber,
        identity: &Identity,
        moved: (RowState, RowState),
        detail: Option<&str>,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;
    /// Lets all running rows of a job fail; returns how many.
    fn fail_running_rows(
        &self,
        number: JobNumber,
        detail: &str,
        now: UnixMillis,
    ) -> Result<u64, StoreError>;
    /// At most `limit` pending rows behind `after`, in the order of device and module.
    fn pending_job_rows(
        &self,
        number: JobNumber,
        after: (&str, &str),
        limit: usize,
    ) -> Result<Vec<JobTarget>, StoreError>;
    /// Shows the rows of a job behind `after` whose devices are in a range, both ends included, in
    /// the order of device and module, until `visit` breaks. True when it has seen the last one.
    fn scan_job_rows(
        &self,
        number: JobNumber,
        devices: (&str, &str),
        after: (&str, &str),
        visit: &mut dyn FnMut(&JobRow<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<bool, StoreError>;
    /// Removes at most `limit` rows of a job; returns how many.
    fn delete_job_rows(&self, number: JobNumber, limit: usize) -> Result<usize, StoreError>;
}

const ADD: &str = "INSERT OR IGNORE INTO job_device VALUES (?1, ?2, ?3, ?4, 0, NULL, ?5, ?5)";
const MOVE: &str = "UPDATE job_device SET state = ?5, detail = ?6, updated_ms = ?7 \
     WHERE job_number = ?1 AND device_id = ?2 AND module_id = ?3 AND state = ?4";
const FAIL_RUNNING: &str = "UPDATE job_device SET state = 3, detail = ?2, updated_ms = ?3 \
     WHERE job_number = ?1 AND state = 1";
/// The state as a number in the text: so SQLite sees that the index of pending rows fits.
const PENDING: &str = "SELECT device_id, module_id, 0, generation_id FROM job_device \
     WHERE job_number = ?1 AND state = 0 AND (device_id, module_id) > (?2, ?3) \
     ORDER BY device_id, module_id LIMIT ?4";
/// The place is hidden from SQLite, which has one beginning to choose then.
const SCAN: &str = "SELECT device_id, module_id, state, detail, created_ms, updated_ms \
     FROM job_device WHERE job_number = ?1 AND device_id BETWEEN ?2 AND ?3 \
     AND (+device_id, +module_id) > (?4, ?5) ORDER BY device_id, module_id";
const DELETE: &str = "DELETE FROM job_device WHERE (job_number, device_id, module_id) IN \
     (SELECT job_number, device_id, module_id FROM job_device WHERE job_number = ?1 LIMIT ?2)";

impl JobRowStore for SqliteStore {
    fn add_job_rows(
        &self,
        number: JobNumber,
        targets: &[JobTarget],
        now: UnixMillis,
    ) -> Result<u64, StoreError> {
        let mut statement = self.prepare(ADD)?;
        let mut added = 0;
        for JobTarget { identity, generation } in targets {
            let name = IdentityRef::from(identity);
            let (device, module) = (name.device, name.module.unwrap_or_default());
            let (number, generation) = (signed(number.0), signed(generation.0));
            let params = params![number, device, module, generation, now.as_millis()];
            added += statement.execute(params)?;
        }
        Ok(added as u64)
    }

    fn move_job_row(
        &self,
        number: JobNumber,
        identity: &Identity,
        (from, to): (RowState, RowState),
        detail: Option<&str>,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let state = |state| index(RowState::ALL.iter().position(|known| *known == state));
        let name = IdentityRef::from(identity);
        let moved = self.prepare(MOVE)?.execute(params![
            signed(number.0),
            name.device,
            name.module.unwrap_or_default(),
            state(from),
            state(to),
            detail,
            now.as_millis(),
        ])?;
        Ok(moved > 0)
    }

    fn fail_running_rows(
        &self,
        number: JobNumber,
        detail: &str,
        now: UnixMillis,
    ) -> Result<u64, StoreError> {
        let mut statement = self.prepare(FAIL_RUNNING)?;
        let failed = statement.execute(params![signed(number.0), detail, now.as_millis()])?;
        Ok(failed as u64)
    }

    fn pending_job_rows(
        &self,
        number: JobNumber,
        (device, module): (&str, &str),
        limit: usize,
    ) -> Result<Vec<JobTarget>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.prepare(PENDING)?;
        let mut rows = statement.query(params![signed(number.0), device, module, limit])?;
        let mut targets = Vec::new();
        while let Some(row) = rows.next()? {
            let (_, identity, generation) = row::owner(row)?;
            targets.push(JobTarget { identity, generation });
        }
        Ok(targets)
    }

    fn scan_job_rows(
        &self,
        number: JobNumber,
        (from, to): (&str, &str),
        (device, module): (&str, &str),
        visit: &mut dyn FnMut(&JobRow<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<bool, StoreError> {
        let mut statement = self.prepare(SCAN)?;
        let from = max(from, device);
        let mut rows = statement.query(params![signed(number.0), from, to, device, module])?;
        while let Some(row) = rows.next()? {
            if visit(&job_row(row)?)?.is_break() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn delete_job_rows(&self, number: JobNumber, limit: usize) -> Result<usize, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(self.prepare(DELETE)?.execute(params![signed(number.0), limit])?)
    }
}

fn job_row<'r>(row: &'r Row<'_>) -> Result<JobRow<'r>, StoreError> {
    let text = |column| match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        value => value.as_str().map(Some).map_err(|_| StoreError::Column("a row of a job")),
    };
    Ok(JobRow {
        device: text(0)?.unwrap_or_default(),
        module: text(1)?.unwrap_or_default(),
        state: value_of(&RowState::ALL, row, 2, "state")?,
        detail: text(3)?,
        created: UnixMillis::from_millis(row.get(4)?),
        updated: UnixMillis::from_millis(row.get(5)?),
    })
}
