//! The hub as a process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// An address of its own, so that the ports of other hubs do not matter.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 86, 0, 1);
const HTTPS_PORT: u16 = 8443;
/// First words of the line by which the hub says that all its ports are open.
const READY: &str = "ringhub is ready";

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) private_dirty: u64,
}

/// A running hub on fresh data; dropping it ends it and removes the data.
pub(crate) struct Hub {
    pub(crate) process: Child,
    home: PathBuf,
}

impl Hub {
    /// Starts a hub of one shard and one executor and waits until it is ready.
    pub(crate) fn start() -> Self {
        Self::start_with(1, "")
    }

    /// Starts a hub of one executor with `shards` and what the text `config` says.
    pub(crate) fn start_with(shards: u16, config: &str) -> Self {
        let home =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("memory-{}", std::process::id()));
        fs::create_dir_all(&home).expect("the target directory is writable");
        let log = fs::File::create(home.join("hub.log")).expect("the home is writable");
        let config_file = home.join("ringhub.toml");
        fs::write(&config_file, config).expect("the home is writable");
        let mut process = Command::new(program("ringhub"))
            .args(["serve", "--executors", "1", "--shards", &shards.to_string(), "--config"])
            .arg(config_file)
            .args(["--host-name", &ADDRESS.to_string(), "--listen", &ADDRESS.to_string()])
            .args(["--https-port", &HTTPS_PORT.to_string(), "--data-dir"])
            .arg(home.join("data"))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("ringhub starts");
        let output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        let mut lines = output.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.starts_with(READY)), "the hub did not become ready");
        Self { process, home }
    }

    pub(crate) fn address(&self) -> (Ipv4Addr, u16) {
        (ADDRESS, HTTPS_PORT)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The PEM file to trust.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.data_dir().join("tls/ca.pem")
    }

    /// The primary key of a shared access policy.
    pub(crate) fn policy_key(&self, policy: &str) -> String {
        let text = fs::read(self.home.join("data/policies.json")).expect("the hub wrote policies");
        let document: Value = serde_json::from_slice(&text).expect("policies are JSON");
        let policies = document["policies"].as_array().expect("policies are an array");
        let found = policies.iter().find(|entry| entry["name"] == policy);
        let key = found.and_then(|entry| entry["primaryKey"].as_str());
        key.expect("every hub has this policy").to_owned()
    }

    /// Memory of the hub now.
    pub(crate) fn memory(&self) -> Memory {
        let proc = Path::new("/proc").join(self.process.id().to_string());
        let bytes = |file: &str, label: &str| {
            let text = fs::read_to_string(proc.join(file)).expect("the hub runs");
            let line = text.lines().find_map(|line| line.strip_prefix(label));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            kib.expect("the kernel shows the label in kB") * 1024
        };
        Memory {
            resident: bytes("status", "VmRSS:"),
            private_dirty: bytes("smaps_rollup", "Private_Dirty:"),
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Fails only when the hub is gone already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
        // What stays behind lies below target and is only untidy.
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// A program built beside this bench: `target/release/deps/memory-…` is two folders below.
pub(crate) fn program(name: &str) -> PathBuf {
    let bench = std::env::current_exe().expect("a bench has a path");
    let path = bench.parent().and_then(Path::parent).expect("target/release/deps").join(name);
    assert!(path.exists(), "{} is not built; see the head of this bench", path.display());
    path
}
