//! Hubs that are made, changed and deleted.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ringhub_core::id::HubId;

use super::*;
use crate::directory::Hub;
use crate::hub::HubParts;

pub(super) const GROUP: &str = "/subscriptions/91d12660-3dec-467a-be2a-213b5544ddc0/resourceGroups/Plant/\
                     providers/Microsoft.Devices/IotHubs";

/// Hubs without logs and certificates.
#[derive(Debug)]
struct NoParts;

impl HubParts for NoParts {
    fn add(&self, _: &Hub) -> io::Result<()> {
        Ok(())
    }

    fn set_retention(&self, _: HubId, _: Duration) {}

    fn remove(&self, _: HubId, _: &str) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn start(dir: &TempDir) -> ControlPlane {
    let control = open(dir);
    control.serve_hubs(Arc::new(NoParts)).expect("the thread starts");
    control
}

pub(super) fn minimal() -> Value {
    json!({ "location": "East US", "sku": { "name": "S1", "capacity": 1 } })
}

impl Administrator<'_> {
    pub(super) fn put(&self, path: &str, if_match: Option<&str>, body: &Value) -> Response {
        self.send("PUT", path, if_match, body)
    }

    /// The path of the operation that an answer has begun, with its query.
    fn operation(response: &Response, header: &str) -> String {
        let url = response.headers[header].to_str().expect("a text");
        let (host, path) =
            url.strip_prefix("https://").expect("an address").split_once('/').expect("a path");
        assert_eq!(host, HOST_NAME);
        format!("/{path}")
    }

    fn follow(&self, path_and_query: &str) -> Response {
        let mut request = self.request("GET", "/", None, &Value::Null);
        request.path_and_query = path_and_query.to_owned();
        call(self.control, request)
    }
}

#[test]
fn a_hub_is_made_from_the_bare_minimum_and_deleted() {
    let dir = TempDir::new();
    let control = start(&dir);
    let administrator = Administrator { control: &control };
    let path = format!("{GROUP}/Plant-2");
    let made = administrator.put(&path, None, &minimal());
    assert_eq!((made.status.as_u16(), &made.headers["retry-after"]), (201, &"1".parse().unwrap()));
    let operation = Administrator::operation(&made, "azure-asyncoperation");
    assert!(operation.ends_with("&asyncinfo"), "{operation}");
    let result = administrator.follow(&operation);
    assert_eq!(&*result.body, br#"{"status":"Succeeded"}"#);
    let made = body(&made);
    assert_eq!(made["id"], path);
    assert_eq!(made["properties"]["hostName"], "plant-2.example.net");
    assert_eq!(made["properties"]["routing"]["fallbackRoute"]["isEnabled"], true);
    assert_eq!(administrator.read(&path), made);
    assert_eq!(administrator.read(GROUP)["value"], json!([made]));
    let keys = good(&administrator.post(&format!("{path}/listkeys"), &Value::Null));
    assert_eq!(keys["value"].as_array().map(Vec::len), Some(5));

    let taken = administrator.put(&HUB.replace("/hub", "/PLANT-2"), None, &minimal());
    assert_eq!(verdict(&taken), refused(409, "409000"));
    let deleted = administrator.send("DELETE", &path, None, &Value::Null);
    assert_eq!((deleted.status.as_u16(), &*deleted.body), (202, &b"null"[..]));
    let operation = Administrator::operation(&deleted, "azure-asyncoperation");
    let until = Instant::now() + Duration::from_secs(60);
    while &*administrator.follow(&operation).body != br#"{"status":"Succeeded"}"# {
        assert!(Instant::now() < until, "the removal ends");
        thread::sleep(Duration::from_millis(1));
    }
    let location = Administrator::operation(&deleted, "location");
    assert_eq!(administrator.follow(&location).status, 204);
    assert_eq!(verdict(&administrator.get(&path)), refused(404, "ResourceNotFound"));
    assert_eq!(administrator.send("DELETE", &path, None, &Value::Null).status, 204);
    control.shutdown();
}

#[test]
fn what_is_said_is_kept_and_counts() {
    let dir = TempDir::new();
    let control = start(&dir);
    let administrator = Administrator { control: &control };
    let path = format!("{GROUP}/Plant-2");
    let mut body = minimal();
    body["tags"] = json!({ "site": "north" });
    body["properties"] = json!({
        "authorizationPolicies": [
            { "keyName": "owner", "rights": "RegistryWrite, ServiceConnect, DeviceConnect" },
        ],
        "eventHubEndpoints": { "events": { "retentionTimeInDays": 3, "partitionCount": 8 } },
        "cloudToDevice": { "defaultTtlAsIso8601": "PT2H", "feedback": { "maxDeliveryCount": 5 } },
        "comments": "ours",
        "state": "Told",
    });
    let made = administrator.put(&path, None, &body);
    assert_eq!(made.status, 201, "{:?}", made.body);
    let made = crate::api::tests::body(&made);
    let properties = &made["properties"];
    assert_eq!(properties["eventHubEndpoints"]["events"]["retentionTimeInDays"], 3);
    assert_eq!(properties["eventHubEndpoints"]["events"]["partitionCount"], 8);
    assert_eq!(properties["cloudToDevice"]["defaultTtlAsIso8601"], "PT2H");
    assert_eq!(properties["cloudToDevice"]["maxDeliveryCount"], 10);
    assert_eq!(properties["cloudToDevice"]["feedback"]["maxDeliveryCount"], 5);
    assert_eq!((&properties["comments"], &properties["state"]), (&json!("ours"), &json!("Active")));
    let hub = control.directory().hub_by_host("plant-2.example.net").expect("it is there");
    assert_eq!(hub.properties().retention, Duration::from_hours(72));
    assert_eq!(hub.policies.read().len(), 1);
    let key = hub.policies.read()[0].keys.clone();

    // What was read is sent back, with one change.
    let etag = made["etag"].as_str();
    let mut changed = made.clone();
    changed["tags"]["line"] = json!("7");
    let changed = good(&administrator.put(&path, etag, &changed));
    assert_ne!(changed["etag"], made["etag"]);
    assert_eq!(changed["properties"], made["properties"]);
    assert_eq!(hub.policies.read()[0].keys, key, "policies stay where nothing is said of them");
    let stale = administrator.put(&path, etag, &made);
    assert_eq!(verdict(&stale), refused(412, "412001"));
    let tags = good(&administrator.send("PATCH", &path, None, &json!({ "tags": { "a": "b" } })));
    assert_eq!(tags["tags"], json!({ "a": "b" }));
    assert_eq!(tags["properties"], made["properties"]);
    control.shutdown();

    let control = open(&dir);
    let administrator = Administrator { control: &control };
    assert_eq!(administrator.read(&path), tags, "it survives");
    control.shutdown();
}

#[test]
fn the_hub_of_the_configuration_takes_what_its_file_does_not_decide() {
    let dir = TempDir::new();
    let control = start(&dir);
    let administrator = Administrator { control: &control };
    let mut hub = administrator.read(HUB);
    hub["tags"] = json!({ "site": "north" });
    let changed = good(&administrator.put(HUB, hub["etag"].as_str(), &hub));
    assert_eq!(changed["tags"], hub["tags"]);
    for (pointer, value, key) in [
        ("/properties/eventHubEndpoints/events/retentionTimeInDays", json!(3), "hub.retention"),
        (
            "/properties/cloudToDevice/maxDeliveryCount",
            json!(3),
            "cloud_to_device.max_delivery_count",
        ),
        (
            "/properties/cloudToDevice/feedback/ttlAsIso8601",
            json!("PT3H"),
            "cloud_to_device.feedback_ttl",
        ),
        (
            "/properties/storageEndpoints/$default/containerName",
            json!("other"),
            "file_upload.storage",
        ),
        (
            "/properties/messagingEndpoints/fileNotifications/ttlAsIso8601",
            json!("PT3H"),
            "file_upload.notification_ttl",
        ),
        ("/properties/enableFileUploadNotifications", json!(false), "file_upload.notifications"),
    ] {
        let mut other = changed.clone();
        *other.pointer_mut(pointer).expect("it is there") = value;
        let (status, code, text) = refusal(&administrator.put(HUB, None, &other));
        assert_eq!((status, code.as_str()), (409, "409000"));
        assert!(text.contains(&format!("change {key} there")), "{text}");
    }
    let (status, _, text) = refusal(&administrator.send("DELETE", HUB, None, &Value::Null));
    assert!(status == 409 && text.contains("it goes with its data directory"), "{text}");
    assert_eq!(administrator.read(HUB), changed);
    control.shutdown();
}

#[test]
fn what_cannot_be_a_hub_is_refused_by_its_member() {
    let dir = TempDir::new();
    let control = start(&dir);
    let administrator = Administrator { control: &control };
    let path = format!("{GROUP}/plant");
    let with = |pointer: &[&str], value: Value| {
        let mut body = minimal();
        *pointer.iter().fold(&mut body, |at, name| &mut at[*name]) = value;
        refusal(&administrator.put(&path, None, &body))
    };
    let events = ["properties", "eventHubEndpoints", "events"];
    let route = json!({ "name": "r", "source": "DeviceMessages", "isEnabled": true, "endpointNames": ["x"] });
    for (refusal, said) in [
        (with(&["location"], json!("")), "location: is required"),
        (with(&["sku"], Value::Null), "sku: is required"),
        (with(&["sku", "name"], json!("S9")), "sku.name: 'S9'"),
        (with(&["name"], json!("other")), "name: 'other' is another name"),
        (with(&["tags"], json!({ "a": 1 })), "tags: must be an object"),
        (with(&[events[0], events[1], events[2], "retentionTimeInDays"], json!(8)), "from 1 to 7"),
        (with(&[events[0], events[1], events[2], "partitionCount"], json!(1)), "from 2 to 128"),
        (
            with(&["properties", "cloudToDevice", "defaultTtlAsIso8601"], json!("P3D")),
            "'P3D' must be a span of time from PT1M to P2D",
        ),
        (with(&["properties", "disableLocalAuth"], json!(7)), "disableLocalAuth must be true"),
        (with(&["properties", "minTlsVersion"], json!("1.4")), "'1.4' must be one of"),
        (
            with(
                &["properties", "ipFilterRules"],
                json!([{ "filterName": "a", "action": "Accept", "ipMask": "x" }]),
            ),
            "'x' must be an address",
        ),
        (with(&["properties", "routing", "routes"], json!([route])), "the hub has no endpoint 'x'"),
        (with(&["properties", "unheardOf"], json!(1)), "properties.unheardOf: is not known"),
        (with(&["properties", "authorizationPolicies"], json!([{}])), "keyName ''"),
    ] {
        let (status, _, text) = refusal;
        assert!(status == 400 && text.contains(said), "{said}: {status} {text}");
    }
    let bad = administrator.put(&format!("{GROUP}/-bad"), None, &minimal());
    assert_eq!(verdict(&bad), refused(400, "400004"));
    let unborn = administrator.put(&path, Some("AAAA"), &minimal());
    assert_eq!(verdict(&unborn), refused(412, "412001"));
    let none = administrator.send("PATCH", &path, None, &json!({ "tags": {} }));
    assert_eq!(verdict(&none), refused(404, "ResourceNotFound"));
    assert_eq!(administrator.put(&path, None, &minimal()).status, 201);
    let mut free = minimal();
    free["sku"]["name"] = json!("F1");
    let (status, _, text) = refusal(&administrator.put(&path, None, &free));
    assert!(status == 400 && text.contains("sku.name"), "{text}");
    let mut moved = minimal();
    moved["location"] = json!("West US");
    assert_eq!(administrator.put(&path, None, &moved).status, 400);
    control.shutdown();
}
