//! Uploads of devices that have certificates and no keys, over HTTPS: self-signed ones, and those
//! of an authority of the hub.

mod support;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;
use support::factory::{Made, Wish};
use support::http_device::HttpDevice;
use support::hub::Hub;
use support::rest::{add_authority, create_certified, exchange};
use support::tls::Certificate;
use support::upload::Upload;

/// Uploads a file as a device that shows this certificate.
fn upload(hub: &Hub, id: &str, certificate: &Certificate) {
    let mut device = HttpDevice::certified(hub, id, certificate).expect("the hub listens");
    let upload = Upload::start(&mut device, "log.txt");
    assert_eq!(upload.path, format!("/ringhubstorage/uploads/{id}/log.txt"));
    let put = upload.put(hub, b"by certificate").expect("the hub answers");
    assert_eq!(put.status, 201, "{}", put.body);
    assert_eq!(upload.finish(&mut device, true).status, 204);
    assert_eq!(upload.get(hub, "").body, "by certificate");
}

/// The status with which a device is refused that shows this certificate.
fn refusal(hub: &Hub, id: &str, certificate: &Certificate) -> u16 {
    let mut device = HttpDevice::certified(hub, id, certificate).expect("the hub listens");
    Upload::try_start(&mut device, "log.txt").expect_err("it is not this device").status
}

#[test]
fn a_device_uploads_with_a_certificate_that_it_has_signed_itself() {
    let mut hub = Hub::start();
    let [own, other] = [(); 2].map(|()| Made::root(&Wish::leaf("whatever")).certificate);
    let thumbprint: String =
        digest(&SHA256, &own.chain[0]).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let body = json!({ "deviceId": "pump-1", "authentication": { "type": "selfSigned",
        "x509Thumbprint": { "primaryThumbprint": thumbprint } } });
    let (status, made) =
        exchange(&hub, "PUT", "/devices/pump-1", &body.to_string()).expect("the hub answers");
    assert_eq!(status, 200, "{made}");
    upload(&hub, "pump-1", &own);
    assert_eq!(refusal(&hub, "pump-1", &other), 401);
    hub.assert_sound();
}

#[test]
fn a_device_uploads_with_a_certificate_of_an_authority() {
    let mut hub = Hub::start();
    let root = Made::authority("Factory");
    add_authority(&hub, "factory", root.pem());
    ["pump-1", "pump-2"].into_iter().for_each(|id| create_certified(&hub, id));
    let line = root.issue(&Wish::authority("Line 7"));
    let certificate = line.device("pump-1").certificate;
    upload(&hub, "pump-1", &certificate);
    assert_eq!(refusal(&hub, "pump-2", &certificate), 401, "it is another device's");
    let foreign = Made::authority("Factory").device("pump-1").certificate;
    assert_eq!(refusal(&hub, "pump-1", &foreign), 401);
    hub.assert_sound();
}
