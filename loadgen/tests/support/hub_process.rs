//! A hub in a process of its own, which can be killed.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::hub::Hub;

/// The test that is the hub; every test binary that starts one has it.
const NAME: &str = "a_hub_of_another_test";
/// What the line begins with by which it says how to reach it.
const READY: &str = "hub is ready: ";

/// A hub that is this test binary, started again; dropping it kills it.
pub(crate) struct HubProcess {
    process: Child,
    hub: Value,
}

impl HubProcess {
    pub(crate) fn start() -> Self {
        let mut process = Command::new(env::current_exe().expect("it has a name"))
            .args([NAME, "--exact", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary can be started");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let hub = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once(READY)?.1.to_owned()))
            .expect("the hub starts");
        Self { process, hub: serde_json::from_str(&hub).expect("it is JSON") }
    }

    /// As of a hub in this process.
    pub(crate) fn arguments(&self) -> Vec<String> {
        self.words("arguments")
    }

    /// As of a hub in this process, with a policy that may read.
    pub(crate) fn reader_arguments(&self) -> Vec<String> {
        self.words("reader")
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn words(&self, name: &str) -> Vec<String> {
        serde_json::from_value(self.hub[name].clone()).expect("words")
    }

    fn end(&mut self) {
        // Fails only when it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(home) = self.hub["home"].as_str() {
            let _ = std::fs::remove_dir_all(PathBuf::from(home));
        }
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// Is a hub until the standard input ends, or the process.
pub(crate) fn serve() {
    let hub = Hub::start();
    let about = json!({
        "arguments": hub.arguments(),
        "reader": hub.reader_arguments("service"),
        "home": hub.scratch(""),
    });
    println!("{READY}{about}");
    io::stdin().lock().read_to_end(&mut Vec::new()).expect("it can be read");
}
