//! Jobs: what they are in one table, how far they are in another, so that progress rewrites no
//! patch and no payload.

use std::ops::ControlFlow;
use std::time::Duration;

use ringhub_core::id::{HubId, JobId};
use ringhub_core::time::UnixMillis;
use rusqlite::{OptionalExtension as _, Row, params};

use super::row::{signed, unsigned};
use super::{SqliteStore, StoreError};
use crate::job::{JobCounts, JobKind, JobNumber, JobProgress, JobRecord, JobState, ListedTo};

/// Numbers are never given twice. The rows of the devices are found by number, device and module;
/// those that are pending have an index of their own, so that the next ones are found at once.
pub(super) const TABLES: &str = "
CREATE TABLE job (
    job_number INTEGER PRIMARY KEY AUTOINCREMENT,
    hub_id INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    kind INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    execution_secs INTEGER NOT NULL,
    condition TEXT NOT NULL,
    work TEXT NOT NULL
) STRICT;
CREATE INDEX job_of_hub ON job (hub_id, job_id);
CREATE TABLE job_progress (
    job_number INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    ended_ms INTEGER,
    failure TEXT,
    is_listed INTEGER NOT NULL,
    listed_device TEXT NOT NULL,
    listed_module TEXT NOT NULL,
    devices INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    running INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    canceled INTEGER NOT NULL
) STRICT;
CREATE TABLE job_device (
    job_number INTEGER NOT NULL,
    device_id TEXT NOT NULL,
    module_id TEXT NOT NULL,
    generation_id INTEGER NOT NULL,
    state INTEGER NOT NULL,
    detail TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (job_number, device_id, module_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_device_pending ON job_device (job_number, device_id, module_id)
    WHERE state = 0;
";

/// Jobs of all hubs. Writes count once the transaction around them is committed.
pub(crate) trait JobStore {
    /// Stores a job and gives its number; the one that it has is not looked at.
    fn insert_job(&self, job: &JobRecord) -> Result<JobNumber, StoreError>;
    /// The job of this name, if there is one that is not forgotten.
    fn job(&self, hub: HubId, id: &JobId) -> Result<Option<JobRecord>, StoreError>;
    /// How far a job is, and whose it is.
    fn job_progress(&self, number: JobNumber) -> Result<Option<(HubId, JobProgress)>, StoreError>;
    /// Stores how far a job is.
    fn put_job_progress(&self, number: JobNumber, progress: &JobProgress)
    -> Result<(), StoreError>;
    /// How many jobs of a hub are active at `now`, and how many have not ended.
    fn count_unfinished_jobs(&self, hub: HubId, now: UnixMillis) -> Result<[usize; 2], StoreError>;
    /// The jobs of all hubs that have not ended, or have calls of which nothing is known, in the
    /// order of their numbers.
    fn unfinished_jobs(&self) -> Result<Vec<JobRecord>, StoreError>;
    /// Shows the jobs of a hub behind `after`, in the order of their numbers, until `visit` breaks.
    fn scan_jobs(
        &self,
        hub: HubId,
        after: JobNumber,
        visit: &mut dyn FnMut(JobRecord) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError>;
    /// A job that is to be forgotten: one that is being so, one that has ended before `before`, or
    /// the first to have ended of a hub that has more than `jobs_max` of them with together
    /// `rows_max` rows.
    fn job_to_forget(
        &self,
        before: UnixMillis,
        jobs_max: usize,
        rows_max: u64,
    ) -> Result<Option<JobNumber>, StoreError>;
    /// Removes a job that has no rows any more.
    fn delete_job(&self, number: JobNumber) -> Result<(), StoreError>;
}

/// Columns of a job, in the order of [`record`].
const COLUMNS: &str = "SELECT j.job_number, j.hub_id, j.job_id, j.kind, j.created_ms, j.start_ms, \
     j.execution_secs, j.condition, j.work, p.state, p.ended_ms, p.failure, p.is_listed, \
     p.listed_device, p.listed_module, p.devices, p.pending, p.running, p.succeeded, p.failed, \
     p.canceled FROM job j JOIN job_progress p USING (job_number) ";
/// Index of the first column of the progress.
const PROGRESS: usize = 9;
const PROGRESS_ONLY: &str = "SELECT p.state, p.ended_ms, p.failure, p.is_listed, p.listed_device, \
     p.listed_module, p.devices, p.pending, p.running, p.succeeded, p.failed, p.canceled, j.hub_id \
     FROM job_progress p JOIN job j USING (job_number) WHERE p.job_number = ?1";
const PUT_PROGRESS: &str =
    "INSERT OR REPLACE INTO job_progress VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const INSERT: &str = "INSERT INTO job (hub_id, job_id, kind, created_ms, start_ms, \
     execution_secs, condition, work) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
/// States are numbered as in [`JobState::ALL`].
const COUNT_UNFINISHED: &str = "SELECT coalesce(sum(j.start_ms <= ?2), 0), count(*) \
     FROM job j JOIN job_progress p USING (job_number) WHERE j.hub_id = ?1 AND p.state < 2";
const TO_FORGET: &str = "
    WITH ended AS (
        SELECT p.job_number, p.ended_ms, p.state,
            count(*) OVER later AS jobs, sum(p.devices) OVER later AS devices
        FROM job_progress p JOIN job j USING (job_number)
        WHERE p.state >= 2 AND p.running = 0
        WINDOW later AS (PARTITION BY j.hub_id ORDER BY p.ended_ms DESC, p.job_number DESC)
    )
    SELECT job_number FROM ended
    WHERE state = 5 OR ended_ms < ?1 OR jobs > ?2 OR devices > ?3
    ORDER BY ended_ms, job_number LIMIT 1";

impl JobStore for SqliteStore {
    fn insert_job(&self, job: &JobRecord) -> Result<JobNumber, StoreError> {
        let kind = JobKind::ALL.iter().position(|kind| *kind == job.kind);
        self.execute(
            INSERT,
            params![
                job.hub.0,
                job.id.as_str(),
                index(kind),
                job.created.as_millis(),
                job.start.as_millis(),
                signed(job.execution.as_secs()),
                job.condition,
                job.work,
            ],
        )?;
        let number = JobNumber(self.last_number());
        self.put_job_progress(number, &job.progress)?;
        Ok(number)
    }

    fn job(&self, hub: HubId, id: &JobId) -> Result<Option<JobRecord>, StoreError> {
        let sql = [COLUMNS, "WHERE j.hub_id = ?1 AND j.job_id = ?2 AND p.state < 5"].concat();
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query(params![hub.0, id.as_str()])?;
        rows.next()?.map(record).transpose()
    }

    fn job_progress(&self, number: JobNumber) -> Result<Option<(HubId, JobProgress)>, StoreError> {
        let mut statement = self.prepare(PROGRESS_ONLY)?;
        let mut rows = statement.query([signed(number.0)])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some((HubId(row.get("hub_id")?), progress(row, 0)?)))
    }

    fn put_job_progress(
        &self,
        number: JobNumber,
        progress: &JobProgress,
    ) -> Result<(), StoreError> {
        let (device, module) = match &progress.listed_to {
            ListedTo::Identity { device, module } => (device.as_str(), module.as_str()),
            ListedTo::End => ("", ""),
        };
        let state = JobState::ALL.iter().position(|state| *state == progress.state);
        let counts = &progress.counts;
        self.execute(
            PUT_PROGRESS,
            params![
                signed(number.0),
                index(state),
                progress.ended.map(UnixMillis::as_millis),
                progress.failure,
                progress.listed_to == ListedTo::End,
                device,
                module,
                signed(counts.devices),
                signed(counts.pending),
                signed(counts.running),
                signed(counts.succeeded),
                signed(counts.failed),
                signed(counts.canceled),
            ],
        )
    }

    fn count_unfinished_jobs(&self, hub: HubId, now: UnixMillis) -> Result<[usize; 2], StoreError> {
        let mut statement = self.prepare(COUNT_UNFINISHED)?;
        let counts = statement.query_row(params![hub.0, now.as_millis()], |row| {
            Ok([row.get::<_, i64>(0)?, row.get::<_, i64>(1)?])
        })?;
        Ok(counts.map(|count| usize::try_from(count).unwrap_or(usize::MAX)))
    }

    fn unfinished_jobs(&self) -> Result<Vec<JobRecord>, StoreError> {
        let sql = [COLUMNS, "WHERE p.state < 2 OR p.running > 0 ORDER BY j.job_number"].concat();
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut jobs = Vec::new();
        while let Some(row) = rows.next()? {
            jobs.push(record(row)?);
        }
        Ok(jobs)
    }

    fn scan_jobs(
        &self,
        hub: HubId,
        after: JobNumber,
        visit: &mut dyn FnMut(JobRecord) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let condition = "WHERE j.hub_id = ?1 AND j.job_number > ?2 AND p.state < 5 \
             ORDER BY j.job_number";
        let mut statement = self.prepare(&[COLUMNS, condition].concat())?;
        let mut rows = statement.query(params![hub.0, signed(after.0)])?;
        while let Some(row) = rows.next()? {
            if visit(record(row)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn job_to_forget(
        &self,
        before: UnixMillis,
        jobs_max: usize,
        rows_max: u64,
    ) -> Result<Option<JobNumber>, StoreError> {
        let jobs_max = i64::try_from(jobs_max).unwrap_or(i64::MAX);
        let mut statement = self.prepare(TO_FORGET)?;
        let params = params![before.as_millis(), jobs_max, signed(rows_max)];
        let number = statement.query_row(params, |row| row.get::<_, i64>(0)).optional()?;
        Ok(number.map(|number| JobNumber(number.unsigned_abs())))
    }

    fn delete_job(&self, number: JobNumber) -> Result<(), StoreError> {
        let number = signed(number.0);
        self.execute("DELETE FROM job_progress WHERE job_number = ?1", [number])?;
        self.execute("DELETE FROM job WHERE job_number = ?1", [number])
    }
}

/// The place of a value in the list of all of its kind.
pub(super) fn index(position: Option<usize>) -> i64 {
    position.and_then(|position| i64::try_from(position).ok()).unwrap_or(i64::MAX)
}

/// The value at a place in the list of all of its kind.
pub(super) fn value_of<T: Copy>(
    all: &[T],
    row: &Row<'_>,
    column: usize,
    name: &'static str,
) -> Result<T, StoreError> {
    let index = usize::try_from(row.get::<_, i64>(column)?).ok();
    index.and_then(|index| all.get(index)).copied().ok_or(StoreError::Column(name))
}

fn record(row: &Row<'_>) -> Result<JobRecord, StoreError> {
    let id: String = row.get(2)?;
    Ok(JobRecord {
        number: JobNumber(unsigned(row, 0)?),
        hub: HubId(row.get(1)?),
        id: JobId::parse(&id).map_err(|_| StoreError::Column("job_id"))?,
        kind: value_of(&JobKind::ALL, row, 3, "kind")?,
        created: UnixMillis::from_millis(row.get(4)?),
        start: UnixMillis::from_millis(row.get(5)?),
        execution: Duration::from_secs(unsigned(row, 6)?),
        condition: row.get(7)?,
        work: row.get(8)?,
        progress: progress(row, PROGRESS)?,
    })
}

fn progress(row: &Row<'_>, first: usize) -> Result<JobProgress, StoreError> {
    let count = |column| unsigned(row, first + column);
    let listed_to = match row.get(first + 3)? {
        true => ListedTo::End,
        false => ListedTo::Identity { device: row.get(first + 4)?, module: row.get(first + 5)? },
    };
    Ok(JobProgress {
        state: value_of(&JobState::ALL, row, first, "state")?,
        ended: row.get::<_, Option<i64>>(first + 1)?.map(UnixMillis::from_millis),
        failure: row.get(first + 2)?,
        listed_to,
        counts: JobCounts {
            devices: count(6)?,
            pending: count(7)?,
            running: count(8)?,
            succeeded: count(9)?,
            failed: count(10)?,
            canceled: count(11)?,
        },
    })
}
