//! What the hub tells about itself: the page of numbers, health, and logs.

mod support;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};
use std::time::Duration;

use ringhub_core::session::amqp::ClientSasl;
use support::amqp::{AmqpClient, Fact};
use support::c2d::{C2d, C2dSender};
use support::hub::{Hub, HubOptions};
use support::mqtt::{Login, MqttDevice};
use support::patience::eventually;
use support::prometheus::{Page, request};
use support::rest::Device;
use support::sas;

/// Sends `count` messages of QoS 1 at once and waits for all PUBACKs.
fn publish(device: &mut MqttDevice, count: u16) {
    for id in 1..=count {
        device.publish(id, b"{\"bar\": 2.4}", false).expect("the hub reads");
    }
    device.flush().expect("the hub reads");
    for id in 1..=count {
        assert_eq!(device.read_puback().expect("the hub acknowledges"), id);
    }
}

#[test]
fn counts_exactly_what_was_sent() {
    let hub = Hub::start_with(HubOptions { shards: 2, executors: 2, ..HubOptions::default() });
    let before = Page::scrape(&hub);
    for name in [
        "ringhub_d2c_messages_total",
        "ringhub_commit_messages_total",
        "ringhub_partition_messages_total",
        "ringhub_d2c_accept_duration_seconds_count",
    ] {
        assert_eq!(before.sum(name, &[]), 0.0, "{name}");
    }
    let pump = Device::create(&hub, "pump");
    let mut device = MqttDevice::connect(&hub, &pump).expect("the hub lets the device in");
    publish(&mut device, 100);
    device.publish_qos0(b"unacknowledged").expect("the hub reads");
    // A segment each, so that some of them are among those that are timed.
    (0..33).for_each(|_| publish(&mut device, 1));

    // Acknowledgements are counted when they have been sent, and so they are seen before.
    let accepted = |page: &Page| page.sum("ringhub_d2c_accept_duration_seconds_count", &[]);
    eventually("all messages are counted", || accepted(&Page::scrape(&hub)) >= 134.0);
    let page = Page::scrape(&hub);
    for (name, labels) in [
        ("ringhub_d2c_messages_total", [].as_slice()),
        ("ringhub_commit_messages_total", &[]),
        ("ringhub_partition_messages_total", &[]),
        ("ringhub_d2c_accept_duration_seconds_count", &[]),
        ("ringhub_stage_duration_seconds_count", &[("stage", "ring")]),
        ("ringhub_stage_duration_seconds_count", &[("stage", "log")]),
        ("ringhub_partition_next_sequence_number", &[]),
    ] {
        assert_eq!(page.sum(name, labels), 134.0, "{name}{labels:?}");
    }
    let partition_bytes = page.sum("ringhub_partition_bytes_total", &[]);
    assert_eq!(partition_bytes, page.sum("ringhub_d2c_bytes_total", &[]));
    assert_eq!(partition_bytes, page.sum("ringhub_partition_next_offset", &[]));
    assert_eq!(page.sum("ringhub_mqtt_connects_total", &[]), 1.0);
    assert_eq!(page.sum("ringhub_connections", &[("protocol", "mqtt")]), 1.0);
    assert_eq!(page.sum("ringhub_devices", &[("state", "connected")]), 1.0);
    let credentials = [("owner", "credentials")];
    assert_eq!(page.sum("ringhub_directory_memory_bytes", &credentials), 64.0, "two keys");
    assert!(page.sum("ringhub_commits_total", &[]) >= 2.0);
    assert!(page.sum("ringhub_syncs_total", &[]) >= page.sum("ringhub_commits_total", &[]));
    assert_eq!(page.sum("ringhub_ring_awaiting_bytes", &[]), 0.0);
    assert_eq!(page.sum("ringhub_executor_state", &[("state", "running")]), 2.0);
    for stage in ["listener", "tls", "codec", "session", "acknowledge"] {
        let name = "ringhub_stage_duration_seconds_count";
        assert!(page.sum(name, &[("stage", stage)]) >= 1.0, "{stage}");
    }

    device.end().expect("the socket is open");
    device.read_to_end().expect("the hub closes, too");
    let connections = || Page::scrape(&hub).sum("ringhub_connections", &[("protocol", "mqtt")]);
    eventually("the connection is counted no more", || connections() == 0.0);
}

#[test]
fn every_sample_names_its_hub_and_every_thread_is_there() {
    let hub = Hub::start_with(HubOptions { shards: 3, executors: 2, ..HubOptions::default() });
    let page = Page::scrape(&hub);
    let of_process = page.without_hub();
    assert!(of_process.iter().all(|name| name.starts_with("process_")), "{of_process:?}");
    assert!(of_process.contains("process_resident_memory_bytes"), "{of_process:?}");
    let hubs = page.values_of("ringhub_turns_total", "hub");
    assert_eq!(hubs.into_iter().collect::<Vec<_>>(), [hub.address.host()]);
    assert_eq!(page.values_of("ringhub_turns_total", "shard").len(), 3);
    assert_eq!(page.values_of("ringhub_commits_total", "executor").len(), 2);
    assert_eq!(page.values_of("ringhub_partition_messages_total", "partition").len(), 4);
    assert_eq!(page.values_of("ringhub_open_fds", "shard").len(), 3);
    let host = hub.address.host();
    let month_s = 30.0 * 86_400.0;
    assert!(page.sum("ringhub_certificate_expiry_seconds", &[("host_name", &host)]) > month_s);
    assert_eq!(page.sum("ringhub_certificate_reloads_total", &[]), 0.0);
    assert!(page.families.len() > 50, "{} families", page.families.len());
}

#[test]
fn every_metric_of_the_tuning_guides_exists() {
    let page = Page::scrape(&Hub::start());
    let exists = |name: &str| {
        let of_histogram = ["_bucket", "_sum", "_count"].iter().filter_map(|suffix| {
            let family = name.strip_suffix(suffix)?;
            (page.families.get(family)? == "histogram").then_some(())
        });
        page.families.contains_key(name) || of_histogram.count() > 0
    };
    for guide in [include_str!("../../tuning/README.md"), include_str!("../../tuning/latency.md")] {
        let words = guide.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let names: Vec<&str> = words
            .filter(|word| ["ringhub_", "process_"].iter().any(|start| word.starts_with(start)))
            .collect();
        assert!(names.len() > 10, "{names:?}");
        let missing: Vec<&&str> = names.iter().filter(|name| !exists(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn readers_and_their_lag_are_seen() {
    let hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut device = MqttDevice::connect(&hub, &pump).expect("the hub lets the device in");
    publish(&mut device, 10);
    let page = Page::scrape(&hub);
    let full = page
        .values_of("ringhub_partition_next_offset", "partition")
        .into_iter()
        .find(|p| page.sum("ringhub_partition_next_offset", &[("partition", p)]) > 0.0);
    let full = full.expect("a partition has the events");

    let host = hub.address.host();
    let token = sas::token(&host, &hub.policy_key("service"), Some("service"));
    let user = format!("service@sas.root.{host}");
    let sasl = ClientSasl::Plain { user: &user, password: &token };
    let mut client = AmqpClient::connect(&hub, sasl, 100).expect("the login is good");
    let address = format!("ringhub/ConsumerGroups/$Default/Partitions/{full}");
    let link = client.receive_from(&address, None);
    assert_eq!(client.next().expect("an answer"), Fact::Attached(link));
    let labels = [("partition", full.as_str()), ("consumer_group", "$Default")];
    let before = Page::scrape(&hub);
    assert_eq!(before.sum("ringhub_readers", &labels), 1.0);
    let offset = before.sum("ringhub_partition_next_offset", &labels[..1]);
    assert_eq!(before.sum("ringhub_reader_lag_bytes", &labels), offset);

    client.machine().grant_credit(link, 10);
    for _ in 0..10 {
        assert!(matches!(client.next().expect("an event"), Fact::Message(_)));
    }
    let after = Page::scrape(&hub);
    assert_eq!(after.sum("ringhub_reader_lag_bytes", &labels), 0.0);
    assert_eq!(after.sum("ringhub_reader_messages_total", &[]), 10.0);
    let name = "ringhub_stage_duration_seconds_count";
    assert_eq!(after.sum(name, &[("stage", "reader")]), 1.0);
}

#[test]
fn refusals_are_counted_under_their_reason() {
    let hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let refused = |login: &Login| {
        let mut device = MqttDevice::open(&hub).expect("the hub listens");
        device.send_connect(login).expect("the hub reads");
        device.read_connack().expect("the hub answers")
    };
    let mut wrong = Login::device(&hub, &pump);
    wrong.password.push('x');
    assert_eq!(refused(&wrong), 5);
    let mut other = Login::device(&hub, &pump);
    other.client_id.push('x');
    assert_eq!(refused(&other), 2);
    let mut nobody = Login::device(&hub, &pump);
    nobody.user_name = "nobody".to_owned();
    assert_eq!(refused(&nobody), 4);
    let mut noise = MqttDevice::open(&hub).expect("the hub listens");
    noise.write(&[0xff; 16]).and_then(|()| noise.flush()).expect("the hub reads");
    noise.read_to_end().expect("the hub closes");
    assert_eq!(request(&hub, "/devices?api-version=2021-04-12", None).status, 401);
    assert_eq!(request(&hub, "/nothing?api-version=2021-04-12", None).status, 404);

    let page = Page::scrape(&hub);
    for (reason, count) in [
        ("connack_5_not_authorized", 1.0),
        ("connack_2_client_id", 1.0),
        ("connack_4_user_name", 1.0),
        ("connack_3_unavailable", 0.0),
        ("http_401_unauthorized", 1.0),
        ("http_4xx_other", 1.0),
        ("http_5xx", 0.0),
    ] {
        assert_eq!(page.sum("ringhub_refusals_total", &[("reason", reason)]), count, "{reason}");
    }
    assert!(page.sum("ringhub_refusals_total", &[("reason", "violation")]) >= 1.0);
    assert_eq!(page.sum("ringhub_http_responses_total", &[("class", "4xx")]), 2.0);
    assert_eq!(page.sum("ringhub_mqtt_connects_total", &[]), 0.0);
}

#[test]
fn the_page_is_for_holders_of_the_service_right_alone() {
    let hub = Hub::start();
    for (policy, status) in [
        (None, 401),
        (Some("registryRead"), 401),
        (Some("device"), 401),
        (Some("service"), 200),
        (Some("iothubowner"), 200),
    ] {
        let response = request(&hub, "/metrics", policy);
        assert_eq!(response.status, status, "{policy:?}: {response:?}");
        if status == 401 {
            let body: serde_json::Value =
                serde_json::from_str(&response.body).expect("a refusal is JSON");
            let message = body["Message"].as_str().unwrap_or_default();
            assert!(message.contains("ErrorCode:IotHubUnauthorizedAccess"), "{body}");
        }
    }
}

#[test]
fn anybody_may_ask_whether_the_hub_is_well() {
    let hub = Hub::start();
    for path in ["/health/live", "/health/ready"] {
        let response = request(&hub, path, None);
        assert_eq!((response.status, response.body.as_str()), (200, "ok"), "{path}");
    }
}

#[test]
fn health_is_an_exit_code() {
    let mut hub = Hub::start();
    let data = hub.data_dir();
    let health = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringhub"));
        command.env_remove("RINGHUB_CONNECTION_STRING").args(["health", "--data-dir"]);
        let output = command.arg(&data).output().expect("the binary can be started");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    assert_eq!(health(), (Some(0), "ok".to_owned()));
    hub.kill();
    hub.reap();
    assert_eq!(health(), (Some(1), String::new()));
}

#[test]
fn a_service_manager_hears_of_start_pulse_and_end() {
    let name = format!("ringhub-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a short name");
    let socket = UnixDatagram::bind_addr(&address).expect("a free name");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
    let environment =
        vec![("NOTIFY_SOCKET", format!("@{name}")), ("WATCHDOG_USEC", "600000".to_owned())];
    let mut hub = Hub::start_with(HubOptions { environment, ..HubOptions::default() });
    let next = || {
        let mut buffer = [0; 256];
        let len = socket.recv(&mut buffer).expect("the hub tells something");
        String::from_utf8(buffer[..len].to_vec()).expect("messages are text")
    };
    let ready = format!("READY=1\nSTATUS=serving {}", hub.address.host());
    let mut told = Vec::new();
    eventually("it tells that it is ready, and has a pulse", || {
        told.push(next());
        told.contains(&ready) && told.len() > 4
    });
    let (starts, pulses): (Vec<_>, Vec<_>) = told.iter().partition(|message| **message == ready);
    assert_eq!(starts.len(), 1, "{told:?}");
    assert!(pulses.iter().all(|message| *message == "WATCHDOG=1"), "{told:?}");
    hub.terminate();
    let stopping = std::iter::repeat_with(next).find(|message| message != "WATCHDOG=1");
    assert!(stopping.is_some_and(|message| message.starts_with("STOPPING=1\n")));
    hub.reap();
}

#[test]
fn json_logs_name_who_was_refused_and_hold_no_secret() {
    let options =
        HubOptions { log: "trace", arguments: vec!["--log-format=json"], ..HubOptions::default() };
    let hub = Hub::start_with(options);
    let pump = Device::create(&hub, "pump");
    let good = Login::device(&hub, &pump);
    let mut device = MqttDevice::connect_as(&hub, &good).expect("the hub lets the device in");
    publish(&mut device, 3);
    let bad = Login::device_with(&hub, "pump", good.password.replace("sig=", "sig=x"));
    let mut refused = MqttDevice::open(&hub).expect("the hub listens");
    refused.send_connect(&bad).expect("the hub reads");
    assert_eq!(refused.read_connack().expect("the hub answers"), 5);
    Page::scrape(&hub);
    drop(device);
    drop(refused);
    let ended = || hub.log().matches("MQTT connection ended").count();
    eventually("both connections are at their end", || ended() == 2);

    let log = hub.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let line = lines.iter().find(|line| line["message"] == "CONNECT refused");
    let line = line.unwrap_or_else(|| panic!("the refusal is missing in {log}"));
    assert_eq!(line["hub"], hub.address.host(), "{line}");
    assert_eq!(line["device"], "pump", "{line}");
    assert!(line["connection"].as_str().is_some_and(|text| text.starts_with("0/")), "{line}");
    assert!(line["reason"].as_str().is_some_and(|text| !text.is_empty()), "{line}");
    // Whatever a line is about, it names the hub and the connection.
    let about = lines.iter().filter(|line| {
        ["identity", "device", "connection"].iter().any(|name| !line[name].is_null())
    });
    let about: Vec<_> = about.collect();
    assert!(about.len() >= 4, "both connections, from their beginning to their end: {log}");
    for line in about {
        assert_eq!(line["hub"], hub.address.host(), "{line}");
        assert!(line["connection"].is_string(), "{line}");
    }
    let signature = |password: &str| {
        let (_, rest) = password.split_once("sig=").expect("a token has a signature");
        rest.split('&').next().unwrap_or_default().to_owned()
    };
    let keys = ["iothubowner", "service", "device"].map(|policy| hub.policy_key(policy));
    let secrets = keys.into_iter().chain([
        pump.key.clone(),
        signature(&good.password),
        signature(&bad.password),
        "SharedAccessSignature sr=".to_owned(),
    ]);
    for secret in secrets {
        assert!(!log.contains(&secret), "the log holds {secret}");
    }
}

#[test]
fn top_shows_every_stage_shard_executor_and_partition() {
    let hub = Hub::start();
    let pump = Device::create(&hub, "pump");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringhub"));
    command.env_remove("RINGHUB_CONNECTION_STRING").stdout(Stdio::piped());
    command.args(["top", "--once", "--interval", "2", "--data-dir"]).arg(hub.data_dir());
    let mut top = command.spawn().expect("the binary can be started");
    let mut device = MqttDevice::connect(&hub, &pump).expect("the hub lets the device in");
    while top.try_wait().expect("it is our child").is_none() {
        // One receive in sixteen is timed, and an answer to each keeps them apart.
        for _ in 0..16 {
            device.publish_qos0(b"unacknowledged").expect("the hub reads");
            device.ping().expect("the hub answers");
        }
        publish(&mut device, 1);
    }
    let output = top.wait_with_output().expect("it ends by itself");
    assert!(output.status.success(), "{output:?}");
    let picture = String::from_utf8(output.stdout).expect("a picture is text");
    let row = |first: &str| -> Vec<String> {
        let line = picture.lines().find(|line| line.starts_with(first));
        let line = line.unwrap_or_else(|| panic!("{first} is missing in\n{picture}"));
        line.split("  ").map(|cell| cell.trim().to_owned()).filter(|c| !c.is_empty()).collect()
    };
    assert!(picture.starts_with(&hub.address.host()), "{picture}");
    for stage in ["listener", "tls", "codec", "session", "ring", "log", "acknowledge"] {
        assert_ne!(row(stage)[2], "-", "{picture}");
    }
    assert_ne!(row("read to PUBACK")[1], "0", "{picture}");
    row("SHARD");
    assert_eq!(row("0  ").len(), 8, "{picture}");
    assert!(row("EXECUTOR").len() == 7 && picture.contains("running"), "{picture}");
    assert!(row("PARTITION").len() == 6 && row("3  ").len() == 6, "{picture}");
}

#[test]
fn messages_to_devices_are_followed_from_back_end_to_socket() {
    let hub = Hub::start();
    let device = Device::create(&hub, "pump");
    let mut sender = C2dSender::connect(&hub).expect("the hub accepts senders");
    let to = "/devices/pump/messages/devicebound";
    let mut send = |id| {
        let outcome = sender.send(&C2d { to, id, ..C2d::default() }, id);
        assert_eq!(outcome.expect("the hub answers"), Vec::<String>::new());
    };
    let count = |stage| {
        let name = "ringhub_stage_duration_seconds_count";
        Page::scrape(&hub).sum(name, &[("stage", stage)])
    };
    // What waits for a connection is stored, and says nothing about the way of the others.
    send("early");
    let mut connection = MqttDevice::connect(&hub, &device).expect("the device may connect");
    connection.subscribe("devices/pump/messages/devicebound/#").expect("the hub answers");
    assert_eq!(connection.read_message().expect("a message is due").text(), "early");
    assert_eq!(["c2d_store", "c2d_route", "c2d_deliver"].map(count), [1.0, 0.0, 0.0]);
    for id in ["one", "two"] {
        send(id);
        assert_eq!(connection.read_message().expect("a message is due").text(), id);
    }
    assert_eq!(["c2d_store", "c2d_route", "c2d_deliver"].map(count), [3.0, 2.0, 2.0]);
}
