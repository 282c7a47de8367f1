//! Azurite, the emulator of Azure Storage, over TLS.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::hub::Hub;
use super::patience::eventually;
use super::provision::Provision;

pub(crate) const PROVISION: Provision = Provision {
    name: "azurite",
    pins: &["package.json", "package-lock.json"],
    tools: &[("node", "nodejs"), ("npm", "npm")],
    install: |target, pins| {
        for file in ["package.json", "package-lock.json", ".npmrc"] {
            fs::copy(pins.join(file), target.join(file)).expect("the pins are part of the sources");
        }
        let mut packages = Command::new("npm");
        packages.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(target);
        vec![packages]
    },
};

const PORT: u16 = 10_000;
const ACCOUNT: &str = "interop";
const KEY: &str = "cmluZ2h1YiB0ZXN0cyBhcmUgbm8gc2VjcmV0";

/// A running emulator. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Azurite {
    process: Child,
    ip: Ipv4Addr,
}

impl Azurite {
    /// Installs it if need be and starts it at the address of a hub, whose certificate it shows;
    /// `None` when the SDK tests are to be skipped.
    pub(crate) fn start(hub: &Hub) -> Option<Self> {
        let folder = PROVISION.ensure()?;
        let (tls, ip) = (hub.data_dir().join("tls"), hub.address.ip);
        let home = hub.scratch("azurite");
        fs::create_dir_all(&home).expect("the home is writable");
        let process = Command::new("node")
            .arg(folder.join("node_modules/azurite/dist/src/blob/main.js"))
            // The storage client of the device SDK sends headers that only this mode passes over.
            .args(["--silent", "--loose", "--skipApiVersionCheck", "--disableTelemetry"])
            .args(["--blobHost", &ip.to_string(), "--blobPort", &PORT.to_string()])
            .arg("--location")
            .arg(&home)
            .arg("--cert")
            .arg(tls.join("server.pem"))
            .arg("--key")
            .arg(tls.join("server.key"))
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{KEY}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let azurite = Self { process, ip };
        eventually("the emulator listens", || TcpStream::connect((ip, PORT)).is_ok());
        Some(azurite)
    }

    /// What storage clients start from.
    pub(crate) fn connection_string(&self) -> String {
        let Self { ip, .. } = self;
        format!(
            "DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={KEY};\
             BlobEndpoint=https://{ip}:{PORT}/{ACCOUNT};"
        )
    }

    /// Writes the connection string into a file.
    pub(crate) fn write_connection_string(&self, file: &Path) {
        fs::write(file, self.connection_string()).expect("the home is writable");
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // Fails only when the process has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
