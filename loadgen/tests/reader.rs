//! The reader against a hub that the load generator publishes to.

mod support;

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use support::heard::Heard;
use support::hub::Hub;
use support::hub_process::{self, HubProcess};
use support::program::{Run, run, start};

/// Messages of [`publish`].
const PUBLISHED: u64 = 600;

/// Publishes from twenty devices for two seconds.
fn publish(hub: &Hub) {
    let more = "--provision --connections 20 --per-second 300 --per-segment 3 --inflight 30 \
                --numbered --warm-up 0s --duration 2s";
    let run = run("telemetry", &hub.arguments(), more).expect_clean();
    assert_eq!(run.number("/telemetry/acknowledged"), PUBLISHED as f64);
}

/// Reads with the policy for it.
fn read(hub: &Hub, more: &str) -> Run {
    run("reader", &hub.reader_arguments("service"), more)
}

/// What every event that came has to be, whatever was read.
#[track_caller]
fn assert_in_order(run: &Run) {
    assert_eq!((run.number("/missing"), run.number("/disordered")), (0.0, 0.0));
    let partitions = run.json["partitions"].as_array().expect("an array");
    let sum: f64 = partitions.iter().filter_map(|partition| partition["events"].as_f64()).sum();
    assert_eq!(sum, run.number("/events"));
}

fn unix_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_millis()
}

#[test]
fn what_was_published_is_read_once_and_in_order() {
    let hub = Hub::start();
    publish(&hub);
    let (hgrm, html) = (hub.scratch("reader-hgrm"), hub.scratch("reader.html"));
    let more = format!(
        "--from earliest --until-caught-up --numbered --server-pid {} --hgrm {} --html {}",
        std::process::id(),
        hgrm.display(),
        html.display()
    );
    let all = read(&hub, &more).expect_clean();
    assert_eq!(all.number("/events"), PUBLISHED as f64);
    assert_in_order(&all);
    assert_eq!(all.number("/devices/count"), 20.0);
    for fault in ["missing", "disordered", "unnumbered"] {
        assert_eq!(all.number(&format!("/devices/{fault}")), 0.0, "{fault}");
    }
    assert!(all.number("/bytes") > PUBLISHED as f64 * 256.0);
    assert!(all.number("/server/resident_bytes") > 1e6);
    assert_eq!(all.json["lag_ms"], Value::Null, "nothing was enqueued meanwhile");
    assert!(hgrm.join("read-delay.hgrm").exists() && !hgrm.join("read-lag.hgrm").exists());
    let page = fs::read_to_string(html).expect("it was written");
    assert!(page.contains("--key …") && page.contains("Lag by percentile"), "{page}");

    let again = read(&hub, "--until-caught-up --partitions 0").expect_clean();
    let partition = &all.json["partitions"][0];
    assert_eq!(Some(again.number("/events")), partition["events"].as_f64());
    let none = format!("--from {} --until-caught-up", unix_ms());
    assert_eq!(read(&hub, &none).expect_clean().number("/events"), 0.0);
    let some = format!("--from {} --until-caught-up --credit 2", unix_ms() - 3_600_000);
    assert_eq!(read(&hub, &some).expect_clean().number("/events"), PUBLISHED as f64);
}

#[test]
fn live_events_have_a_lag() {
    let hub = Hub::start();
    let reading = start("reader", &hub.reader_arguments("service"), "--duration 10m --json");
    let reading = Heard::new(reading);
    reading.wait_for("events 0 ");
    publish(&hub);
    reading.wait_for(&format!("events {PUBLISHED} "));
    let run = reading.interrupt().expect_clean();
    assert_eq!(run.json["interrupted"], true);
    assert_eq!(run.number("/events"), PUBLISHED as f64);
    assert_in_order(&run);
    let (p50, max) = (run.number("/lag_ms/p50"), run.number("/lag_ms/max"));
    assert!(p50 <= max && max < 30_000.0, "{p50} {max}");
    assert!(run.number("/lag_events_max") < PUBLISHED as f64);
}

#[test]
fn a_threshold_that_is_exceeded_fails_the_run() {
    let hub = Hub::start();
    let silent = read(&hub, "--duration 100ms --lag-p99-max 1s").expect(1);
    let because = silent.json["failed_because"].to_string();
    assert!(because.contains("no lag is known"), "{because}");

    let more = "--duration 10m --lag-p99-max 0ms --lag-events-max 1000000 --json";
    let reading = Heard::new(start("reader", &hub.reader_arguments("service"), more));
    reading.wait_for("events 0 ");
    // A reader that keeps up may be late by less than the millisecond that stamps can tell.
    kill_process(reading.pid(), Signal::STOP).expect("it runs");
    publish(&hub);
    kill_process(reading.pid(), Signal::CONT).expect("it stands still");
    reading.wait_for(&format!("events {PUBLISHED} "));
    let late = reading.interrupt().expect(1);
    let because = late.json["failed_because"].to_string();
    assert!(because.contains("from enqueued to received") && !because.contains("ahead"));
}

#[test]
fn two_runs_of_the_same_devices_are_not_in_the_order_of_one() {
    let hub = Hub::start();
    publish(&hub);
    publish(&hub);
    let twice = read(&hub, "--from earliest --until-caught-up --numbered").expect(1);
    assert_in_order(&twice);
    assert_eq!(twice.number("/devices/disordered"), PUBLISHED as f64);
    let because = twice.json["failed_because"].to_string();
    assert!(because.contains("only one run of `telemetry --numbered`"), "{because}");
}

#[test]
fn a_quiet_run_says_nothing_but_its_result() {
    let hub = Hub::start();
    let more = "--quiet --provision --connections 2 --per-second 20 --warm-up 0s --duration 1s";
    let published = run("telemetry", &hub.arguments(), more).expect_clean();
    assert_eq!((published.number("/telemetry/sent"), published.text.as_str()), (20.0, ""));
    let quiet = read(&hub, "--quiet --duration 2s").expect_clean();
    assert_eq!((quiet.number("/events"), quiet.text.as_str()), (0.0, ""));
    let said = read(&hub, "--duration 5s").expect_clean().text;
    assert!(said.contains("events 0 ") && !said.contains('\x1b'), "{said}");
}

#[test]
fn another_reader_with_a_higher_epoch_ends_the_run() {
    let hub = Hub::start();
    publish(&hub);
    let more = "--from earliest --duration 10m --epoch 1 --json";
    let first = Heard::new(start("reader", &hub.reader_arguments("service"), more));
    first.wait_for(&format!("events {PUBLISHED} "));
    let lower = read(&hub, "--epoch 0").expect(2);
    assert!(lower.text.contains("--epoch"), "{}", lower.text);
    read(&hub, "--epoch 2 --duration 1s").expect_clean();
    let displaced = first.finish().expect(1);
    assert_eq!(displaced.number("/events"), PUBLISHED as f64);
    let because = displaced.json["failed_because"].to_string();
    assert!(because.contains("amqp:link:stolen") && because.contains("--epoch"), "{because}");
}

#[test]
fn what_cannot_be_read_says_how_to_mend_it() {
    let hub = Hub::start();
    let foreign = Hub::start();
    let good = hub.reader_arguments("service");
    let with = |name: &str, value: &str| {
        let place = good.iter().position(|argument| argument == name).expect("it is there");
        let mut arguments = good.clone();
        value.clone_into(&mut arguments[place + 1]);
        arguments
    };
    let ca = foreign.ca().display().to_string();
    for (arguments, more, parts) in [
        (good.clone(), "-g nobody", ["amqp:not-found", "--consumer-group"]),
        (good.clone(), "--entity other", ["amqp:not-found", "--entity"]),
        (good.clone(), "--partitions 0,77", ["no partition `77`", "only 0, 1"]),
        (good.clone(), "--port 8883", ["AMQP", "--port"]),
        (good.clone(), "--port 1", ["connection refused", "--port"]),
        (good.clone(), "--until-caught-up --from latest", ["--until-caught-up", "--from TIME"]),
        (hub.reader_arguments("device"), "", ["Listen", "ServiceConnect"]),
        (with("--key", "c2VjcmV0"), "", ["refuses the login", "--key"]),
        (with("--key", "?"), "", ["key", "base64"]),
        (with("--ca", &ca), "", ["TLS", "--ca is not the authority"]),
        (with("--host", "localhost"), "--address 127.0.0.1 --port 1", ["refused", "--address"]),
    ] {
        let run = run("reader", &arguments, more).expect(2);
        for part in parts {
            assert!(run.text.contains(part), "{more}: {part} in {}", run.text);
        }
    }
}

#[test]
fn a_hub_that_dies_is_reported_with_what_came_before() {
    let hub = HubProcess::start();
    let more = "--from earliest --duration 10m --json";
    let reading = Heard::new(start("reader", &hub.reader_arguments(), more));
    reading.wait_for("events 0 ");
    let publish = "--provision --keep-devices --connections 5 --per-second 100 --warm-up 0s \
                   --duration 1s --qos 1";
    run("telemetry", &hub.arguments(), publish).expect_clean();
    reading.wait_for("events 100 ");
    hub.kill();
    let run = reading.finish().expect(1);
    assert_eq!(run.number("/events"), 100.0);
    assert_in_order(&run);
    let because = run.json["failed_because"].to_string();
    assert!(because.contains("after 100 events: the hub ended the connection"), "{because}");
}

/// Not a test: what [`HubProcess`] starts.
#[test]
#[ignore = "the hub of another test, in a process of its own"]
fn a_hub_of_another_test() {
    hub_process::serve();
}
