//! How far a long command is, told on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Commands that are faster say nothing.
const SILENT: Duration = Duration::from_secs(2);

/// Time between two lines that overwrite each other on a terminal.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(500);

/// Time between two lines elsewhere, where they stay.
const LOG_INTERVAL: Duration = Duration::from_secs(2);

/// Overwrites the line on a terminal.
const CLEAR_LINE: &str = "\r\x1b[K";

/// The progress of one command.
#[derive(Debug)]
pub(super) struct Progress {
    started: Instant,
    next: Instant,
    on_terminal: bool,
    shown: bool,
}

impl Progress {
    pub(super) fn start() -> Self {
        let started = Instant::now();
        let on_terminal = io::stderr().is_terminal();
        Self { started, next: started + SILENT, on_terminal, shown: false }
    }

    /// For a command that says from its beginning why it takes time.
    pub(super) fn start_at_once() -> Self {
        let progress = Self::start();
        Self { next: progress.started, ..progress }
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Shows `text` if it is time for that.
    pub(super) fn tell(&mut self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        // Who cannot read the progress is no reason to stop the work.
        let _ = if self.on_terminal {
            write!(io::stderr(), "{CLEAR_LINE}{}", text())
        } else {
            writeln!(io::stderr(), "{}", text())
        };
        self.shown = true;
        self.next = now + if self.on_terminal { TERMINAL_INTERVAL } else { LOG_INTERVAL };
    }

    /// Prints a line that stays, such as an error, above the progress.
    pub(super) fn note(&mut self, text: &str) {
        self.clear();
        eprintln!("{text}");
    }

    /// Takes the line away at the end.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) && self.on_terminal {
            let _ = write!(io::stderr(), "{CLEAR_LINE}");
        }
    }
}
