//! Installs the SDKs that the interop tests run, once, below `target/interop`.
//!
//! The pins are `edge/tests/interop/python/requirements.txt` and
//! `edge/tests/interop/node/package-lock.json`. A stamp file holds their digest: as long as it
//! matches, nothing is installed. A file lock lets parallel test processes wait for the one that
//! installs.
//!
//! Without `python3` or `npm` the tests fail and say what is missing: a hub that no real client has
//! spoken to is not proven. `RINGHUB_SKIP_SDK_INTEROP=1` skips them knowingly.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::digest;

/// Set to 1 to skip every test that needs the SDKs.
const SKIP: &str = "RINGHUB_SKIP_SDK_INTEROP";

/// A set of pinned packages and how to install them.
#[derive(Debug)]
pub(crate) struct Provision {
    /// Short name: folder, lock and stamp are called after it.
    pub(crate) name: &'static str,
    /// Files whose content decides which packages are installed.
    pub(crate) pins: &'static [&'static str],
    /// Programs that must be there, each with the Debian packages that bring it.
    pub(crate) tools: &'static [(&'static str, &'static str)],
    /// Commands to run in the empty target folder.
    pub(crate) install: fn(target: &Path, pins: &Path) -> Vec<Command>,
}

impl Provision {
    /// Returns the folder with the installed packages; `None` when the SDK tests are to be skipped.
    pub(crate) fn ensure(&self) -> Option<PathBuf> {
        if env::var_os(SKIP).is_some_and(|value| value == "1") {
            say(&format!("{}: skipped, {SKIP} is 1", self.name));
            return None;
        }
        let root = interop_dir();
        fs::create_dir_all(&root).expect("the target directory is writable");
        let lock = File::create(root.join(format!("{}.lock", self.name)));
        let lock = lock.expect("the target directory is writable");
        lock.lock().expect("the target directory is on a filesystem with file locks");
        let target = root.join(self.name);
        let stamp = root.join(format!("{}.stamp", self.name));
        let digest = self.digest();
        if fs::read_to_string(&stamp).is_ok_and(|found| found == digest) {
            return Some(target);
        }
        self.install_into(&target);
        fs::write(&stamp, digest).expect("the target directory is writable");
        Some(target)
    }

    fn install_into(&self, target: &Path) {
        self.require_tools();
        if target.exists() {
            fs::remove_dir_all(target).expect("the target directory is writable");
        }
        fs::create_dir_all(target).expect("the target directory is writable");
        say(&format!("{}: installing into {} (once)", self.name, target.display()));
        for mut command in (self.install)(target, &self.pins_dir()) {
            say(&format!("{}: {command:?}", self.name));
            let output = command.stdin(Stdio::null()).output();
            let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
            assert!(
                output.status.success(),
                "{command:?} failed; set {SKIP}=1 to do without the SDK tests\n{}\n{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
        }
        say(&format!("{}: ready", self.name));
    }

    fn require_tools(&self) {
        for (tool, packages) in self.tools {
            let found = Command::new(tool)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            assert!(
                found.is_ok_and(|status| status.success()),
                "the SDK tests need {tool}, which is not there \
                 (Debian: apt-get install {packages}); set {SKIP}=1 to do without these tests"
            );
        }
    }

    fn pins_dir(&self) -> PathBuf {
        scripts_dir(self.name)
    }

    fn digest(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        for pin in self.pins {
            let path = self.pins_dir().join(pin);
            context.update(&fs::read(&path).expect("the pins are part of the sources"));
        }
        context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Installs what `package-lock.json` pins.
pub(crate) fn npm_packages(target: &Path, pins: &Path) -> Vec<Command> {
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(pins.join(file), target.join(file)).expect("the pins are part of the sources");
    }
    let mut packages = Command::new("npm");
    packages.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(target);
    vec![packages]
}

/// Installs what `requirements.txt` pins, into an environment of its own.
pub(crate) fn pip_packages(target: &Path, pins: &Path) -> Vec<Command> {
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv"]).arg(target);
    let mut packages = Command::new(interpreter(target));
    packages
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(pins.join("requirements.txt"));
    vec![environment, packages]
}

/// The Python of such an environment.
pub(crate) fn interpreter(target: &Path) -> PathBuf {
    target.join("bin/python")
}

/// The folder of the scripts and pins of one language.
pub(crate) fn scripts_dir(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(language)
}

/// Shares the build directory of the running test, wherever that is.
fn interop_dir() -> PathBuf {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    scratch.parent().expect("the scratch directory lies below target").join("interop")
}

/// Writes past the test harness, which would hold the line back until the test has failed.
fn say(line: &str) {
    // Progress is a courtesy: a closed standard error must not fail a test.
    let _ = writeln!(std::io::stderr(), "interop: {line}");
}
