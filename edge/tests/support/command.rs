//! The commands for people, as they are typed: the built binary.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use serde_json::Value;

use super::hub::Hub;

/// Longer than any command of these tests takes.
const TIMEOUT_SECS: &str = "300";

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
    pub(crate) errors: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self { code: output.status.code(), said: text(output.stdout), errors: text(output.stderr) }
    }

    /// Fails the test unless the command succeeded; gives what it said.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.said, self.errors);
        self.said
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let said = self.good();
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// Fails the test unless the command ended with `code` and named all of `expected`.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, expected: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.said, self.errors);
        for part in expected {
            assert!(self.errors.contains(part), "{part} is missing in: {}", self.errors);
        }
    }
}

pub(crate) fn ringhub(arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args([TIMEOUT_SECS, env!("CARGO_BIN_EXE_ringhub")]).args(arguments);
    command.env_remove("RINGHUB_CONNECTION_STRING").env_remove("RINGHUB_DATA_DIR");
    command.stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Ended {
    Ended::of(ringhub(arguments).output().expect("the binary starts"))
}

/// Runs a command for the hub in the data directory of `hub`.
pub(crate) fn at(hub: &Hub, arguments: &[&str]) -> Ended {
    let directory = hub.data_dir();
    let directory = directory.to_str().expect("the target directory is UTF-8");
    run(&[arguments, &["--data-dir", directory]].concat())
}

/// Starts a command without `timeout` around it, so that signals reach it.
pub(crate) fn start(hub: &Hub, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhub"));
    command.args(arguments).arg("--data-dir").arg(hub.data_dir());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary starts")
}

/// Waits for a command to print something; what it prints later is not kept.
pub(crate) fn first_line(command: &mut Child) -> String {
    let mut line = String::new();
    let output = command.stdout.take().expect("standard output is piped");
    let mut output = BufReader::new(output);
    output.read_line(&mut line).expect("output is UTF-8");
    // The pipe must be emptied, or the command could not end in order.
    thread::spawn(move || io::copy(&mut output, &mut io::sink()));
    line
}
