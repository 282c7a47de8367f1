//! Rows of jobs as queries see them, and how they are looked at: job by job, in the order of their
//! numbers.

use std::ops::ControlFlow;
use std::time::Instant;

use ringhub_core::id::JobId;

use super::execution::{Execution, QueryFailure, Turn};
use super::json_text;
use super::path::{Member, Path, Segment};
use super::value::{Value, Values};
use crate::job::{JobNumber, JobRecord, JobRow};
use crate::store::{Store, StoreError, TwinKeys};

/// The JSON of a row.
struct JobDocument<'r>(&'r str);

impl Values for JobDocument<'_> {
    fn value(&self, path: &Path) -> Result<Value<'_>, StoreError> {
        let name = match path.member {
            Member::DeviceId => "deviceId",
            Member::ModuleId => "moduleId",
            Member::Status => "status",
            Member::OfJob(name) => name,
            _ => return Ok(Value::Undefined),
        };
        let member = json_text::find(self.0, &[Segment::Name(name.to_owned())]);
        let found = member.and_then(|member| json_text::find(member, &path.rest));
        Ok(found.map_or(Value::Undefined, |json| Value::from_json(json.into())))
    }
}

impl Execution {
    /// Looks at rows of jobs until the time is over, the page is full or there are no more.
    pub(super) fn scan_job_rows(
        &mut self,
        store: &dyn Store,
        until: Instant,
    ) -> Result<Turn, QueryFailure> {
        let first = JobNumber(self.job.saturating_sub(1));
        let (hub, named) = (self.hub, self.named_jobs(store, first)?);
        let ranges = self.plan.keys.ranges();
        let mut turn = Turn::End;
        let mut look = |job: JobRecord| {
            if job.number.0 > self.job {
                self.go_to(job.number.0);
            }
            if self.plan.takes_jobs_of(job.kind.text()) {
                turn = self.scan_rows_of(store, &job, &ranges, until)?;
            }
            if !matches!(turn, Turn::End) {
                return Ok(ControlFlow::Break(()));
            }
            self.go_to(job.number.0 + 1);
            if self.is_done(until) {
                turn = Turn::Pause;
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        };
        match named {
            None => store.scan_jobs(hub, first, &mut look)?,
            Some(jobs) => {
                for job in jobs {
                    if look(job)?.is_break() {
                        break;
                    }
                }
            }
        }
        Ok(turn)
    }

    /// Before all rows of a job.
    fn go_to(&mut self, job: u64) {
        self.job = job;
        self.device.clear();
        self.module.clear();
    }

    /// The jobs that the condition names, from the one behind `after` on; `None` if it names none.
    fn named_jobs(
        &self,
        store: &dyn Store,
        after: JobNumber,
    ) -> Result<Option<Vec<JobRecord>>, StoreError> {
        let Some(ids) = &self.plan.jobs else { return Ok(None) };
        let mut jobs = Vec::new();
        for id in ids.iter().filter_map(|id| JobId::parse(id).ok()) {
            jobs.extend(store.job(self.hub, &id)?);
        }
        jobs.retain(|job| job.number > after);
        jobs.sort_unstable_by_key(|job| job.number);
        Ok(Some(jobs))
    }

    /// Looks at the rows of a job whose devices are in `ranges`.
    fn scan_rows_of(
        &mut self,
        store: &dyn Store,
        job: &JobRecord,
        ranges: &[(String, String)],
        until: Instant,
    ) -> Result<Turn, StoreError> {
        let [device, module] = [self.device.clone(), self.module.clone()];
        for (from, to) in ranges.iter().filter(|(_, to)| *to >= device) {
            let mut turn = Turn::Pause;
            let devices = (from.as_str(), to.as_str());
            let place = (device.as_str(), module.as_str());
            let is_end = store.scan_job_rows(job.number, devices, place, &mut |row| {
                if !self.look_at_row(job, row)? {
                    turn = Turn::More;
                    return Ok(ControlFlow::Break(()));
                }
                let is_done = self.is_done(until);
                Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if !is_end {
                return Ok(turn);
            }
        }
        Ok(Turn::End)
    }

    /// Deals with one row; false when it is for the next page.
    fn look_at_row(&mut self, job: &JobRecord, row: &JobRow<'_>) -> Result<bool, StoreError> {
        let json = row.json(job);
        let condition = self.plan.query.condition.as_ref();
        let document = JobDocument(&json);
        if condition.map_or(Ok(true), |condition| condition.takes(&document))? {
            if self.is_full() {
                return Ok(false);
            }
            self.add(&json);
        }
        self.device.clear();
        self.device.push_str(row.device);
        self.module.clear();
        self.module.push_str(row.module);
        Ok(true)
    }

    /// Which rows of jobs are looked at and what is asked of them, in words.
    pub(super) fn describe_job_rows(&self) -> (String, &'static str) {
        let mut rows = match &self.plan.jobs {
            None => "those of every job".to_owned(),
            Some(ids) => format!("those of {} job ids, by index", ids.len()),
        };
        if let Some(types) = &self.plan.job_types {
            rows += &format!(", of {} types", types.len());
        }
        match &self.plan.keys {
            TwinKeys::Devices(ids) => rows += &format!(", of {} device ids, by index", ids.len()),
            TwinKeys::Between(from, to) => {
                rows += &format!(", of device ids from {from:?} to {to:?}, by index");
            }
            TwinKeys::All | TwinKeys::Indexed(_) => {}
        }
        let is_asked = self.plan.query.condition.is_some();
        (rows, if is_asked { "asked of each row" } else { "none" })
    }
}
