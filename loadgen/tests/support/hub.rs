//! A hub with a data directory and an address of its own.

use std::fs;
use std::path::{Path, PathBuf};

use ringhub_edge::cli::ServeArguments;
use ringhub_edge::client::RestClient;
use ringhub_edge::client::{Remote, Target};
use ringhub_edge::hub::EVENT_HUB;
use ringhub_edge::startup::{KeyFiles, prepare};
use serde_json::Value;
use time::OffsetDateTime;

use super::address::Loopback;

/// A running hub; dropping it ends it and removes its data.
pub(crate) struct Hub {
    pub(crate) address: Loopback,
    home: PathBuf,
    running: Option<ringhub_edge::hub::Hub>,
    key: String,
}

impl Hub {
    /// Starts a hub with two shards on fresh data; it accepts devices when this returns.
    pub(crate) fn start() -> Self {
        let address = Loopback::claim();
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("loadgen-{}", address.ip));
        fs::create_dir_all(&home).expect("the target directory is writable");
        let config = home.join("ringhub.toml");
        fs::write(&config, "[log]\nsegment_bytes = \"2MiB\"\n").expect("the home is writable");
        let arguments = ServeArguments {
            config: Some(config),
            data_dir: Some(home.join("data")),
            host_name: Some(address.host()),
            listen: Some(address.ip.into()),
            https_port: Some(address.https_port),
            shards: Some(2),
            executors: Some(1),
            ..ServeArguments::default()
        };
        let config = arguments.settings().and_then(|settings| settings.config());
        let config = config.expect("the arguments fit");
        let data_dir = arguments.data_dir.clone();
        let prepared =
            prepare(config, data_dir, OffsetDateTime::now_utc()).expect("ports are free");
        let running = ringhub_edge::hub::Hub::start(&prepared).expect("the hub starts");
        let policies = running.policies();
        KeyFiles::of(&prepared, EVENT_HUB).write(&policies).expect("the home is writable");
        let key = policy_key(&home.join("data"), "iothubowner");
        Self { address, home, running: Some(running), key }
    }

    /// Ends the hub; its data stay until this is dropped.
    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// What every run against this hub begins with.
    pub(crate) fn arguments(&self) -> Vec<String> {
        self.arguments_with(&self.address.host(), &self.ca(), &self.key)
    }

    /// As [`arguments`](Self::arguments), with another name, certificate or key.
    pub(crate) fn arguments_with(&self, host: &str, ca: &Path, key: &str) -> Vec<String> {
        let port = self.address.https_port.to_string();
        let ca = ca.display().to_string();
        [
            "--host",
            host,
            "--ca",
            &ca,
            "--policy",
            "iothubowner",
            "--key",
            key,
            "--https-port",
            &port,
        ]
        .map(ToOwned::to_owned)
        .to_vec()
    }

    /// What every reading from this hub begins with.
    pub(crate) fn reader_arguments(&self, policy: &str) -> Vec<String> {
        let (host, ca) = (self.address.host(), self.ca().display().to_string());
        let key = policy_key(&self.home.join("data"), policy);
        ["--host", &host, "--ca", &ca, "--policy", policy, "--key", &key]
            .map(ToOwned::to_owned)
            .to_vec()
    }

    /// The PEM file to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.home.join("data/tls/ca.pem")
    }

    /// A file name beside the data.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// The key of a policy.
    pub(crate) fn key_of(&self, policy: &str) -> String {
        policy_key(&self.home.join("data"), policy)
    }

    /// How many devices are registered.
    pub(crate) fn device_count(&self) -> u64 {
        let text = format!(
            "HostName={};SharedAccessKeyName=iothubowner;SharedAccessKey={}",
            self.address.host(),
            self.key
        );
        let https_port = Some(self.address.https_port);
        let remote = Remote { ca: Some(self.ca()), https_port, ..Remote::default() };
        let target = Target::remote(&text, &remote).expect("the hub made its CA");
        let statistics = RestClient::new(&target).read("/statistics/devices").expect("an answer");
        statistics["totalDeviceCount"].as_u64().expect("a number")
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop();
        // What stays behind lies below target and is only untidy.
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn policy_key(data: &Path, name: &str) -> String {
    let text = fs::read(data.join("policies.json")).expect("the hub wrote its policies");
    let document: Value = serde_json::from_slice(&text).expect("policies are JSON");
    let policies = document["policies"].as_array().expect("policies are an array");
    let policy = policies.iter().find(|policy| policy["name"] == name);
    policy.and_then(|policy| policy["primaryKey"].as_str()).expect("it has a key").to_owned()
}
