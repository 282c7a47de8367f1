//! Scenarios as users run them, and what becomes of those that cannot be run.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::test_kill_process;
use support::floor::Floor;
use support::heard::Heard;
use support::hub::Hub;
use support::program::{children, finish, run, start};

#[test]
fn scenarios_are_listed_and_printed() {
    let list = finish(start("scenarios", &[], "")).expect(0).output;
    for name in [
        "conn-tcp",
        "fan-in",
        "single",
        "pipelined",
        "storm",
        "churn",
        "mixed",
        "gateway",
        "conversation",
    ] {
        let line = list.lines().find(|line| line.starts_with(&format!("{name} ")));
        assert!(line.is_some_and(|line| line.len() > 40), "{name} in {list}");
    }
    let text = finish(start("scenarios", &[], "fan-in")).expect(0).output;
    assert!(text.starts_with("about = ") && text.contains("\n[telemetry]\n"), "{text}");
    let unknown = finish(start("scenarios", &[], "fan-out")).expect(2).text;
    assert!(
        unknown.contains("`fan-out`: choose one of churn, conn-tcp, conversation, fan-in"),
        "{unknown}"
    );
}

#[test]
fn built_in_scenarios_run_with_what_the_command_line_changes() {
    let hub = Hub::start();
    let small = "--connections 20 --workers 2 --rate 200 --provision";
    let held = run("run", &scenario("conn-tcp", &hub), &format!("{small} --hold 1s"));
    assert_eq!(held.expect_clean().number("/open"), 20.0);
    let more = format!("{small} --per-second 100 --warm-up 0s --duration 1s");
    let published = run("run", &scenario("fan-in", &hub), &more).expect_clean();
    assert_eq!(published.number("/telemetry/acknowledged"), 100.0);
    let more = "--gateway 20 --workers 2 --provision --per-second 100 --warm-up 0s --duration 1s";
    let published = run("run", &scenario("gateway", &hub), more).expect_clean();
    assert_eq!(published.number("/accepted"), 2.0);
    assert_eq!(published.number("/telemetry/acknowledged"), 100.0);
    let floor = Floor::start(1);
    let more = "--connections 20 --workers 2 --rate 200 --warm-up 0s --duration 1s";
    for name in ["single", "pipelined"] {
        let words = [&[name.to_owned()], &floor.arguments()[..]].concat();
        let published = run("run", &words, more).expect_clean();
        assert!(published.number("/telemetry/acknowledged") >= 20.0, "{name}");
    }
    let more = format!("{small} --calm 100ms --return-rate 200 --tickets");
    let stormed = run("run", &scenario("storm", &hub), &more).expect_clean();
    assert_eq!((stormed.number("/storm/back"), stormed.number("/storm/resumed")), (20.0, 20.0));
    assert_eq!(hub.device_count(), 0);
}

#[test]
fn devices_take_turns_while_the_others_stay() {
    let hub = Hub::start();
    let more = format!(
        "--connections 40 --workers 2 --rate 200 --churn 20 --hold 2s --provision --server-pid {}",
        std::process::id()
    );
    let run = run("run", &scenario("churn", &hub), &more).expect_clean();
    assert_eq!((run.number("/churn/due"), run.number("/churn/back")), (40.0, 40.0));
    assert_eq!((run.number("/attempted"), run.number("/open")), (80.0, 40.0));
    assert_eq!((run.number("/failed"), run.number("/churn/missed")), (0.0, 0.0));
    assert!(run.number("/churn/latency_ms/p50") > 0.0);
    let rate = run.number("/churn/back_per_second");
    assert!((1.0..=20.0).contains(&rate), "{rate}");
    assert!(run.json["storm"].is_null(), "{:#}", run.json);
    assert_eq!(hub.device_count(), 0);
}

#[test]
fn messages_are_not_lost_by_devices_that_leave_and_come_back() {
    let hub = Hub::start();
    let small = "--connections 20 --workers 2 --rate 200 --churn 10 --warm-up 0s --duration 2s \
                 --provision";
    let open = run("run", &scenario("mixed", &hub), &format!("{small} --per-device 10"));
    let open = open.expect_clean();
    assert_eq!((open.number("/telemetry/due"), open.number("/telemetry/sent")), (400.0, 400.0));
    assert_eq!((open.number("/telemetry/acknowledged"), open.number("/churn/due")), (400.0, 20.0));
    assert_eq!((open.number("/open"), open.number("/failed")), (20.0, 0.0));
    let closed = run("run", &scenario("mixed", &hub), &format!("{small} --closed")).expect_clean();
    assert_eq!(closed.number("/telemetry/acknowledged"), closed.number("/telemetry/sent"));
    let windows = 20.0 * 16.0;
    assert!(closed.number("/telemetry/sent") >= windows, "{:#}", closed.json["telemetry"]);
    assert_eq!((closed.number("/churn/back"), closed.number("/churn/missed")), (20.0, 0.0));
}

#[test]
fn a_back_end_and_devices_speak_beside_telemetry() {
    let hub = Hub::start();
    for workers in [1, 2] {
        let more = format!(
            "--connections 10 --workers {workers} --rate 200 --per-second 100 --warm-up 500ms \
             --duration 2s --methods 20 --patches 30 --c2d 25 --provision"
        );
        let run = run("run", &scenario("conversation", &hub), &more).expect_clean();
        assert_eq!(run.number("/telemetry/acknowledged"), 200.0, "{workers}");
        for (kind, count) in
            [("method", 40.0), ("patch", 60.0), ("c2d_accept", 50.0), ("c2d", 50.0)]
        {
            for what in ["due", "done"] {
                assert_eq!(run.number(&format!("/conversation/{kind}/{what}")), count, "{kind}");
            }
            run.number(&format!("/conversation/{kind}/latency_ms/p99"));
        }
        assert!(run.number("/conversation/method/latency_ms/p50") > 0.0);
        assert_eq!(hub.device_count(), 0);
    }
}

#[test]
fn an_interrupted_conversation_ends_at_once() {
    let hub = Hub::start();
    let more = "--connections 4 --workers 2 --rate 100 --duration 10m --provision --json";
    let load = Heard::new(start("run", &scenario("conversation", &hub), more));
    load.wait_for("sent ");
    let since = Instant::now();
    let run = load.interrupt().expect_clean();
    assert_eq!(run.json["interrupted"], true);
    assert!(since.elapsed().as_secs() < 60, "no call takes longer");
    assert_eq!(hub.device_count(), 0);
}

#[test]
fn a_back_end_that_cannot_be_registers_nobody() {
    let hub = Hub::start();
    let small = "--connections 2 --provision";
    let wrong = format!("{small} --service-policy service --service-key d3Jvbmc=");
    let weak = format!("{small} --service-policy device --service-key {}", hub.key_of("device"));
    for (more, mend) in [
        (wrong.as_str(), "--service-key be its own"),
        (weak.as_str(), "must have the right ServiceConnect"),
        (&format!("{small} --amqps-port 9"), "--amqps-port where AMQP is"),
        (&format!("{small} --churn 1"), "leave out one or the other"),
        (&format!("{small} --methods 0"), "0 is not in 1..=5000"),
    ] {
        let run = run("run", &scenario("conversation", &hub), more).expect(2);
        assert!(run.text.contains(mend), "{mend} in {}", run.text);
        assert!(!run.text.contains("registering"), "{}", run.text);
    }
    let (floor, broker) = (Floor::start(1), "conversation".to_owned());
    let run = run("run", &[&[broker], &floor.arguments()[..]].concat(), "").expect(2);
    assert!(run.text.contains("need a hub: leave out --target mqtt"), "{}", run.text);
    assert_eq!(hub.device_count(), 0);
}

#[test]
fn a_service_policy_of_its_own_is_enough() {
    let hub = Hub::start();
    let service = format!("--service-policy service --service-key {}", hub.key_of("service"));
    let more = format!(
        "--connections 4 --rate 100 --per-second 20 --warm-up 0s --duration 1s --provision {service} \
         --method-p99-max 1us"
    );
    let run = run("run", &scenario("conversation", &hub), &more).expect(1);
    let because = run.json["failed_because"].to_string();
    assert!(because.contains("the answer of a method"), "{because}");
    assert_eq!(run.number("/conversation/method/done"), 50.0);
}

#[test]
fn a_file_is_run_against_any_broker() {
    let floor = Floor::start(1);
    let file = File::new(
        "any-broker",
        "[connections]\ncount = 4\nrate = 100\n\
         [telemetry]\nper_device = 20\nqos = 0\nwarm_up = \"0s\"\nduration = \"1s\"\n",
    );
    let run = run("run", &file.before(&floor.arguments()), "").expect_clean();
    assert_eq!((run.number("/accepted"), run.number("/telemetry/sent")), (4.0, 80.0));
}

#[test]
fn a_threshold_of_a_file_fails_the_run() {
    let floor = Floor::start(1);
    let text = "[connections]\ncount = 2\n[hold]\nduration = \"0s\"\n\
                [thresholds]\nconnect_p99_max = \"1us\"\n";
    let file = File::new("threshold", text);
    let run = run("run", &file.before(&floor.arguments()), "").expect(1);
    assert!(run.json["failed_because"].to_string().contains("CONNACK"), "{:#}", run.json);
}

#[test]
fn a_scenario_that_cannot_be_registers_nobody() {
    let hub = Hub::start();
    for (text, problem) in [
        ("[hold]\ntime = \"1s\"\n", ":2: unknown key `time` in [hold]: there are duration"),
        ("[hodl]\n", ":1: unknown section or key `hodl`: there are about, connections, hold"),
        ("[connections]\nrate = 0\n[hold]\n", ":2: connections.rate = 0: 0 is not in 1..=1000000"),
        ("[telemetry]\nper_second = 99_999_999\n", "99999999 is not in 1..=10000000"),
        ("[telemetry]\nper_device = 0.001\n", "choose another rate"),
        ("[telemetry]\nper_second = 1\nper_segment = 60\ninflight = 60\n", "due every 60 s"),
        ("[telemetry]\nper_second = 1\nwarm_up = \"60days\"\n", ":3: telemetry.warm_up = "),
        ("[telemetry]\nclosed = true\nqos = 0\n", "give --per-second instead"),
        ("[telemetry]\nqos = 0\n", "--per-second <N>|--per-device <RATE>|--closed"),
        ("[hold]\n[storm]\n", "hold, storm exclude each other"),
        ("[hold\n", ":1: "),
    ] {
        let file = File::new("cannot-be", text);
        let run = run("run", &file.before(&hub.arguments()), "--provision").expect(2);
        assert!(run.text.contains(problem), "{problem} in {}", run.text);
        assert!(!run.text.contains("registering"), "{}", run.text);
    }
    let missing = run("run", &scenario("./nowhere.toml", &hub), "--provision").expect(2);
    assert!(missing.text.contains("cannot read the scenario ./nowhere.toml"), "{}", missing.text);
    let unknown = run("run", &scenario("fan-in", &hub), "--provision --persecond 1").expect(2);
    assert!(unknown.text.contains("unexpected argument '--persecond'"), "{}", unknown.text);
    assert_eq!(hub.device_count(), 0);
}

#[test]
fn who_cannot_register_devices_is_told_why() {
    let hub = Hub::start();
    let other = Floor::start(1);
    let host = hub.address.host();
    let wrong_key = "d3Jvbmc=";
    for (arguments, mend) in [
        (hub.arguments_with("nowhere.invalid", &hub.ca(), wrong_key), "--address"),
        (hub.arguments_with(&host, &other.ca, wrong_key), "certificate"),
        (hub.arguments_with(&host, &hub.ca(), wrong_key), "iothubowner"),
    ] {
        let words = [&["fan-in".to_owned()], &arguments[..]].concat();
        let run = run("run", &words, "--provision --connections 3").expect(2);
        assert!(run.text.contains(mend), "{mend} in {}", run.text);
    }
    assert_eq!(hub.device_count(), 0);
}

#[test]
fn a_hub_that_dies_in_the_middle_ends_the_run_and_its_processes() {
    let mut hub = Hub::start();
    let more = "--provision --connections 6 --workers 2 --rate 100 --hold 10m --json";
    let load = Heard::new(start("run", &scenario("conn-tcp", &hub), more));
    load.wait_for("open 6 ");
    let workers = children(load.pid());
    assert_eq!(workers.len(), 2);
    hub.stop();
    let run = load.finish().expect(1);
    let failures = &run.json["failures"];
    assert_eq!(failures["lost: closed by the server"], 6, "{failures}");
    assert!(run.json["failed_because"].to_string().contains("gave up"), "{:#}", run.json);
    assert!(run.text.contains("device-0 and what comes after it stays behind"), "{}", run.text);
    assert!(workers.into_iter().all(|worker| test_kill_process(worker).is_err()));
}

#[test]
fn too_few_descriptors_or_ports_are_told_before_anybody_is_registered() {
    let hub = Hub::start();
    for (limit, more, mend) in [
        ("200", "--connections 500 --workers 1", "give more --workers"),
        ("200", "--connections 60000 --workers 1000 --source 127.0.0.1", "more with --source"),
    ] {
        let output = Command::new("sh")
            .args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"])
            .arg(env!("CARGO_BIN_EXE_ringhub-loadgen"))
            .arg("run")
            .args(scenario("conn-tcp", &hub))
            .args("--provision".split(' ').chain(more.split(' ')))
            .stdin(Stdio::null())
            .output()
            .expect("there is a shell");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(mend) && !text.contains("registering"), "{text}");
    }
    assert_eq!(hub.device_count(), 0);
}

/// The name of a scenario and what every run against `hub` begins with.
fn scenario(name: &str, hub: &Hub) -> Vec<String> {
    [&[name.to_owned()], &hub.arguments()[..]].concat()
}

/// A scenario in a file; dropping it removes it.
struct File(String);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("{name}-{}.toml", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, text).expect("the target directory is writable");
        Self(path.display().to_string())
    }

    /// Its name, and these arguments behind it.
    fn before(&self, arguments: &[String]) -> Vec<String> {
        [std::slice::from_ref(&self.0), arguments].concat()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
