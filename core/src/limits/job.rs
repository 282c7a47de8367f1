//! Bounds of scheduled jobs.

use core::time::Duration;

use super::METHOD_CALLS_MAX;

/// Scheduled jobs of one hub that run, or wait although they are due. One more that is to start at
/// once: refused with `ThrottlingMaxActiveJobCountExceeded`. One that comes due later waits.
///
/// Source: control-plane reference, "Limits" of scheduled jobs.
pub const JOBS_ACTIVE_MAX: usize = 10;

/// Scheduled jobs of one hub that have not ended, those with a later start included. One more:
/// refused with `ThrottlingMaxActiveJobCountExceeded`.
pub const JOBS_UNFINISHED_MAX: usize = 100;

/// Ended jobs of one hub that are kept. One more: the one that ended first is forgotten, with its
/// rows, before its time.
pub const JOBS_KEPT_MAX: usize = 1000;

/// Rows of the ended jobs of one hub that are kept, one for each device. More: the jobs that ended
/// first are forgotten before their time.
pub const JOB_ROWS_KEPT_MAX: u64 = 10_000_000;

/// How long an ended job is kept.
///
/// Source: control-plane reference, "Calls" of scheduled jobs.
pub const JOB_RETENTION: Duration = Duration::from_hours(30 * 24);

/// Longest time that a job may give its devices. Longer: refused as a bad argument.
pub const JOB_EXECUTION_TIME_MAX: Duration = Duration::from_hours(30 * 24);

/// Largest patch or method of a job in bytes, as it is written. Larger: refused with 413.
pub const JOB_WORK_BYTES_MAX: usize = 256 * 1024;

/// How far ahead a job may be scheduled. Farther: refused as a bad argument.
pub const JOB_START_AHEAD_MAX: Duration = Duration::from_hours(365 * 24);

/// Twins that a job changes, or calls that it begins, in one transaction: what others wait for at
/// most.
pub const JOB_TURN_DEVICES: usize = 32;

/// Targets that a job notes in one transaction.
pub const JOB_TURN_TARGETS: usize = 256;

/// Method calls of one job that are under way, their answers included until they are stored. More
/// devices wait.
pub const JOB_CALLS_MAX: usize = 100;

/// Devices that all jobs of the process together begin with in a second, unless the configuration
/// says another number. More wait.
pub const JOB_DEVICES_PER_SECOND: u32 = 2000;

/// The most that the configuration may say: one in a microsecond, in which jobs count their time.
pub const JOB_DEVICES_PER_SECOND_MAX: u32 = 1_000_000;

/// Rows that a job looks at for a device that is connected, before other jobs get their turn.
pub const JOB_LOOK_ROWS: usize = 128;

/// Time from one look at all devices that a job waits for to the next.
pub const JOB_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a job rests when the store has refused a write.
pub const JOB_PAUSE: Duration = Duration::from_secs(1);

const _: () = assert!(JOB_TURN_DEVICES <= JOB_CALLS_MAX && JOB_CALLS_MAX < METHOD_CALLS_MAX);
