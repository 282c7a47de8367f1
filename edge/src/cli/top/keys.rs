//! Keys of the terminal, one by one.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::stdio::stdin;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

/// What a terminal sends for Esc alone; other keys send more behind it.
const ESCAPE: u8 = 0x1b;

/// A terminal that hands over keys as they are pressed and does not show them, until it is dropped.
/// Ctrl-C stays a signal.
pub(super) struct Keys {
    /// How the terminal was before; `None` where the input is none.
    before: Option<Termios>,
}

impl Keys {
    pub(super) fn open() -> io::Result<Self> {
        let Ok(before) = tcgetattr(stdin()) else { return Ok(Self { before: None }) };
        let mut now = before.clone();
        now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        // A read never waits: it is asked only when there is something.
        now.special_codes[SpecialCodeIndex::VMIN] = 0;
        now.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &now)?;
        Ok(Self { before: Some(before) })
    }

    /// Waits at most `time` for a key; true if it is one that ends: `q` or Esc, or the terminal is
    /// gone.
    pub(super) fn ask_to_end(&self, time: Duration) -> io::Result<bool> {
        if self.before.is_none() {
            std::thread::sleep(time);
            return Ok(false);
        }
        let time = Timespec::try_from(time).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&stdin(), PollFlags::IN)], Some(&time)) {
            Ok(0) | Err(Errno::INTR) => Ok(false),
            Ok(_) => read_keys(),
            Err(error) => Err(error.into()),
        }
    }
}

fn read_keys() -> io::Result<bool> {
    let mut keys = [0; 64];
    match read(stdin(), &mut keys) {
        Ok(0) | Err(Errno::IO) => Ok(true),
        Ok(count) => Ok(keys[..count] == [ESCAPE] || keys[..count].contains(&b'q')),
        Err(Errno::INTR | Errno::AGAIN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}
