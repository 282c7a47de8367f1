//! A process with several hubs: this one, on an address of its own.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use http::Method;
use ringhub_control_plane::{ControlPlane, NewHub};
use ringhub_core::session::amqp::ClientSasl;
use ringhub_edge::cli::ServeArguments;
use ringhub_edge::client::{Credential, Precondition, Principal, RestClient, Target};
use ringhub_edge::hub::{EVENT_HUB, Hub as Running};
use ringhub_edge::startup::{Endpoints, KeyFiles, prepare};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::address::{AMQP_PORT, Loopback};
use super::amqp::AmqpClient;
use super::hub::SMALL_SEGMENTS;
use super::tls::{Certificate, TlsStream, connect_at};

/// A process with hubs; dropping it ends it and removes its data.
pub(crate) struct Tenants {
    pub(crate) address: Loopback,
    pub(crate) home: PathBuf,
    /// The configuration file.
    config: String,
    running: Option<Running>,
}

impl Tenants {
    /// Starts with one hub, which is called like its address.
    pub(crate) fn start() -> Self {
        Self::start_with(SMALL_SEGMENTS)
    }

    /// As above with this in the configuration file.
    pub(crate) fn start_with(config: &str) -> Self {
        let address = Loopback::claim();
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tenants-{}", address.ip));
        let mut tenants = Self { address, home, config: config.to_owned(), running: None };
        let _ = fs::remove_dir_all(&tenants.home);
        tenants.launch();
        tenants
    }

    /// Starts on data that are there.
    pub(crate) fn launch(&mut self) {
        self.running = Some(serve_with(&self.home, self.address, &self.config));
    }

    pub(crate) fn stop(&mut self) {
        self.running.take().expect("it runs").stop();
    }

    pub(crate) fn control(&self) -> &ControlPlane {
        self.running.as_ref().expect("it runs").control()
    }

    /// Makes a hub of this name.
    pub(crate) fn create(&self, host_name: &str) -> Target {
        self.control().create_hub(NewHub::named(host_name)).expect("the hub can be made");
        self.target(host_name)
    }

    /// The configured hub with the key of its owner.
    pub(crate) fn configured(&self) -> Target {
        Target::local(&self.home.join("data")).expect("the files of the hub are there")
    }

    /// The hub of this name with the key of its owner, reached by the address of the process.
    pub(crate) fn target(&self, host_name: &str) -> Target {
        let credential = self.policy(host_name, "iothubowner");
        let mut target = self.configured();
        host_name.clone_into(&mut target.host_name);
        target.credential = credential;
        target
    }

    /// A policy of a hub.
    pub(crate) fn policy(&self, host_name: &str, policy: &str) -> Credential {
        let hub = self.control().directory().hub_by_host(host_name).expect("the hub is there");
        let found = hub.policy(policy).expect("a default policy");
        let principal = Principal::Policy(policy.to_owned());
        Credential::new(principal, &found.keys.primary_text()).expect("keys are base64")
    }

    /// A TLS connection that trusts the development CA and expects a hub of this name.
    pub(crate) fn dial(
        &self,
        port: u16,
        host_name: &str,
        certificate: Option<&Certificate>,
    ) -> io::Result<TlsStream> {
        let name = match host_name.parse::<Ipv4Addr>() {
            Ok(ip) => ServerName::from(std::net::IpAddr::V4(ip)),
            Err(_) => ServerName::try_from(host_name.to_owned()).map_err(io::Error::other)?,
        };
        connect_at((self.address.ip, port), name, &self.home.join("data/tls/ca.pem"), certificate)
    }

    /// An AMQP connection that names a hub in `open`.
    pub(crate) fn amqp(
        &self,
        host_name: &str,
        sasl: ClientSasl<'_>,
        certificate: Option<&Certificate>,
    ) -> io::Result<AmqpClient> {
        let stream = self.dial(AMQP_PORT, host_name, certificate)?;
        AmqpClient::connect_to_host(stream, sasl, 5000, Some(host_name))
    }
}

impl Drop for Tenants {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.home);
        }
    }
}

/// Starts hubs on the data in a directory; devices are accepted when it returns.
pub(crate) fn serve(home: &Path, address: Loopback) -> Running {
    serve_with(home, address, SMALL_SEGMENTS)
}

fn serve_with(home: &Path, address: Loopback, text: &str) -> Running {
    fs::create_dir_all(home).expect("the target directory is writable");
    let config = home.join("ringhub.toml");
    fs::write(&config, text).expect("the home is writable");
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
    let prepared = prepare(config, data_dir, OffsetDateTime::now_utc()).expect("ports are free");
    let running = Running::start(&prepared).expect("it starts");
    let policies = running.policies();
    KeyFiles::of(&prepared, EVENT_HUB).write(&policies).expect("the home is writable");
    let data = prepared.data_directory.path();
    Endpoints::of(&prepared, EVENT_HUB).write(data).expect("the home is writable");
    running
}

/// Makes what was not there over REST.
pub(crate) fn put(rest: &RestClient, path: &str, body: &Value) -> Value {
    rest.send(Method::PUT, path, Precondition::Absent, Some(body)).expect("it is made")
}

/// Registers a device with keys.
pub(crate) fn register(target: &Target, id: &str) -> Credential {
    let made = put(&RestClient::new(target), &format!("/devices/{id}"), &json!({"deviceId": id}));
    let key = made["authentication"]["symmetricKey"]["primaryKey"].as_str().expect("keys");
    Credential::new(Principal::Device(id.to_owned()), key).expect("keys are base64")
}
