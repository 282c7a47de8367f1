//! A run under way, whose progress is listened to.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::patience::PATIENCE;
use super::program::Run;

/// A run whose standard error is read as it comes.
pub(crate) struct Heard {
    process: Child,
    text: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
}

impl Heard {
    pub(crate) fn new(mut process: Child) -> Self {
        let errors = process.stderr.take().expect("it is piped");
        let text = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&text);
        let listener = thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                *heard.lock().expect("no thread panics with it") += &format!("{line}\n");
            }
        });
        Self { process, text, listener }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Waits until a line has this in it.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.text().contains(words) {
            assert!(Instant::now() < until, "no `{words}` in\n{}", self.text());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the run as Ctrl-C does.
    pub(crate) fn interrupt(self) -> Run {
        kill_process(self.pid(), Signal::INT).expect("it runs");
        self.finish()
    }

    /// Waits for the end of the run.
    pub(crate) fn finish(mut self) -> Run {
        let mut stdout = Vec::new();
        let mut output = self.process.stdout.take().expect("it is piped");
        output.read_to_end(&mut stdout).expect("it can be read");
        let status = self.process.wait().expect("it is our child").code();
        self.listener.join().expect("it ends with the process");
        let text = self.text.lock().expect("no thread panics with it").clone();
        let json = serde_json::from_slice(&stdout).unwrap_or_default();
        Run { status, json, output: String::from_utf8_lossy(&stdout).into_owned(), text }
    }

    /// What it has said so far.
    pub(crate) fn text(&self) -> String {
        self.text.lock().expect("no thread panics with it").clone()
    }
}
