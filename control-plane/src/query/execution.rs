//! A query on its way to a page: it works for a turn, and goes on where it was.
//!
//! Every turn reads from a snapshot of its own, so that a long query keeps no version of the
//! database alive. A document is looked at once, as it is when its turn comes, and never older than
//! it was when the query arrived.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ringhub_core::id::HubId;
use ringhub_core::limits::{
    QUERY_GROUP_BYTES_MAX, QUERY_GROUP_TIME_MAX, QUERY_GROUPS_MAX, QUERY_PAGE_BYTES_MAX,
    QUERY_PAGE_TIME_MAX,
};

use super::document::Document;
use super::error::QueryError;
use super::groups::{GroupKey, Grouping, Row};
use super::plan::Plan;
use super::syntax::{Collection, Groups, Select};
use crate::directory::Directory;
use crate::store::{ScanPlan, Store, StoreError, StoredTwin, TwinKeys, TwinScan};

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryFailure {
    #[error(transparent)]
    Invalid(#[from] QueryError),
    #[error("The continuation token is not one of this query")]
    Token,
    #[error(
        "The query has more than {QUERY_GROUPS_MAX} groups, the most that are kept; \
         take fewer documents by WHERE, or group by less"
    )]
    Groups,
    #[error(
        "The values that the query groups by have more than {QUERY_GROUP_BYTES_MAX} bytes, the \
         most that are kept; take fewer documents by WHERE, or group by less"
    )]
    GroupBytes,
    #[error(
        "The query has worked for {} s, the longest time for aggregates; take fewer documents by \
         WHERE, best by deviceId",
        QUERY_GROUP_TIME_MAX.as_secs()
    )]
    Time,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a page ends, and what is left then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: At,
    /// Rows that TOP leaves.
    pub(crate) left: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Behind this device and module.
    Document {
        device: String,
        module: String,
    },
    /// Behind this row of the job of this number.
    JobRow {
        job: u64,
        device: String,
        module: String,
    },
    Group(GroupKey),
}

/// Rows as a JSON array, and where the next ones are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) body: String,
    pub(crate) next: Option<Place>,
}

/// What the engine looks at.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'s> {
    pub(crate) store: &'s dyn Store,
    pub(crate) directory: &'s Directory,
}

/// A query that is under way.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(super) hub: HubId,
    pub(super) plan: Plan,
    rows_max: usize,
    /// The last document that was dealt with; a row of a job also has the number of that.
    pub(super) job: u64,
    pub(super) device: String,
    pub(super) module: String,
    after_group: Option<GroupKey>,
    left: Option<u64>,
    rows: Rows,
    grouping: Grouping,
    pub(super) spent: Duration,
}

/// The rows of a page.
#[derive(Debug, Default)]
struct Rows {
    body: String,
    count: usize,
}

/// How a turn ended.
pub(super) enum Turn {
    /// All documents were seen.
    End,
    /// The page is full, and there is a row for the next one.
    More,
    /// The time of the turn is over.
    Pause,
}

impl Execution {
    /// The page of at most `rows_max` rows behind `place`.
    pub(crate) fn new(hub: HubId, plan: Plan, rows_max: usize, place: Option<Place>) -> Self {
        let (mut device, mut module, mut after_group) = (String::new(), String::new(), None);
        let mut job = 0;
        let left = place.as_ref().map_or(plan.query.top, |place| place.left);
        match place.map(|place| place.at) {
            Some(At::Document { device: d, module: m }) => (device, module) = (d, m),
            Some(At::JobRow { job: j, device: d, module: m }) => (job, device, module) = (j, d, m),
            Some(At::Group(key)) => after_group = Some(key),
            None => {}
        }
        Self {
            hub,
            plan,
            rows_max,
            job,
            device,
            module,
            after_group,
            left,
            rows: Rows::default(),
            grouping: Grouping::default(),
            spent: Duration::ZERO,
        }
    }

    /// Works for a time; a page is the end.
    ///
    /// Blocks on the disk and on stripes of the directory; costs some microseconds more than
    /// `turn`, or as long as one document takes.
    pub(crate) fn work(
        &mut self,
        sources: Sources<'_>,
        turn: Duration,
    ) -> Result<Option<Page>, QueryFailure> {
        if self.left == Some(0) {
            return Ok(Some(self.page(None)));
        }
        let groups = match &self.plan.query.select {
            Select::Groups(groups) => Some(groups.clone()),
            Select::Star | Select::Columns(_) => None,
        };
        let began = Instant::now();
        let page = match groups {
            Some(groups) => self.work_on_groups(sources, began + turn, &groups),
            None => self.work_on_rows(sources, began + turn),
        };
        self.spent += began.elapsed();
        page
    }

    fn work_on_rows(
        &mut self,
        sources: Sources<'_>,
        until: Instant,
    ) -> Result<Option<Page>, QueryFailure> {
        let of_jobs = self.plan.query.from == Collection::Jobs;
        let outcome = if of_jobs {
            self.scan_job_rows(sources.store, until)?
        } else {
            self.scan(sources, until)?
        };
        let is_full = self.is_full();
        let is_late = self.spent > QUERY_PAGE_TIME_MAX;
        match outcome {
            Turn::End => Ok(Some(self.page(None))),
            _ if self.left == Some(0) => Ok(Some(self.page(None))),
            Turn::Pause if !is_full && !is_late => Ok(None),
            Turn::More | Turn::Pause => {
                let (device, module) = (self.device.clone(), self.module.clone());
                Ok(Some(self.page(Some(match of_jobs {
                    true => At::JobRow { job: self.job, device, module },
                    false => At::Document { device, module },
                }))))
            }
        }
    }

    fn work_on_groups(
        &mut self,
        sources: Sources<'_>,
        until: Instant,
        groups: &Groups,
    ) -> Result<Option<Page>, QueryFailure> {
        if self.plan.is_plain_count() {
            let count = match self.plan.query.from {
                Collection::Modules => sources.store.count_modules(self.hub)?,
                _ => sources.directory.counts(self.hub).devices,
            };
            self.grouping.set_count(groups, count);
        } else if !matches!(self.scan(sources, until)?, Turn::End) {
            let is_late = self.spent > QUERY_GROUP_TIME_MAX;
            return if is_late { Err(QueryFailure::Time) } else { Ok(None) };
        }
        let mut grouping = std::mem::take(&mut self.grouping);
        let mut last = None;
        for (key, row) in grouping.rows(groups, self.after_group) {
            if self.left == Some(0) {
                return Ok(Some(self.page(None)));
            }
            if self.is_full() {
                return Ok(Some(self.page(last.map(At::Group))));
            }
            self.add(&row);
            last = Some(key);
        }
        Ok(Some(self.page(None)))
    }

    /// The twins that an index names, with its name, if one can be asked.
    fn indexed(&self, directory: &Directory) -> Option<(String, TwinKeys)> {
        self.plan.indexed(&directory.hub(self.hub)?.query_indexes.read())
    }

    /// All documents that may match.
    fn scan_of<'k>(&self, keys: &'k TwinKeys) -> TwinScan<'k> {
        TwinScan {
            hub: self.hub,
            of_modules: self.plan.query.from == Collection::Modules,
            keys,
            columns: self.plan.columns,
            after: ("", ""),
        }
    }

    /// Looks at documents until the time is over, the page is full or there are no more.
    fn scan(&mut self, sources: Sources<'_>, until: Instant) -> Result<Turn, QueryFailure> {
        let [device, module] = [self.device.clone(), self.module.clone()];
        let indexed = self.indexed(sources.directory);
        let keys = indexed.map_or_else(|| self.plan.keys.clone(), |(_, keys)| keys);
        let scan = TwinScan { after: (&device, &module), ..self.scan_of(&keys) };
        let mut outcome = Ok(Turn::Pause);
        let is_end = sources.store.scan_twins(scan, &mut |stored| {
            match self.look(sources.directory, stored) {
                Ok(true) => {}
                Ok(false) => {
                    outcome = Ok(Turn::More);
                    return Ok(ControlFlow::Break(()));
                }
                Err(QueryFailure::Store(error)) => return Err(error),
                Err(failure) => {
                    outcome = Err(failure);
                    return Ok(ControlFlow::Break(()));
                }
            }
            let is_done = self.is_done(until);
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if is_end { Ok(Turn::End) } else { outcome }
    }

    /// Whether this turn is over.
    pub(super) fn is_done(&self, until: Instant) -> bool {
        self.left == Some(0) || Instant::now() >= until
    }

    /// Deals with one document; false when it is for the next page.
    fn look(
        &mut self,
        directory: &Directory,
        stored: &StoredTwin<'_>,
    ) -> Result<bool, QueryFailure> {
        let document = Document::new(self.hub, directory, stored);
        let condition = self.plan.query.condition.as_ref();
        if condition.map_or(Ok(true), |condition| condition.takes(&document))? {
            let row = match &self.plan.query.select {
                Select::Groups(groups) => {
                    self.grouping.add(groups, &document)?;
                    None
                }
                _ if self.is_full() => return Ok(false),
                Select::Star => Some(document.whole()?),
                Select::Columns(columns) => {
                    let mut row = Row::new();
                    for column in columns {
                        row.add(&column.key, document.json(&column.value)?.as_deref());
                    }
                    Some(row.end())
                }
            };
            if let Some(row) = row {
                self.add(&row);
            }
        }
        self.device.clear();
        self.device.push_str(stored.device);
        self.module.clear();
        self.module.push_str(stored.module.unwrap_or_default());
        Ok(true)
    }

    pub(super) fn add(&mut self, row: &str) {
        self.rows.body.push(if self.rows.count == 0 { '[' } else { ',' });
        self.rows.body.push_str(row);
        self.rows.count += 1;
        self.left = self.left.map(|left| left.saturating_sub(1));
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.count >= self.rows_max || self.rows.body.len() >= QUERY_PAGE_BYTES_MAX
    }

    fn page(&mut self, next: Option<At>) -> Page {
        let mut body = std::mem::take(&mut self.rows).body;
        body.push_str(if body.is_empty() { "[]" } else { "]" });
        Page { body, next: next.map(|at| Place { at, left: self.left }) }
    }
}

impl Execution {
    /// How SQLite finds the rows; `None` when none are looked for.
    pub(crate) fn explain(&self, sources: Sources<'_>) -> Result<Option<ScanPlan>, StoreError> {
        if self.plan.query.from == Collection::Jobs || self.plan.is_plain_count() {
            return Ok(None);
        }
        let indexed = self.indexed(sources.directory).map(|(_, keys)| keys);
        let keys = indexed.as_ref().unwrap_or(&self.plan.keys);
        sources.store.explain_scan(self.scan_of(keys)).map(Some)
    }

    /// Which rows are looked at and what is asked of them, in words.
    pub(crate) fn describe(&self, directory: &Directory) -> (String, &'static str) {
        let what = match self.plan.query.from {
            Collection::Jobs => return self.describe_job_rows(),
            Collection::Modules => "module",
            Collection::Devices => "device",
        };
        let indexed = self.indexed(directory);
        let rows = match indexed.as_ref().map_or(&self.plan.keys, |(_, keys)| keys) {
            TwinKeys::Indexed(keys) => {
                let name = indexed.as_ref().map_or("", |(name, _)| name);
                format!("those of {} values in the index {name}", keys.keys.len())
            }
            _ if self.plan.is_plain_count() => format!("every {what}, counted without being read"),
            TwinKeys::All => format!("every {what}"),
            TwinKeys::Devices(ids) => format!("those of {} device ids, by index", ids.len()),
            TwinKeys::Between(from, to) => {
                format!("those of device ids from {from:?} to {to:?}, by index")
            }
        };
        let is_asked = self.plan.query.condition.is_some();
        (rows, if is_asked { "asked of each row" } else { "none" })
    }
}
