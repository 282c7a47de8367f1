//! The AMQP library of Apache Qpid for Python, python-qpid-proton.

use super::provision::{Provision, interpreter, pip_packages, scripts_dir};
use super::script::Script;

const PROVISION: Provision = Provision {
    name: "proton",
    pins: &["requirements.txt"],
    tools: &[("python3", "python3-dev python3-venv libssl-dev"), ("cc", "build-essential")],
    install: pip_packages,
};

/// A script of `edge/tests/interop/proton`, with the library installed if need be; `None` when the
/// SDK tests are to be skipped.
pub(crate) fn script(name: &str) -> Option<Script> {
    let folder = PROVISION.ensure()?;
    Some(Script::new(interpreter(&folder), scripts_dir("proton").join(name)))
}
