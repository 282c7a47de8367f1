//! Import and export jobs, and the errors of imports until these have ended.

use ringhub_core::id::HubId;
use ringhub_core::time::UnixMillis;
use rusqlite::{OptionalExtension as _, Row, params};

use super::jobs::{index, value_of};
use super::row::{signed, unsigned};
use super::{SqliteStore, StoreError};
use crate::registry_job::{
    RegistryJob, RegistryJobNumber, RegistryJobProgress, RegistryJobRequest, RegistryJobState,
};

/// Numbers are never given twice. Errors are found by the place of the turn that they are of; those
/// that were left out stand behind all of them.
pub(super) const TABLES: &str = "
CREATE TABLE registry_job (
    job_number INTEGER PRIMARY KEY AUTOINCREMENT,
    hub_id INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    request TEXT NOT NULL,
    state INTEGER NOT NULL,
    ended_ms INTEGER,
    failure TEXT,
    percent INTEGER NOT NULL,
    position INTEGER NOT NULL,
    input_etag TEXT,
    errors INTEGER NOT NULL,
    error_bytes INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX registry_job_of_hub ON registry_job (hub_id, job_id);
CREATE INDEX registry_job_unfinished ON registry_job (job_number) WHERE state < 2;
CREATE TABLE registry_job_error (
    job_number INTEGER NOT NULL,
    position INTEGER NOT NULL,
    errors TEXT NOT NULL,
    left_out INTEGER NOT NULL,
    PRIMARY KEY (job_number, position)
) STRICT, WITHOUT ROWID;
";

/// Rows of errors that are removed in one transaction.
const FORGET_ROWS: i64 = 256;

/// Import and export jobs of all hubs. Writes count once the transaction around them is committed.
pub(crate) trait RegistryJobStore {
    /// Stores a job and gives its number; the one that it has is not looked at.
    fn insert_registry_job(&self, job: &RegistryJob) -> Result<RegistryJobNumber, StoreError>;
    /// The job of this id, if there is one.
    fn registry_job(&self, hub: HubId, id: &str) -> Result<Option<RegistryJob>, StoreError>;
    /// The job of this number, if there is one.
    fn registry_job_by_number(
        &self,
        number: RegistryJobNumber,
    ) -> Result<Option<RegistryJob>, StoreError>;
    /// All jobs of a hub, the oldest first.
    fn registry_jobs(&self, hub: HubId) -> Result<Vec<RegistryJob>, StoreError>;
    /// Jobs that have not ended, of one hub or of all, the oldest first.
    fn unfinished_registry_jobs(&self, hub: Option<HubId>) -> Result<Vec<RegistryJob>, StoreError>;
    /// Stores how far a job is.
    fn put_registry_job_progress(
        &self,
        number: RegistryJobNumber,
        progress: &RegistryJobProgress,
    ) -> Result<(), StoreError>;
    /// Stores what a job is to do.
    fn put_registry_job_request(
        &self,
        number: RegistryJobNumber,
        request: &RegistryJobRequest,
    ) -> Result<(), StoreError>;
    /// Keeps the errors of the turn that begins at `position`.
    fn put_import_errors(
        &self,
        number: RegistryJobNumber,
        position: u64,
        errors: &str,
    ) -> Result<(), StoreError>;
    /// How many errors were left out.
    fn left_out_errors(&self, number: RegistryJobNumber) -> Result<u64, StoreError>;
    /// Stores how many errors were left out, and what is told of them.
    fn put_left_out_errors(
        &self,
        number: RegistryJobNumber,
        count: u64,
        told: &str,
    ) -> Result<(), StoreError>;
    /// The errors of the first turn behind `after`, with its place; `None` behind the last.
    fn import_errors(
        &self,
        number: RegistryJobNumber,
        after: Option<u64>,
    ) -> Result<Option<(u64, String)>, StoreError>;
    /// Removes jobs that ended before this time, those that are too many for their hub, and some
    /// rows of errors that belong to no running job.
    fn forget_registry_jobs(&self, before: UnixMillis, kept_max: usize) -> Result<(), StoreError>;
    /// Whether [`forget_registry_jobs`](Self::forget_registry_jobs) would remove anything.
    fn has_registry_jobs_to_forget(
        &self,
        before: UnixMillis,
        kept_max: usize,
    ) -> Result<bool, StoreError>;
}

/// States are numbered as in [`RegistryJobState::ALL`].
const COLUMNS: &str = "SELECT job_number, hub_id, job_id, created_ms, request, state, ended_ms, \
     failure, percent, position, input_etag, errors, error_bytes FROM registry_job ";
const INSERT: &str = "INSERT INTO registry_job (hub_id, job_id, created_ms, request, state, \
     percent, position, errors, error_bytes) VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0)";
const PUT_PROGRESS: &str = "UPDATE registry_job SET state = ?2, ended_ms = ?3, failure = ?4, \
     percent = ?5, position = ?6, input_etag = ?7, errors = ?8, error_bytes = ?9 \
     WHERE job_number = ?1";
const TO_FORGET: &str = "
    SELECT job_number FROM (
        SELECT job_number, ended_ms, row_number() OVER (
            PARTITION BY hub_id ORDER BY ended_ms DESC, job_number DESC) AS place
        FROM registry_job WHERE state >= 2
    ) WHERE ended_ms < ?1 OR place > ?2";
const FORGOTTEN_ERRORS: &str = "SELECT job_number, position FROM registry_job_error \
     WHERE job_number NOT IN (SELECT job_number FROM registry_job WHERE state < 2) LIMIT ?1";

impl RegistryJobStore for SqliteStore {
    fn insert_registry_job(&self, job: &RegistryJob) -> Result<RegistryJobNumber, StoreError> {
        let request = request_text(&job.request);
        let params = params![job.hub.0, job.id, job.created.as_millis(), request];
        self.execute(INSERT, params)?;
        Ok(RegistryJobNumber(self.last_number()))
    }

    fn registry_job(&self, hub: HubId, id: &str) -> Result<Option<RegistryJob>, StoreError> {
        let mut statement =
            self.prepare(&[COLUMNS, "WHERE hub_id = ?1 AND job_id = ?2"].concat())?;
        let mut rows = statement.query(params![hub.0, id])?;
        rows.next()?.map(job).transpose()
    }

    fn registry_job_by_number(
        &self,
        number: RegistryJobNumber,
    ) -> Result<Option<RegistryJob>, StoreError> {
        let mut statement = self.prepare(&[COLUMNS, "WHERE job_number = ?1"].concat())?;
        let mut rows = statement.query([signed(number.0)])?;
        rows.next()?.map(job).transpose()
    }

    fn registry_jobs(&self, hub: HubId) -> Result<Vec<RegistryJob>, StoreError> {
        let condition = "WHERE hub_id = ?1 ORDER BY job_number";
        self.all(&[COLUMNS, condition].concat(), [hub.0])
    }

    fn unfinished_registry_jobs(&self, hub: Option<HubId>) -> Result<Vec<RegistryJob>, StoreError> {
        let condition = "WHERE state < 2 AND (?1 IS NULL OR hub_id = ?1) ORDER BY job_number";
        self.all(&[COLUMNS, condition].concat(), [hub.map(|hub| hub.0)])
    }

    fn put_registry_job_progress(
        &self,
        number: RegistryJobNumber,
        progress: &RegistryJobProgress,
    ) -> Result<(), StoreError> {
        let state = RegistryJobState::ALL.iter().position(|state| *state == progress.state);
        self.execute(
            PUT_PROGRESS,
            params![
                signed(number.0),
                index(state),
                progress.ended.map(UnixMillis::as_millis),
                progress.failure,
                progress.percent,
                signed(progress.position),
                progress.input_etag,
                signed(progress.errors),
                signed(progress.error_bytes),
            ],
        )
    }

    fn put_registry_job_request(
        &self,
        number: RegistryJobNumber,
        request: &RegistryJobRequest,
    ) -> Result<(), StoreError> {
        let statement = "UPDATE registry_job SET request = ?2 WHERE job_number = ?1";
        self.execute(statement, params![signed(number.0), request_text(request)])
    }

    fn put_import_errors(
        &self,
        number: RegistryJobNumber,
        position: u64,
        errors: &str,
    ) -> Result<(), StoreError> {
        let statement = "INSERT OR REPLACE INTO registry_job_error VALUES (?1, ?2, ?3, 0)";
        self.execute(statement, params![signed(number.0), signed(position), errors])
    }

    fn left_out_errors(&self, number: RegistryJobNumber) -> Result<u64, StoreError> {
        let statement =
            "SELECT left_out FROM registry_job_error WHERE job_number = ?1 AND position = ?2";
        let mut statement = self.prepare(statement)?;
        let params = params![signed(number.0), i64::MAX];
        let count = statement.query_row(params, |row| row.get::<_, i64>(0)).optional()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    fn put_left_out_errors(
        &self,
        number: RegistryJobNumber,
        count: u64,
        told: &str,
    ) -> Result<(), StoreError> {
        let statement = "INSERT OR REPLACE INTO registry_job_error VALUES (?1, ?2, ?3, ?4)";
        self.execute(statement, params![signed(number.0), i64::MAX, told, signed(count)])
    }

    fn import_errors(
        &self,
        number: RegistryJobNumber,
        after: Option<u64>,
    ) -> Result<Option<(u64, String)>, StoreError> {
        let statement = "SELECT position, errors FROM registry_job_error \
             WHERE job_number = ?1 AND position > ?2 ORDER BY position LIMIT 1";
        let mut statement = self.prepare(statement)?;
        let after = after.map_or(-1, signed);
        let mut rows = statement.query(params![signed(number.0), after])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some((unsigned(row, 0)?, row.get(1)?)))
    }

    fn forget_registry_jobs(&self, before: UnixMillis, kept_max: usize) -> Result<(), StoreError> {
        let kept_max = i64::try_from(kept_max).unwrap_or(i64::MAX);
        let statement = "DELETE FROM registry_job WHERE job_number IN (";
        let params = params![before.as_millis(), kept_max];
        self.execute(&[statement, TO_FORGET, ")"].concat(), params)?;
        let statement = "DELETE FROM registry_job_error WHERE (job_number, position) IN (";
        self.execute(&[statement, FORGOTTEN_ERRORS, ")"].concat(), [FORGET_ROWS])
    }

    fn has_registry_jobs_to_forget(
        &self,
        before: UnixMillis,
        kept_max: usize,
    ) -> Result<bool, StoreError> {
        let kept_max = i64::try_from(kept_max).unwrap_or(i64::MAX);
        Ok(self.prepare(TO_FORGET)?.exists(params![before.as_millis(), kept_max])?
            || self.prepare(FORGOTTEN_ERRORS)?.exists([1])?)
    }
}

impl SqliteStore {
    fn all(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<RegistryJob>, StoreError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params)?;
        let mut jobs = Vec::new();
        while let Some(row) = rows.next()? {
            jobs.push(job(row)?);
        }
        Ok(jobs)
    }
}

fn request_text(request: &RegistryJobRequest) -> String {
    // Only maps with keys that are no text cannot be written, and there are none.
    serde_json::to_string(request).unwrap_or_default()
}

fn job(row: &Row<'_>) -> Result<RegistryJob, StoreError> {
    let request: String = row.get(4)?;
    let percent = u8::try_from(row.get::<_, i64>(8)?).map_err(|_| StoreError::Column("percent"))?;
    Ok(RegistryJob {
        number: RegistryJobNumber(unsigned(row, 0)?),
        hub: HubId(row.get(1)?),
        id: row.get(2)?,
        created: UnixMillis::from_millis(row.get(3)?),
        request: serde_json::from_str(&request).map_err(|_| StoreError::Column("request"))?,
        progress: RegistryJobProgress {
            state: value_of(&RegistryJobState::ALL, row, 5, "state")?,
            ended: row.get::<_, Option<i64>>(6)?.map(UnixMillis::from_millis),
            failure: row.get(7)?,
            percent,
            position: unsigned(row, 9)?,
            input_etag: row.get(10)?,
            errors: unsigned(row, 11)?,
            error_bytes: unsigned(row, 12)?,
        },
    })
}
