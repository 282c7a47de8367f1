//! A job under way: what its steps read, write and call.

use std::sync::Arc;

use ringhub_core::id::HubId;
use ringhub_core::limits::{JOB_LOOK_ROWS, JOB_TURN_DEVICES, JOB_TURN_TARGETS, QUERY_TURN};
use ringhub_core::method::{Invocation, Patience, Target};
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::{Mode, ServiceChange};

use super::executor::Ways;
use super::{
    CallEnd, JobChange, JobKind, JobProgress, JobRecord, JobState, JobTarget, ListedTo, RowError,
};
use crate::api::Call;
use crate::clock;
use crate::directory::IdentityRef;
use crate::query::{Sources, TargetPage, Targets};
use crate::store::{JobRowStore as _, StoreError};

/// Ends of calls, with whom was called.
type Ends = Vec<(JobTarget, CallEnd)>;

/// What is done to each device, ready to be used.
#[derive(Clone, Debug)]
enum Work {
    UpdateTwin(Arc<ServiceChange>),
    DeviceMethod(Invocation, Patience),
}

#[derive(Debug)]
pub(super) struct Task {
    job: JobRecord,
    targets: Option<Targets>,
    work: Option<Work>,
    /// The pending device that was looked at last, in a round over all of them.
    looked: (String, String),
    round_began: Option<UnixMillis>,
    round_ended: Option<UnixMillis>,
    /// Ends that are to be stored.
    ended: Ends,
    /// Those of them that the writer has.
    recording: Option<Arc<[(JobTarget, CallEnd)]>>,
}

impl Task {
    pub(super) fn new(job: JobRecord) -> Self {
        Self {
            job,
            targets: None,
            work: None,
            looked: (String::new(), String::new()),
            round_began: None,
            round_ended: None,
            ended: Vec::new(),
            recording: None,
        }
    }

    /// The hub of the job.
    pub(super) fn hub(&self) -> HubId {
        self.job.hub
    }

    /// The end of a job whose time is over.
    pub(super) fn end(&self, state: JobState) -> JobChange {
        let failure = (state == JobState::Failed).then(|| RowError::not_started().description);
        JobChange::End(self.job.number, state, failure)
    }

    fn fail(&self, why: String) -> JobChange {
        JobChange::End(self.job.number, JobState::Failed, Some(why))
    }

    /// The next targets. A condition that cannot be read is the end of the job.
    ///
    /// Source: control-plane reference, "Create body" of scheduled jobs.
    pub(super) fn list(&mut self, ways: &Ways) -> Result<JobChange, StoreError> {
        let targets = match self.targets.take() {
            Some(targets) => targets,
            None => match Targets::parse(&self.job.condition) {
                Ok(targets) => targets,
                Err(error) => return Ok(self.fail(error.of_job())),
            },
        };
        let after = match &self.job.progress.listed_to {
            ListedTo::Identity { device, module } => (device.as_str(), module.as_str()),
            ListedTo::End => return Ok(JobChange::Start(self.job.number)),
        };
        let sources = Sources { store: &ways.store, directory: &ways.directory };
        let page = targets.next(self.job.hub, sources, after, JOB_TURN_TARGETS, QUERY_TURN)?;
        let TargetPage { targets: found, last: (device, module), is_end } = page;
        let listed_to = if is_end { ListedTo::End } else { ListedTo::Identity { device, module } };
        let target = |(identity, generation)| JobTarget { identity, generation };
        let found = found.into_iter().map(target).collect();
        self.targets = Some(targets).filter(|_| !is_end);
        Ok(JobChange::AddTargets(self.job.number, found, listed_to))
    }

    /// The next twins.
    pub(super) fn update(&mut self, ways: &Ways) -> Result<JobChange, StoreError> {
        let number = self.job.number;
        let Some(Work::UpdateTwin(change)) = self.work() else { return Ok(self.unusable()) };
        let next = ways.store.pending_job_rows(number, ("", ""), JOB_TURN_DEVICES)?;
        if next.is_empty() {
            // The counts say otherwise, which nobody can mend: better an end than none.
            return Ok(self.end(JobState::Completed));
        }
        Ok(JobChange::UpdateTwins(number, next, change))
    }

    /// The next pending devices that are connected; `None` when none of those looked at is.
    pub(super) fn look(
        &mut self,
        ways: &Ways,
        room: usize,
    ) -> Result<Option<JobChange>, StoreError> {
        if !matches!(self.work(), Some(Work::DeviceMethod(..))) {
            return Ok(Some(self.unusable()));
        }
        let (number, hub) = (self.job.number, self.job.hub);
        let began = *self.round_began.get_or_insert_with(clock::now);
        let after = (self.looked.0.as_str(), self.looked.1.as_str());
        let rows = ways.store.pending_job_rows(number, after, JOB_LOOK_ROWS)?;
        let is_last = rows.len() < JOB_LOOK_ROWS;
        let mut found = Vec::with_capacity(room);
        let mut rows = rows.into_iter();
        for target in rows.by_ref() {
            let name = IdentityRef::from(&target.identity);
            self.looked = (name.device.to_owned(), name.module.unwrap_or_default().to_owned());
            // One that is gone is called too, so that its row says why it fails.
            let is_there = ways.directory.presence(hub, name).is_none_or(|at| at.seat.is_some());
            if is_there {
                found.push(target);
            }
            if found.len() == room {
                break;
            }
        }
        if is_last && rows.len() == 0 {
            self.looked = (String::new(), String::new());
            self.round_began = None;
            self.round_ended = Some(began);
        }
        Ok((!found.is_empty()).then_some(JobChange::StartCalls(number, found)))
    }

    /// When the round began that has just ended.
    pub(super) fn take_round(&mut self) -> Option<UnixMillis> {
        self.round_ended.take()
    }

    /// A step is stored: the job is as far as this, and these devices are to be called.
    pub(super) fn moved(&mut self, ways: &Ways, progress: JobProgress, started: Vec<JobTarget>) {
        self.job.progress = progress;
        let Some(Work::DeviceMethod(invocation, patience)) = &self.work else { return };
        for target in started {
            let identity = target.identity.clone();
            let found = Target { hub: self.job.hub, identity };
            let end = ways.call_end(self.job.number, target.clone());
            if let Some(error) = missing(ways, &found, &target) {
                end(CallEnd::Failed(error));
                continue;
            }
            let done = Box::new(move |outcome| end(CallEnd::from(outcome)));
            ways.methods.invoke(found, invocation.clone(), *patience, done);
        }
    }

    pub(super) fn call_ended(&mut self, target: JobTarget, end: CallEnd) {
        self.ended.push((target, end));
    }

    /// The ends of some calls, the same ones again until they are stored, and how many.
    pub(super) fn record(&mut self, max: usize) -> (usize, JobChange) {
        let ended = &mut self.ended;
        let ends = self.recording.get_or_insert_with(|| {
            let count = max.min(ended.len());
            ended.drain(..count).collect()
        });
        (ends.len(), JobChange::EndCalls(self.job.number, ends.clone()))
    }

    pub(super) fn recorded(&mut self) {
        self.recording = None;
    }

    /// Reads what is to be done, once.
    fn work(&mut self) -> Option<Work> {
        if self.work.is_none() {
            let text = self.job.work.as_bytes();
            self.work = match self.job.kind {
                JobKind::UpdateTwin => {
                    let change = ServiceChange::parse(Mode::Merge, text);
                    change.ok().map(|change| Work::UpdateTwin(Arc::new(change)))
                }
                JobKind::DeviceMethod => Call::parse(text).ok().map(|call| {
                    // A device that is not there is looked for again: no call waits for it.
                    let patience = Patience { connect: std::time::Duration::ZERO, ..call.patience };
                    Work::DeviceMethod(call.invocation, patience)
                }),
            };
        }
        self.work.clone()
    }

    /// The end of a job whose work cannot be read although it could when it was made.
    fn unusable(&self) -> JobChange {
        self.fail("What the job is to do cannot be read any more.".to_owned())
    }
}

/// Why a target cannot be called at all: it is gone, or another one has its name.
fn missing(ways: &Ways, found: &Target, target: &JobTarget) -> Option<RowError> {
    let name = IdentityRef::from(&found.identity);
    let generation = ways.directory.generation(found.hub, name);
    (generation != Some(target.generation)).then(|| RowError::missing(&target.identity))
}
