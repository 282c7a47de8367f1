//! The AMQP library of Apache Qpid for Python, python-qpid-proton.

use std::process::Command;

use super::provision::{Provision, scripts_dir};
use super::script::Script;

const PROVISION: Provision = Provision {
    name: "proton",
    pins: &["requirements.txt"],
    tools: &[("python3", "python3-dev python3-venv libssl-dev"), ("cc", "build-essential")],
    install: |target, pins| {
        let mut environment = Command::new("python3");
        environment.args(["-m", "venv"]).arg(target);
        let mut packages = Command::new(target.join("bin/python"));
        packages
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(pins.join("requirements.txt"));
        vec![environment, packages]
    },
};

/// A script of `edge/tests/interop/proton`, with the library installed if need be; `None` when the
/// SDK tests are to be skipped.
pub(crate) fn script(name: &str) -> Option<Script> {
    let folder = PROVISION.ensure()?;
    Some(Script::new(folder.join("bin/python"), scripts_dir("proton").join(name)))
}
