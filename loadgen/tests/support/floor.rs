//! The floor as a program.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::address::Loopback;

/// A running floor; dropping it ends it.
pub(crate) struct Floor {
    pub(crate) process: Child,
    pub(crate) host: String,
    pub(crate) ca: PathBuf,
}

impl Floor {
    /// Starts a floor with an address of its own; it accepts clients when this returns.
    pub(crate) fn start(threads: u32) -> Self {
        Self::start_with(&["--threads", &threads.to_string()])
    }

    /// As [`start`](Self::start), with one thread and a log.
    pub(crate) fn start_with_log(log: &Path) -> Self {
        Self::start_with(&["--log", &log.display().to_string()])
    }

    fn start_with(more: &[&str]) -> Self {
        let host = Loopback::claim().host();
        let ca = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("floor-{host}.pem"));
        let mut process = Command::new(env!("CARGO_BIN_EXE_ringhub-loadgen"))
            .args(["floor", "--listen", &format!("{host}:8883"), "--ca"])
            .arg(&ca)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the load generator is built");
        let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it says that it is ready");
        assert!(line.starts_with("floor is ready"), "{line}");
        Self { process, host, ca }
    }

    /// What every run against this floor begins with.
    pub(crate) fn arguments(&self) -> Vec<String> {
        self.arguments_with(&self.host, &self.ca)
    }

    /// As [`arguments`](Self::arguments), with another name or certificate.
    pub(crate) fn arguments_with(&self, host: &str, ca: &Path) -> Vec<String> {
        let ca = ca.display().to_string();
        ["--target", "mqtt", "--host", host, "--address", &self.host, "--ca", &ca]
            .map(ToOwned::to_owned)
            .to_vec()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // Fails only when it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.ca);
    }
}
