//! SIGTERM and SIGINT: the first asks for an orderly end, the second does not wait for it.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::process;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

/// Exit code after a second signal: 128 and the number of SIGINT, as shells have it.
const EXIT_INTERRUPTED: i32 = 130;

/// Exit code when the orderly end took too long.
const EXIT_TIMED_OUT: i32 = 1;

/// Signals that ask the process to end. Make it before any other thread starts.
#[derive(Debug)]
pub struct ShutdownSignals {
    pipe: UnixStream,
}

/// Why the wait for an orderly end was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Impatience {
    SecondSignal,
    TimedOut,
}

impl ShutdownSignals {
    /// Catches SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// When the kernel refuses a socket pair or the handlers.
    pub fn install() -> io::Result<Self> {
        let (pipe, from_handler) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGTERM, from_handler.try_clone()?)?;
        signal_hook::low_level::pipe::register(SIGINT, from_handler)?;
        Ok(Self { pipe })
    }

    /// Blocks the calling thread until the first signal.
    ///
    /// # Errors
    /// When the pipe from the handler breaks, which the hub treats as a signal.
    pub fn wait(&mut self) -> io::Result<()> {
        self.pipe.read_exact(&mut [0])
    }

    /// Ends the process when the orderly end takes longer than `timeout` or a second signal comes.
    ///
    /// Call it after [`wait`](Self::wait), then tell shards and executors to stop and join them: a
    /// process that gets there in time never meets the guard. Ending at once loses nothing that was
    /// acknowledged, because that is on disk.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn guard(self, timeout: Duration) -> io::Result<()> {
        let guard = move || match self.impatience(timeout) {
            Impatience::SecondSignal => process::exit(EXIT_INTERRUPTED),
            Impatience::TimedOut => {
                tracing::warn!(?timeout, "open work did not end in time");
                process::exit(EXIT_TIMED_OUT);
            }
        };
        thread::Builder::new().name("shutdown".to_owned()).spawn(guard).map(drop)
    }

    fn impatience(mut self, timeout: Duration) -> Impatience {
        // The kernel takes zero as "for ever".
        let timeout = timeout.max(Duration::from_millis(1));
        let waited =
            self.pipe.set_read_timeout(Some(timeout)).and_then(|()| self.pipe.read_exact(&mut [0]));
        waited.map_or(Impatience::TimedOut, |()| Impatience::SecondSignal)
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn a_signal_ends_the_wait_and_a_second_one_the_patience() {
        let mut signals = ShutdownSignals::install().unwrap();
        raise(SIGTERM).unwrap();
        signals.wait().unwrap();
        raise(SIGINT).unwrap();
        assert_eq!(signals.impatience(Duration::from_secs(60)), Impatience::SecondSignal);
    }

    #[test]
    fn patience_is_bounded() {
        let (pipe, _silent) = UnixStream::pair().unwrap();
        let signals = ShutdownSignals { pipe };
        assert_eq!(signals.impatience(Duration::ZERO), Impatience::TimedOut);
    }
}
