//! The commands for people, as they are typed: the real binary against a hub of its own.

mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::command::{Ended, at, first_line, ringhub, run, start};
use support::hub::{Hub, HubOptions, SMALL_SEGMENTS};

#[test]
fn the_first_five_minutes() {
    let hub = Hub::start();
    let created = at(&hub, &["device-identity", "create", "-d", "pump-7"]).json();
    assert_eq!(created["deviceId"], "pump-7");
    let sent = at(
        &hub,
        &[
            "send-d2c-message",
            "-d",
            "pump-7",
            "--data",
            "{\"bar\":2.4}",
            "--content-type",
            "application/json",
            "--properties",
            "level=hot spot",
            "--message-id",
            "m-1",
            "--count",
            "3",
        ],
    );
    assert_eq!(sent.good(), "3 messages of pump-7 on disk\n");
    let monitor = ["monitor-events", "-e", "0", "--count", "3", "--timeout", "60"];
    let lines = at(&hub, &monitor).good();
    assert_eq!(lines.lines().filter(|line| line.ends_with("pump-7  {\"bar\":2.4}")).count(), 3);
    let json = at(&hub, &[&monitor[..], &["-d", "pump-*", "--output", "json"]].concat()).good();
    let first: Value = serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["event"]["payload"]["bar"], 2.4);
    assert_eq!(first["event"]["properties"]["system"]["message_id"], "m-1");
    assert_eq!(first["event"]["properties"]["application"]["level"], "hot spot");
    let others = at(&hub, &["monitor-events", "-e", "0", "--timeout", "1", "-d", "fan"]);
    assert_eq!(others.good(), "", "no event of another device");
}

#[test]
fn device_identities() {
    let hub = Hub::start();
    let id = "d#1 of".replace(' ', "@");
    let named = |action| at(&hub, &["device-identity", action, "--device-id", &id]);
    assert_eq!(named("create").json()["status"], "enabled");
    named("create").refused(1, &["already registered", "DeviceAlreadyExists"]);
    let shown = named("show").json();
    let key = shown.pointer("/authentication/symmetricKey/primaryKey").and_then(Value::as_str);
    let expected = hub.device_connection_string(&id, key.expect("the hub made keys"));
    assert_eq!(named("connection-string").good().trim_end(), expected);
    let table = at(&hub, &["device-identity", "list"]).good();
    assert!(table.starts_with("DEVICE ID  STATUS") && table.contains(&id), "{table}");
    assert!(table.contains("never"), "{table}");

    let update = ["device-identity", "update", "-d", &id, "--status", "disabled"];
    let changed = at(&hub, &[&update[..], &["--status-reason", "stolen"]].concat()).json();
    assert_eq!(
        (&changed["status"], &changed["statusReason"]),
        (&"disabled".into(), &"stolen".into())
    );
    assert_eq!(
        changed.pointer("/authentication/symmetricKey/primaryKey"),
        key.map(Value::from).as_ref()
    );
    at(&hub, &[&update[..], &["--etag", "b2xk"]].concat()).refused(1, &["412"]);
    at(&hub, &["send-d2c-message", "-d", &id])
        .refused(5, &["refuses the login of device", "disabled"]);
    assert_eq!(named("delete").good(), "");
    named("show").refused(3, &["not registered", "DeviceNotFound"]);
    named("delete").refused(3, &["DeviceNotFound"]);
    at(&hub, &["device-identity", "create", "-d", "two words"]).refused(1, &["ArgumentInvalid"]);
}

#[test]
fn devices_with_keys_and_thumbprints_of_their_own() {
    let hub = Hub::start();
    let key = "c2l4dGVlbiBieXRlcyBvciBtb3Jl";
    let create = ["device-identity", "create", "--primary-key", key, "--secondary-key", key];
    let device = at(&hub, &[&create[..], &["-d", "keys", "--edge-enabled"]].concat()).json();
    assert_eq!(device["authentication"]["symmetricKey"]["primaryKey"], key);
    assert_eq!(device["capabilities"]["iotEdge"], true);
    at(&hub, &["send-d2c-message", "-d", "keys"]).good();
    let thumbprint = "0123456789abcdef0123456789abcdef01234567";
    let create = ["device-identity", "create", "-d", "thumb", "--primary-thumbprint", thumbprint];
    assert_eq!(at(&hub, &create).json()["authentication"]["type"], "selfSigned");
    let send = at(&hub, &["send-d2c-message", "-d", "thumb"]);
    send.refused(2, &["thumb has no key", "selfSigned"]);
    let one_key = at(&hub, &["device-identity", "create", "-d", "x", "--primary-key", key]);
    one_key.refused(2, &["--secondary-key"]);
}

#[test]
fn module_identities() {
    let hub = Hub::start();
    at(&hub, &["device-identity", "create", "-d", "pump"]).good();
    let named = |action| at(&hub, &["module-identity", action, "-d", "pump", "-m", "fan"]);
    assert_eq!(named("create").json()["moduleId"], "fan");
    assert_eq!(named("show").json()["deviceId"], "pump");
    let update = ["module-identity", "update", "-d", "pump", "-m", "fan", "--managed-by", "me"];
    assert_eq!(at(&hub, &update).json()["managedBy"], "me");
    let string = named("connection-string").good();
    assert!(string.contains(";DeviceId=pump;ModuleId=fan;SharedAccessKey="), "{string}");
    at(&hub, &["send-d2c-message", "-d", "pump", "-m", "fan"]).good();
    let monitor = ["monitor-events", "-e", "0", "--count", "1", "-m", "fan"];
    assert!(at(&hub, &monitor).good().contains("pump/fan  Ping from ringhub"));
    let list = at(&hub, &["module-identity", "list", "-d", "pump", "-o", "json"]).json();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    named("delete").good();
    named("show").refused(3, &["ModuleNotFound"]);
}

#[test]
fn what_stands_in_the_data_directory() {
    let config = format!("{SMALL_SEGMENTS}[hub]\nconsumer_groups = [\"cold\"]\n");
    let hub = Hub::start_with(HubOptions { config, ..HubOptions::default() });
    let owner = at(&hub, &["connection-string", "show"]).good();
    assert_eq!(owner.trim_end(), hub.registry_connection_string(&hub.address.host()));
    let reader = at(&hub, &["connection-string", "show", "--policy", "service", "--event-hub"]);
    assert_eq!(reader.good().trim_end(), hub.event_hub_connection_string());
    at(&hub, &["connection-string", "show", "--policy", "nobody"])
        .refused(1, &["no policy called `nobody`", "registryRead"]);

    let by_variable = ringhub(&["connection-string", "show"])
        .env("RINGHUB_DATA_DIR", hub.data_dir())
        .output()
        .expect("the binary starts");
    assert_eq!(Ended::of(by_variable).good(), owner);

    let ca = fs::read_to_string(hub.ca_file()).expect("the hub made a CA");
    assert_eq!(at(&hub, &["ca", "show"]).good(), ca);
    let path = at(&hub, &["ca", "show", "--path"]).good();
    assert_eq!(Path::new(path.trim_end()), hub.ca_file());
    let policies = at(&hub, &["policy", "list", "--output", "json"]).json();
    let service =
        policies.as_array().and_then(|list| list.iter().find(|p| p["keyName"] == "service"));
    let service = service.expect("every hub has it");
    assert_eq!(
        (&service["rights"], &service["primaryKey"]),
        (&"ServiceConnect".into(), &hub.policy_key("service").into())
    );
}

#[test]
fn queries_are_shown_as_tables_and_as_json() {
    let hub = Hub::start();
    for id in ["pump-1", "pump-2", "valve"] {
        at(&hub, &["device-identity", "create", "-d", id]).good();
    }
    let tags = "{\"site\":\"north\"}";
    at(&hub, &["device-twin", "update", "-d", "pump-1", "--tags", tags]).good();
    let ask = |arguments: &[&str]| at(&hub, &[&["query"], arguments].concat());
    let sites = "SELECT deviceId, tags.site FROM devices WHERE deviceId < 'q'";
    let table = ask(&[sites]).good();
    assert_eq!(table, "deviceId  site\npump-1    north\npump-2    -\n");
    let rows = ask(&["-q", sites, "--output", "json"]).json();
    let expected = json!([{"deviceId": "pump-1", "site": "north"}, {"deviceId": "pump-2"}]);
    assert_eq!(rows, expected);
    let twins = ask(&["select * from devices", "--top", "1"]).good();
    assert!(twins.starts_with("DEVICE ID  MODULE ID  STATUS"), "{twins}");
    assert_eq!(twins.lines().count(), 2, "{twins}");
    assert_eq!(ask(&["select * from devices.modules", "-o", "json"]).json(), json!([]));
    let plan = ask(&["SELECT * FROM devices WHERE deviceId IN ['a', 'b']", "--explain"]).json();
    assert_eq!(plan["rows"], "those of 2 device ids, by index");
    assert!(plan["steps"].to_string().contains("USING PRIMARY KEY"), "{plan}");
    let wrong = ask(&["SELECT * FORM devices"]);
    wrong.refused(1, &["line 1, column 10: expected FROM, found 'FORM'"]);
}

#[test]
fn indexes_are_made_used_and_dropped() {
    let hub = Hub::start();
    for id in ["pump-1", "pump-2"] {
        at(&hub, &["device-identity", "create", "-d", id]).good();
    }
    let tags = "{\"building\":43}";
    at(&hub, &["device-twin", "update", "-d", "pump-2", "--tags", tags]).good();
    let index = |arguments: &[&str]| at(&hub, &[&["query-index"], arguments].concat());
    let made = index(&["create", "-n", "building", "--path", "tags.building"]).json();
    let expected = json!({
        "name": "building",
        "path": "tags.building",
        "from": "devices",
        "state": "ready",
        "twins": 2,
    });
    assert_eq!(made, expected);
    let asked = "SELECT deviceId FROM devices WHERE tags.building = 43";
    let plan = at(&hub, &["query", asked, "--explain"]).json();
    assert_eq!(plan["rows"], "those of 1 values in the index building");
    assert_eq!(at(&hub, &["query", asked, "-o", "json"]).json(), json!([{"deviceId": "pump-2"}]));
    index(&["create", "-n", "id", "--path", "deviceId"]).refused(1, &["below tags"]);
    index(&["create", "-n", "x", "--path", "tags.x", "--no-wait"]).good();
    assert_eq!(index(&["list"]).good().lines().count(), 3);
    index(&["drop", "-n", "building"]).good();
    index(&["drop", "-n", "building"]).refused(3, &["no index of this name"]);
    assert_eq!(at(&hub, &["query", asked, "-o", "json"]).json(), json!([{"deviceId": "pump-2"}]));
}

#[test]
fn jobs_are_made_followed_and_cancelled() {
    let hub = Hub::start();
    for id in ["pump-1", "pump-2", "valve"] {
        at(&hub, &["device-identity", "create", "-d", id]).good();
    }
    let job = |arguments: &[&str]| at(&hub, &[&["job"], arguments].concat());
    let patch = ["--job-type", "scheduleUpdateTwin", "--twin-patch", "{\"tags\":{\"a\":1}}"];
    let made = [&["create", "--job-id", "tag", "-q", "deviceId < 'q'"], &patch[..]].concat();
    let ended = job(&[&made[..], &["--wait"]].concat()).json();
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["deviceJobStatistics"]["succeededCount"], 2);
    job(&made).refused(1, &["JobAlreadyExists"]);
    let bad = [&["create", "--job-id", "bad", "-q", "SELECT *"], &patch[..], &["--wait"]].concat();
    job(&bad).refused(1, &["job bad is failed SQL query parse failed"]);
    let call = ["--job-type", "scheduleDeviceMethod", "--method-name", "reboot", "--ttl", "1"];
    let call = [&["create", "--job-id", "call", "-q", "*"], &call[..], &["--wait"]].concat();
    let unreached = job(&call);
    unreached.refused(1, &["3 of 3 devices have failed", "jobId = 'call'"]);
    let later = ["--start", "2999-01-01T00:00:00Z"];
    let far = [&["create", "--job-id", "far", "-q", "*"], &patch[..], &later].concat();
    job(&far).refused(1, &["startTime must be within 365 days"]);
    let long = ["--job-type", "scheduleDeviceMethod", "--method-name", "reboot"];
    job(&[&["create", "--job-id", "long", "-q", "*"], &long[..]].concat()).good();
    assert_eq!(job(&["cancel", "--job-id", "long"]).json()["status"], "cancelled");
    job(&["cancel", "--job-id", "long"]).refused(1, &["the job has ended"]);
    job(&["show", "--job-id", "nobody"]).refused(3, &["no job of this id"]);
    let table = job(&["list"]).good();
    assert!(table.starts_with("JOB ID  TYPE"), "{table}");
    assert_eq!(table.lines().count(), 5, "{table}");
    let some = job(&["list", "--job-type", "scheduleupdatetwin", "--top", "1", "-o", "json"]);
    assert_eq!(some.json()[0]["jobId"], "tag");
    let failed = ["list", "--job-status", "failed", "-o", "json"];
    assert_eq!(job(&failed).json()[0]["jobId"], "bad");
}

#[test]
fn consumer_groups_come_and_go_while_the_hub_runs() {
    let config = format!("{SMALL_SEGMENTS}[hub]\nconsumer_groups = [\"cold\"]\n");
    let mut hub = Hub::start_with(HubOptions { config, ..HubOptions::default() });
    let read = |hub: &Hub, group| at(hub, &["monitor-events", "-c", group, "--timeout", "0.1"]);
    let list = |hub: &Hub| at(hub, &["consumer-group", "list"]).good();
    assert_eq!(list(&hub), "NAME\n$Default\ncold\n");
    read(&hub, "cold").good();
    read(&hub, "warm").refused(3, &["not-found"]);
    at(&hub, &["consumer-group", "create", "-n", "Warm"]).good();
    at(&hub, &["consumer-group", "create", "-n", "warm"]).good();
    read(&hub, "WARM").good();
    at(&hub, &["consumer-group", "create", "-n", "a b"]).refused(1, &["1 to 50"]);
    hub.kill();
    hub.reap();
    hub.launch();
    assert_eq!(list(&hub), "NAME\n$Default\ncold\nWarm\n", "as it was given first");
    at(&hub, &["consumer-group", "delete", "-n", "warm"]).good();
    at(&hub, &["consumer-group", "delete", "-n", "warm"]).refused(3, &["GenericNotFound"]);
    at(&hub, &["consumer-group", "delete", "-n", "$Default"]).refused(1, &["ArgumentInvalid"]);
    read(&hub, "warm").refused(3, &["not-found"]);
    assert_eq!(list(&hub), "NAME\n$Default\ncold\n");
    for number in 1..20 {
        at(&hub, &["consumer-group", "create", "-n", &number.to_string()]).good();
    }
    at(&hub, &["consumer-group", "create", "-n", "one-more"]).refused(1, &["20 besides"]);
}

#[test]
fn keys_of_policies_change_while_the_hub_runs() {
    let hub = Hub::start();
    let owner = || at(&hub, &["connection-string", "show"]).good();
    let elsewhere = |arguments: &[&str], string: &str| {
        let (ca, port) = (hub.ca_file(), hub.address.https_port.to_string());
        let ca = ca.to_str().expect("the target directory is UTF-8");
        let mut command = ringhub(&[arguments, &["--ca", ca, "--https-port", &port]].concat());
        let command = command.env("RINGHUB_CONNECTION_STRING", string.trim_end());
        Ended::of(command.output().expect("the binary starts"))
    };
    let as_owner = |string: &str| elsewhere(&["device-identity", "list"], string);
    let first = owner();
    as_owner(&first).good();
    let other = ["policy", "regenerate-key", "-n", "iothubowner", "--key", "secondary"];
    let rule = at(&hub, &other).json();
    assert_eq!(rule["rights"], "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect");
    assert_eq!(owner(), first, "the first key is as before");
    let second = at(&hub, &["connection-string", "show", "--key", "secondary"]).good();
    assert!(second.trim_end().ends_with(rule["secondaryKey"].as_str().expect("a key")), "{second}");
    as_owner(&second).good();

    at(&hub, &["policy", "regenerate-key", "-n", "iothubowner", "--key", "primary"]).good();
    assert_ne!(owner(), first, "the data directory has the new key");
    as_owner(&first).refused(5, &["IotHubUnauthorizedAccess"]);
    as_owner(&owner()).good();
    as_owner(&second).good();

    at(&hub, &["policy", "regenerate-key", "-n", "nobody", "--key", "both"])
        .refused(3, &["GenericNotFound"]);
    let service = at(&hub, &["connection-string", "show", "--policy", "service"]).good();
    elsewhere(&["policy", "list"], &service).refused(5, &["IotHubUnauthorizedAccess"]);
}

#[test]
fn a_hub_elsewhere_by_its_connection_string() {
    let hub = Hub::start();
    at(&hub, &["device-identity", "create", "-d", "pump"]).good();
    let owner = hub.registry_connection_string(&hub.address.https_host());
    let ca = hub.ca_file();
    let ca = ca.to_str().expect("the target directory is UTF-8");
    let list = ["device-identity", "list", "-o", "json", "--ca", ca];
    let listed = run(&[&list[..], &["--connection-string", &owner]].concat()).json();
    assert_eq!(listed[0]["deviceId"], "pump");
    let by_variable = ringhub(&list).env("RINGHUB_CONNECTION_STRING", &owner).output();
    assert_eq!(Ended::of(by_variable.expect("the binary starts")).json(), listed);

    let device = at(&hub, &["device-identity", "connection-string", "-d", "pump"]).good();
    let send = ["send-d2c-message", "--ca", ca, "--connection-string", device.trim_end()];
    run(&[&send[..], &["-d", "pump"]].concat()).good();
    run(&[&send[..], &["-d", "fan"]].concat()).refused(2, &["of another device", "fan"]);
    let reader = hub.event_hub_connection_string();
    let monitor = ["monitor-events", "-e", "0", "--count", "1", "--ca", ca];
    let events = run(&[&monitor[..], &["--connection-string", &reader]].concat()).good();
    assert!(events.contains("pump  Ping from ringhub"), "{events}");
    run(&[&monitor[..], &["--connection-string", device.trim_end()]].concat())
        .refused(1, &["a device cannot use the endpoints of back ends"]);
    let show = ["connection-string", "show", "--connection-string", &owner];
    run(&show).refused(2, &["on the machine of the hub only"]);
}

#[test]
fn wrong_connection_strings_name_the_part() {
    for (text, expected) in [
        ("nonsense", "part 1 is not `name=value`"),
        ("HostName=h;SharedAccessKey=AA==", "SharedAccessKeyName (or DeviceId) is missing"),
        ("HostNme=h", "did you mean HostName?"),
        ("HostName=h;DeviceId=d;SharedAccessKey=?", "SharedAccessKey is not base64"),
    ] {
        let ended = run(&["device-identity", "list", "--connection-string", text]);
        ended.refused(2, &["the connection string is not right: ", expected]);
    }
}

#[test]
fn a_wrong_key_a_wrong_ca_and_a_wrong_port() {
    let hub = Hub::start();
    let other = Hub::start();
    at(&hub, &["device-identity", "create", "-d", "pump"]).good();
    let (right, wrong) = (hub.ca_file(), other.ca_file());
    let [right, wrong] = [&right, &wrong].map(|path| path.to_str().expect("UTF-8"));
    let owner = hub.registry_connection_string(&hub.address.https_host());
    let commands = [&["device-identity", "list"][..], &["monitor-events", "--timeout", "1"]];
    for command in commands {
        let untrusted = [command, &["--ca", wrong, "--connection-string", &owner]].concat();
        run(&untrusted).refused(1, &["is not signed by", wrong, "--ca", "ringhub ca show"]);
    }
    let host = hub.address.https_host();
    let forged = format!("HostName={host};SharedAccessKeyName=iothubowner;SharedAccessKey=AAAA");
    let login = ["--ca", right, "--connection-string", &forged];
    run(&[commands[0], &login].concat()).refused(5, &["401"]);
    run(&[commands[1], &login].concat()).refused(5, &["refuses the login of policy iothubowner"]);
    let reader = hub.event_hub_connection_string();
    let https = hub.address.https_port.to_string();
    let weak = ["--ca", right, "--https-port", &https, "--connection-string", &reader];
    run(&[&["device-identity", "create", "-d", "x"], &weak[..]].concat()).refused(5, &["401"]);
    // The MQTT port speaks TLS, but answers no HTTP.
    let mixed_up = ["--https-port", "8883", "--ca", right, "--connection-string", &owner];
    let ended = run(&[commands[0], &mixed_up].concat());
    assert_eq!(ended.code, Some(4), "{}", ended.errors);
    run(&["ca", "show", "--data-dir", "/dev/null"]).refused(1, &["/dev/null/endpoints.toml"]);
}

#[test]
fn without_a_hub_the_commands_say_how_to_start_one() {
    let mut hub = Hub::start();
    hub.kill();
    hub.reap();
    let directory = hub.data_dir();
    let serve = format!("ringhub serve --data-dir {}", directory.display());
    for command in [
        &["device-identity", "list"][..],
        &["monitor-events"],
        &["simulate-device", "-d", "x", "--create"],
    ] {
        at(&hub, command).refused(4, &["no hub answers at ", &serve]);
    }
    at(&hub, &["connection-string", "show"]).good();
    let nowhere = run(&["device-identity", "list", "--data-dir", "/nonexistent"]);
    nowhere.refused(4, &["/nonexistent holds no hub", "ringhub serve --data-dir /nonexistent"]);
    let away = "HostName=127.0.0.1:1;SharedAccessKeyName=p;SharedAccessKey=AA==";
    let ca = hub.ca_file();
    let ca = ca.to_str().expect("UTF-8");
    let remote = run(&["device-identity", "list", "--ca", ca, "--connection-string", away]);
    remote.refused(4, &["no hub answers at 127.0.0.1:1", "--https-port", "--listen 0.0.0.0"]);
}

/// Goal: another user is told whose hub it is. Method: the command runs as `nobody`, which needs
/// root.
#[test]
fn the_hub_of_another_user_is_not_looked_into() {
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can run a command as another user");
        return;
    }
    let hub = Hub::start();
    let binary = std::env::temp_dir().join(format!("ringhub-other-user-{}", std::process::id()));
    // By another process: what this one has open for writing, other tests may hand on to the
    // processes that they start, and a file that is being written cannot be run.
    let mut copy = Command::new("cp");
    let copied = copy.arg(env!("CARGO_BIN_EXE_ringhub")).arg(&binary).status().expect("cp starts");
    assert!(copied.success(), "others may read /tmp");
    let mut command = Command::new(&binary);
    command.args(["device-identity", "list", "--data-dir"]).arg(hub.data_dir()).uid(NOBODY);
    let ended = Ended::of(command.stdin(Stdio::null()).output().expect("the binary starts"));
    fs::remove_file(binary).expect("it has ended");
    ended.refused(1, &["cannot read ", "only user 0 may", "sudo -u '#0'", "--connection-string"]);
}

#[test]
fn a_monitor_ends_in_order_on_a_signal() {
    let hub = Hub::start();
    at(&hub, &["device-identity", "create", "-d", "pump"]).good();
    let mut monitor = start(&hub, &["monitor-events", "-e", "0"]);
    at(&hub, &["send-d2c-message", "-d", "pump"]).good();
    assert!(first_line(&mut monitor).contains("pump  Ping from ringhub"));
    kill_process(Pid::from_child(&monitor), Signal::INT).expect("the monitor runs");
    let ended = Ended::of(monitor.wait_with_output().expect("it is our child"));
    assert!(ended.errors.contains("Ctrl-C ends"), "{}", ended.errors);
    ended.good();
}

#[test]
fn simulated_devices_send_and_stop() {
    let hub = Hub::start();
    let simulate = ["simulate-device", "-d", "sim", "--create", "--devices", "3"];
    let quick = [&simulate[..], &["--messages", "5", "--interval", "0.01", "-o", "json"]].concat();
    let said = at(&hub, &quick).good();
    let notes = said.lines().map(|line| serde_json::from_str(line).expect("a note is JSON"));
    let notes: Vec<Value> = notes.collect();
    let done = notes.iter().filter(|n| n["event"] == "done" && n["details"]["sent"] == 5);
    assert_eq!(done.count(), 3, "{said}");
    let monitor = ["monitor-events", "-e", "0", "--count", "15", "--timeout", "60"];
    assert_eq!(at(&hub, &monitor).good().lines().count(), 15);
    // They are registered now, and go on until they are stopped.
    let mut running = start(&hub, &["simulate-device", "-d", "sim-1"]);
    assert_eq!(first_line(&mut running), "sim-1  connected\n");
    let monitor = ["monitor-events", "-e", "0", "--count", "16", "--timeout", "60"];
    assert_eq!(at(&hub, &monitor).good().lines().count(), 16, "the first message goes out at once");
    kill_process(Pid::from_child(&running), Signal::TERM).expect("the simulator runs");
    Ended::of(running.wait_with_output().expect("it is our child")).good();
    at(&hub, &["simulate-device", "-d", "nobody"]).refused(3, &["DeviceNotFound"]);
}

#[test]
fn a_simulated_device_answers_methods() {
    let hub = Hub::start();
    let device = ["simulate-device", "-d", "sim", "--create", "--messages", "0"];
    let answers = ["--method-status", "418", "--method-payload", r#"{"short":true}"#];
    let mut running = start(&hub, &[&device[..], &answers].concat());
    assert_eq!(first_line(&mut running), "sim  connected\n");
    let invoke = ["invoke-device-method", "-d", "sim", "--method-name", "brew"];
    let patient = ["--connect-timeout", "60", "--method-payload", r#"{"cups":2}"#, "-o", "json"];
    let answer = at(&hub, &[&invoke[..], &patient].concat()).json();
    assert_eq!(answer, json!({"status": 418, "payload": {"short": true}}));
    kill_process(Pid::from_child(&running), Signal::TERM).expect("the simulator runs");
    Ended::of(running.wait_with_output().expect("it is our child")).good();
    let at_once = [&invoke[..], &["--connect-timeout", "0"]].concat();
    at(&hub, &at_once).refused(3, &["DeviceNotOnline"]);
    let nobody = ["invoke-device-method", "-d", "nobody", "--method-name", "brew"];
    at(&hub, &nobody).refused(3, &["DeviceNotFound"]);
}

#[test]
fn imports_twenty_thousand_lines_and_tells_errors_by_line() {
    let hub = Hub::start();
    let file = hub.scratch("devices.jsonl");
    let lines: Vec<String> = (1..=20_000).map(|n| format!("{{\"id\":\"d-{n}\"}}\n")).collect();
    fs::write(&file, lines.concat()).expect("the home is writable");
    let path = file.to_str().expect("the target directory is UTF-8");
    let import = ["device-identity", "import", "--file", path];
    let ended = at(&hub, &import);
    assert!(ended.errors.contains("20000 identities done, 0 failed"), "{}", ended.errors);
    ended.good();
    at(&hub, &["device-identity", "show", "-d", "d-20000"]).good();

    let mixed = "{\"id\":\"d-1\"}\nnot json\n\n{\"id\":\"two words\"}\n\
                 {\"id\":\"new\",\"status\":5}\n{\"id\":\"fine\"}\n{\"deviceId\":\"fine-too\"}\n";
    fs::write(&file, mixed).expect("the home is writable");
    let ended = at(&hub, &[&import[..], &["--mode", "create"]].concat());
    let at_line = |line| format!("{path}:{line}: ");
    let expected = [
        &format!("{}d-1: ", at_line(1)),
        "DeviceAlreadyExists",
        &format!("{}is not JSON", at_line(2)),
        &format!("{}two words: ", at_line(4)),
        &at_line(5),
        "2 identities done, 4 failed",
    ];
    ended.refused(1, &expected);
    assert!(!ended.errors.contains(&at_line(6)), "{}", ended.errors);
    at(&hub, &["device-identity", "show", "-d", "fine-too"]).good();
    let from = at(&hub, &[&import[..], &["--mode", "delete", "--from-line", "6"]].concat());
    assert!(from.errors.contains("2 identities done, 0 failed"), "{}", from.errors);
    at(&hub, &["device-identity", "show", "-d", "fine"]).refused(3, &[]);
}

#[test]
fn an_import_that_loses_its_hub_says_where_to_go_on() {
    let mut hub = Hub::start();
    let file = hub.scratch("devices.jsonl");
    let lines: Vec<String> = (1..=400_000).map(|n| format!("{{\"id\":\"d-{n}\"}}\n")).collect();
    fs::write(&file, lines.concat()).expect("the home is writable");
    let path = file.to_str().expect("the target directory is UTF-8");
    let import = start(&hub, &["device-identity", "import", "--file", path]);
    while at(&hub, &["device-identity", "show", "-d", "d-5000"]).code != Some(0) {
        thread::sleep(Duration::from_millis(20));
    }
    hub.kill();
    hub.reap();
    let ended = Ended::of(import.wait_with_output().expect("it is our child"));
    ended.refused(4, &["the import ended at line ", "; go on with --from-line "]);
    let (_, from) = ended.errors.split_once("--from-line ").expect("just seen");
    let from: u32 = from.lines().next().and_then(|n| n.parse().ok()).expect("a number");
    hub.launch();
    // All lines before the one to go on with were acknowledged, so they are there.
    for number in [1, from / 2, from - 1].into_iter().filter(|number| (1..from).contains(number)) {
        at(&hub, &["device-identity", "show", "-d", &format!("d-{number}")]).good();
    }
}

#[test]
fn configuration_files() {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{}", std::process::id()));
    fs::create_dir_all(&home).expect("the target directory is writable");
    let file = home.join("ringhub.toml");
    let path = file.to_str().expect("the target directory is UTF-8");
    fs::write(&file, run(&["config", "show", "--defaults"]).good()).expect("it is writable");
    assert!(run(&["config", "check", path]).good().contains("is valid"));
    fs::write(&file, "[hub]\nretention = \"1year\"\n").expect("it is writable");
    run(&["config", "check", path]).refused(1, &[":2: ", "`hub.retention`"]);
    run(&["config", "check", "/nonexistent.toml"]).refused(1, &["cannot read"]);

    fs::write(&file, "[listen]\nmqtt_port = 1883\n").expect("it is writable");
    let with = |variable: &str, value: &str| {
        let mut command = ringhub(&["config", "show", "--config", path, "--shards", "2"]);
        Ended::of(command.env(variable, value).output().expect("the binary starts"))
    };
    let shown = with("RINGHUB_LOGGING__FORMAT", "json").good();
    for line in [
        &format!("mqtt_port = 1883  # {path}:2"),
        "format = \"json\"  # RINGHUB_LOGGING__FORMAT",
        "count = 2  # --shards",
        "amqp_port = 5671",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is missing in\n{shown}");
    }
    let refused = with("RINGHUB_LISTEN__AMQP_PORT", "1883");
    refused.refused(1, &["RINGHUB_LISTEN__AMQP_PORT: ", "`listen.mqtt_port`", "must differ"]);
    with("RINGHUB_LISTEN_AMQP_PORT", "1").refused(1, &["mean `RINGHUB_LISTEN__AMQP_PORT`?"]);
    fs::remove_dir_all(home).expect("nothing runs in it");
}

#[test]
fn shells_are_completed_and_a_closed_pipe_is_no_failure() {
    let script = run(&["completion", "bash"]).good();
    assert!(script.contains("device-identity") && script.contains("--consumer-group"));
    assert!(script.contains("ringhub,tune)") && script.contains("--no-disk"), "{script}");
    let mut head = Command::new("bash");
    let piped =
        format!("set -o pipefail; {} completion zsh | head -1", env!("CARGO_BIN_EXE_ringhub"));
    let ended = Ended::of(head.args(["-c", &piped]).output().expect("bash starts"));
    assert!(ended.good().starts_with("#compdef ringhub"));
}
