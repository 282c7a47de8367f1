//! Azurite, the storage account for development, with TLS and on an address of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use super::address::Loopback;
use super::authority::Authority;
use super::patience::eventually;
use super::provision::{Provision, npm_packages};
use super::storage_account::StorageAccount;

const PROVISION: Provision = Provision {
    name: "azurite",
    pins: &["package.json", "package-lock.json"],
    tools: &[("node", "nodejs"), ("npm", "npm")],
    install: npm_packages,
};

/// The account that every Azurite has.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const PORT: u16 = 10_000;

/// A running Azurite; dropping it ends the process and removes what it has stored.
pub(crate) struct AzuriteAccount {
    pub(crate) account: StorageAccount,
    pub(crate) home: PathBuf,
    process: Child,
    _authority: Authority,
}

impl AzuriteAccount {
    /// Starts one, on fresh data; `None` when the SDK tests are to be skipped.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same for device SDKs, whose storage clients send headers that only this mode passes
    /// over.
    pub(crate) fn start_loose() -> Option<Self> {
        Self::start_with(&["--loose"])
    }

    fn start_with(arguments: &[&str]) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = PROVISION.ensure()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("azurite-{}-{number}", std::process::id());
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        fs::create_dir_all(&home).expect("the target directory is writable");
        let address = Loopback::claim();
        let authority = Authority::new(&name);
        authority.put("azurite", &authority.issue(&address.host(), -1, 30));
        let [certificate, key] = authority.files("azurite");
        let log = File::create(home.join("log")).expect("the home is writable");
        let process = Command::new("node")
            .arg(folder.join("node_modules/azurite/dist/src/blob/main.js"))
            .args(["--blobHost", &address.host(), "--blobPort", &PORT.to_string()])
            .args(arguments)
            .args(["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location"])
            .arg(&home)
            .arg("--cert")
            .arg(certificate)
            .arg("--key")
            .arg(key)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log)
            .spawn()
            .expect("the provisioned Node starts");
        let account = StorageAccount {
            endpoint: format!("https://{}:{PORT}/{ACCOUNT}", address.host()),
            name: ACCOUNT.to_owned(),
            key: KEY.to_owned(),
            ca: authority.ca_file(),
        };
        let azurite = Self { account, home, process, _authority: authority };
        eventually("Azurite listens", || std::net::TcpStream::connect((address.ip, PORT)).is_ok());
        Some(azurite)
    }

    /// Lets it stand still: requests wait.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it is our child");
    }
}

impl Drop for AzuriteAccount {
    fn drop(&mut self) {
        // Fails only when it is gone already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
        // What stays behind lies below target and is only untidy.
        let _ = fs::remove_dir_all(&self.home);
    }
}
