//! The lines of the README's section on tools, as they stand there, against a hub of its own.
//!
//! A line runs where its tool is installed, as on the machine that runs `.ci/run`; elsewhere the
//! test says that it was skipped. Only the name of the hub is another one than in the README.

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::command::{Ended, at};
use support::hub::Hub;
use support::node::Node;

const README: &str = include_str!("../../README.md");

/// The shell lines of the section, each with the lines that it goes on in.
fn lines() -> Vec<String> {
    let (_, section) = README.split_once("## Coming with tools").expect("the README has it");
    let section = section.split("\n## ").next().unwrap_or_default();
    let (_, block) = section.split_once("```sh\n").expect("it has lines to type");
    let block = block.split("```").next().unwrap_or_default().replace("\\\n", "");
    block.lines().map(ToOwned::to_owned).collect()
}

/// The only line with `words`.
fn line(words: &str) -> String {
    let mut found: Vec<String> = lines().into_iter().filter(|line| line.contains(words)).collect();
    assert_eq!(found.len(), 1, "{words}: {found:?}");
    found.remove(0)
}

/// Whether a tool is there; where everything must be, it has to be.
fn has(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
    let is_there = found.expect("sh starts").status.success();
    assert!(is_there || std::env::var_os("CI").is_none(), "{tool} is missing");
    if !is_there {
        eprintln!("skipped: {tool} is not installed");
    }
    is_there
}

/// Types `lines` into a shell in `folder`, after those by which the README sets its variables.
fn type_in(hub: &Hub, folder: &Path, lines: &[String]) -> Ended {
    let binary = Path::new(env!("CARGO_BIN_EXE_ringhub"));
    let host = hub.address.host();
    let script = [line("export CA="), line("export TOKEN=")].into_iter().chain(lines.to_vec());
    let script: Vec<String> = script.map(|line| line.replace("localhost", &host)).collect();
    let (name, dialled) = (format!("https://{host}"), hub.address.https_host());
    let script = script.join("\n").replace(&name, &format!("https://{dialled}"));
    let path = std::env::var("PATH").expect("there is a PATH");
    let own = binary.parent().expect("it is in a folder").display();
    let mut shell = Command::new("timeout");
    shell.args(["120", "bash", "-e", "-c", &script]).current_dir(folder);
    shell.env("PATH", format!("{own}:{path}")).env("RINGHUB_DATA_DIR", hub.data_dir());
    shell.env_remove("RINGHUB_CONNECTION_STRING");
    Ended::of(shell.output().expect("bash starts"))
}

/// A hub with the device of the README.
fn hub() -> Hub {
    let hub = Hub::start();
    at(&hub, &["device-identity", "create", "-d", "pump-7"]).good();
    hub
}

/// The body of the only event that the hub has.
fn event(hub: &Hub) -> Value {
    let monitor = ["monitor-events", "-e", "0", "--count", "1", "--timeout", "60"];
    let json = ["-o", "json", "--content-type", "application/json"];
    let event = at(hub, &[&monitor[..], &json].concat()).json();
    event["event"].clone()
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

#[test]
fn mosquitto_sends_and_receives() {
    if !has("mosquitto_pub") {
        return;
    }
    let hub = hub();
    type_in(&hub, here(), &[line("mosquitto_pub")]).good();
    assert_eq!(event(&hub)["payload"]["bar"], 2.4);
    at(&hub, &["c2d-message", "send", "-d", "pump-7", "--data", "night shift"]).good();
    // What waits comes as soon as the device has subscribed, and one message is enough.
    let receive = format!("{} -C 1", line("mosquitto_sub"));
    assert_eq!(type_in(&hub, here(), &[receive]).good(), "night shift\n");
}

#[test]
fn curl_sends() {
    if !has("curl") {
        return;
    }
    let hub = hub();
    type_in(&hub, here(), &[line("curl ")]).good();
    assert_eq!(event(&hub)["payload"]["bar"], 2.4);
}

#[test]
fn mqtt_js_sends() {
    let Some(node) = Node::provisioned() else { return };
    let hub = hub();
    type_in(&hub, node.folder(), &[line("mqtt pub")]).good();
    assert_eq!(event(&hub)["payload"]["bar"], 2.4);
}
