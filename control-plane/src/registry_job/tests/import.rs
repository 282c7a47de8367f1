//! What lines lead to.

use std::sync::Arc;

use ringhub_core::limits::IDENTITY_LINE_BYTES_MAX;
use serde_json::{Value, json};

use super::world::{Memory, World, container, file};
use crate::tests::TempDir;

fn world(dir: &TempDir) -> World {
    World::open(dir, &Arc::<Memory>::default())
}

/// Number of the error of one line, which stands alone in the file.
fn number_of(world: &World, line: &Value) -> Option<u64> {
    let errors = world.import(&file(std::slice::from_ref(line)));
    assert!(errors.len() <= 1, "{errors:?}");
    let error = errors.first()?;
    assert_eq!(error["deviceId"], line["id"]);
    assert_eq!(error["moduleId"], line["moduleId"]);
    assert!(error["errorStatus"].as_str().is_some_and(|text| !text.is_empty()));
    error["errorCode"].as_u64()
}

/// Goal: every mode does what the table of the reference says, with tags that match and tags that
/// do not, for devices that are there and devices that are not.
#[test]
fn every_mode_does_what_it_says() {
    let dir = TempDir::new();
    let world = world(&dir);
    let line = |id: &str, mode: &str| json!({ "id": id, "importMode": mode });
    let with = |mut line: Value, name: &str, value: Value| {
        line[name] = value;
        line
    };
    assert_eq!(number_of(&world, &line("a", "create")), None);
    assert_eq!(number_of(&world, &line("a", "create")), Some(409_001));
    assert_eq!(number_of(&world, &line("b", "update")), Some(404_001));
    assert_eq!(number_of(&world, &with(line("a", "update"), "status", json!("disabled"))), None);
    assert_eq!(world.device("a")["status"], "disabled");
    for (mode, missing) in [
        ("updateIfMatchETag", Some(404_001)),
        ("deleteIfMatchETag", Some(404_001)),
        ("createOrUpdateIfMatchETag", None),
    ] {
        let tagged = |id: &str, tag: &Value| with(line(id, mode), "eTag", tag.clone());
        assert_eq!(number_of(&world, &tagged("a", &json!("bm9uZQ=="))), Some(412_001), "{mode}");
        assert_eq!(number_of(&world, &tagged("missing", &json!("bm9uZQ=="))), missing, "{mode}");
        let etag = world.device("a")["etag"].clone();
        assert_eq!(number_of(&world, &tagged("a", &etag)), None, "{mode}");
        if mode == "deleteIfMatchETag" {
            assert_eq!(world.client().get("/devices/a").status, 404);
            assert_eq!(number_of(&world, &json!({ "id": "a" })), None, "the default creates");
        }
    }
    assert_eq!(number_of(&world, &json!({ "id": "a", "statusReason": "why" })), None);
    assert_eq!(world.device("a")["statusReason"], "why", "the default overwrites");
    for mode in ["updateTwin", "updateTwinIfMatchETag"] {
        let tagged = |id: &str, tag: &Value| {
            let desired = json!({ "desired": { "n": mode }, "reported": { "x": 1 } });
            let line = with(line(id, mode), "properties", desired);
            with(with(line, "tags", json!({ "t": mode })), "twinETag", tag.clone())
        };
        assert_eq!(number_of(&world, &tagged("none", &json!("*"))), Some(404_001), "{mode}");
        let wrong = tagged("a", &json!("AAAAAAAAAAk="));
        let expected = (mode == "updateTwinIfMatchETag").then_some(412_001);
        assert_eq!(number_of(&world, &wrong), expected, "{mode}");
        let etag = world.twin("a")["etag"].clone();
        assert_eq!(number_of(&world, &tagged("a", &etag)), None, "{mode}");
        let twin = world.twin("a");
        assert_eq!(
            (&twin["tags"]["t"], &twin["properties"]["desired"]["n"]),
            (&json!(mode), &json!(mode))
        );
        assert_eq!(twin["properties"]["reported"]["x"], Value::Null, "it is the device's");
    }
    assert_eq!(number_of(&world, &line("a", "DELETE")), None, "in any case");
    assert_eq!(number_of(&world, &line("a", "delete")), Some(404_001));
    assert_eq!(number_of(&world, &line("a", "upsert")), Some(400_004));
}

#[test]
fn lines_end_anyhow_and_each_that_is_wrong_is_told() {
    let dir = TempDir::new();
    let world = world(&dir);
    let filler = |room: usize| "x".repeat(IDENTITY_LINE_BYTES_MAX - room);
    let longest = format!(r#"{{"id":"long","x":"{}"}}"#, filler(20));
    assert_eq!(longest.len(), IDENTITY_LINE_BYTES_MAX);
    let too_long = format!(r#"{{"id":"longer","x":"{}"}}"#, filler(21));
    let mut text = b"\xef\xbb\xbf{\"id\":\"bom\"}\r\n\r\n  \n".to_vec();
    for line in [
        longest.as_bytes(),
        too_long.as_bytes(),
        b"no JSON",
        b"[1]",
        b"{}",
        br#"{"id":7}"#,
        br#"{"id":"a","status":5}"#,
        br#"{"id":"a b"}"#,
        br#"{"id":"a","authentication":{"symmetricKey":{"primaryKey":"AAAA"}}}"#,
        br#"{"id":"none","moduleId":"m"}"#,
        b"{\"id\":\"\xff\"}",
        &vec![b'{'; 1000],
    ] {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(br#"{"id":"last"}"#);
    let errors = world.import(&text);
    let numbers: Vec<_> = errors.iter().map(|error| error["errorCode"].as_u64()).collect();
    let unreadable = Some(400_012);
    let invalid = Some(400_004);
    assert_eq!(
        numbers,
        [
            unreadable,
            unreadable,
            unreadable,
            unreadable,
            unreadable,
            invalid,
            invalid,
            invalid,
            Some(404_001),
            unreadable,
            unreadable
        ],
        "{errors:?}"
    );
    for error in errors.iter().filter(|error| error["errorCode"] == 400_012) {
        let text = error["errorStatus"].as_str().expect("text");
        assert!(text.starts_with("Invalid device format in line: "), "{text}");
        assert!(text.len() < 1000, "{text}");
    }
    for id in ["bom", "long", "last"] {
        assert_eq!(world.device(id)["deviceId"], id);
    }
    assert_eq!(world.client().get("/devices/longer").status, 404);
}

#[test]
fn an_empty_file_is_imported_and_so_is_one_in_small_parts() {
    let dir = TempDir::new();
    let world = world(&dir);
    assert_eq!(world.import(b""), Vec::<Value>::new());
    world.storage.cut_parts(7);
    let lines: Vec<_> = (0..250).map(|n| json!({ "id": format!("d{n}") })).collect();
    assert_eq!(world.import(&file(&lines)), Vec::<Value>::new());
    assert_eq!(world.storage.get("importErrors.log").as_deref(), Some(""));
    assert_eq!(world.export().len(), 250);
}

#[test]
fn other_names_of_blobs_and_configurations_come_along() {
    let dir = TempDir::new();
    let world = world(&dir);
    let configuration = json!({
        "id": "fans", "targetCondition": "tags.site = 'north'", "priority": 3,
        "content": { "deviceContent": { "properties.desired.fan": { "speed": 3 } } },
    });
    world.storage.put("in/d.txt", &file(&[json!({ "id": "a" })]));
    let bad = json!({ "id": "bad", "content": {} });
    world.storage.put("in/c.txt", &file(&[configuration, bad, json!({ "id": "x y" })]));
    let job = world.completed(&json!({
        "type": "IMPORT", "inputBlobContainerUri": container(), "inputBlobName": "in/d.txt",
        "outputBlobName": "out/errors", "includeConfigurations": true,
        "configurationsBlobName": "in/c.txt",
    }));
    assert_eq!(
        (&job["inputBlobName"], &job["outputBlobName"]),
        (&json!("in/d.txt"), &json!("out/errors"))
    );
    let errors = world.storage.lines("out/errors");
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert_eq!(errors[0]["configurationId"], "bad");
    assert_eq!(errors[1]["errorCode"], 400_004);
    assert_eq!(world.client().get("/configurations/fans").status, 200);
    world.completed(&json!({
        "type": "export", "outputBlobContainerUri": container(), "includeConfigurations": true,
    }));
    let exported = world.storage.lines("configurations.txt");
    assert_eq!((exported.len(), &exported[0]["id"]), (1, &json!("fans")));
    assert_eq!(exported[0]["content"]["deviceContent"]["properties.desired.fan"]["speed"], 3);
}
