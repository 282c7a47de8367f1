//! Which step of which job comes next. Knows time as an argument and does nothing itself.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use ringhub_core::id::HubId;
use ringhub_core::limits::{JOB_CALLS_MAX, JOB_PAUSE, JOB_TURN_DEVICES, JOBS_ACTIVE_MAX};
use ringhub_core::time::UnixMillis;

use super::pace::Pace;
use super::{JobKind, JobNumber, JobProgress, JobRecord, JobState, ListedTo};

/// What the driver has to do for a job. It reports the end of each step; but for `Record`, which
/// may go on beside the others, a job has one step under way at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Let the calls of a former process fail.
    FailRunning,
    /// Let it begin to run.
    Start,
    /// List some more targets.
    List,
    /// Change the next twins.
    Update,
    /// Call the next devices, so many at most.
    Call(usize),
    /// Write down which calls have ended, so many at most.
    Record(usize),
    /// Its time is over.
    End(JobState),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Listing,
    Working,
    /// Nothing but the ends of its calls is still to be written down.
    Over,
}

#[derive(Debug)]
struct Course {
    hub: HubId,
    kind: JobKind,
    start: UnixMillis,
    until: UnixMillis,
    stage: Stage,
    /// Calls of a former process are stored as running.
    has_doubt: bool,
    is_busy: bool,
    is_recording: bool,
    /// No step before this time.
    resumes: UnixMillis,
    /// No record before this time.
    records: UnixMillis,
    /// Calls that were sent and whose end is not stored.
    calls: usize,
    /// Of these, those that have ended.
    ended_calls: usize,
}

/// All jobs that have something left to do.
#[derive(Debug)]
pub(super) struct Schedule {
    courses: BTreeMap<JobNumber, Course>,
    pace: Pace,
    /// The job that had the last step: the next one is another's turn.
    last: JobNumber,
}

impl Schedule {
    pub(super) const fn new(devices_per_second: u32) -> Self {
        let pace = Pace::new(devices_per_second);
        Self { courses: BTreeMap::new(), pace, last: JobNumber(0) }
    }

    pub(super) fn has(&self, job: JobNumber) -> bool {
        self.courses.contains_key(&job)
    }

    /// These are all jobs that have not ended, or have calls of which nothing is known. Those that
    /// were known and are not among them have been cancelled.
    pub(super) fn handle_jobs(&mut self, jobs: &[JobRecord]) {
        for (number, course) in &mut self.courses {
            let is_there =
                jobs.iter().any(|job| job.number == *number && !job.progress.state.is_ended());
            if !is_there {
                course.stage = Stage::Over;
            }
        }
        for job in jobs {
            self.courses.entry(job.number).or_insert_with(|| Course::new(job));
        }
        self.sweep();
    }

    /// A step other than a record has led to this.
    pub(super) fn handle_done(&mut self, job: JobNumber, progress: &JobProgress) {
        if let Some(course) = self.courses.get_mut(&job) {
            course.is_busy = false;
            course.has_doubt = false;
            course.note(progress);
        }
        self.sweep();
    }

    /// So many ends of calls are stored.
    pub(super) fn handle_recorded(&mut self, job: JobNumber, ends: usize, progress: &JobProgress) {
        if let Some(course) = self.courses.get_mut(&job) {
            course.is_recording = false;
            course.calls = course.calls.saturating_sub(ends);
            course.ended_calls = course.ended_calls.saturating_sub(ends);
            course.note(progress);
        }
        self.sweep();
    }

    /// The store has refused: the step is to be taken again, after a pause.
    pub(super) fn handle_refused(&mut self, job: JobNumber, is_record: bool, now: UnixMillis) {
        let Some(course) = self.courses.get_mut(&job) else { return };
        if is_record {
            course.is_recording = false;
            course.records = now + JOB_PAUSE;
        } else {
            course.is_busy = false;
            course.resumes = now + JOB_PAUSE;
        }
        self.sweep();
    }

    /// The job is not there any more.
    pub(super) fn handle_gone(&mut self, job: JobNumber) {
        self.courses.remove(&job);
    }

    /// A look for connected devices ends without one.
    pub(super) fn handle_looked(&mut self, job: JobNumber) {
        if let Some(course) = self.courses.get_mut(&job) {
            course.is_busy = false;
        }
        self.sweep();
    }

    /// All pending devices were looked at; the next look at them begins at `again`.
    pub(super) fn handle_round(&mut self, job: JobNumber, again: UnixMillis) {
        if let Some(course) = self.courses.get_mut(&job) {
            course.resumes = again;
        }
    }

    /// So many devices are about to be changed or called.
    pub(super) fn handle_devices(&mut self, devices: usize, now: UnixMillis) {
        self.pace.take(devices, now);
    }

    /// So many calls leave.
    pub(super) fn handle_calls(&mut self, job: JobNumber, calls: usize) {
        if let Some(course) = self.courses.get_mut(&job) {
            course.calls += calls;
        }
    }

    /// One of the calls has ended.
    pub(super) fn handle_call_end(&mut self, job: JobNumber) {
        if let Some(course) = self.courses.get_mut(&job) {
            course.ended_calls += 1;
        }
    }

    /// The next step, of another job than the last one if another has one.
    pub(super) fn poll_step(&mut self, now: UnixMillis) -> Option<(JobNumber, Step)> {
        let behind = self.courses.range((Excluded(self.last), Unbounded));
        let all = behind.chain(self.courses.range(..=self.last));
        let mut steps = all.filter_map(|(job, course)| {
            let has_room = self.active(course.hub) < JOBS_ACTIVE_MAX;
            Some((*job, course.step(now, self.pace.next(now), has_room)?))
        });
        let (job, step) = steps.next()?;
        drop(steps);
        self.last = job;
        if let Some(course) = self.courses.get_mut(&job) {
            match step {
                Step::Record(_) => course.is_recording = true,
                _ => course.is_busy = true,
            }
        }
        Some((job, step))
    }

    /// When there may be a step although nothing happens.
    pub(super) fn poll_timeout(&self, now: UnixMillis) -> Option<UnixMillis> {
        let pace = self.pace.next(now);
        let all = self.courses.values().flat_map(|course| course.times(pace));
        all.filter(|time| *time > now).min()
    }

    /// Jobs of a hub that run, or are about to.
    fn active(&self, hub: HubId) -> usize {
        let runs = |course: &&Course| match course.stage {
            Stage::Listing | Stage::Working => course.hub == hub,
            Stage::Waiting => course.hub == hub && course.is_busy,
            Stage::Over => false,
        };
        self.courses.values().filter(runs).count()
    }

    fn sweep(&mut self) {
        self.courses.retain(|_, course| {
            let has_steps = course.is_busy || course.is_recording || course.has_doubt;
            course.stage != Stage::Over || has_steps || course.calls > 0
        });
    }
}

impl Course {
    fn new(job: &JobRecord) -> Self {
        let mut course = Self {
            hub: job.hub,
            kind: job.kind,
            start: job.start,
            until: job.until(),
            stage: Stage::Waiting,
            has_doubt: job.progress.counts.running > 0,
            is_busy: false,
            is_recording: false,
            resumes: UnixMillis::EPOCH,
            records: UnixMillis::EPOCH,
            calls: 0,
            ended_calls: 0,
        };
        course.note(&job.progress);
        course
    }

    fn note(&mut self, progress: &JobProgress) {
        self.stage = match progress.state {
            _ if self.stage == Stage::Over => Stage::Over,
            JobState::Waiting => Stage::Waiting,
            JobState::Running if progress.listed_to == ListedTo::End => Stage::Working,
            JobState::Running => Stage::Listing,
            _ => Stage::Over,
        };
    }

    fn step(&self, now: UnixMillis, pace: UnixMillis, has_room: bool) -> Option<Step> {
        if self.ended_calls > 0 && !self.is_recording && now >= self.records {
            return Some(Step::Record(self.ended_calls.min(JOB_TURN_DEVICES)));
        }
        if self.is_busy || now < self.resumes {
            return None;
        }
        if self.has_doubt {
            return Some(Step::FailRunning);
        }
        let is_late = now >= self.until;
        match (self.stage, self.kind) {
            (Stage::Over, _) => None,
            (Stage::Waiting | Stage::Listing, _) if is_late => Some(Step::End(JobState::Failed)),
            (Stage::Waiting, _) => (has_room && now >= self.start).then_some(Step::Start),
            (Stage::Listing, _) => Some(Step::List),
            // What is under way has a time of its own, and counts.
            (Stage::Working, _) if is_late => {
                (self.calls == 0).then_some(Step::End(JobState::Completed))
            }
            (Stage::Working, _) if pace > now => None,
            (Stage::Working, JobKind::UpdateTwin) => Some(Step::Update),
            (Stage::Working, JobKind::DeviceMethod) => {
                let room = JOB_CALLS_MAX.saturating_sub(self.calls).min(JOB_TURN_DEVICES);
                (room > 0).then_some(Step::Call(room))
            }
        }
    }

    /// Times at which it may have a step.
    fn times(&self, pace: UnixMillis) -> [UnixMillis; 5] {
        [self.start, self.until, self.resumes, self.records, pace]
    }
}
