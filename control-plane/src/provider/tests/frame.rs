//! Who is let in, and in which version.

use ringhub_core::limits::PROVIDER_BODY_BYTES_MAX;

use super::*;
use crate::api::tests::Client;

#[test]
fn only_the_token_of_administrators_opens_the_provider_and_only_the_provider() {
    let dir = TempDir::new();
    let control = open(&dir);
    let administrator = Administrator { control: &control };
    let with = |authorization: Option<&str>| {
        let mut request = administrator.request("GET", HUB, None, &Value::Null);
        request.headers.remove(AUTHORIZATION);
        if let Some(text) = authorization {
            let text = HeaderValue::try_from(text).expect("a header");
            request.headers.insert(AUTHORIZATION, text);
        }
        call(&control, request)
    };
    assert_eq!(verdict(&with(None)), refused(401, "AuthenticationFailed"));
    let owner = Client::new(&control, "iothubowner");
    for other in [owner.authorization(), ADMIN_TOKEN, "", "Basic Zm9yOm1l", "Bearer"] {
        let refusal = verdict(&with(Some(other)));
        assert_eq!(refusal, refused(401, "AuthenticationFailedInvalidHeader"), "{other}");
    }
    for wrong in ["Bearer ", "Bearer for-administrator", "Bearer for-administrators2"] {
        let response = with(Some(wrong));
        assert_eq!(verdict(&response), refused(401, "InvalidAuthenticationToken"), "{wrong}");
        assert!(response.headers.contains_key("www-authenticate"));
    }
    for good in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(with(Some(&format!("{good} {ADMIN_TOKEN}"))).status, 200);
    }
    for path in ["/devices", "/twins/d", "/certificates", "/metrics"] {
        let response = administrator.get(path);
        assert_eq!(response.status, 401, "a hub does not know the token: {path}");
    }
    control.shutdown();
}

#[test]
fn versions_are_those_that_clients_use() {
    let dir = TempDir::new();
    let control = open(&dir);
    let administrator = Administrator { control: &control };
    let with = |query: &str| {
        let mut request = administrator.request("GET", HUB, None, &Value::Null);
        request.path_and_query = format!("{HUB}{query}");
        call(&control, request)
    };
    for good in ["2016-02-03", "2018-04-01", "2023-06-30", "2021-07-02-PREVIEW"] {
        assert_eq!(with(&format!("?API-version={good}")).status, 200, "{good}");
    }
    for none in ["", "?api-version=", "?version=2018-04-01"] {
        assert_eq!(verdict(&with(none)), refused(400, "MissingApiVersionParameter"), "{none}");
    }
    for bad in ["2020-01-01", "latest", "2021-04-12"] {
        let (status, code, text) = refusal(&with(&format!("?api-version={bad}")));
        assert_eq!((status, code.as_str()), (400, "InvalidApiVersionParameter"));
        let said = format!("The api-version '{bad}' is invalid. The supported versions are '2025-");
        assert!(text.starts_with(&said), "{text}");
    }
    control.shutdown();
}

#[test]
fn paths_verbs_and_sizes_that_cannot_be_are_refused() {
    let dir = TempDir::new();
    let control = open(&dir);
    let administrator = Administrator { control: &control };
    for path in ["/subscriptions", "/providers", "/providers/Microsoft.Devices/x", &HUB[..40]] {
        assert_eq!(
            verdict(&administrator.get(path)),
            refused(404, "InvalidResourceType"),
            "{path}"
        );
    }
    let nowhere = administrator.get(&HUB.replace("IotHubs/hub", "IotHubs/none"));
    let (status, code, text) = refusal(&nowhere);
    assert_eq!((status, code.as_str()), (404, "ResourceNotFound"));
    assert!(text.contains("'Microsoft.Devices/IotHubs/none' under resource group 'ringhub'"));
    let elsewhere = administrator.get(&HUB.replace("/ringhub/", "/other/"));
    assert_eq!(verdict(&elsewhere), refused(404, "ResourceNotFound"));
    let part = administrator.get(&format!("{}/skus", HUB.replace("IotHubs/hub", "IotHubs/none")));
    assert_eq!(verdict(&part), refused(404, "ResourceNotFound"));

    let not_allowed = refused(405, "HttpMethodNotAllowed");
    assert_eq!(verdict(&administrator.send("TRACE", HUB, None, &Value::Null)), not_allowed);
    let keys = administrator.get(&format!("{HUB}/listkeys"));
    assert_eq!(verdict(&keys), not_allowed);
    assert_eq!(keys.headers["allow"], "POST");
    let large = json!({ "name": "x".repeat(PROVIDER_BODY_BYTES_MAX) });
    let check = HUB.replace("/resourceGroups/ringhub", "").replace("IotHubs/hub", "");
    let response = administrator.post(&format!("{check}checkNameAvailability"), &large);
    assert_eq!(verdict(&response), refused(413, "RequestContentTooLarge"));
    control.shutdown();
}
