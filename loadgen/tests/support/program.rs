//! The built load generator.

use std::fs;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::Pid;
use serde_json::Value;

/// What a run has come to.
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) json: Value,
    /// Standard output as it is.
    pub(crate) output: String,
    /// Standard error: progress and errors.
    pub(crate) text: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        Self {
            status: output.status.code(),
            json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            text: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails the test, with all that was said, unless the run ended in this way.
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        let Self { json, text, .. } = &self;
        assert_eq!(self.status, Some(status), "{json:#}\n{text}");
        self
    }

    /// Fails the test unless the server did all that was asked for. On a busy machine the generator
    /// may have been too late for its numbers to mean anything, which is not what is tested.
    #[track_caller]
    pub(crate) fn expect_clean(self) -> Self {
        let Self { json, text, .. } = &self;
        assert!(matches!(self.status, Some(0 | 3)), "{:?}\n{json:#}\n{text}", self.status);
        self
    }

    /// A number of the result, by its JSON pointer.
    #[track_caller]
    pub(crate) fn number(&self, pointer: &str) -> f64 {
        let value = self.json.pointer(pointer).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("no {pointer} in {:#}\n{}", self.json, self.text))
    }
}

/// Starts a run whose result is to be JSON.
pub(crate) fn start(command: &str, common: &[String], more: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ringhub-loadgen"))
        .arg(command)
        .args(common)
        .args(more.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the load generator is built")
}

/// Waits for the end of a run.
pub(crate) fn finish(process: Child) -> Run {
    Run::of(&process.wait_with_output().expect("the load generator is our child"))
}

/// Runs to the end.
pub(crate) fn run(command: &str, common: &[String], more: &str) -> Run {
    finish(start(command, common, &format!("--json {more}")))
}

/// Resident memory of a process; 0 when it has ended.
pub(crate) fn resident_bytes(process: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero()));
    let status = status.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Processes that a run has started and that have not ended.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    let id = parent.as_raw_nonzero();
    let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
