//! The hub process that is measured: one shard, one executor, data on the disk of the target
//! directory.

use std::fs::{self, File};
use std::io;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::cpu;
use super::harness::address::{AMQP_PORT, Loopback, MQTT_PORT};

/// First words of the line by which the hub says that all its ports are open.
const READY: &str = "ringhub is ready";
/// Time for what a hub does beside serving after its start, such as preparing segments.
const SETTLING_TIME: Duration = Duration::from_secs(2);

/// Builds the hub as it is now and returns the program.
pub(crate) fn build() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments =
        ["build", "--quiet", "--release", "--package", "ringhub-edge", "--bin", "ringhub"];
    let status = Command::new(cargo).args(arguments).status()?;
    assert!(status.success(), "the hub does not build");
    let own = std::env::current_exe()?;
    let release = own.parent().and_then(|deps| deps.parent()).expect("target/release/deps");
    Ok(release.join("ringhub"))
}

/// A running hub. Dropping it ends the process and removes its data.
pub(crate) struct Hub {
    pub(crate) address: Loopback,
    home: PathBuf,
    binary: PathBuf,
    shards: u16,
    log: &'static str,
    /// Said to the process besides what it needs to run.
    variables: Vec<(&'static str, String)>,
    process: Child,
}

impl Hub {
    /// Starts `binary` with one shard on fresh data.
    pub(crate) fn start(binary: &Path) -> Self {
        Self::start_with(binary, 1, "info")
    }

    /// Starts `binary` with so many shards, and logs what `log` says, as in `RINGHUB_LOG`.
    pub(crate) fn start_with(binary: &Path, shards: u16, log: &'static str) -> Self {
        let home =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("path-{}", std::process::id()));
        fs::create_dir_all(home.join("data")).expect("the target directory is writable");
        let address = Loopback::claim();
        let binary = binary.to_owned();
        let variables = Vec::new();
        let process = launch(&binary, &home, address, (shards, log), &variables);
        Self { address, home, binary, shards, log, variables, process }
    }

    /// Starts the process again with these variables and no others of the bench.
    pub(crate) fn restart_with(&mut self, variables: Vec<(&'static str, String)>) {
        self.variables = variables;
        self.restart();
    }

    /// Ends the process and starts it again: nothing is in its memory any more.
    pub(crate) fn restart(&mut self) {
        self.restart_after(|| ());
    }

    /// Ends the process and starts it again on what `work` has made of its data.
    pub(crate) fn restart_after(&mut self, work: impl FnOnce()) {
        self.end();
        work();
        let options = (self.shards, self.log);
        self.process = launch(&self.binary, &self.home, self.address, options, &self.variables);
    }

    /// CPU time so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu::seconds(self.process_id())
    }

    /// The number of the process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The primary key of a shared access policy.
    pub(crate) fn policy_key(&self, policy: &str) -> String {
        let text = fs::read(self.home.join("data/policies.json")).expect("the hub wrote it");
        let document: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let policies = document["policies"].as_array().expect("an array");
        let found = policies.iter().find(|entry| entry["name"] == policy);
        found.and_then(|entry| entry["primaryKey"].as_str()).expect("a policy").to_owned()
    }

    /// The PEM file that clients must trust.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.tls_dir().join("ca.pem")
    }

    /// Where certificates and keys lie.
    pub(crate) fn tls_dir(&self) -> PathBuf {
        self.home.join("data/tls")
    }

    /// Where the data lies.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    fn end(&mut self) {
        // Fails only when the hub is gone already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.end();
        // What stays behind lies below target and is only untidy.
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn launch(
    binary: &Path,
    home: &Path,
    address: Loopback,
    (shards, log_filter): (u16, &str),
    variables: &[(&str, String)],
) -> Child {
    let log = File::options().append(true).create(true).open(home.join("hub.log"));
    let mut process = Command::new(binary)
        .env("RINGHUB_LOG", log_filter)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .args(["serve", "--shards", &shards.to_string(), "--executors", "1", "--data-dir"])
        .arg(home.join("data"))
        .args(["--host-name", &address.host(), "--listen", &address.host()])
        .args(["--mqtt-port", &MQTT_PORT.to_string(), "--amqp-port", &AMQP_PORT.to_string()])
        .args(["--https-port", &address.https_port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.expect("the home is writable"))
        .spawn()
        .expect("the hub can be started");
    let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
    let is_ready =
        |line: &Result<String, _>| line.as_ref().is_ok_and(|line| line.starts_with(READY));
    assert!(lines.any(|line| is_ready(&line)), "see {}", home.join("hub.log").display());
    // The pipe is emptied as long as the hub lives.
    thread::spawn(move || lines.for_each(drop));
    thread::sleep(SETTLING_TIME);
    process
}
