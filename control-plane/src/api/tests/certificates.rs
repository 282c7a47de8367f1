//! The certificate authorities of a hub over REST.

use ringhub_core::auth::CertificateChain;

use super::*;
use crate::clock;
use crate::directory::{Credential, IdentityRef};
use crate::tests::certificate::Made;

const CA: &str = "/certificates/factory";

fn upload(made: &Made) -> Value {
    json!({ "properties": { "certificate": made.base64() } })
}

fn proof(made: &Made) -> Value {
    json!({ "certificate": made.pem })
}

/// Whether the device `d`, which has its certificate from an authority, gets in.
fn is_admitted(control: &ControlPlane, chain: &CertificateChain) -> bool {
    let credential = Credential { token: None, certificate: Some(chain) };
    let name = IdentityRef { device: "d", module: None };
    control.directory().authenticate(HubId(0), name, credential, clock::now()).is_ok()
}

#[test]
fn a_certificate_counts_from_its_proof_to_its_deletion() {
    let dir = TempDir::new();
    let mut control = open(&dir);
    let ca = Made::authority("Factory");
    let leaf = Made::leaf("d", Some(&ca)).chain();
    let client = Client::new(&control, "iothubowner");
    client.put("/devices/d", None, &json!({"authentication": {"type": "certificateAuthority"}}));

    let created = client.put("/certificates/Factory", None, &upload(&ca));
    assert_eq!(verdict(&created), refused(201, ""));
    let created = body(&created);
    let properties = &created["properties"];
    assert_eq!(created["name"], "Factory");
    assert_eq!(created["type"], "Microsoft.Devices/IotHubs/Certificates");
    assert_eq!(created["etag"].as_str().map(str::len), Some(12));
    assert_eq!(properties["subject"], "CN=Factory");
    assert_eq!(properties["thumbprint"], ca.sha1());
    assert_eq!(properties["isVerified"], false);
    assert_eq!(properties["certificate"], ca.base64());
    for time in ["expiry", "created", "updated"] {
        assert!(properties[time].as_str().is_some_and(|text| text.ends_with(" GMT")), "{time}");
    }
    assert_eq!(body(&client.get(CA)), created, "names compare without case");
    assert_eq!(body(&client.get("/certificates/"))["value"], json!([created]));
    assert!(!is_admitted(&control, &leaf));

    let etag = created["etag"].as_str().expect("a tag");
    let with_code =
        client.send("POST", &format!("{CA}/generateVerificationCode"), Some(etag), &Value::Null);
    let with_code = body(&with_code);
    assert_ne!(with_code["etag"], created["etag"]);
    let code = with_code["properties"]["verificationCode"].as_str().expect("a code");
    assert_eq!(body(&client.get(CA))["properties"].get("verificationCode"), None);
    let made = Made::leaf(code, Some(&ca));
    let stale = client.send("POST", &format!("{CA}/verify"), Some(etag), &proof(&made));
    assert_eq!(verdict(&stale), refused(412, "PreconditionFailed"));
    let verified = client.send("POST", &format!("{CA}/verify"), Some("*"), &proof(&made));
    assert_eq!(verdict(&verified), refused(200, ""));
    assert_eq!(body(&verified)["properties"]["isVerified"], true);
    assert!(is_admitted(&control, &leaf));

    let shown = body(&client.get(CA));
    control.shutdown();
    control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    assert_eq!(body(&client.get(CA)), shown, "it survives");
    assert!(is_admitted(&control, &leaf));
    let etag = format!("\"{}\"", shown["etag"].as_str().expect("a tag"));
    assert_eq!(client.send("DELETE", CA, Some(&etag), &Value::Null).status, 200);
    assert!(!is_admitted(&control, &leaf));
    assert_eq!(client.send("DELETE", CA, Some("*"), &Value::Null).status, 204);
    assert_eq!(verdict(&client.get(CA)), refused(404, "CertificateNotFound"));
    control.shutdown();
}

#[test]
fn what_is_no_authority_is_refused_by_its_reason() {
    let dir = TempDir::new();
    let control = open(&dir);
    let client = Client::new(&control, "iothubowner");
    let argument = refused(400, "ArgumentInvalid");
    let garbage = json!({ "certificate": "AAECAwQ=" });
    let large = Made::authority(&"x".repeat(20_000));
    let of = |text: &str| json!({ "certificate": text });
    for (says, name, document, expected) in [
        ("garbage", "a", garbage, "cannot be read"),
        ("no base64", "a", of("!"), "cannot be read"),
        ("a leaf", "a", upload(&Made::leaf("a", None)), "do not say CA"),
        ("expired", "a", upload(&Made::authority_lasting("a", (-9, -1))), "has expired"),
        ("too large", "a", upload(&large), "too many bytes"),
        ("two", "a", of(&[large.pem.clone(), large.pem].concat()), "exactly one"),
        ("a name", "a%20b", upload(&Made::authority("a")), "1 to 64 letters"),
    ] {
        let response = client.put(&format!("/certificates/{name}"), None, &document);
        assert_eq!(verdict(&response), argument, "{says}");
        let text = body(&response)["Message"].to_string();
        assert!(text.contains(expected), "{says}: {text}");
    }
    let empty = client.put(CA, None, &json!({ "properties": {} }));
    assert_eq!(verdict(&empty), refused(400, "ArgumentNull"));
    assert_eq!(verdict(&client.put(CA, None, &json!({"certificate": 7}))), argument);

    let ca = Made::authority(&"y".repeat(8192));
    let claimed = json!({"properties": {"certificate": ca.pem, "isVerified": true}});
    let created = client.put(CA, None, &claimed);
    assert_eq!(verdict(&created).0, 201);
    assert_eq!(body(&created)["properties"]["isVerified"], true);
    let again = client.put(CA, None, &claimed);
    assert_eq!(verdict(&again), refused(412, "PreconditionFailed"));
    let twice = client.put("/certificates/other", None, &claimed);
    assert_eq!(verdict(&twice), refused(409, "GenericConflict"));
    let nowhere = client.put("/certificates/nowhere", Some("AAAA"), &upload(&ca));
    assert_eq!(verdict(&nowhere), refused(409, "GenericConflict"));
    let new = upload(&Made::authority("new"));
    let nowhere = client.put("/certificates/nowhere", Some("AAAA"), &new);
    assert_eq!(verdict(&nowhere), refused(404, "CertificateNotFound"));
    for (verb, rest) in [("DELETE", ""), ("POST", "/generateVerificationCode"), ("POST", "/verify")]
    {
        let response = client.send(verb, &format!("{CA}{rest}"), None, &proof(&ca));
        assert_eq!(verdict(&response), argument, "{verb} {rest}");
    }
    let early = client.send("POST", &format!("{CA}/verify"), Some("*"), &proof(&ca));
    assert_eq!(verdict(&early), refused(400, "InvalidOperation"));
    client.send("POST", &format!("{CA}/generateVerificationCode"), Some("*"), &Value::Null);
    for bad in [proof(&Made::leaf("c", Some(&ca))), json!({"certificate": "AAAA"})] {
        let response = client.send("POST", &format!("{CA}/verify"), Some("*"), &bad);
        assert_eq!(verdict(&response), argument);
    }
}

#[test]
fn certificates_are_for_the_owner_and_for_known_verbs() {
    let dir = TempDir::new();
    let control = open(&dir);
    for policy in ["service", "device", "registryRead", "registryReadWrite"] {
        let client = Client::new(&control, policy);
        let document = upload(&Made::authority("a"));
        for response in
            [client.get("/certificates"), client.get(CA), client.put(CA, None, &document)]
        {
            let unauthorized = refused(401, "IotHubUnauthorizedAccess");
            assert_eq!(verdict(&response), unauthorized, "{policy}");
        }
    }
    let client = Client::new(&control, "iothubowner");
    assert_eq!(body(&client.get("/certificates"))["value"], json!([]));
    for (verb, path) in
        [("POST", "/certificates"), ("PATCH", CA), ("GET", "/certificates/a/verify")]
    {
        let response = client.send(verb, path, None, &Value::Null);
        assert_eq!(verdict(&response), refused(405, "GenericMethodNotAllowed"), "{verb} {path}");
    }
}
