//! A hub process under test: the built binary, with a data directory and an address of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::address::{AMQP_PORT, Loopback, MQTT_PORT};
use super::patience::{PATIENCE, eventually};

/// First words of the line by which the hub says that all its ports are open.
const READY: &str = "ringhub is ready";
/// The CA that clients must trust, below the data directory.
const CA_FILE: &str = "tls/ca.pem";
/// The shared access policies with their keys, below the data directory.
const POLICIES_FILE: &str = "policies.json";
/// The Event-Hubs-compatible name of the hub.
const EVENT_HUB: &str = "ringhub";
/// How long an end in order may take: far longer than by default, since it waits for the disk.
pub(crate) const SHUTDOWN_TIMEOUT: (&str, &str) = ("RINGHUB_LIMITS__SHUTDOWN_TIMEOUT", "1min");

/// Configuration whose segments are small: a hub prepares them by writing zeros, and tests start
/// many.
pub(crate) const SMALL_SEGMENTS: &str = "[log]\nsegment_bytes = \"2MiB\"\n";

/// How a hub is started; the defaults are one thread of each kind and small segments.
#[derive(Clone, Debug)]
pub(crate) struct HubOptions {
    pub(crate) shards: u16,
    pub(crate) executors: u16,
    /// Text of the configuration file.
    pub(crate) config: String,
    /// What is logged, as in `RINGHUB_LOG`.
    pub(crate) log: &'static str,
    /// Arguments and environment beside those that every hub of the tests has.
    pub(crate) arguments: Vec<&'static str>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// What it is called, where that is not its address.
    pub(crate) host_name: Option<&'static str>,
    /// Where it listens, for tests that must know before; else an address of its own.
    pub(crate) address: Option<Loopback>,
    /// Whom clients trust, where it is not the development CA.
    pub(crate) ca: Option<PathBuf>,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            shards: 1,
            executors: 1,
            config: SMALL_SEGMENTS.to_owned(),
            log: "info",
            arguments: Vec::new(),
            environment: Vec::new(),
            host_name: None,
            address: None,
            ca: None,
        }
    }
}

/// A running hub. Dropping it kills the process and, unless the test failed, removes its data.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) address: Loopback,
    options: HubOptions,
    home: PathBuf,
    process: Option<Child>,
}

impl Hub {
    /// Starts a hub with the default options.
    pub(crate) fn start() -> Self {
        Self::start_with(HubOptions::default())
    }

    /// Starts a hub on fresh data and waits until it is ready.
    pub(crate) fn start_with(options: HubOptions) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let home = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("hub-{}-{number}", std::process::id()));
        fs::create_dir_all(home.join("data")).expect("the target directory is writable");
        fs::write(home.join("ringhub.toml"), &options.config).expect("the home is writable");
        let address = options.address.unwrap_or_else(Loopback::claim);
        let mut hub = Self { address, options, home, process: None };
        hub.launch();
        hub
    }

    /// Starts the process again on the data that [`kill`](Self::kill) left.
    pub(crate) fn launch(&mut self) {
        assert!(self.process.is_none(), "the hub runs already");
        let mut process = self.command().spawn().expect("the hub binary can be started");
        let stdout = process.stdout.take().expect("standard output is piped");
        self.process = Some(process);
        if let Err(last_line) = wait_until_ready(stdout) {
            panic!("the hub did not become ready ({last_line}); its log:\n{}", self.log_tail());
        }
    }

    /// The next start gives the hub another name.
    pub(crate) fn rename(&mut self, host_name: &'static str) {
        self.options.host_name = Some(host_name);
    }

    /// Ends the process at once, as `kill -9` does: nothing in it gets to run any more.
    ///
    /// Other threads may be talking to the hub; [`reap`](Self::reap) follows when they are done.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks the process to end, as `kill` does by default; [`reap`](Self::reap) waits for it.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Puts another data directory in the place of that of a hub that has ended.
    pub(crate) fn replace_data(&self, with: &Path) {
        assert!(self.process.is_none(), "the hub runs");
        fs::remove_dir_all(self.data_dir()).expect("the home is writable");
        fs::rename(with, self.data_dir()).expect("both are in the home");
    }

    /// Moves a file or folder of the data of a hub that has ended, or all of it (`""`), to another
    /// filesystem; the hub finds it there by a link.
    pub(crate) fn move_data(&self, what: &str, to: &Path) {
        assert!(self.process.is_none(), "the hub runs");
        let (from, to) = (self.data_dir().join(what), to.join("moved"));
        let moved = Command::new("cp").arg("-a").args([&from, &to]).status();
        assert!(moved.expect("cp").success(), "there is room");
        let synced = Command::new("sync").arg("-f").arg(&to).status();
        assert!(synced.expect("sync").success(), "as what a hub has closed is");
        // A path that ends with a slash is what a link points to.
        let from: PathBuf = from.components().collect();
        fs::remove_dir_all(&from).expect("the home is writable");
        std::os::unix::fs::symlink(to, from).expect("the home is writable");
    }

    /// Sends any signal to the process.
    pub(crate) fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("the hub runs");
        kill_process(Pid::from_child(process), signal).expect("the hub is our child");
    }

    /// Lets no file of the hub grow beyond `bytes` any more, as on a disk that is full; `None`
    /// makes room again.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let process = self.process.as_ref().expect("the hub runs");
        let limit = Rlimit { current: bytes, maximum: None };
        let limited = prlimit(Some(Pid::from_child(process)), Resource::Fsize, limit);
        limited.expect("a process may limit its child");
    }

    /// Starts the process on data that it must refuse, waits for its end, and gives its code and
    /// what it said.
    pub(crate) fn refused(&self) -> (Option<i32>, String) {
        let mut command = self.command();
        let ended = command.stderr(Stdio::piped()).output().expect("the binary can be started");
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    }

    /// Waits for the end of a killed process, and until its ports and files are free: the kernel
    /// closes the sockets of its rings some time after the process is gone.
    pub(crate) fn reap(&mut self) {
        let mut process = self.process.take().expect("the hub was running");
        process.wait().expect("the hub is our child");
        eventually("the ports of the ended hub are free", || self.address.is_free());
    }

    /// The primary key of a shared access policy.
    pub(crate) fn policy_key(&self, policy: &str) -> String {
        let text =
            fs::read(self.data_dir().join(POLICIES_FILE)).expect("the hub wrote its policies");
        let document: serde_json::Value = serde_json::from_slice(&text).expect("policies are JSON");
        let policies = document["policies"].as_array().expect("policies are an array");
        let found = policies.iter().find(|entry| entry["name"] == policy);
        let key = found.and_then(|entry| entry["primaryKey"].as_str());
        key.unwrap_or_else(|| panic!("no policy called {policy}")).to_owned()
    }

    /// What registry clients start from, as the owner.
    pub(crate) fn registry_connection_string(&self, host: &str) -> String {
        format!(
            "HostName={host};SharedAccessKeyName=iothubowner;SharedAccessKey={}",
            self.policy_key("iothubowner")
        )
    }

    /// What Event Hubs clients start from, with the right to read and nothing else.
    pub(crate) fn event_hub_connection_string(&self) -> String {
        self.event_hub_connection_string_with(&self.policy_key("service"))
    }

    /// As above with a key that need not be the right one.
    pub(crate) fn event_hub_connection_string_with(&self, key: &str) -> String {
        format!(
            "Endpoint=sb://{}/;SharedAccessKeyName=service;SharedAccessKey={key};\
             EntityPath={EVENT_HUB}",
            self.address.ip
        )
    }

    /// What device SDKs start from.
    pub(crate) fn device_connection_string(&self, device_id: &str, key: &str) -> String {
        format!("HostName={};DeviceId={device_id};SharedAccessKey={key}", self.address.ip)
    }

    /// The PEM file that clients must trust.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.options.ca.clone().unwrap_or_else(|| self.data_dir().join(CA_FILE))
    }

    /// A file name beside the data, for what a test wants to keep while the hub lives.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    fn command(&self) -> Command {
        let log = File::options().append(true).create(true).open(self.home.join("hub.log"));
        let address = self.address.host();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringhub"));
        command
            .env("RINGHUB_LOG", self.options.log)
            .env(SHUTDOWN_TIMEOUT.0, SHUTDOWN_TIMEOUT.1)
            .arg("serve")
            .arg("--data-dir")
            .arg(self.data_dir())
            .arg("--config")
            .arg(self.home.join("ringhub.toml"))
            .args(["--host-name", self.options.host_name.unwrap_or(&address), "--listen", &address])
            .args(["--mqtt-port", &MQTT_PORT.to_string(), "--amqp-port", &AMQP_PORT.to_string()])
            .args(["--https-port", &self.address.https_port.to_string()])
            .args(["--shards", &self.options.shards.to_string()])
            .args(["--executors", &self.options.executors.to_string()])
            .args(&self.options.arguments)
            .envs(self.options.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("the home is writable"));
        command
    }

    /// All that the hub has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.join("hub.log")).unwrap_or_default()
    }

    /// Fails the test when a thread of the hub has panicked, or the process has ended.
    pub(crate) fn assert_sound(&mut self) {
        let process = self.process.as_mut().expect("the hub runs");
        let ended = process.try_wait().expect("the hub is our child");
        assert_eq!(ended, None, "the hub has ended");
        assert!(!self.log().contains("panicked"), "a thread of the hub has panicked");
    }

    /// Memory of the process that is resident, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let process = self.process.as_ref().expect("the hub runs").id();
        let status = fs::read_to_string(format!("/proc/{process}/status"));
        let status = status.expect("the hub runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        kib.expect("Linux tells the resident memory")
    }

    /// The shards that `identity` was connected to, one by one, oldest first.
    ///
    /// Needs a log with `ringhub_edge=debug`.
    pub(crate) fn shards_of(&self, identity: &str) -> Vec<u16> {
        let log = self.log();
        let of_identity = format!(" identity={identity} ");
        let connected = log.lines().filter(|line| line.contains("device connected "));
        let lines = connected.filter(|line| line.contains(&of_identity));
        let shard = |line: &str| {
            let (_, connection) = line.split_once("connection=")?;
            connection.split_once('/')?.0.parse().ok()
        };
        lines.filter_map(shard).collect()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let from = log.lines().count().saturating_sub(30);
        log.lines().skip(from).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Fails only when the hub is gone already, which is what is wanted.
            let _ = process.kill();
            let _ = process.wait();
        }
        if thread::panicking() {
            eprintln!(
                "data kept in {}; end of the hub's log:\n{}",
                self.home.display(),
                self.log_tail()
            );
        } else {
            // What stays behind lies below target and is only untidy.
            let _ = fs::remove_dir_all(&self.home);
        }
    }
}

/// Reads the hub's output until the ready line, and goes on draining it on a thread of its own.
///
/// The error is the last line that came instead.
fn wait_until_ready(stdout: ChildStdout) -> Result<(), String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // After the ready line nobody listens any more; the pipe must be emptied all the same.
            let _ = sender.send(line);
        }
    });
    let mut last = String::from("no output");
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.starts_with(READY) => return Ok(()),
            Ok(line) => last = line,
            Err(RecvTimeoutError::Timeout) => return Err(format!("timed out after: {last}")),
            Err(RecvTimeoutError::Disconnected) => return Err(format!("exited after: {last}")),
        }
    }
}
