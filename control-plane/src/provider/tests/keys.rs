//! Keys that a hub may refuse to take.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringhub_core::auth::sas_token::sign;
use ringhub_core::id::HubId;

use super::changing::start;
use super::*;
use crate::api::tests::Client;
use crate::directory::IdentityRef;

/// A token that the key of an identity has signed.
fn token_of(path: &str, key: &Value) -> String {
    let key = STANDARD.decode(key.as_str().expect("a key")).expect("keys are base64");
    let resource = format!("{HOST_NAME}/{path}").replace('/', "%2F");
    sign(&resource, &key, 4_000_000_000, None)
}

#[test]
fn keys_that_are_switched_off_open_nothing() {
    let dir = TempDir::new();
    let control = start(&dir);
    let administrator = Administrator { control: &control };
    let owner = Client::new(&control, "iothubowner");
    let made = body(&owner.put("/devices/d", None, &json!({})));
    let key = |made: &Value| made["authentication"]["symmetricKey"]["primaryKey"].clone();
    let device_key = key(&made);
    let module_key = key(&body(&owner.put("/devices/d/modules/m", None, &json!({}))));
    let admits = |path: &str, key: &Value| {
        let module = path.ends_with("/m").then_some("m");
        let token = token_of(path, key);
        let name = IdentityRef { device: "d", module };
        let now = crate::clock::now();
        control.directory().authenticate(HubId(0), name, &token, now).is_ok()
    };
    let seen = || {
        let service = owner.get("/devices/d").status.as_u16();
        (service, admits("devices/d", &device_key), admits("devices/d/modules/m", &module_key))
    };
    assert_eq!(seen(), (200, true, true));
    for (flag, expected) in [
        ("disableLocalAuth", (401, true, true)),
        ("disableDeviceSAS", (200, false, true)),
        ("disableModuleSAS", (200, true, false)),
    ] {
        let mut hub = administrator.read(HUB);
        hub["properties"][flag] = json!(true);
        good(&administrator.put(HUB, None, &hub));
        assert_eq!(seen(), expected, "{flag}");
        hub["properties"][flag] = json!(false);
        good(&administrator.put(HUB, None, &hub));
        assert_eq!(seen(), (200, true, true), "{flag} is off again");
    }
    control.shutdown();
}
