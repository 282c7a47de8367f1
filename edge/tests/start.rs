//! A start as a new user makes it: with no configuration at all, only an address of its own so that
//! tests do not meet, and time for its end.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::address::Loopback;
use support::hub::SHUTDOWN_TIMEOUT;

/// A data directory that does not exist yet, below the target directory.
fn fresh_home(name: &str) -> PathBuf {
    let home =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("start-{}-{name}", std::process::id()));
    fs::create_dir_all(&home).expect("the target directory is writable");
    home
}

fn ringhub(data_directory: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhub"));
    command.arg("--data-dir").arg(data_directory).args(["--listen", listen]);
    command.env(SHUTDOWN_TIMEOUT.0, SHUTDOWN_TIMEOUT.1);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Reads the banner up to the line that says that the hub is ready.
fn banner(hub: &mut Child) -> String {
    let mut lines = BufReader::new(hub.stdout.take().expect("standard output is piped")).lines();
    let mut text = String::new();
    for line in lines.by_ref().map_while(Result::ok) {
        text += &line;
        text.push('\n');
        if line.starts_with("ringhub is ready") {
            return text;
        }
    }
    panic!("the hub ended before it was ready: {text}{}", errors_of(hub));
}

fn errors_of(process: &mut Child) -> String {
    let mut text = String::new();
    let errors = process.stderr.as_mut().expect("standard error is piped");
    errors.read_to_string(&mut text).expect("errors are text");
    text
}

fn refusal(mut command: Command) -> String {
    let mut process = command.spawn().expect("the hub binary can be started");
    let text = errors_of(&mut process);
    assert_eq!(process.wait().expect("it has ended").code(), Some(1), "{text}");
    text
}

#[test]
fn starts_without_configuration_says_what_it_does_and_ends_in_order() {
    let home = fresh_home("defaults");
    let data = home.join("data");
    let address = Loopback::claim().host();
    let mut hub = ringhub(&data, &address).spawn().expect("the hub binary can be started");
    let said = banner(&mut hub);
    for expected in ["ringhub serves localhost", "MQTT", "8883", "5671", "tls/ca.pem"] {
        assert!(said.contains(expected), "{expected} is missing in {said}");
    }
    for private in ["policies.json", "connection-strings.txt", "tls/server.key"] {
        let mode = fs::metadata(data.join(private)).expect(private).permissions().mode();
        assert_eq!(mode & 0o077, 0, "{private} is for its owner alone");
    }

    let in_use = refusal(ringhub(&data, &Loopback::claim().host()));
    assert!(in_use.contains("is in use by process"), "{in_use}");
    let taken = refusal(ringhub(&home.join("other"), &address));
    assert!(taken.contains(":8883 is in use by another process"), "{taken}");

    let log = data.join("registry/registry.db-wal");
    let log_bytes = || fs::metadata(&log).map_or(0, |metadata| metadata.len());
    assert!(log_bytes() > 0, "policies and settings are written at the first start");
    let pid = Pid::from_child(&hub);
    kill_process(pid, Signal::TERM).expect("the hub runs");
    assert_eq!(hub.wait().expect("it has ended").code(), Some(0), "{}", errors_of(&mut hub));
    assert_eq!(log_bytes(), 0, "the end moves the registry's log into the database");
    fs::remove_dir_all(home).expect("the hub is gone");
}

#[test]
fn refuses_an_unknown_key_with_its_line_and_a_suggestion() {
    let home = fresh_home("unknown-key");
    let file = home.join("ringhub.toml");
    fs::write(&file, "[hub]\nhost_nme = \"x\"\n").expect("the home is writable");
    let mut command = ringhub(&home.join("data"), &Loopback::claim().host());
    command.arg("--config").arg(&file);
    let text = refusal(command);
    assert!(text.contains(":2: ") && text.contains("did you mean `host_name`?"), "{text}");
    fs::remove_dir_all(home).expect("nothing runs in it");
}

#[test]
fn refuses_a_data_directory_of_a_newer_version_with_the_remedy() {
    let home = fresh_home("newer");
    let data = home.join("data");
    fs::create_dir_all(&data).expect("the home is writable");
    let format = "ringhub-data-directory 2\npartitions 4\nexecutors 1\n";
    fs::write(data.join("FORMAT"), format).expect("the home is writable");
    let text = refusal(ringhub(&data, &Loopback::claim().host()));
    for part in ["FORMAT says format 2", "knows 1", "start the version that wrote it"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    assert_eq!(fs::read_dir(&data).expect("it is there").count(), 1, "nothing is touched");
    fs::remove_dir_all(home).expect("nothing runs in it");
}
