//! What queries answer.

use serde_json::{Value, json};

use super::fleet::{Asker, item_type};
use crate::tests::{TempDir, open};

/// Three devices and two modules.
fn fleet(asker: &Asker<'_>) {
    let tags = json!({"site": "A1", "floor": 3, "on": true, "list": [1, "two", {"three": 3}],
        "odd(name!": {"it's": "q\"uo\\te"}});
    asker.device("pump-1", &json!({"tags": tags, "properties": {"desired": {"fw": "2.0"}}}));
    asker.device("pump-2", &json!({"tags": {"site": "B2", "floor": "3"}}));
    asker.identity(
        "/devices/valve",
        &json!({"deviceId": "valve", "status": "disabled",
        "statusReason": "broken", "capabilities": {"iotEdge": true}}),
    );
    asker.module("pump-1", "m1", &json!({"properties": {"desired": {"level": 5}}}));
    asker.module("pump-2", "m2", &json!({"tags": {"site": "C3"}}));
}

#[test]
fn the_queries_of_tools_are_answered() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    fleet(&asker);
    let all = asker.rows("select * from devices");
    let twins = ["pump-1", "pump-2", "valve"].map(|id| asker.read(&format!("/twins/{id}")));
    assert_eq!(all, twins, "whole twins, as they are read by id");
    let edge = asker.rows("select * from devices where capabilities.iotEdge = true");
    assert_eq!(edge[0]["deviceId"], "valve");
    let ids = [json!({"deviceId": "pump-1"}), json!({"deviceId": "pump-2"})];
    assert_eq!(asker.rows("SELECT TOP 2 deviceId FROM devices"), ids);
    let scope = asker.rows("SELECT deviceId, deviceScope FROM devices").pop().expect("three rows");
    let scope = scope["deviceScope"].as_str().expect("edge devices have a scope").to_owned();
    asker.identity("/devices/leaf", &json!({"deviceId": "leaf", "deviceScope": scope}));
    let children =
        format!("select deviceId from devices where array_contains(parentScopes, '{scope}')");
    assert_eq!(asker.rows(&children), [json!({"deviceId": "leaf"})]);
    for nothing in [
        "select deviceId from devices where configurations.[[cfg-1]].status = 'Applied'",
        "select deviceId from devices.modules where moduleId = '$edgeAgent' and \
         configurations.[[c12]].status = 'Applied' and \
         properties.desired.$version = properties.reported.lastDesiredVersion and \
         properties.reported.lastDesiredStatus.code = 200",
        "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'fw-1'",
    ] {
        assert_eq!(asker.rows(nothing), [Value::Null; 0], "{nothing}");
    }
    let explorer = "\n  SELECT deviceId as DeviceId,\n status as Status, lastActivityTime as \
        LastActivityTime, statusUpdatedTime as StatusUpdatedTime, authenticationType as \
        AuthenticationType, cloudToDeviceMessageCount as CloudToDeviceMessageCount, \
        connectionState as ConnectionState, capabilities.iotEdge as IotEdge, modelId as ModelId \
        FROM devices\n where startswith(deviceId, 'val')";
    let never = "0001-01-01T00:00:00Z";
    let disabled = asker.read("/twins/valve")["statusUpdateTime"].clone();
    let row = json!({"DeviceId": "valve", "Status": "disabled", "LastActivityTime": never,
        "StatusUpdatedTime": disabled, "AuthenticationType": "sas", "CloudToDeviceMessageCount": 0,
        "ConnectionState": "Disconnected", "IotEdge": true, "ModelId": ""});
    assert_eq!(asker.rows(explorer), [row]);
    let module = asker.rows("SELECT * FROM devices.modules WHERE deviceId in ['pump-1']");
    assert_eq!(module, [asker.read("/twins/pump-1/modules/m1")]);
    let prefixed = "SELECT moduleId FROM devices.modules WHERE devices.deviceId = 'pump-2'";
    assert_eq!(asker.rows(prefixed), [json!({"moduleId": "m2"})]);
}

#[test]
fn item_types_are_spelled_as_clients_need_them() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    for (query, expected) in [
        ("SELECT * FROM devices", "Twin"),
        ("SELECT * FROM devices.modules", "Twin"),
        ("SELECT * FROM devices.jobs", "DeviceJob"),
        ("SELECT deviceId FROM devices", "Raw"),
        ("SELECT COUNT() AS n FROM devices", "Raw"),
        ("SELECT tags.a FROM devices GROUP BY tags.a", "Raw"),
    ] {
        assert_eq!(item_type(&asker.page(query, 10, None)), expected, "{query}");
    }
}

#[test]
fn columns_are_named_by_alias_or_by_their_last_name() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    fleet(&asker);
    for (columns, expected) in [
        ("DEVICEID, Tags.site", json!({"deviceId": "pump-1", "site": "A1"})),
        ("tags.site AS from, tags.nothing", json!({"from": "A1"})),
        ("tags.[[odd(name!]].[[it's]] AS [[an alias]]", json!({"an alias": "q\"uo\\te"})),
        ("tags['odd(name!']['it\\'s']", json!({"it's": "q\"uo\\te"})),
        ("tags.list", json!({"list": [1, "two", {"three": 3}]})),
        ("tags.list[2].three, tags.list[1] AS x", json!({"three": 3, "x": "two"})),
        ("properties.desired.fw, properties.desired.$version", json!({"fw": "2.0", "$version": 2})),
        ("deviceId, deviceid, devices.deviceId", json!({"deviceId": "pump-1"})),
        ("capabilities.IOTEDGE, tags.on.x, deviceId.x AS y", json!({"iotEdge": false})),
        ("tags.list[7], tags.site[0] AS z", json!({})),
    ] {
        let query = format!("SELECT {columns} FROM devices WHERE deviceId = 'pump-1'");
        assert_eq!(asker.rows(&query), [expected], "{query}");
    }
    let whole =
        asker.rows("SELECT properties, x509Thumbprint FROM devices WHERE deviceId='pump-1'");
    let twin = asker.read("/twins/pump-1");
    assert_eq!(whole[0]["properties"], twin["properties"]);
    assert_eq!(whole[0]["x509Thumbprint"], twin["x509Thumbprint"]);
    let metadata = "SELECT properties.desired.$metadata.fw.$lastUpdatedVersion AS v FROM devices \
        WHERE properties.desired.$metadata.fw.$lastUpdatedVersion = 2";
    assert_eq!(asker.rows(metadata), [json!({"v": 2})]);
}

#[test]
fn conditions_are_true_false_or_undefined() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    fleet(&asker);
    for (condition, expected) in [
        ("tags.site = 'A1'", &["pump-1"][..]),
        ("tags.site != 'A1'", &["pump-2"]),
        ("NOT tags.site = 'A1'", &["pump-2"]),
        ("tags.floor = 3", &["pump-1"]),
        ("tags.floor = '3'", &["pump-2"]),
        ("tags.floor <> 4", &["pump-1"]),
        ("tags.on", &["pump-1"]),
        ("tags.site", &[]),
        ("NOT tags.site", &[]),
        ("tags.site = 'A1' OR tags.none = 1", &["pump-1"]),
        ("tags.site = 'A1' AND tags.none = 1", &[]),
        ("NOT (tags.site = 'A1' AND tags.none = 1)", &["pump-2"]),
        ("NOT is_defined(tags.site)", &["valve"]),
        ("tags.Site = 'A1' or TAGS.site = 'a1'", &[]),
        ("tags.list = tags.list", &[]),
        ("tags.floor * 2 + 1 = 7 and -tags.floor < 0 and tags.floor % 2 = 0x1", &["pump-1"]),
        ("tags.floor / 0 > 0 or tags.site + 1 > 0", &[]),
        ("tags.site IN ['A1', 'B2', 5]", &["pump-1", "pump-2"]),
        ("tags.site NIN ['A1']", &["pump-2"]),
        ("tags.site NOT IN ['A1', 5]", &[]),
        ("(tags.floor = 3) = true", &["pump-1"]),
        ("status = 'disabled' and statusReason = 'broken'", &["valve"]),
        ("array_contains(tags.list, 'two') and not array_contains(tags.list, 2)", &["pump-1"]),
        ("array_contains(['A1', 'B2'], tags.site)", &["pump-1", "pump-2"]),
        ("x509Thumbprint.primaryThumbprint = null", &["pump-1", "pump-2", "valve"]),
        ("is_null(x509Thumbprint.primaryThumbprint) and is_string(tags.floor)", &["pump-2"]),
        ("deviceId > 'pump-1' and 'pump-3' >= deviceId", &["pump-2"]),
        ("deviceId = 5 or deviceId = 'valve'", &["valve"]),
        ("lastActivityTime < '2016-09-01' and version = 2", &["valve"]),
        (
            "connectionState = 'Disconnected' and cloudToDeviceMessageCount = 0 and version > 2",
            &["pump-1", "pump-2"],
        ),
        ("endswith(tags.site, '2') or contains(tags.site, '1')", &["pump-1", "pump-2"]),
        (
            "length(tags.site) = 2 and lower(tags.site) = 'a1' and index_of(tags.site, '1') = 1",
            &["pump-1"],
        ),
        ("true /* a comment */ and 1e2 = 100", &["pump-1", "pump-2", "valve"]),
        ("undefined or null or 'true' or 1", &[]),
        ("tags.[[odd(name!]]['it\\u0027s'] = \"q\\\"uo\\\\te\"", &["pump-1"]),
        ("tags.site = 'x'' OR 1=1 --'", &[]),
    ] {
        assert_eq!(asker.ids(condition), expected, "{condition}");
    }
}

#[test]
fn aggregates_and_groups_are_rows() {
    let dir = TempDir::new();
    let control = open(&dir);
    let asker = Asker::new(&control);
    assert_eq!(asker.rows("SELECT COUNT() AS n FROM devices"), [json!({"n": 0})]);
    assert_eq!(asker.rows("SELECT COUNT() AS n FROM devices WHERE tags.a = 1"), [json!({"n": 0})]);
    assert_eq!(asker.rows("SELECT MAX(tags.a) AS m FROM devices"), [json!({})]);
    for (number, site) in ["A", "B", "A", "C"].iter().enumerate() {
        let tags = json!({"site": site, "n": number, "half": number as f64 / 2.0});
        asker.device(&format!("d{number}"), &json!({"tags": tags}));
    }
    asker.device("d4", &json!({"tags": {"n": "text"}}));
    let totals = "SELECT COUNT() AS c, AVG(tags.n) AS a, SUM(tags.half) AS s, MIN(tags.n) AS l, \
        MAX(tags.half) AS h FROM devices";
    let expected = json!({"c": 5, "a": 1.5, "s": 3, "l": 0, "h": 1.5});
    assert_eq!(asker.rows(totals), [expected]);
    assert_eq!(asker.rows("select count() from devices.modules"), [json!({"$1": 0})]);
    let mut groups =
        asker.rows("SELECT tags.site AS s, COUNT() AS n FROM devices GROUP BY tags.site");
    groups.sort_by_key(Value::to_string);
    let expected = [
        json!({"n": 1, "s": "B"}),
        json!({"n": 1, "s": "C"}),
        json!({"n": 1}),
        json!({"n": 2, "s": "A"}),
    ];
    assert_eq!(groups, expected);
    let some = asker.rows("SELECT TOP 3 tags.site FROM devices GROUP BY tags.site, tags.none");
    assert_eq!(some.len(), 3);
}
