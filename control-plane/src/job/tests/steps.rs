//! Steps of jobs on a store of their own, where the order of things is the test's.

use std::sync::Arc;
use std::time::Duration;

use ringhub_core::id::{HubId, JobId};
use ringhub_core::limits::JOB_RETENTION;
use ringhub_core::quota::QuotaPlan;
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::{Mode, ServiceChange};
use serde_json::json;

use super::world::{World, name, twin_job};
use crate::directory::{Directory, Hub, IdentityRef};
use crate::job::{
    JobApplier, JobChange, JobCounts, JobKind, JobNumber, JobOutcome, JobProgress, JobState,
    JobTarget, ListedTo, NewJob,
};
use crate::registry::RegistryError;
use crate::store::{
    C2dStore as _, Database, ID_END, JobRowStore as _, JobStore as _, SqliteStore, Store as _,
    TwinStore as _,
};
use crate::tests::TempDir;

const HUB: HubId = HubId(0);
const NOW: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);

/// A store with three devices, and no thread beside it.
struct Bench {
    store: SqliteStore,
    directory: Directory,
    targets: Vec<JobTarget>,
}

impl Bench {
    fn new(dir: &TempDir) -> Self {
        let world = World::open(dir);
        world.register(3);
        world.control.shutdown();
        let database = Database::open(dir.path()).expect("nobody else has it");
        let store = SqliteStore::new(database.connect().expect("it opens"));
        let devices = store.devices(HUB, "", 10).expect("it can be read");
        let target = |device: crate::registry::Device| JobTarget {
            generation: device.generation,
            identity: ringhub_core::id::Identity { device: device.id, module: None },
        };
        let directory =
            Directory::new(vec![Hub::bare(HUB, "hub.example.net")], QuotaPlan::default());
        Self { targets: devices.into_iter().map(target).collect(), directory, store }
    }

    fn apply_at(&self, change: JobChange, now: UnixMillis) -> Result<JobOutcome, RegistryError> {
        match (JobApplier { store: &self.store, directory: &self.directory, now }).apply(change) {
            Ok(outcome) => Ok(outcome),
            Err(crate::registry::ChangeError::Refused(why)) => Err(why),
            Err(crate::registry::ChangeError::Store(error)) => panic!("{error}"),
        }
    }

    fn apply(&self, change: JobChange) -> JobProgress {
        match self.apply_at(change, NOW) {
            Ok(JobOutcome::Moved { progress, .. }) => progress,
            other => panic!("{other:?}"),
        }
    }

    fn create(&self, id: &str, now: UnixMillis) -> JobNumber {
        let new = NewJob {
            hub: HUB,
            id: JobId::parse(id).expect("valid"),
            kind: JobKind::UpdateTwin,
            start: None,
            execution: Duration::from_secs(3600),
            condition: "*".to_owned(),
            work: twin_job("*")["updateTwin"].to_string(),
        };
        match self.apply_at(JobChange::Create(Box::new(new)), now) {
            Ok(JobOutcome::Job(job)) => job.number,
            other => panic!("{other:?}"),
        }
    }

    /// A job that is about to change its devices.
    fn listed(&self, id: &str) -> JobNumber {
        let number = self.create(id, NOW);
        self.apply(JobChange::Start(number));
        self.apply(JobChange::AddTargets(number, self.targets.clone(), ListedTo::End));
        number
    }

    fn update(&self, number: JobNumber, targets: &[JobTarget]) -> JobProgress {
        self.apply(JobChange::UpdateTwins(number, targets.to_vec(), patch()))
    }

    fn version(&self, n: usize) -> u64 {
        let target = &self.targets[n];
        let name = IdentityRef::from(&target.identity);
        let twin = self.store.twin(HUB, name, target.generation).expect("it can be read");
        twin.desired.version()
    }

    /// Status and error of each device of a job.
    fn rows(&self, id: &str) -> Vec<(String, String)> {
        let job = self.store.job(HUB, &JobId::parse(id).expect("valid")).expect("readable");
        let job = job.expect("it is there");
        let mut rows = Vec::new();
        let scanned = self.store.scan_job_rows(job.number, ("", ID_END), ("", ""), &mut |row| {
            let row: serde_json::Value = serde_json::from_str(&row.json(&job)).expect("JSON");
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            rows.push((text(&row["status"]), text(&row["error"]["code"])));
            Ok(std::ops::ControlFlow::Continue(()))
        });
        assert!(scanned.expect("it can be read"));
        rows
    }
}

fn patch() -> Arc<ServiceChange> {
    let patch = json!({ "properties": { "desired": { "fw": "2.1" } } }).to_string();
    Arc::new(ServiceChange::parse(Mode::Merge, patch.as_bytes()).expect("a patch"))
}

fn row(status: &str, error: &str) -> (String, String) {
    (status.to_owned(), error.to_owned())
}

#[test]
fn a_step_that_comes_twice_does_nothing_twice() {
    let dir = TempDir::new();
    let bench = Bench::new(&dir);
    let job = bench.listed("j");
    for _ in 0..2 {
        bench.apply(JobChange::AddTargets(job, bench.targets.clone(), ListedTo::End));
        let progress = bench.update(job, &bench.targets[..1]);
        let counts = JobCounts { devices: 3, pending: 2, succeeded: 1, ..JobCounts::default() };
        assert_eq!((progress.state, progress.counts), (JobState::Running, counts));
        assert_eq!([bench.version(0), bench.version(1)], [2, 1]);
    }
    let progress = bench.update(job, &bench.targets);
    assert_eq!((progress.state, progress.ended), (JobState::Completed, Some(NOW)));
    assert_eq!([0, 1, 2].map(|n| bench.version(n)), [2, 2, 2]);
    assert_eq!(bench.update(job, &bench.targets), progress, "an ended job does nothing");
}

#[test]
fn a_device_that_is_gone_or_replaced_is_no_target_any_more() {
    let dir = TempDir::new();
    let bench = Bench::new(&dir);
    bench.listed("j");
    let job = bench.store.job(HUB, &JobId::parse("j").expect("valid")).expect("readable");
    let job = job.expect("it is there").number;
    bench.store.delete_device(HUB, &bench.targets[0].identity.device).expect("it can be written");
    let mut device = bench.store.device(HUB, &bench.targets[1].identity.device);
    let device = device.as_mut().expect("readable").as_mut().expect("it is there");
    device.generation.0 += 1;
    bench.store.put_device(HUB, device).expect("it can be written");
    assert_ne!(
        bench.store.generation(HUB, &bench.targets[1].identity).expect("readable"),
        Some(bench.targets[1].generation)
    );
    let progress = bench.update(job, &bench.targets);
    let counts = JobCounts { devices: 3, failed: 2, succeeded: 1, ..JobCounts::default() };
    assert_eq!((progress.state, progress.counts), (JobState::Completed, counts));
    let gone = row("failed", "DeviceNotFound");
    assert_eq!(bench.rows("j"), [gone.clone(), gone, row("completed", "")]);
}

#[test]
fn what_is_pending_shares_the_end_of_the_job() {
    let dir = TempDir::new();
    let bench = Bench::new(&dir);
    let late = bench.listed("late");
    bench.update(late, &bench.targets[..1]);
    let progress = bench.apply(JobChange::End(late, JobState::Completed, None));
    let counts = JobCounts { devices: 3, failed: 2, succeeded: 1, ..JobCounts::default() };
    assert_eq!(progress.counts, counts);
    let left = row("failed", "JobRunPreconditionFailed");
    assert_eq!(bench.rows("late"), [row("completed", ""), left.clone(), left]);
    let spared = bench.listed("spared");
    bench.update(spared, &bench.targets[..1]);
    let cancel = JobChange::Cancel(HUB, JobId::parse("spared").expect("valid"));
    let Ok(JobOutcome::Job(job)) = bench.apply_at(cancel, NOW) else { panic!("it was running") };
    let counts = JobCounts { devices: 3, canceled: 2, succeeded: 1, ..JobCounts::default() };
    assert_eq!(job.progress.counts, counts);
    let canceled = row("canceled", "");
    assert_eq!(bench.rows("spared"), [row("completed", ""), canceled.clone(), canceled]);
    assert_eq!(bench.version(1), 1, "{}", name(1));
}

#[test]
fn ended_jobs_are_forgotten_after_their_time_or_for_room() {
    let dir = TempDir::new();
    let bench = Bench::new(&dir);
    let (old, young) = (bench.listed("old"), bench.listed("young"));
    let open = bench.listed("open");
    bench.update(old, &bench.targets);
    bench.update(young, &bench.targets);
    let find =
        |before, jobs, rows| bench.store.job_to_forget(before, jobs, rows).expect("it can be read");
    let kept = NOW - JOB_RETENTION;
    assert_eq!(find(kept, 2, 6), None);
    assert_eq!(find(kept, 1, 6), Some(old), "one job too many");
    assert_eq!(find(kept, 2, 5), Some(old), "one row too many");
    assert_eq!(find(NOW + Duration::from_millis(1), 9, 9), Some(old), "its time has come");
    let forgotten = bench.apply_at(JobChange::Forget(old), NOW);
    assert_eq!(forgotten, Ok(JobOutcome::Forgotten));
    assert_eq!(bench.store.job(HUB, &JobId::parse("old").expect("valid")).expect("readable"), None);
    assert_eq!(bench.store.delete_job_rows(old, 9).expect("it can be written"), 0);
    assert_eq!(find(NOW + Duration::from_millis(1), 9, 9), Some(young));
    bench.apply_at(JobChange::Forget(young), NOW).expect("it has ended");
    assert_eq!(find(NOW + Duration::from_secs(9), 0, 0), None, "one that runs stays");
    assert_eq!(bench.update(open, &bench.targets).counts.succeeded, 3);
}
