//! Twin requests that break rules, come too many at once or meet other events: each gets its error,
//! and the connection lives on.

mod support;

use std::io;

use serde_json::{Value, json};
use support::bystander::Arena;
use support::hub::{Hub, HubOptions};
use support::mqtt::Login;
use support::rest::{Device, exchange};
use support::twin_client::{Desired, TwinClient};

/// Twin requests of one connection that may be under way.
const UNDER_WAY_MAX: usize = 16;

fn device(hub: &Hub, id: &str) -> Login {
    Login::device(hub, &Device::create(hub, id))
}

fn desired(hub: &Hub, id: &str, patch: &Value) -> u16 {
    let body = json!({"properties": {"desired": patch}}).to_string();
    exchange(hub, "PATCH", &format!("/twins/{id}"), &body).expect("the hub answers").0
}

#[test]
fn bad_patches_get_their_error_and_change_nothing() -> io::Result<()> {
    let arena = Arena::start(Hub::start());
    let login = device(&arena.hub, "pump-7");
    let mut client = TwinClient::connect(&arena.hub, &login, true)?;
    assert_eq!(client.report(br#"{"good":1}"#, None)?.version, Some(2));
    let nested = |open: &str, close: &str, levels| {
        format!("{}1{}", open.repeat(levels), close.repeat(levels)).into_bytes()
    };
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(4097));
    let full: serde_json::Map<_, _> =
        (0..9).map(|n| (n.to_string(), "x".repeat(4096).into())).collect();
    let many_names = (0..20_000).map(|n| format!(r#""n{n}":null,"#)).collect::<String>();
    let patches: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" ".to_vec(),
        b"null".to_vec(),
        b"[1]".to_vec(),
        b"\"text\"".to_vec(),
        b"{\"a\":1".to_vec(),
        b"{\"a\":1}}".to_vec(),
        b"{\"a\":\"\xff\xfe\"}".to_vec(),
        b"{\"\xc3\x28\":1}".to_vec(),
        b"\0\0\0\0".to_vec(),
        br#"{"a":NaN}"#.to_vec(),
        br#"{"a":1e999}"#.to_vec(),
        br#"{"a":4503599627370496}"#.to_vec(),
        br#"{"a":123456789012345678901234567890}"#.to_vec(),
        br#"{"a":[1,null]}"#.to_vec(),
        br#"{"":1}"#.to_vec(),
        br#"{"a.b":1}"#.to_vec(),
        br#"{"a":{"$b":1}}"#.to_vec(),
        br#"{"a b":1}"#.to_vec(),
        br##"{"a#":1}"##.to_vec(),
        br#"{"a\u0000b":1}"#.to_vec(),
        br#"{"a":"\ud800"}"#.to_vec(),
        nested("{\"a\":", "}", 12),
        nested("{\"a\":", "}", 5_000),
        nested("[", "]", 100_000),
        long.into_bytes(),
        Value::Object(full).to_string().into_bytes(),
        format!("{{{many_names}\"z\":1}}").into_bytes(),
        vec![b'{'; 200 * 1024],
    ];
    for patch in &patches {
        let shown = String::from_utf8_lossy(&patch[..patch.len().min(40)]).into_owned();
        let answer = client.report(patch, None)?;
        assert_eq!(answer.status, 400, "{shown}");
        assert_eq!(answer.body["errorCode"], 400_004, "{shown}");
        assert!(answer.body["message"].as_str().is_some_and(|text| text.len() > 10), "{shown}");
        assert!(answer.body["trackingId"].is_string() && answer.body["timestampUtc"].is_string());
    }
    let stale = client.report(br#"{"good":2}"#, Some(1))?;
    assert_eq!((stale.status, &stale.body["errorCode"]), (412, &json!(412_001)));
    // Whatever a read carries is passed over.
    client.publish("$iothub/twin/GET/?$rid=a%20b", b"{not json")?;
    let found = client.answer()?;
    assert_eq!((found.status, found.rid.as_str()), (200, "a%20b"));
    assert_eq!(
        found.body,
        json!({"desired": {"$version": 1}, "reported": {"good": 1, "$version": 2}})
    );
    client.ping()?;
    arena.finish("bad patches", 16 * 1024);
    Ok(())
}

#[test]
fn too_many_requests_at_once_are_refused_and_the_others_served() -> io::Result<()> {
    let arena = Arena::start(Hub::start());
    let login = device(&arena.hub, "pump-7");
    let mut client = TwinClient::connect(&arena.hub, &login, false)?;
    const SENT: usize = 2_000;
    for number in 0..SENT {
        client.send_report(format!(r#"{{"n":{number}}}"#).as_bytes(), None)?;
    }
    let mut served = 0;
    let mut refused = 0;
    for _ in 0..SENT {
        let answer = client.answer()?;
        match answer.status {
            204 => {
                served += 1;
                assert_eq!(answer.version, Some(1 + served));
            }
            429 => {
                refused += 1;
                assert_eq!(answer.body["errorCode"], 429_005);
            }
            _ => panic!("{answer:?}"),
        }
    }
    println!("{served} served, {refused} refused");
    assert!(served >= UNDER_WAY_MAX as u64 && refused > 0, "{served} served, {refused} refused");
    assert_eq!(client.get()?.body["reported"]["$version"], 1 + served);
    arena.finish("too many requests", 16 * 1024);
    Ok(())
}

#[test]
fn devices_that_leave_while_they_are_served_harm_nobody() -> io::Result<()> {
    let hub = Hub::start_with(HubOptions { shards: 3, ..HubOptions::default() });
    let arena = Arena::start(hub);
    let login = device(&arena.hub, "pump-7");
    let mut reports = 0;
    for round in 0..30 {
        let mut client = TwinClient::connect(&arena.hub, &login, true)?;
        for number in 0..10 {
            client.send_report(format!(r#"{{"n":{}}}"#, round * 10 + number).as_bytes(), None)?;
        }
        reports += 10;
        assert_eq!(desired(&arena.hub, "pump-7", &json!({"round": round})), 200);
        drop(client);
    }
    // The newest connection takes the place of one that is still there, and hears what is new.
    let old = TwinClient::connect(&arena.hub, &login, true)?;
    let mut client = TwinClient::connect(&arena.hub, &login, true)?;
    let found = client.get()?.body;
    assert_eq!(found["desired"], json!({"round": 29, "$version": 31}));
    let version = found["reported"]["$version"].as_u64().expect("a version");
    assert!((1..=1 + reports).contains(&version), "{version}");
    assert_eq!(desired(&arena.hub, "pump-7", &json!({"round": null, "x": {"y": [1]}})), 200);
    let patch = json!({"round": null, "x": {"y": [1]}, "$version": 32});
    assert_eq!(client.desired()?, Desired { version: 32, patch });
    drop(old);
    arena.finish("devices that leave", 16 * 1024);
    Ok(())
}

/// Only its own identity hears of a change, and only if it has subscribed.
#[test]
fn changes_reach_those_who_listen_in_the_order_of_their_versions() -> io::Result<()> {
    let hub = Hub::start_with(HubOptions { shards: 3, ..HubOptions::default() });
    let (first, second) = (device(&hub, "pump-1"), device(&hub, "pump-2"));
    let mut listening = TwinClient::connect(&hub, &first, true)?;
    let mut other = TwinClient::connect(&hub, &second, true)?;
    for number in 0..50 {
        assert_eq!(desired(&hub, "pump-1", &json!({"n": number})), 200);
    }
    for number in 0..50 {
        let version = number + 2;
        let patch = json!({"n": number, "$version": version});
        assert_eq!(listening.desired()?, Desired { version, patch });
    }
    assert_eq!(desired(&hub, "pump-2", &json!({"own": true})), 200);
    assert_eq!(other.desired()?.patch, json!({"own": true, "$version": 2}));
    drop(listening);
    let mut deaf = TwinClient::connect(&hub, &first, false)?;
    assert_eq!(desired(&hub, "pump-1", &json!({"n": "unheard"})), 200);
    let found = deaf.get()?;
    assert_eq!(found.body["desired"], json!({"n": "unheard", "$version": 52}));
    Ok(())
}

#[test]
fn an_unknown_verb_ends_the_connection() -> io::Result<()> {
    let hub = Hub::start();
    let login = device(&hub, "pump-7");
    for topic in ["$iothub/twin/PUT/?$rid=1", "$iothub/twin/GET/", "$iothub/twin/GET/?$rid="] {
        let mut client = TwinClient::connect(&hub, &login, false)?;
        client.publish(topic, b"")?;
        assert!(client.ping().is_err(), "{topic}");
    }
    Ok(())
}
