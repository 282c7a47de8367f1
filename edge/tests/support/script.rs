//! SDK scripts as child processes that print one JSON object per line.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::event::Event;

/// Longer than any script may take, its own time limits included.
const SCRIPT_TIME_MAX: Duration = Duration::from_secs(240);

/// A script that has not been started.
#[derive(Debug)]
pub(crate) struct Script {
    command: Command,
}

impl Script {
    /// Prepares `file` for `interpreter`.
    pub(crate) fn new(interpreter: impl AsRef<OsStr>, file: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(interpreter);
        command.arg(file).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds several arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets the script be told things by [`Running::tell`] while it runs.
    pub(crate) fn told(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    /// Runs to the end and returns what was printed; a script that fails fails the test.
    pub(crate) fn run(self) -> Lines {
        self.spawn().finish()
    }

    /// Starts and returns at once.
    pub(crate) fn spawn(mut self) -> Running {
        let mut process = self.command.spawn().expect("the provisioned interpreter starts");
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().expect("standard output is piped");
        let mut stderr = process.stderr.take().expect("standard error is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The test may have stopped listening; the pipe must be emptied all the same.
                let _ = sender.send(line);
            }
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            // Whatever could be read before the end is all that a failure can show.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Running { process, stdin, lines, seen: Vec::new(), errors: Some(errors) }
    }
}

/// A script at work. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Running {
    process: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<Value>,
    errors: Option<JoinHandle<String>>,
}

impl Running {
    /// Writes a line to the script's standard input.
    pub(crate) fn tell(&mut self, line: &Value) {
        let stdin = self.stdin.as_mut().expect("the script was started as one that is told things");
        if let Err(error) = writeln!(stdin, "{line}") {
            self.fail(&format!("does not listen ({error})"));
        }
    }

    /// Waits for a line with the member `name`, skipping others, and returns the member.
    pub(crate) fn wait_for(&mut self, name: &str) -> Value {
        self.wait_for_any(&[name])[name].take()
    }

    /// Waits for a line with any of these members, skipping others, and returns the line.
    pub(crate) fn wait_for_any(&mut self, names: &[&str]) -> Value {
        let deadline = Instant::now() + SCRIPT_TIME_MAX;
        loop {
            let Some(line) = self.next_line(deadline) else {
                self.fail(&format!("printed no {names:?} line"));
            };
            if names.iter().any(|name| line.get(name).is_some()) {
                return line;
            }
        }
    }

    /// Waits for the line that comes next, whatever it says.
    pub(crate) fn wait_for_line(&mut self) -> Value {
        let line = self.next_line(Instant::now() + SCRIPT_TIME_MAX);
        line.unwrap_or_else(|| self.fail("printed nothing more"))
    }

    /// Waits for the script's own end and returns all its lines.
    pub(crate) fn finish(mut self) -> Lines {
        let deadline = Instant::now() + SCRIPT_TIME_MAX;
        while self.next_line(deadline).is_some() {}
        if Instant::now() >= deadline {
            self.fail("did not end in time");
        }
        let status = self.process.wait().expect("the script is this process's child");
        if !status.success() {
            self.fail(&format!("failed with {status}"));
        }
        Lines(std::mem::take(&mut self.seen))
    }

    /// Ends the script now and returns the lines that it had printed.
    pub(crate) fn stop(mut self) -> Lines {
        self.end();
        while self.next_line(Instant::now() + Duration::from_secs(1)).is_some() {}
        Lines(std::mem::take(&mut self.seen))
    }

    fn next_line(&mut self, deadline: Instant) -> Option<Value> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                let value: Value = serde_json::from_str(&line)
                    .unwrap_or_else(|error| panic!("not a JSON line ({error}): {line}"));
                self.seen.push(value.clone());
                Some(value)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    fn fail(&mut self, why: &str) -> ! {
        let errors = self.end();
        panic!("the script {why}; its lines: {:?}\nits errors:\n{errors}", self.seen)
    }

    /// Kills the process and returns what it wrote to standard error.
    fn end(&mut self) -> String {
        // Fails only when the process has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.errors.take().map_or_else(String::new, |text| text.join().unwrap_or_default())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// All lines of a script, in the order in which it printed them.
#[derive(Debug)]
pub(crate) struct Lines(Vec<Value>);

impl Lines {
    /// The members called `name`, from all lines that have one.
    pub(crate) fn all(&self, name: &str) -> Vec<&Value> {
        self.0.iter().filter_map(|line| line.get(name)).collect()
    }

    /// The member called `name` of the only line that has one.
    pub(crate) fn one(&self, name: &str) -> &Value {
        match self.all(name)[..] {
            [value] => value,
            ref found => panic!("{} lines with {name}: {:?}", found.len(), self.0),
        }
    }

    /// The members called `name` as text.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        self.all(name).into_iter().filter_map(Value::as_str).collect()
    }

    /// All events, in the order in which they came.
    pub(crate) fn events(&self) -> Vec<Event> {
        let parse = |value: &Value| {
            serde_json::from_value(value.clone())
                .unwrap_or_else(|error| panic!("not an event ({error}): {value}"))
        };
        self.all("event").into_iter().map(parse).collect()
    }
}
