//! Devices of the unmodified SDKs that do what a test tells them: `told_device` in `tests/interop`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::hub::Hub;
use super::node::Node;
use super::python::Python;
use super::script::{Running, Script};

/// What a device proves itself with.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// A key.
    Key(String),
    /// The files of a chain and its key.
    Certificate([PathBuf; 2]),
}

/// A device at work. Dropping it ends its process.
pub(crate) struct Told {
    running: Running,
    /// Lines that nobody has asked for yet.
    unclaimed: Vec<Value>,
}

impl Told {
    fn start(script: Script) -> Self {
        Self { running: script.told().spawn(), unclaimed: Vec::new() }
    }

    /// Has a command done; the error is the name of what the SDK has thrown.
    pub(crate) fn ask(&mut self, command: &Value) -> Result<Value, String> {
        self.running.tell(command);
        let mut answer = self.next_of(&["done", "failed"]);
        match answer["failed"].as_str() {
            Some(name) => Err(name.to_owned()),
            None => Ok(answer["done"].take()),
        }
    }

    /// As above with a command that takes nothing.
    pub(crate) fn act(&mut self, name: &str) -> Result<Value, String> {
        self.ask(&json!({ "do": name }))
    }

    /// The next of what comes to the device under this name.
    pub(crate) fn next(&mut self, name: &str) -> Value {
        self.next_of(&[name])[name].take()
    }

    fn next_of(&mut self, names: &[&str]) -> Value {
        let is_wanted = |line: &Value| names.iter().any(|name| line.get(name).is_some());
        if let Some(place) = self.unclaimed.iter().position(is_wanted) {
            return self.unclaimed.remove(place);
        }
        loop {
            let line = self.running.wait_for_line();
            if is_wanted(&line) {
                return line;
            }
            self.unclaimed.push(line);
        }
    }
}

impl Node {
    /// A device over any transport of `transport.js`.
    pub(crate) fn told(&self, hub: &Hub, id: &str, proof: &Proof, transport: &str) -> Told {
        let (string, files): (_, &[PathBuf]) = match proof {
            Proof::Key(key) => (hub.device_connection_string(id, key), &[]),
            Proof::Certificate(files) => {
                (format!("HostName={};DeviceId={id};x509=true", hub.address.ip), files)
            }
        };
        let script = self.script(hub, "told_device.js").arg(string).arg(transport);
        Told::start(script.arg(hub.address.https_port.to_string()).args(files))
    }
}

impl Python {
    /// A device over MQTT, or over MQTT in a WebSocket.
    pub(crate) fn told(&self, hub: &Hub, id: &str, proof: &Proof, transport: &str) -> Told {
        let script = self.script("told_device.py").arg("--ca").arg(hub.ca_file());
        let script = match proof {
            Proof::Key(key) => {
                script.arg("--connection-string").arg(hub.device_connection_string(id, key))
            }
            Proof::Certificate(files) => {
                script.args(["--certified", &hub.address.host(), id]).args(files)
            }
        };
        let is_websocket = transport == "websocket";
        Told::start(if is_websocket { script.arg("--websockets") } else { script })
    }
}
