//! Which step comes next, on a clock of the test's own.

use std::time::Duration;

use ringhub_core::id::{HubId, JobId};
use ringhub_core::limits::{
    JOB_CALLS_MAX, JOB_DEVICES_PER_SECOND, JOB_PAUSE, JOB_TURN_DEVICES, JOBS_ACTIVE_MAX,
};
use ringhub_core::time::UnixMillis;

use super::super::schedule::{Schedule, Step};
use crate::job::{JobCounts, JobKind, JobNumber, JobProgress, JobRecord, JobState, ListedTo};

const START: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);

fn job(number: u64, kind: JobKind) -> JobRecord {
    JobRecord {
        number: JobNumber(number),
        hub: HubId(0),
        id: JobId::parse(&format!("job-{number}")).expect("valid"),
        kind,
        created: START,
        start: START,
        execution: Duration::from_secs(60),
        condition: "*".to_owned(),
        work: String::new(),
        progress: JobProgress::new(),
    }
}

fn running(listed_to: ListedTo) -> JobProgress {
    JobProgress { state: JobState::Running, listed_to, ..JobProgress::new() }
}

/// A schedule with jobs that are about to work on their devices.
fn working(kinds: &[JobKind]) -> Schedule {
    let mut schedule = Schedule::new(JOB_DEVICES_PER_SECOND);
    let jobs: Vec<_> = (1..).zip(kinds).map(|(number, kind)| job(number, *kind)).collect();
    schedule.handle_jobs(&jobs);
    for (job, step) in steps(&mut schedule, START) {
        assert_eq!(step, Step::Start);
        schedule.handle_done(job, &running(JobProgress::new().listed_to));
    }
    for (job, step) in steps(&mut schedule, START) {
        assert_eq!(step, Step::List);
        schedule.handle_done(job, &running(ListedTo::End));
    }
    schedule
}

/// All steps that there are now.
fn steps(schedule: &mut Schedule, now: UnixMillis) -> Vec<(JobNumber, Step)> {
    std::iter::from_fn(|| schedule.poll_step(now)).take(1000).collect()
}

#[test]
fn jobs_wait_for_their_time_and_for_each_other() {
    let mut schedule = Schedule::new(JOB_DEVICES_PER_SECOND);
    let jobs: Vec<_> =
        (1..=JOBS_ACTIVE_MAX as u64 + 2).map(|number| job(number, JobKind::UpdateTwin)).collect();
    schedule.handle_jobs(&jobs);
    let before = START - Duration::from_millis(1);
    assert_eq!(schedule.poll_step(before), None);
    assert_eq!(schedule.poll_timeout(before), Some(START));
    let mut begun = 0;
    while let Some((job, step)) = schedule.poll_step(START) {
        match step {
            Step::Start => {
                begun += 1;
                schedule.handle_done(job, &running(JobProgress::new().listed_to));
            }
            // It stays busy.
            Step::List => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(begun, JOBS_ACTIVE_MAX);
    let ended = JobProgress { state: JobState::Completed, ..running(ListedTo::End) };
    schedule.handle_done(JobNumber(3), &ended);
    assert!(!schedule.has(JobNumber(3)));
    assert_eq!(steps(&mut schedule, START), [(JobNumber(11), Step::Start)]);
    let late = START + Duration::from_secs(60);
    let over = Step::End(JobState::Failed);
    assert_eq!(steps(&mut schedule, late), [(JobNumber(12), over)], "its time went by");
}

#[test]
fn jobs_take_turns_at_the_common_rate() {
    let mut schedule = working(&[JobKind::UpdateTwin; 3]);
    let mut turns = [0_usize; 3];
    for millis in 0..1000 {
        let now = START + Duration::from_millis(millis);
        while let Some((job, step)) = schedule.poll_step(now) {
            assert_eq!(step, Step::Update);
            turns[job.0 as usize - 1] += 1;
            schedule.handle_devices(JOB_TURN_DEVICES, now);
            schedule.handle_done(job, &running(ListedTo::End));
        }
    }
    let devices = turns.iter().sum::<usize>() * JOB_TURN_DEVICES;
    let rate = JOB_DEVICES_PER_SECOND as usize;
    assert!((rate..rate + 2 * JOB_TURN_DEVICES).contains(&devices), "{devices}");
    assert!(turns.iter().all(|count| turns[0].abs_diff(*count) <= 1), "{turns:?}");
}

#[test]
fn what_the_store_refuses_is_tried_again_after_a_pause() {
    let mut schedule = working(&[JobKind::UpdateTwin]);
    assert_eq!(steps(&mut schedule, START), [(JobNumber(1), Step::Update)]);
    schedule.handle_refused(JobNumber(1), false, START);
    let next = schedule.poll_timeout(START).expect("it goes on by itself");
    assert_eq!((schedule.poll_step(START), next), (None, START + JOB_PAUSE));
    assert_eq!(steps(&mut schedule, next), [(JobNumber(1), Step::Update)]);
}

#[test]
fn calls_are_bounded_and_their_ends_are_written_down_beside_other_steps() {
    let mut schedule = working(&[JobKind::DeviceMethod]);
    let job = JobNumber(1);
    let mut sent = 0;
    while let Some((_, step)) = schedule.poll_step(START) {
        let Step::Call(room) = step else { panic!("{step:?}") };
        assert!(room <= JOB_TURN_DEVICES);
        sent += room;
        schedule.handle_calls(job, room);
        schedule.handle_done(job, &running(ListedTo::End));
    }
    assert_eq!(sent, JOB_CALLS_MAX);
    for _ in 0..3 {
        schedule.handle_call_end(job);
    }
    assert_eq!(steps(&mut schedule, START), [(job, Step::Record(3))]);
    schedule.handle_refused(job, true, START);
    assert_eq!(schedule.poll_step(START), None);
    let now = START + JOB_PAUSE;
    assert_eq!(steps(&mut schedule, now), [(job, Step::Record(3))]);
    schedule.handle_recorded(job, 3, &running(ListedTo::End));
    assert_eq!(steps(&mut schedule, now), [(job, Step::Call(3))]);
    // Its time is over, but not that of its calls.
    schedule.handle_looked(job);
    let late = START + Duration::from_secs(60);
    assert_eq!(schedule.poll_step(late), None);
    for _ in 3..sent {
        schedule.handle_call_end(job);
    }
    while let Some((_, step)) = schedule.poll_step(late) {
        match step {
            Step::Record(ends) => schedule.handle_recorded(job, ends, &running(ListedTo::End)),
            step => return assert_eq!(step, Step::End(JobState::Completed)),
        }
    }
    panic!("it must end");
}

#[test]
fn a_cancelled_job_has_no_steps_but_the_ends_of_its_calls() {
    let mut schedule = working(&[JobKind::DeviceMethod]);
    let number = JobNumber(1);
    assert_eq!(steps(&mut schedule, START).len(), 1);
    schedule.handle_calls(number, 1);
    schedule.handle_done(number, &running(ListedTo::End));
    schedule.handle_jobs(&[]);
    assert_eq!(schedule.poll_step(START), None);
    schedule.handle_call_end(number);
    assert_eq!(steps(&mut schedule, START), [(number, Step::Record(1))]);
    let cancelled = JobProgress { state: JobState::Cancelled, ..running(ListedTo::End) };
    schedule.handle_recorded(number, 1, &cancelled);
    assert!(!schedule.has(number));
}

#[test]
fn calls_of_a_former_process_fail_before_anything_else() {
    let mut schedule = Schedule::new(JOB_DEVICES_PER_SECOND);
    let doubt = JobCounts { devices: 3, running: 1, ..JobCounts::default() };
    let mut going = job(1, JobKind::DeviceMethod);
    going.progress = JobProgress { counts: doubt, ..running(ListedTo::End) };
    let mut ended = job(2, JobKind::DeviceMethod);
    ended.progress = JobProgress { state: JobState::Cancelled, ..going.progress.clone() };
    schedule.handle_jobs(&[going, ended.clone()]);
    let both = [(JobNumber(1), Step::FailRunning), (JobNumber(2), Step::FailRunning)];
    assert_eq!(steps(&mut schedule, START), both);
    schedule.handle_done(JobNumber(1), &running(ListedTo::End));
    schedule.handle_done(JobNumber(2), &ended.progress);
    assert!(!schedule.has(JobNumber(2)));
    assert_eq!(steps(&mut schedule, START), [(JobNumber(1), Step::Call(JOB_TURN_DEVICES))]);
}
