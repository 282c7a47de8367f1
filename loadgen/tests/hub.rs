//! The load generator against a hub.

mod support;

use std::fs;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::{Pid, test_kill_process};
use support::heard::Heard;
use support::hub::Hub;
use support::patience::eventually;
use support::program::{children, run, start};

#[test]
fn connections_are_held_and_devices_are_gone_afterwards() {
    let hub = Hub::start();
    let run = run(
        "connect",
        &hub.arguments(),
        "--provision --connections 60 --rate 100 --hold 10s --keep-alive 4",
    );
    let run = run.expect_clean();
    assert_eq!((run.number("/accepted"), run.number("/open")), (60.0, 60.0));
    assert!(run.number("/pings_answered") >= 60.0, "{:#}", run.json);
    assert!(run.number("/connect_latency_ms/p50") > 0.0);
    assert_eq!(hub.device_count(), 0);
}

#[test]
fn an_open_loop_keeps_its_rate_over_several_processes() {
    let hub = Hub::start();
    let hgrm = hub.scratch("hgrm");
    let more = format!(
        "--provision --connections 20 --workers 2 --per-second 200 --warm-up 1s --duration 2s \
         --server-pid {} --hgrm {}",
        std::process::id(),
        hgrm.display()
    );
    let run = run("telemetry", &hub.arguments(), &more).expect_clean();
    assert_eq!((run.number("/accepted"), run.number("/workers")), (20.0, 2.0));
    for count in ["due", "sent", "acknowledged"] {
        assert_eq!(run.number(&format!("/telemetry/{count}")), 400.0, "{count}");
    }
    assert_eq!(run.number("/telemetry/sent_in_all"), 600.0);
    assert!(run.number("/telemetry/latency_ms/p50") > 0.0);
    assert!(run.number("/server/resident_bytes") > 1e6);
    let distribution = fs::read_to_string(hgrm.join("puback.hgrm")).expect("it was written");
    assert!(distribution.contains("Total count    =          400"), "{distribution}");
}

#[test]
fn a_closed_loop_keeps_the_windows_full() {
    let hub = Hub::start();
    let more = "--provision --connections 4 --closed --per-segment 5 --inflight 20 --warm-up 0s \
                --duration 1s --payload 100";
    let run = run("telemetry", &hub.arguments(), more).expect_clean();
    let acknowledged = run.number("/telemetry/acknowledged");
    assert_eq!(acknowledged, run.number("/telemetry/sent"));
    assert!(acknowledged >= 80.0 && acknowledged % 5.0 == 0.0, "{acknowledged}");
}

#[test]
fn gateways_over_amqp_keep_the_rate_and_the_order_of_each_device() {
    let hub = Hub::start();
    let more = "--provision --connections 4 --protocol amqp --gateway 30 --workers 2 --numbered \
                --per-second 600 --warm-up 0s --duration 2s";
    let published = run("telemetry", &hub.arguments(), more).expect_clean();
    assert_eq!((published.number("/accepted"), published.number("/workers")), (4.0, 2.0));
    for count in ["due", "sent", "acknowledged"] {
        assert_eq!(published.number(&format!("/telemetry/{count}")), 1200.0, "{count}");
    }
    assert!(published.number("/telemetry/latency_ms/p50") > 0.0);
    assert_eq!(hub.device_count(), 0);
    let more = "--from earliest --until-caught-up --numbered";
    let read = run("reader", &hub.reader_arguments("service"), more).expect_clean();
    assert_eq!((read.number("/events"), read.number("/devices/count")), (1200.0, 120.0));
    for fault in ["missing", "disordered", "unnumbered"] {
        assert_eq!(read.number(&format!("/devices/{fault}")), 0.0, "{fault}");
    }
}

#[test]
fn windows_over_amqp_are_kept_full_on_few_connections_and_on_many() {
    let hub = Hub::start();
    for (devices, shape) in [(4.0, "--connections 4"), (4.0, "--connections 1 --gateway 4")] {
        let more = format!(
            "--provision {shape} --protocol amqp --closed --per-segment 5 --inflight 20 \
             --warm-up 0s --duration 1s --payload 100"
        );
        let run = run("telemetry", &hub.arguments(), &more).expect_clean();
        let acknowledged = run.number("/telemetry/acknowledged");
        assert_eq!(acknowledged, run.number("/telemetry/sent"), "{shape}");
        assert!(acknowledged >= 20.0 * devices && acknowledged % 5.0 == 0.0, "{acknowledged}");
    }
}

#[test]
fn more_may_be_under_way_than_a_session_takes_at_a_time() {
    let hub = Hub::start();
    let more = "--provision --connections 1 --gateway 100 --protocol amqp --closed --inflight 200 \
                --per-segment 50 --warm-up 0s --duration 1s --payload 20";
    let run = run("telemetry", &hub.arguments(), more).expect_clean();
    assert!(run.number("/telemetry/acknowledged") >= 20_000.0, "{:#}", run.json);
    assert_eq!(run.number("/telemetry/acknowledged"), run.number("/telemetry/sent"));
}

#[test]
fn messages_over_http_go_by_themselves_and_in_arrays() {
    let hub = Hub::start();
    for (more, messages) in
        [("--per-second 100", 200.0), ("--per-second 400 --batch 10 --numbered --workers 2", 800.0)]
    {
        let more = format!(
            "--provision --connections 4 --protocol http --warm-up 0s --duration 2s {more}"
        );
        let run = run("telemetry", &hub.arguments(), &more).expect_clean();
        for count in ["due", "sent", "acknowledged"] {
            assert_eq!(run.number(&format!("/telemetry/{count}")), messages, "{count}");
        }
        assert_eq!(run.json["protocol"], "http");
    }
    let read = run("reader", &hub.reader_arguments("service"), "--from earliest --until-caught-up");
    assert_eq!(read.expect_clean().number("/events"), 1000.0);
    let full = "--provision --connections 2 --protocol http --closed --batch 20 --inflight 40 \
                --warm-up 0s --duration 1s";
    let full = run("telemetry", &hub.arguments(), full).expect_clean();
    assert!(full.number("/telemetry/acknowledged") >= 80.0, "{:#}", full.json);
}

#[test]
fn a_certificate_lets_devices_in_without_tokens() {
    let hub = Hub::start();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["device".to_owned()]).expect("a certificate");
    let file = hub.scratch("device.pem");
    let pem = cert.pem() + &signing_key.serialize_pem();
    fs::write(&file, pem).expect("the home is writable");
    let certificate = format!("--provision --connections 4 --certificate {}", file.display());
    let storm = format!("{certificate} --calm 0s --return-rate 100");
    let storm = run("storm", &hub.arguments(), &storm).expect_clean();
    assert_eq!(storm.number("/storm/back"), 4.0);
    let http = format!("{certificate} --protocol http --per-second 20 --warm-up 0s --duration 1s");
    let http = run("telemetry", &hub.arguments(), &http).expect_clean();
    assert_eq!(http.number("/telemetry/acknowledged"), 20.0);
    let keyless = hub.scratch("keyless.pem");
    fs::write(&keyless, cert.pem()).expect("the home is writable");
    let more = format!("--certificate {}", keyless.display());
    let refused = run("connect", &hub.arguments(), &more).expect(2);
    assert!(refused.text.contains("must hold the key"), "{}", refused.text);
}

#[test]
fn what_devices_do_not_do_over_amqp_is_refused() {
    let hub = Hub::start();
    for (more, expected) in [
        ("--gateway 2 --closed", "--protocol amqp"),
        ("--protocol amqp --per-second 10 --qos 0", "--qos 0 is of MQTT"),
        ("--protocol amqp --closed --churn 1", "--churn is of MQTT"),
        ("--protocol amqp --closed --methods 1", "a conversation is of MQTT"),
        ("--protocol amqp --closed --target mqtt", "--target mqtt is of MQTT"),
        ("--protocol amqp --closed --certificate f", "--certificate is of MQTT"),
        ("--protocol http --closed --gateway 2", "--protocol amqp"),
        ("--protocol http --per-second 10 --qos 0", "or --protocol http"),
        ("--protocol mqtt --closed --batch 2", "--protocol http"),
        ("--protocol http --closed --batch 1000", "a hub takes 262144"),
        ("--protocol amqp --closed --gateway 1000 --connections 5000", "5000000 devices"),
    ] {
        let refused = run("telemetry", &hub.arguments(), more).expect(2);
        assert!(refused.text.contains(expected), "{}", refused.text);
    }
    let more = "--connections 3 --protocol amqp --closed";
    let run = run("telemetry", &hub.arguments(), more).expect(1);
    let failures = run.json["failures"].to_string();
    assert!(failures.contains("token refused: 404"), "{failures}");
}

#[test]
fn telemetry_without_acknowledgements_is_sent() {
    let hub = Hub::start();
    let more = "--provision --connections 3 --qos 0 --per-second 90 --warm-up 0s --duration 1s";
    let run = run("telemetry", &hub.arguments(), more).expect_clean();
    assert_eq!((run.number("/telemetry/sent"), run.number("/telemetry/acknowledged")), (90.0, 0.0));
}

#[test]
fn everybody_comes_back_from_a_storm() {
    let hub = Hub::start();
    for (tickets, resumed) in [("", 0.0), ("--tickets", 30.0)] {
        let more = format!(
            "--provision --connections 30 --workers 2 --rate 200 --calm 1s --return-rate 200 \
             {tickets} --server-pid {}",
            std::process::id()
        );
        let run = run("storm", &hub.arguments(), &more).expect_clean();
        assert_eq!((run.number("/attempted"), run.number("/open")), (60.0, 30.0), "{tickets}");
        assert_eq!(run.number("/storm/back"), 30.0, "{tickets}");
        assert_eq!(run.number("/storm/resumed"), resumed, "{tickets}");
        assert!(run.number("/storm/all_back_s") >= 0.145, "the last is due after 29 intervals");
    }
}

#[test]
fn an_interrupted_run_reports_and_leaves_nothing() {
    let hub = Hub::start();
    let more = "--provision --connections 10 --workers 2 --hold 10m --json";
    let load = Heard::new(start("connect", &hub.arguments(), more));
    load.wait_for("open 10 ");
    assert_eq!(hub.device_count(), 10);
    let workers = children(load.pid());
    assert_eq!(workers.len(), 2);
    let run = load.interrupt().expect_clean();
    assert_eq!(run.json["interrupted"], true);
    assert_eq!(run.number("/accepted"), 10.0);
    assert_eq!(hub.device_count(), 0);
    assert!(workers.into_iter().all(|worker| test_kill_process(worker).is_err()));
}

#[test]
fn workers_end_with_a_parent_that_is_killed() {
    let hub = Hub::start();
    let more = "--connections 2 --workers 2 --hold 10m";
    let mut process = start("connect", &hub.arguments(), more);
    let parent = Pid::from_child(&process);
    eventually("both workers run", || children(parent).len() == 2);
    let workers = children(parent);
    process.kill().expect("it runs");
    process.wait().expect("it is our child");
    let is_gone = |worker: &Pid| test_kill_process(*worker).is_err();
    eventually("the workers end", || workers.iter().all(is_gone));
}

#[test]
fn devices_of_others_are_left_alone() {
    let hub = Hub::start();
    let kept = "--provision --keep-devices --connections 3 --hold 0s";
    run("connect", &hub.arguments(), kept).expect_clean();
    assert_eq!(hub.device_count(), 3);
    let again = run("connect", &hub.arguments(), "--provision --connections 5").expect(2);
    assert!(again.text.contains("--device-prefix"), "{}", again.text);
    assert_eq!(hub.device_count(), 3);
}

#[test]
fn a_threshold_that_is_exceeded_fails_the_run() {
    let hub = Hub::start();
    let more = "--provision --connections 2 --hold 0s --connect-p99-max 1us";
    let run = run("connect", &hub.arguments(), more).expect(1);
    let because = run.json["failed_because"].to_string();
    assert!(because.contains("CONNACK"), "{because}");
}

#[test]
fn refused_credentials_are_named() {
    let hub = Hub::start();
    let run = run("connect", &hub.arguments(), "--connections 3 --hold 10m").expect(1);
    let failures = run.json["failures"].to_string();
    assert!(failures.contains("NotAuthorized; the device is not registered"), "{failures}");
}
