//! The load generator against the floor, and what becomes of it when that goes wrong.

mod support;

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use support::floor::Floor;
use support::heard::Heard;
use support::patience::eventually;
use support::program::{resident_bytes, run, start};

#[test]
fn acknowledges_all_that_several_processes_send() {
    let floor = Floor::start(2);
    let more = format!(
        "--connections 40 --workers 2 --rate 400 --per-device 50 --per-segment 4 --inflight 64 \
         --warm-up 500ms --duration 2s --payload 1000 --server-pid {}",
        floor.process.id()
    );
    let run = run("telemetry", &floor.arguments(), &more).expect_clean();
    assert_eq!((run.number("/accepted"), run.number("/telemetry/acknowledged")), (40.0, 4000.0));
    assert_eq!(run.number("/telemetry/sent_in_all"), 5000.0);
    assert!(run.number("/telemetry/server_us_per_message") > 0.0);
    assert!(run.number("/server_bytes_per_connection") > 0.0);
}

#[test]
fn a_segment_fits_into_the_window_that_nobody_named() {
    let floor = Floor::start(1);
    let more = "--connections 4 --per-second 100 --per-segment 5 --warm-up 0s --duration 1s";
    let run = run("telemetry", &floor.arguments(), more).expect_clean();
    assert_eq!(run.number("/telemetry/acknowledged"), 100.0);
}

#[test]
fn the_memory_of_a_parent_grows_neither_with_workers_nor_with_time() {
    const MIB: u64 = 1 << 20;
    let floor = Floor::start(1);
    let more = "--connections 96 --workers 48 --rate 100 --hold 10m";
    let load = Heard::new(start("connect", &floor.arguments(), more));
    load.wait_for("open 96 ");
    let seconds = || load.text().lines().filter(|line| line.contains("open 96 ")).count();
    let peak_until = |second: usize| {
        let mut peak = 0;
        eventually("the run goes on", || {
            peak = peak.max(resident_bytes(load.pid()));
            seconds() >= second
        });
        peak
    };
    let early = peak_until(5);
    let late = peak_until(20);
    load.interrupt().expect_clean();
    assert!(late < early * 5 / 4 + 4 * MIB, "{} MiB, and {} before", late / MIB, early / MIB);
    assert!(late < 64 * MIB, "{} MiB for 48 workers", late / MIB);
}

#[test]
fn what_a_floor_with_a_log_acknowledges_is_in_its_file() {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("floor.log");
    let floor = Floor::start_with_log(&log);
    let more = "--connections 20 --rate 400 --per-second 2000 --per-segment 4 --inflight 64 \
                --warm-up 0s --duration 2s";
    let run = run("telemetry", &floor.arguments(), more).expect_clean();
    assert_eq!(run.number("/telemetry/acknowledged"), 4000.0);
    let written = fs::read(&log).expect("the floor writes it");
    drop(floor);
    fs::remove_file(&log).expect("it is there");
    let topic = b"/messages/events/";
    assert_eq!(written.windows(topic.len()).filter(|bytes| *bytes == topic).count(), 4000);
}

#[test]
fn large_messages_come_through_in_pieces() {
    let floor = Floor::start(1);
    let more = "--connections 3 --closed --payload 262144 --inflight 40 --per-segment 20 \
                --warm-up 0s --duration 1s";
    let run = run("telemetry", &floor.arguments(), more).expect_clean();
    assert!(run.number("/telemetry/acknowledged") >= 120.0, "{:#}", run.json);
}

#[test]
fn pings_are_answered() {
    let floor = Floor::start(1);
    let server = floor.process.id();
    let more = format!("--connections 5 --rate 100 --keep-alive 1 --hold 3s --server-pid {server}");
    let run = run("connect", &floor.arguments(), &more).expect_clean();
    assert!(run.number("/server/resident_bytes_connected") > 1e6);
    assert!(run.number("/pings_answered") >= 5.0, "{:#}", run.json);
}

#[test]
fn a_server_that_dies_in_the_middle_ends_the_run() {
    let mut floor = Floor::start(1);
    let more = "--connections 30 --workers 2 --rate 100 --hold 10m --json";
    let load = Heard::new(start("connect", &floor.arguments(), more));
    load.wait_for("open 30 ");
    floor.process.kill().expect("it runs");
    let run = load.finish().expect(1);
    assert_eq!((run.number("/accepted"), run.number("/open")), (30.0, 0.0));
    assert!(run.json["failed_because"].to_string().contains("gave up"), "{:#}", run.json);
}

#[test]
fn a_server_that_stops_answering_is_noticed() {
    let floor = Floor::start(1);
    let more = "--connections 4 --rate 100 --keep-alive 1 --timeout 5s --hold 10m --json";
    let load = Heard::new(start("connect", &floor.arguments(), more));
    load.wait_for("open 4 ");
    let server = Pid::from_child(&floor.process);
    kill_process(server, Signal::STOP).expect("it runs");
    let run = load.finish().expect(1);
    assert_eq!(run.json["failures"]["lost: no answer to a ping"], 4, "{:#}", run.json);
}

#[test]
fn what_goes_wrong_says_how_to_mend_it() {
    let floor = Floor::start(1);
    let other = Floor::start(1);
    let right = floor.arguments();
    let wrong_name = floor.arguments_with("elsewhere.example", &floor.ca);
    let wrong_ca = floor.arguments_with(&floor.host, &other.ca);
    for (arguments, more, mend) in [
        (&wrong_name, "", "--host must be a name in the certificate"),
        (&wrong_ca, "", "--ca is not the authority"),
        (&right, "--port 8", "check --host, --address and --port"),
    ] {
        let more = format!("--connections 2 --hold 10m {more}");
        let run = run("connect", arguments, &more).expect(1);
        let failures = run.json["failures"].to_string();
        assert!(failures.contains(mend), "{mend} in {failures}");
    }
}

#[test]
fn what_cannot_be_started_says_why() {
    let floor = Floor::start(1);
    let arguments = floor.arguments();
    for (more, mend) in [
        ("--connections 1000000 --workers 1", "more --workers"),
        ("--connections 1 --server-pid 4294967295", "no such process"),
        ("--connections 60000 --source 127.0.0.1", "more with --source"),
        ("--connections 1 --ca /nowhere.pem", "/nowhere.pem"),
    ] {
        // Given twice, an argument is refused: the one in question replaces ours.
        let kept = if more.contains("--ca") { &arguments[..6] } else { &arguments[..] };
        let run = run("connect", kept, more).expect(2);
        assert!(run.text.contains(mend), "{mend} in {}", run.text);
    }
}

#[test]
fn loads_that_cannot_be_say_why() {
    let floor = Floor::start(1);
    for (more, mend) in [
        ("--per-second 10 --per-segment 5 --inflight 4", "raise --inflight"),
        ("--closed --qos 0", "give --per-second instead"),
        ("--per-device 0.001", "choose another rate"),
    ] {
        let run = run("telemetry", &floor.arguments(), more).expect(2);
        assert!(run.text.contains(mend), "{mend} in {}", run.text);
    }
}

#[test]
fn a_window_that_is_too_small_for_the_rate_is_told() {
    let floor = Floor::start(1);
    let server = Pid::from_child(&floor.process);
    let more = "--connections 2 --rate 100 --per-second 100 --warm-up 0s --duration 8s \
                --timeout 5s --json";
    let load = Heard::new(start("telemetry", &floor.arguments(), more));
    load.wait_for("sent ");
    kill_process(server, Signal::STOP).expect("it runs");
    let run = load.finish().expect(1);
    let because = run.json["failed_because"].to_string();
    assert!(because.contains("never sent") && because.contains("never acknowledged"), "{because}");
}
