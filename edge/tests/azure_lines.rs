//! Lines of the Azure CLI as people type them, with `ringhub` in place of `az iot hub` and
//! `az iot device` and otherwise unchanged, against a hub of its own.

mod support;

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::command::{Ended, at, first_line, start};
use support::hub::Hub;

/// A hub, and what lines need to find it.
struct Desk {
    hub: Hub,
    login: String,
}

impl Desk {
    fn open() -> Self {
        let hub = Hub::start();
        let login = hub.registry_connection_string(&hub.address.https_host());
        Self { hub, login }
    }

    /// Runs a line in a shell. `$HUB` is the name of the hub, `$LOGIN` its owner's connection
    /// string; the hub is found by its data directory where a line does not say `-l`.
    fn az(&self, line: &str) -> Ended {
        let ringhub = env!("CARGO_BIN_EXE_ringhub");
        let mut prefixes = ["az iot hub ", "az iot device "].into_iter();
        let words = prefixes.find_map(|prefix| line.strip_prefix(prefix));
        let words = words.expect("it is a line of the Azure CLI");
        let mut shell = Command::new("timeout");
        shell.args(["300", "bash", "-c", &format!("{ringhub} {words}")]);
        shell.env_remove("RINGHUB_CONNECTION_STRING").env("RINGHUB_DATA_DIR", self.hub.data_dir());
        shell.env("HUB", self.hub.address.host()).env("LOGIN", &self.login);
        shell.env("SSL_CERT_FILE", self.hub.ca_file());
        Ended::of(shell.output().expect("bash starts"))
    }

    /// The whole of what a line has said, as JSON.
    #[track_caller]
    fn json(&self, line: &str) -> Value {
        self.az(&format!("{line} -o json")).json()
    }
}

#[test]
fn the_hub_is_found_by_its_name_or_its_connection_string() {
    let desk = Desk::open();
    for line in [
        "az iot hub device-identity create -n $HUB -d one -g rg --subscription s --auth-type key",
        "az iot hub device-identity create --hub-name $HUB --device-id two --resource-group rg",
        "az iot hub device-identity create -l \"$LOGIN\" -d three --only-show-errors",
        "az iot hub device-identity create --login \"$LOGIN\" -n any -d four",
    ] {
        let created = desk.json(line);
        assert_eq!(created["status"], "enabled", "{line}: {created}");
    }
    let passed_over = desk.az("az iot hub device-identity show -n $HUB -d one -g rg");
    assert!(passed_over.errors.contains("--resource-group (-g) is passed over"), "{passed_over:?}");
    let other = desk.az("az iot hub device-identity list -n elsewhere");
    other.refused(2, &["not elsewhere", "--login", "--data-dir"]);
    let entra = desk.az("az iot hub device-identity list -n $HUB --auth-type login");
    entra.refused(2, &["--auth-type", "connection string with --login"]);
    let filter = desk.az("az iot hub device-identity list -n $HUB --query '[].deviceId'");
    filter.refused(2, &["--query", "jq"]);
    let policies = desk.json("az iot hub connection-string show -n $HUB --all");
    assert_eq!(policies.as_array().map(Vec::len), Some(5));
    let readers = desk.json("az iot hub connection-string show -n $HUB --all --eh");
    assert_eq!(readers.as_array().map(Vec::len), Some(2), "iothubowner and service");
    let line = "az iot hub connection-string show -n $HUB --pn service --kt secondary";
    assert!(desk.az(line).good().contains(";SharedAccessKeyName=service;SharedAccessKey="));
}

#[test]
fn identities() {
    let desk = Desk::open();
    let key = "c2l4dGVlbiBieXRlcyBvciBtb3Jl";
    let thumb = "0123456789ABCDEF0123456789ABCDEF01234567";
    let create = "az iot hub device-identity create -n $HUB";
    for (line, pointer, expected) in [
        (format!("{create} -d gate --ee"), "/capabilities/iotEdge", json!(true)),
        (format!("{create} -d e --edge-enabled true"), "/capabilities/iotEdge", json!(true)),
        (format!("{create} -d p --ee false"), "/capabilities/iotEdge", json!(false)),
        (format!("{create} -d off --sta disabled --star x"), "/statusReason", json!("x")),
        (
            format!("{create} -d k --am shared_private_key --pk {key} --sk {key}"),
            "/authentication/symmetricKey/primaryKey",
            json!(key),
        ),
        (
            format!("{create} -d t --am x509_thumbprint --ptp {thumb} --stp {thumb}"),
            "/authentication/x509Thumbprint/secondaryThumbprint",
            json!(thumb),
        ),
        (
            format!("{create} -d ca --auth-method x509_ca"),
            "/authentication/type",
            json!("certificateAuthority"),
        ),
    ] {
        let created = desk.json(&line);
        assert_eq!(created.pointer(pointer), Some(&expected), "{line}: {created}");
    }
    let update = "az iot hub device-identity update -n $HUB -d";
    assert_eq!(desk.json(&format!("{update} p --set status=disabled"))["status"], "disabled");
    let changed = desk.json(&format!("{update} p --status enabled --ee"));
    assert_eq!(changed.pointer("/capabilities/iotEdge"), Some(&json!(true)));
    let x509 = desk.az("az iot hub device-identity connection-string show -n $HUB -d t").good();
    assert!(x509.trim_end().ends_with(";DeviceId=t;x509=true"), "{x509}");
    let string = "az iot hub device-identity connection-string show -n $HUB -d k --kt secondary";
    let shown = desk.json(string)["connectionString"].clone();
    assert_eq!(shown, desk.hub.device_connection_string("k", key));
    let list = desk.json("az iot hub device-identity list -n $HUB --ee --top 2");
    let ids: Vec<_> = list.as_array().expect("a list").iter().map(|d| &d["deviceId"]).collect();
    assert_eq!(ids, ["e", "gate"]);
    let all = desk.json("az iot hub device-identity list -n $HUB --top -1");
    assert_eq!(all.as_array().map(Vec::len), Some(7));
    desk.az("az iot hub device-identity delete -n $HUB -d ca -e b2xk").refused(1, &["412"]);
    desk.az("az iot hub device-identity delete -n $HUB -d ca").good();

    let module = "-n $HUB -d k -m fan";
    desk.json(&format!("az iot hub module-identity create {module} --am shared_private_key"));
    let string = format!("az iot hub module-identity connection-string show {module}");
    assert!(desk.az(&string).good().contains(";DeviceId=k;ModuleId=fan;SharedAccessKey="));
    let list = desk.json("az iot hub module-identity list -n $HUB -d k --top 10");
    assert_eq!(list[0]["moduleId"], "fan");
    let set = format!("az iot hub module-identity update {module} --set managedBy=me");
    assert_eq!(desk.json(&set)["managedBy"], "me");
    desk.az(&format!("az iot hub module-identity delete {module}")).good();
}

#[test]
fn keys_are_renewed_and_swapped() {
    let desk = Desk::open();
    let keys = |identity: &Value| {
        let keys = &identity["authentication"]["symmetricKey"];
        [&keys["primaryKey"], &keys["secondaryKey"]].map(Clone::clone)
    };
    let first = keys(&desk.json("az iot hub device-identity create -n $HUB -d a"));
    let renew = "az iot hub device-identity renew-key -n $HUB";
    let swapped = keys(&desk.json(&format!("{renew} -d a --kt swap")));
    assert_eq!(swapped, [first[1].clone(), first[0].clone()]);
    let renewed = keys(&desk.json(&format!("{renew} -d a --kt primary --no-progress")));
    assert!(renewed[0] != swapped[0] && renewed[1] == swapped[1]);
    desk.json("az iot hub device-identity create -n $HUB -d b");
    desk.json("az iot hub module-identity create -n $HUB -d b -m fan");
    desk.json("az iot hub device-identity create -n $HUB -d c --am x509_ca");
    let two = desk.json(&format!("{renew} -d a b --kt secondary"));
    assert_eq!(two["rotatedKeys"].as_array().map(Vec::len), Some(2), "{two}");
    let all = desk.json(&format!("{renew} -d '*' --kt both --include-modules"));
    assert_eq!(all["policyKey"], "both");
    assert_eq!(all["rotatedKeys"].as_array().map(Vec::len), Some(3), "not that of the CA: {all}");
    let module = "az iot hub module-identity renew-key -n $HUB -d b -m";
    let fan = keys(&desk.json(&format!("{module} fan --kt primary")));
    let again = desk.json(&format!("{module} '*' --kt both"));
    assert_eq!(again["rotatedKeys"].as_array().map(Vec::len), Some(1), "{again}");
    assert_ne!(again["rotatedKeys"][0]["primaryKey"], fan[0]);
    desk.az(&format!("{renew} -d '*' --kt swap")).refused(2, &["one identity at a time"]);
    desk.az(&format!("{renew} -d c --kt swap")).refused(2, &["no keys"]);
}

#[test]
fn parents_and_children() {
    let desk = Desk::open();
    for (id, edge) in [("gate", " --ee"), ("other", " --ee"), ("leaf", ""), ("twig", "")] {
        desk.json(&format!("az iot hub device-identity create -n $HUB -d {id}{edge}"));
    }
    let parent = "az iot hub device-identity parent";
    let children = "az iot hub device-identity children";
    desk.az(&format!("{parent} show -n $HUB -d leaf")).refused(2, &["has no parent"]);
    desk.az(&format!("{parent} set -n $HUB -d leaf --pd gate")).good();
    assert_eq!(desk.json(&format!("{parent} show -n $HUB -d leaf"))["deviceId"], "gate");
    let taken = desk.az(&format!("{parent} set -n $HUB -d leaf --pd other"));
    taken.refused(2, &["below gate already", "--force"]);
    desk.az(&format!("{parent} set -n $HUB -d leaf --pd twig")).refused(2, &["no edge device"]);
    let add = format!("{children} add -n $HUB -d other --child-list leaf twig gate");
    desk.az(&add).refused(2, &["--force"]);
    desk.az(&format!("{add} --force")).good();
    let list = format!("{children} list -n $HUB -d other");
    assert_eq!(desk.json(&list), json!(["gate", "leaf", "twig"]));
    desk.az(&format!("{children} remove -n $HUB -d other --child-list twig")).good();
    desk.az(&format!("{children} remove -n $HUB -d other --cl twig")).refused(2, &["not below"]);
    desk.az(&format!("{children} remove -n $HUB -d other -a")).good();
    assert_eq!(desk.json(&list), json!([]));
    desk.az(&format!("{parent} show -n $HUB -d leaf")).refused(2, &["has no parent"]);
    let scope = desk.json("az iot hub device-identity show -n $HUB -d gate")["deviceScope"].clone();
    let create = "az iot hub device-identity create -n $HUB -d bud --device-scope";
    desk.json(&format!("{create} '{}'", scope.as_str().expect("edge devices have one")));
    assert_eq!(desk.json(&format!("{children} list -n $HUB -d gate")), json!(["bud"]));
}

#[test]
fn twins_and_queries() {
    let desk = Desk::open();
    desk.json("az iot hub device-identity create -n $HUB -d pump");
    desk.json("az iot hub module-identity create -n $HUB -d pump -m fan");
    let twin = "az iot hub device-twin";
    let line =
        format!("{twin} update -n $HUB -d pump --desired '{{\"a\":1}}' --tags '{{\"b\":2}}'");
    assert_eq!(desk.json(&line)["tags"], json!({ "b": 2 }));
    let set =
        format!("{twin} update -n $HUB -d pump --set tags.site=north properties.desired.a=null");
    let changed = desk.json(&set);
    assert_eq!(changed["tags"], json!({ "b": 2, "site": "north" }));
    assert_eq!(changed["properties"]["desired"].get("a"), None, "{changed}");
    let file = desk.hub.scratch("twin.json");
    std::fs::write(&file, r#"{"tags":{"from":"file"}}"#).expect("the home is writable");
    let replaced = desk.json(&format!("{twin} replace -n $HUB -d pump -j {}", file.display()));
    assert_eq!(replaced["tags"], json!({ "from": "file" }));
    let line = format!("{twin} replace -n $HUB -d pump --json '{{\"tags\":{{}}}}' -e b2xk");
    desk.az(&line).refused(1, &["412"]);
    assert_eq!(desk.json(&format!("{twin} list -n $HUB --top 5"))[0]["deviceId"], "pump");
    assert_eq!(desk.json(&format!("{twin} list -n $HUB --ee")), json!([]));
    let module = "az iot hub module-twin update -n $HUB -d pump -m fan --desired '{\"s\":3}'";
    assert_eq!(desk.json(module)["properties"]["desired"]["s"], 3);
    let rows = desk.json("az iot hub query -n $HUB -q 'select * from devices.modules' --top -1");
    assert_eq!(rows[0]["moduleId"], "fan");
}

#[test]
fn telemetry_and_its_monitor() {
    let desk = Desk::open();
    let created = desk.json("az iot hub device-identity create -n $HUB -d pump");
    desk.json("az iot hub device-identity create -n $HUB -d valve");
    let key = created["authentication"]["symmetricKey"]["primaryKey"].as_str().expect("a key");
    let file = desk.hub.scratch("body.json");
    std::fs::write(&file, r#"{"bar":2.4}"#).expect("the home is writable");
    let send = "az iot device send-d2c-message -n $HUB";
    desk.az(&format!("{send} -d pump --da hello --mc 2 --props '$.mid=m-1;level=high'")).good();
    desk.az(&format!("{send} -d pump --key {key} --dfp {} -p '$.ct=text/plain'", file.display()))
        .good();
    desk.az(&format!("{send} -d valve --dtmi 'dtmi:com:example:Valve;1'")).good();
    desk.az(&format!("{send} -d pump --cp a.pem --kp b.pem")).refused(2, &["mosquitto_pub"]);

    let monitor = "az iot hub monitor-events -n $HUB -y --et 0 --to 60";
    let lines = |line: &str| -> Vec<Value> {
        let said = desk.az(&format!("{monitor} {line} -o json")).good();
        said.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    };
    let events = lines("-d p?m* --mc 3 --properties app anno --ct application/json");
    let found = events.iter().find(|e| e["event"]["payload"]["bar"] == 2.4);
    let event = &found.expect("read as what --ct says")["event"];
    assert!(event.get("annotations").is_some() && event["properties"].get("system").is_none());
    let hello = events.iter().find(|e| e["event"]["payload"] == "hello").expect("it is there");
    assert_eq!(hello["event"]["properties"]["application"]["level"], "high");
    let query = "-q \"select * from devices where deviceId = 'valve'\" --cg '$Default' --repair";
    assert_eq!(lines(&format!("{query} --mc 1"))[0]["event"]["origin"], "valve");
    let of_model = lines("-i 'dtmi:com:example:Valve;1' --message-count 1");
    assert_eq!(of_model[0]["event"]["origin"], "valve");
    let old = desk.az("az iot hub monitor-events -n $HUB -g cold -t 0.1");
    assert!(old.errors.contains("say --consumer-group or -c"), "{old:?}");
    desk.az("az iot hub monitor-events -n $HUB -c cold -t 0.1").refused(3, &["not-found"]);
}

#[test]
fn a_simulated_device() {
    let desk = Desk::open();
    desk.json("az iot hub device-identity create -n $HUB -d sim");
    let simulate = "az iot device simulate -n $HUB -d sim";
    let line = format!(
        "{simulate} --mc 2 --mi 1 --data x --props 'a=b' --irp '{{\"fw\":1}}' \
                        --dtmi 'dtmi:com:example:Sim;1' --protocol mqtt --rs complete -o json"
    );
    let said = desk.az(&line).good();
    assert!(
        said.contains(r#""event":"reported""#) && said.contains(r#""details":"204""#),
        "{said}"
    );
    assert!(said.contains(r#""sent":2"#), "{said}");
    let twin = desk.json("az iot hub device-twin show -n $HUB -d sim");
    assert_eq!(twin["properties"]["reported"]["fw"], 1);
    assert_eq!(twin["modelId"], "dtmi:com:example:Sim;1");
    let old = desk.az(&format!("{simulate} --count 3 --messages 5"));
    old.refused(2, &["--count is the number of messages", "--devices"]);
    let counted = desk.az(&format!("{simulate} --count 1 -o json"));
    assert!(counted.errors.contains("for several devices say --devices"), "{counted:?}");
    assert!(counted.good().contains(r#""sent":1"#));
    desk.az(&format!("{simulate} --protocol http")).refused(2, &["curl"]);
    desk.az(&format!("{simulate} --rs reject")).refused(2, &["c2d-message receive --reject"]);
}

#[test]
fn methods() {
    let desk = Desk::open();
    desk.json("az iot hub device-identity create -n $HUB -d sim");
    let answer = r#"{"short":true}"#;
    let device = ["simulate", "-d", "sim", "--mc", "0", "--mrc", "418", "--mrp", answer];
    let mut running = start(&desk.hub, &device);
    assert_eq!(first_line(&mut running), "sim  connected\n");
    let invoke = "az iot hub invoke-device-method -n $HUB -d sim --mn brew";
    let line = format!("{invoke} --mp '{{\"cups\":2}}' --to 60");
    assert_eq!(desk.json(&line), json!({ "status": 418, "payload": { "short": true } }));
    kill_process(Pid::from_child(&running), Signal::TERM).expect("the simulator runs");
    Ended::of(running.wait_with_output().expect("it is our child")).good();
    desk.az(&format!("{invoke} --timeout 10 --connect-timeout 0")).refused(3, &["DeviceNotOnline"]);
    let module = "az iot hub invoke-module-method -n $HUB -d sim -m fan --mn stop --to 10";
    desk.az(module).refused(3, &["NotFound"]);
}

#[test]
fn messages_to_devices() {
    let desk = Desk::open();
    desk.json("az iot hub device-identity create -n $HUB -d pump");
    let c2d = "az iot device c2d-message";
    let receive = format!("{c2d} receive -n $HUB -d pump -g rg");
    let nothing = desk.az(&receive);
    assert!(nothing.errors.contains("no message waits for pump"), "{nothing:?}");
    assert_eq!(nothing.good(), "");
    let file = desk.hub.scratch("shift.txt");
    std::fs::write(&file, "night").expect("the home is writable");
    let send = format!("{c2d} send -n $HUB -d pump");
    desk.az(&format!(
        "{send} --data 'Hello World' --props 'key0=value0;key1=value1' --mid m-1 \
                      --cid c-1 --uid u-1 --ct text/plain --ce utf-8 --ack full"
    ))
    .good();
    desk.az(&format!("{send} --data-file-path {}", file.display())).good();
    let first = desk.json(&format!("{receive} --lt 30"));
    assert_eq!(first["data"], "Hello World");
    assert_eq!(first["properties"]["app"], json!({ "key0": "value0", "key1": "value1" }));
    let system = &first["properties"]["system"];
    assert_eq!(
        (&system["iothub-messageid"], &system["content-type"]),
        (&json!("m-1"), &json!("text/plain"))
    );
    let etag = first["etag"].as_str().expect("it is locked");
    desk.az(&format!("{c2d} abandon -n $HUB -d pump -e {etag}")).good();
    desk.az(&format!("{c2d} complete -n $HUB -d pump -e {etag}")).refused(1, &["412"]);
    let again = desk.json(&receive);
    assert_eq!(again["properties"]["system"]["iothub-deliverycount"], "1", "{again}");
    let etag = again["etag"].as_str().expect("it is locked");
    desk.az(&format!("{c2d} reject -n $HUB -d pump --etag {etag}")).good();
    let second = desk.json(&format!("{receive} --complete"));
    assert_eq!((&second["data"], &second["ack"]), (&json!("night"), &json!("complete")));
    let feedback = "az iot hub monitor-feedback -n $HUB -d pump -w m-1 -t 60";
    assert_eq!(desk.json(feedback)["statusCode"], "Rejected");

    desk.az(&format!("{send} --expiry $(( ($(date +%s) + 3600) * 1000 ))")).good();
    let purged = desk.json(&format!("{c2d} purge -n $HUB -d pump"));
    assert_eq!(purged["totalMessagesPurged"], 1);
    let mut waiting =
        start(&desk.hub, &["c2d-message", "send", "-d", "pump", "--ack", "full", "-w"]);
    assert_eq!(first_line(&mut waiting), "the message waits for pump\n");
    at(&desk.hub, &["c2d-message", "receive", "-d", "pump", "--complete", "true"]).good();
    Ended::of(waiting.wait_with_output().expect("it is our child")).good();
}

#[test]
fn tokens_and_policies() {
    let desk = Desk::open();
    desk.json("az iot hub device-identity create -n $HUB -d pump");
    let host = desk.hub.address.host();
    let generate = "az iot hub generate-sas-token";
    let token = desk.az(&format!("{generate} -n $HUB -d pump --du 86400 --kt secondary")).good();
    let resource = format!("SharedAccessSignature sr={host}%2Fdevices%2Fpump&sig=");
    assert!(token.starts_with(&resource), "{token}");
    let json = desk.json(&format!("{generate} -n $HUB --pn service"));
    assert!(json["sas"].as_str().is_some_and(|sas| sas.ends_with("&skn=service")), "{json}");
    let owner = desk.az(&format!("{generate} -l \"$LOGIN\"")).good();
    assert!(owner.trim_end().ends_with("&skn=iothubowner"), "{owner}");
    let device = "HostName=hub.example;DeviceId=d;ModuleId=m;SharedAccessKey=c2VjcmV0";
    let alone = desk.az(&format!("{generate} --connection-string '{device}'")).good();
    assert!(alone.contains("sr=hub.example%2Fdevices%2Fd%2Fmodules%2Fm&"), "{alone}");
    desk.az(&format!("{generate} -l \"$LOGIN\" --pn service"))
        .refused(2, &["one key of one policy"]);
    desk.az(&format!("{generate} -m fan")).refused(2, &["--device-id"]);

    let group = "az iot hub consumer-group create --hub-name $HUB -n cold -g rg";
    desk.az(group).good();
    let renew = "az iot hub policy renew-key --hub-name $HUB -n service --renew-key primary";
    assert_eq!(desk.json(renew)["keyName"], "service");
}
