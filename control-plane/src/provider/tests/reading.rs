//! The hub of the configuration, as administrators read it.

use super::*;
use crate::tests::certificate::Made;

fn subscription(rest: &str) -> String {
    format!(
        "/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Devices/{rest}"
    )
}

#[test]
fn the_hub_of_the_configuration_is_described() {
    let dir = TempDir::new();
    let control = open(&dir);
    let administrator = Administrator { control: &control };
    let hub = administrator.read(HUB);
    assert_eq!(hub["id"], HUB);
    assert_eq!((&hub["name"], &hub["location"]), (&json!("hub"), &json!("local")));
    assert_eq!(hub["type"], "Microsoft.Devices/IotHubs");
    assert_eq!(hub["sku"], json!({ "name": "S1", "tier": "Standard", "capacity": 1 }));
    assert_eq!(hub["etag"].as_str().map(str::len), Some(12));
    let properties = &hub["properties"];
    assert_eq!(properties["hostName"], HOST_NAME);
    assert_eq!(properties["state"], "Active");
    assert_eq!(properties["provisioningState"], "Succeeded");
    assert_eq!(properties.get("authorizationPolicies"), None, "keys are for listkeys");
    let events = json!({
        "retentionTimeInDays": 1,
        "partitionCount": 4,
        "partitionIds": ["0", "1", "2", "3"],
        "path": "events",
        "endpoint": format!("sb://{HOST_NAME}/"),
    });
    assert_eq!(properties["eventHubEndpoints"]["events"], events);
    let c2d = json!({
        "maxDeliveryCount": 10,
        "defaultTtlAsIso8601": "PT1H",
        "feedback": {
            "lockDurationAsIso8601": "PT1M",
            "ttlAsIso8601": "PT1H",
            "maxDeliveryCount": 10,
        },
    });
    assert_eq!(properties["cloudToDevice"], c2d);

    let all = json!({ "value": [hub], "nextLink": null });
    assert_eq!(administrator.read(&subscription("IotHubs")), all);
    let group = HUB.trim_end_matches("/hub");
    assert_eq!(administrator.read(group), all);
    assert_eq!(administrator.read(&HUB.to_ascii_uppercase()), hub, "names compare without case");
    let none = json!({ "value": [], "nextLink": null });
    assert_eq!(administrator.read(&group.replace("/ringhub/", "/other/")), none);
    let other = subscription("IotHubs").replace("-0000-", "-1111-");
    assert_eq!(administrator.read(&other), none);
    control.shutdown();
}

#[test]
fn keys_and_consumer_groups_are_those_of_the_hub() {
    let dir = TempDir::new();
    let control = open(&dir);
    let administrator = Administrator { control: &control };
    let keys = good(&administrator.post(&format!("{HUB}/listkeys"), &Value::Null));
    let names = keys["value"].as_array().expect("a list").iter().map(|rule| &rule["keyName"]);
    let mut names: Vec<_> = names.map(|name| name.as_str().expect("a name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["device", "iothubowner", "registryRead", "registryReadWrite", "service"]);
    let one = good(&administrator.post(&format!("{HUB}/IotHubKeys/service/listkeys"), &json!({})));
    assert!(keys["value"].as_array().expect("a list").contains(&one));
    assert_eq!(one["rights"], "ServiceConnect");
    let none = administrator.post(&format!("{HUB}/IotHubKeys/nobody/listkeys"), &Value::Null);
    assert_eq!(verdict(&none), refused(404, "404000"));

    let groups = format!("{HUB}/eventHubEndpoints/events/ConsumerGroups");
    let list = administrator.read(&groups);
    let default = &list["value"][0];
    assert_eq!(
        (&default["name"], list["value"].as_array().map(Vec::len)),
        (&json!("$Default"), Some(2))
    );
    assert_eq!(default["id"], format!("{groups}/%24Default"));
    let cold = json!({ "properties": { "name": "Cold" } });
    let made = good(&administrator.send("PUT", &format!("{groups}/Cold"), None, &cold));
    assert_eq!(made["id"], format!("{groups}/Cold"));
    assert_eq!(administrator.read(&format!("{groups}/cold")), made);
    assert_eq!(
        good_empty(&administrator.send("DELETE", &format!("{groups}/cold"), None, &Value::Null)),
        200
    );
    assert_eq!(verdict(&administrator.get(&format!("{groups}/cold"))), refused(404, "404000"));
    let default = administrator.send("DELETE", &format!("{groups}/$Default"), None, &Value::Null);
    assert_eq!(verdict(&default), refused(400, "400004"));
    let elsewhere = administrator.get(&groups.replace("events/", "other/"));
    assert_eq!(verdict(&elsewhere), refused(404, "InvalidResourceType"));
    control.shutdown();
}

fn good_empty(response: &Response) -> u16 {
    assert!(response.body.is_empty());
    response.status.as_u16()
}

#[test]
fn certificates_are_proved_and_deleted() {
    let dir = TempDir::new();
    let control = open(&dir);
    let administrator = Administrator { control: &control };
    let path = format!("{HUB}/certificates/factory");
    let ca = Made::authority("Factory");
    let upload = json!({ "properties": { "certificate": ca.base64() } });
    let created = administrator.send("PUT", &path, None, &upload);
    assert_eq!(created.status, 201);
    let created = body(&created);
    assert_eq!(created["id"], path);
    assert_eq!(administrator.read(&format!("{HUB}/certificates"))["value"], json!([created]));
    let make = format!("{path}/generateVerificationCode");
    assert_eq!(verdict(&administrator.post(&make, &Value::Null)), refused(400, "400004"));
    let etag = created["etag"].as_str();
    let with_code = good(&administrator.send("POST", &make, etag, &Value::Null));
    let code = with_code["properties"]["verificationCode"].as_str().expect("a code");
    let proof = json!({ "certificate": Made::leaf(code, Some(&ca)).base64() });
    let verify = format!("{path}/verify");
    let stale = administrator.send("POST", &verify, etag, &proof);
    assert_eq!(verdict(&stale), refused(412, "412001"));
    let verified = good(&administrator.send("POST", &verify, with_code["etag"].as_str(), &proof));
    assert_eq!(verified["properties"]["isVerified"], true);
    let etag = verified["etag"].as_str();
    assert_eq!(good_empty(&administrator.send("DELETE", &path, etag, &Value::Null)), 200);
    assert_eq!(verdict(&administrator.get(&path)), refused(404, "404008"));
    control.shutdown();
}

#[test]
fn names_usages_skus_and_numbers_are_told() {
    let dir = TempDir::new();
    let control = open(&dir);
    let administrator = Administrator { control: &control };
    let check = |name: &str| {
        let path = subscription("checkNameAvailability");
        good(&administrator.post(&path, &json!({ "name": name })))
    };
    let free = json!({ "nameAvailable": true, "reason": "Invalid", "message": null });
    assert_eq!(check("another"), free);
    assert_eq!(check("HUB")["reason"], "AlreadyExists");
    let bad = check("-bad");
    assert_eq!((&bad["nameAvailable"], &bad["reason"]), (&json!(false), &json!("Invalid")));
    for body in [json!({}), json!({ "name": "" }), json!({ "name": 7 }), json!([]), Value::Null] {
        let response = administrator.post(&subscription("checkNameAvailability"), &body);
        assert_eq!(response.status, 400, "{body}");
        let _ = refusal(&response);
    }

    let usages = administrator.read(&subscription("usages"));
    assert_eq!(usages["value"][0]["name"]["value"], "FreeHubCount");
    assert_eq!(usages["value"][1]["currentValue"], 1);
    let skus = administrator.read(&format!("{HUB}/skus"));
    assert_eq!(skus["value"].as_array().map(Vec::len), Some(6), "a paid hub stays one");
    let client = crate::api::tests::Client::new(&control, "iothubowner");
    client.put("/devices/d", None, &json!({}));
    client.put("/devices/e", None, &json!({ "status": "disabled" }));
    let statistics = json!({
        "totalDeviceCount": 2, "enabledDeviceCount": 1, "disabledDeviceCount": 1,
    });
    assert_eq!(administrator.read(&format!("{HUB}/IotHubStats")), statistics);
    let metrics = administrator.read(&format!("{HUB}/quotaMetrics"));
    assert_eq!(metrics["value"][0]["name"], "TotalDeviceCount");
    assert_eq!(metrics["value"][0]["currentValue"], 2);
    let operations = administrator.read("/providers/Microsoft.Devices/operations");
    let names = operations["value"].as_array().expect("a list").iter().map(|one| &one["name"]);
    assert!(names.clone().any(|name| name == "Microsoft.Devices/iotHubs/Write"));
    let empty = json!({ "value": [], "nextLink": null });
    assert_eq!(administrator.read(&format!("{HUB}/routingEndpointsHealth")), empty);
    assert_eq!(administrator.read(&format!("{HUB}/privateEndpointConnections")), json!([]));
    control.shutdown();
}
