//! A run under way, on standard error: a picture that is redrawn in place where that is a terminal,
//! plain lines where it is not.

mod inset;
mod run;
mod spark;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use ringhub_edge::picture::{bytes, duration, table};
use rustix::stdio::stderr;
use rustix::termios::tcgetwinsize;

use self::inset::{Inset, Size};
pub(crate) use self::run::picture;
pub(crate) use self::spark::spark;
use crate::latency::Brief;

/// How a run is shown.
#[derive(Debug)]
pub(crate) enum View {
    /// Not at all.
    Quiet,
    /// A line for each moment.
    Lines,
    /// One picture, which the next one replaces.
    Drawn(Inset),
}

impl View {
    /// As standard error takes it, unless nothing is wanted.
    pub(crate) fn new(is_quiet: bool) -> Self {
        match (is_quiet, io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, false) => Self::Lines,
            (false, true) => Self::Drawn(Inset::default()),
        }
    }

    /// Says something that stays, before the first moment is shown.
    pub(crate) fn say(&self, line: &str) {
        if !matches!(self, Self::Quiet) {
            eprintln!("{line}");
        }
    }

    /// Shows a moment, in the one form or the other.
    pub(crate) fn show(&mut self, line: impl FnOnce() -> String, picture: impl FnOnce() -> String) {
        match self {
            Self::Quiet => {}
            Self::Lines => eprintln!("{}", line()),
            Self::Drawn(inset) => {
                let text = inset.redraw(&picture(), terminal_size());
                // In one write, so that nothing comes between. A terminal that is gone needs none.
                let _ = io::stderr().write_all(text.as_bytes());
            }
        }
    }

    /// Makes room for what follows: a terminal shows keys like Ctrl-C where the cursor rests.
    pub(crate) fn end(&mut self) {
        if let Self::Drawn(_) = self {
            let _ = io::stderr().write_all(inset::CLEAR.as_bytes());
        }
    }
}

fn terminal_size() -> Size {
    match tcgetwinsize(stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            Size { columns: size.ws_col.into(), rows: size.ws_row.into() }
        }
        Ok(_) | Err(_) => Size::default(),
    }
}

/// A process in the picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) name: &'static str,
    pub(crate) cores: f64,
    pub(crate) bytes: u64,
    /// Own delay of the last interval, where that is measured.
    pub(crate) delay: Option<Brief>,
}

impl Process {
    /// This one, and that of the server if its memory is known.
    pub(crate) fn beside_server(
        self,
        bytes: Option<u64>,
        cores: Option<f64>,
    ) -> impl Iterator<Item = Self> {
        let cores = cores.unwrap_or(0.0);
        let server = bytes.map(|bytes| Self { name: "server", cores, bytes, delay: None });
        [Some(self), server].into_iter().flatten()
    }
}

/// What the processes use.
pub(crate) fn processes(processes: impl IntoIterator<Item = Process>) -> String {
    let mut rows = vec![["PROCESS", "CPU", "MEMORY", "DELAY P99"].map(ToOwned::to_owned).to_vec()];
    rows.extend(processes.into_iter().map(|process| {
        vec![
            process.name.to_owned(),
            format!("{:.0} %", process.cores * 100.0),
            bytes(process.bytes as f64),
            ms(process.delay.map(|delay| delay.p99_ms)),
        ]
    }));
    table(&rows)
}

/// The line above the tables.
pub(crate) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{:02}:{:02}:{:02}\n", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A time, or a dash where there is none.
pub(crate) fn ms(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| duration(ms / 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_stand_below_each_other() {
        let delay = Some(Brief { p50_ms: 0.1, p99_ms: 2.5, max_ms: 9.0 });
        let text = processes([
            Process { name: "generator", cores: 0.457, bytes: 30 << 20, delay },
            Process { name: "server", cores: 1.5, bytes: 1 << 30, delay: None },
        ]);
        let expected = "\
PROCESS      CPU    MEMORY  DELAY P99
generator   46 %  30.0 MiB    2.50 ms
server     150 %   1.0 GiB          -
";
        assert_eq!(text, expected);
        assert_eq!(clock(Duration::from_secs(3725)), "01:02:05\n");
    }
}
