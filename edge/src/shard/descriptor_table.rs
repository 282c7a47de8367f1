//! A table of descriptors of the shard's own.
//!
//! The kernel bounds the descriptors of a table, not of a process (`RLIMIT_NOFILE`). With a table
//! per shard the bound on connections grows with the shards, and accepting never waits for the lock
//! of a table that another thread uses.

use std::fs::{read_dir, read_link};
use std::io;
use std::ops::RangeInclusive;

/// Thread-self, because another thread of the process may have a table of its own.
const DESCRIPTORS: &str = "/proc/thread-self/fd";

/// What the kernel calls the descriptors that threads wake each other with.
const EVENT: &str = "anon_inode:[eventfd]";

/// Gives the calling thread a table of its own that holds standard input, output and error and
/// all eventfds, under their numbers.
///
/// From then on a number means the same here and elsewhere for those alone: whatever else the
/// thread is to use, it must open itself, and what it drops it closes for itself only. Threads that
/// it must wake later have to have their eventfds already.
///
/// # Errors
/// When the kernel is older than 5.9 or /proc is not there; nothing has changed then.
pub fn make_private() -> io::Result<()> {
    let mut flags = libc::CLOSE_RANGE_UNSHARE;
    for range in gaps(kept()?) {
        close_range(range, flags)?;
        flags = 0;
    }
    Ok(())
}

/// Numbers of what both tables hold.
fn kept() -> io::Result<Vec<u32>> {
    let mut kept = vec![0, 1, 2];
    for entry in read_dir(DESCRIPTORS)? {
        let entry = entry?;
        // What another thread has closed meanwhile has no target any more.
        let is_event = read_link(entry.path()).is_ok_and(|target| target.as_os_str() == EVENT);
        let number = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        kept.extend(number.filter(|_| is_event));
    }
    kept.sort_unstable();
    kept.dedup();
    Ok(kept)
}

/// All numbers but those in `kept`, which are sorted.
fn gaps(kept: Vec<u32>) -> impl Iterator<Item = RangeInclusive<u32>> {
    let mut first = Some(0);
    let ends = kept.into_iter().map(Some).chain([None]);
    ends.filter_map(move |next| {
        let from = first?;
        first = next.and_then(|number| number.checked_add(1));
        let last = next.map_or(Some(u32::MAX), |number| number.checked_sub(1))?;
        (from <= last).then_some(from..=last)
    })
}

#[expect(unsafe_code, reason = "no crate offers this call")]
fn close_range(range: RangeInclusive<u32>, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: the call touches no memory of ours. The first call of `make_private` makes a table
    // that this thread alone has, so the descriptors of every other thread stay open; and this
    // thread owns none in the ranges, because it has just begun.
    match unsafe { libc::close_range(*range.start(), *range.end(), flags as libc::c_int) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;
    use std::thread;

    use rustix::event::{EventfdFlags, eventfd};
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn gaps_are_everything_that_is_not_kept() {
        let all = |kept: &[u32]| gaps(kept.to_vec()).collect::<Vec<_>>();
        assert_eq!(all(&[0, 1, 2]), [3..=u32::MAX]);
        assert_eq!(all(&[0, 1, 2, 3, 7]), [4..=6, 8..=u32::MAX]);
        assert_eq!(all(&[5, u32::MAX]), [0..=4, 6..=u32::MAX - 1]);
        assert_eq!(all(&[]), [0..=u32::MAX]);
    }

    #[test]
    fn only_events_are_shared_and_files_of_others_stay_open() {
        let event = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
        let mut zero = File::open("/dev/zero").expect("it is everywhere");
        let number = zero.as_raw_fd();
        thread::scope(|scope| {
            let private = scope.spawn(|| {
                make_private().expect("the kernel is new enough");
                rustix::io::write(&event, &1_u64.to_ne_bytes()).expect("the event is shared");
                read_link(format!("{DESCRIPTORS}/{number}")).is_err()
            });
            assert!(private.join().expect("no panic"), "the file is not in the new table");
        });
        assert_eq!(rustix::io::read(&event, &mut [0_u8; 8]), Ok::<_, Errno>(8));
        zero.read_exact(&mut [0; 4]).expect("the file is open in this table");
    }
}
