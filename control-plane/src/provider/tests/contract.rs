//! The answers of the provider against the OpenAPI document of its version 2020-03-01.
//!
//! Goal: every operation of the document is there, and whatever it answers has a status and a
//! shape that the document has for it. Method: `contract.json` has the operations and the types of
//! their answers, and nothing else of the document; a life of a hub asks for each at least once,
//! and every answer is checked, refusals too. Members that the document does not know are allowed,
//! as newer versions have them.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Map;

use super::schema::Schemas;
use super::*;
use crate::tests::certificate::Made;

const PLANT: &str = "/subscriptions/91d12660-3dec-467a-be2a-213b5544ddc0/resourceGroups/Plant/\
                     providers/Microsoft.Devices/IotHubs/plant-2";

struct Contract {
    operations: Vec<Value>,
    definitions: Map<String, Value>,
}

impl Contract {
    fn read() -> Self {
        let document = serde_json::from_str(include_str!("contract.json"));
        let document: Value = document.expect("the file is JSON");
        let mut definitions = document["definitions"].as_object().expect("schemas").clone();
        // On the wire the code of an error is a number, whatever the document says.
        definitions["ErrorDetails"]["properties"]["code"]["type"] = json!("integer");
        let operations = document["operations"].as_array().expect("a list").clone();
        Self { operations, definitions }
    }

    fn names(&self) -> BTreeSet<&str> {
        self.operations.iter().filter_map(|one| one["operation"].as_str()).collect()
    }

    fn operation(&self, method: &str, path: &str) -> &Value {
        let is_at = |one: &&Value| {
            let template = one["path"].as_str().expect("each has a path");
            one["method"] == method && fits(template, path)
        };
        self.operations.iter().find(is_at).unwrap_or_else(|| panic!("no {method} {path}"))
    }

    /// Checks an answer; gives the name of its operation.
    fn check(&self, method: &str, path: &str, response: &Response) -> &str {
        let operation = self.operation(method, path);
        let name = operation["operation"].as_str().expect("each has a name");
        let (status, answers) = (response.status.as_u16(), &operation["answers"]);
        let schema = match answers.get(status.to_string()) {
            Some(schema) => schema,
            None if status >= 400 => &json!("ErrorDetails"),
            None => panic!("{name} answers {status}, and knows {answers}"),
        };
        match schema.as_str() {
            None => assert!(response.body.is_empty(), "{name} has no body with {status}"),
            Some(schema) => {
                let value = body(response);
                let problems = Schemas(&self.definitions).problems(schema, &value);
                assert!(problems.is_empty(), "{name}: {problems:#?}\n{value:#}");
            }
        }
        name
    }
}

/// Whether a path is one of a template such as `/a/{name}`; words compare without case.
fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(wanted, word)| wanted.starts_with('{') || wanted.eq_ignore_ascii_case(word))
}

/// A client that holds every answer against the document.
struct Auditor<'c> {
    administrator: Administrator<'c>,
    contract: &'c Contract,
    asked: BTreeSet<&'c str>,
}

impl Auditor<'_> {
    /// The body of an answer that has this status.
    #[track_caller]
    fn expect(&mut self, status: u16, method: &str, path: &str, sent: &Value) -> Value {
        self.expect_if(status, method, path, None, sent)
    }

    #[track_caller]
    fn expect_if(
        &mut self,
        status: u16,
        method: &str,
        path: &str,
        etag: Option<&str>,
        sent: &Value,
    ) -> Value {
        let response = self.administrator.send(method, path, etag, sent);
        let got = response.status;
        assert_eq!(got.as_u16(), status, "{method} {path}: {:?}", response.body);
        self.asked.insert(self.contract.check(method, path, &response));
        if response.body.is_empty() { Value::Null } else { body(&response) }
    }

    #[track_caller]
    fn read(&mut self, path: &str) -> Value {
        self.expect(200, "GET", path, &Value::Null)
    }
}

fn subscription(rest: &str) -> String {
    let (subscription, _) = PLANT.split_once("/resourceGroups").expect("a group");
    format!("{subscription}/providers/Microsoft.Devices/{rest}")
}

/// A hub with all that a description can say.
fn description() -> Value {
    json!({
        "location": "East US",
        "sku": { "name": "S1", "capacity": 1 },
        "tags": { "site": "north" },
        "properties": {
            "eventHubEndpoints": { "events": { "retentionTimeInDays": 2, "partitionCount": 4 } },
            "ipFilterRules": [{ "filterName": "a", "action": "Accept", "ipMask": "10.0.0.0/8" }],
            "routing": { "routes": [{
                "name": "r", "source": "DeviceMessages", "condition": "true",
                "endpointNames": ["events"], "isEnabled": true,
            }] },
            "storageEndpoints": { "$default": {
                "connectionString": "AccountName=a;AccountKey=c2VjcmV0", "containerName": "files",
            } },
            "enableFileUploadNotifications": true,
            "comments": "ours",
        },
    })
}

#[test]
fn every_operation_answers_as_the_document_says() {
    let dir = TempDir::new();
    let control = changing::start(&dir);
    let contract = Contract::read();
    let administrator = Administrator { control: &control };
    let mut auditor = Auditor { administrator, contract: &contract, asked: BTreeSet::new() };
    auditor.read("/providers/Microsoft.Devices/operations");
    let name = json!({ "name": "plant-2" });
    auditor.expect(200, "POST", &subscription("checkNameAvailability"), &name);
    auditor.expect(400, "POST", &subscription("checkNameAvailability"), &json!({}));
    let made = auditor.expect(201, "PUT", PLANT, &description());
    auditor.expect(200, "PUT", PLANT, &made);
    auditor.expect_if(412, "PUT", PLANT, Some("AAAAAAAAAAA="), &made);
    auditor.expect(200, "PATCH", PLANT, &json!({ "tags": { "line": "7" } }));
    auditor.read(PLANT);
    auditor.read(&subscription("IotHubs"));
    auditor.read(&subscription("usages"));
    auditor.read(PLANT.trim_end_matches("/plant-2"));
    for part in ["IotHubStats", "skus", "quotaMetrics", "routingEndpointsHealth"] {
        auditor.read(&format!("{PLANT}/{part}"));
    }
    auditor.expect(200, "POST", &format!("{PLANT}/listkeys"), &Value::Null);
    auditor.expect(200, "POST", &format!("{PLANT}/IotHubKeys/service/listkeys"), &Value::Null);
    auditor.expect(404, "POST", &format!("{PLANT}/IotHubKeys/nobody/listkeys"), &Value::Null);
    audit_consumer_groups(&mut auditor);
    audit_certificates(&mut auditor);
    audit_jobs(&mut auditor);
    audit_routes(&mut auditor);
    audit_links(&mut auditor);
    auditor.expect(202, "DELETE", PLANT, &Value::Null);
    auditor.expect(404, "GET", PLANT, &Value::Null);
    let missing: Vec<_> = contract.names().difference(&auditor.asked).copied().collect();
    assert!(missing.is_empty(), "nobody asked for {missing:?}");
    control.shutdown();
}

fn audit_consumer_groups(auditor: &mut Auditor<'_>) {
    let groups = format!("{PLANT}/eventHubEndpoints/events/ConsumerGroups");
    let cold = format!("{groups}/cold");
    let made = auditor.expect(200, "PUT", &cold, &json!({ "properties": { "name": "cold" } }));
    let again = auditor.expect(200, "PUT", &cold, &Value::Null);
    assert_eq!(again, made, "the etag is that of the group, and so is its time");
    assert_eq!(auditor.read(&cold), made);
    let all = auditor.read(&groups);
    assert!(all["value"].as_array().is_some_and(|all| all.contains(&made)), "{all}");
    assert!(made["etag"].is_string() && made["properties"]["created"].is_string(), "{made}");
    auditor.expect(200, "DELETE", &cold, &Value::Null);
    auditor.expect(404, "GET", &cold, &Value::Null);
}

fn audit_certificates(auditor: &mut Auditor<'_>) {
    let path = format!("{PLANT}/certificates/factory");
    let ca = Made::authority("Factory");
    let upload = json!({ "certificate": ca.base64() });
    let created = auditor.expect(201, "PUT", &path, &upload);
    let made = auditor.expect_if(200, "PUT", &path, created["etag"].as_str(), &upload);
    auditor.read(&path);
    auditor.read(&format!("{PLANT}/certificates"));
    let make = format!("{path}/generateVerificationCode");
    let with_code = auditor.expect_if(200, "POST", &make, made["etag"].as_str(), &Value::Null);
    let code = with_code["properties"]["verificationCode"].as_str().expect("a code");
    let proof = json!({ "certificate": Made::leaf(code, Some(&ca)).base64() });
    let (verify, etag) = (format!("{path}/verify"), with_code["etag"].as_str());
    let verified = auditor.expect_if(200, "POST", &verify, etag, &proof);
    auditor.expect_if(412, "DELETE", &path, etag, &Value::Null);
    auditor.expect_if(200, "DELETE", &path, verified["etag"].as_str(), &Value::Null);
}

fn audit_jobs(auditor: &mut Auditor<'_>) {
    let container = "https://account.example/container?sig=c2VjcmV0";
    let export = json!({ "exportBlobContainerUri": container, "excludeKeys": true });
    let made = auditor.expect(200, "POST", &format!("{PLANT}/exportDevices"), &export);
    assert_eq!((&made["type"], &made["status"]), (&json!("export"), &json!("enqueued")));
    let path = format!("{PLANT}/jobs/{}", made["jobId"].as_str().expect("an id"));
    let until = Instant::now() + Duration::from_secs(60);
    let ended = loop {
        let job = auditor.read(&path);
        if job["status"] == "failed" {
            break job;
        }
        assert!(Instant::now() < until, "tests reach no storage account: {job}");
        thread::sleep(Duration::from_millis(1));
    };
    assert!(ended["failureReason"].is_string() && ended["endTimeUtc"].is_string(), "{ended}");
    let import = json!({
        "inputBlobContainerUri": container, "outputBlobContainerUri": container,
        "inputBlobName": "in.txt", "outputBlobName": "out.log", "authenticationType": "keyBased",
    });
    let import_path = format!("{PLANT}/importDevices");
    auditor.expect(200, "POST", &import_path, &import);
    let jobs = auditor.read(&format!("{PLANT}/jobs"));
    assert_eq!(jobs["value"].as_array().map(Vec::len), Some(2));
    assert!(!jobs.to_string().contains("c2VjcmV0"), "{jobs}");
    let mut by_identity = import;
    by_identity["authenticationType"] = json!("identityBased");
    auditor.expect(400, "POST", &import_path, &by_identity);
    auditor.expect(400, "POST", &import_path, &json!({}));
    auditor.expect(
        400,
        "POST",
        &format!("{PLANT}/exportDevices"),
        &json!({ "exportBlobContainerUri": "x" }),
    );
    auditor.expect(404, "GET", &format!("{PLANT}/jobs/none"), &Value::Null);
}

fn audit_routes(auditor: &mut Auditor<'_>) {
    let all = format!("{PLANT}/routing/routes/$testall");
    let matched = auditor.expect(200, "POST", &all, &json!({ "routingSource": "DeviceMessages" }));
    assert_eq!(matched["routes"][0]["properties"]["endpointNames"], json!(["events"]));
    let none = auditor.expect(200, "POST", &all, &json!({ "routingSource": "TwinChangeEvents" }));
    assert_eq!(none["routes"], json!([]));
    auditor.expect(400, "POST", &all, &json!({ "routingSource": "Elsewhere" }));
    let one = format!("{PLANT}/routing/routes/$testnew");
    let route = |source: &str, condition: &str, is_enabled: bool| {
        json!({ "route": {
            "name": "r", "source": source, "condition": condition,
            "endpointNames": ["events"], "isEnabled": is_enabled,
        } })
    };
    for (route, result) in [
        (route("DeviceMessages", "true", true), "true"),
        (route("DeviceMessages", "true", false), "false"),
        (route("TwinChangeEvents", "true", true), "false"),
        (route("DeviceMessages", "$body.level > 3", true), "undefined"),
    ] {
        assert_eq!(auditor.expect(200, "POST", &one, &route)["result"], result, "{route}");
    }
    auditor.expect(400, "POST", &one, &json!({}));
}

fn audit_links(auditor: &mut Auditor<'_>) {
    let failover = format!("{PLANT}/failover");
    let refused = auditor.expect(400, "POST", &failover, &json!({ "failoverRegion": "West US" }));
    let text = refused["message"].as_str().unwrap_or_default();
    assert!(text.contains("'West US' is no location of the hub"), "{text}");
    auditor.read(&format!("{PLANT}/privateLinkResources"));
    auditor.expect(404, "GET", &format!("{PLANT}/privateLinkResources/iotHub"), &Value::Null);
    let connections = format!("{PLANT}/privateEndpointConnections");
    assert_eq!(auditor.read(&connections), json!([]));
    let one = format!("{connections}/one");
    auditor.expect(404, "GET", &one, &Value::Null);
    auditor.expect(404, "PUT", &one, &json!({ "properties": {} }));
    auditor.expect(204, "DELETE", &one, &Value::Null);
}
