//! Many devices at once, through the bulk requests of the registry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ringhub_core::limits::BULK_ITEMS_MAX;
use serde_json::{Value, json};

use super::http::HttpConnection;
use super::hub::Hub;
use super::rest::Device;

/// Registers `prefix-0`, `prefix-1` and so on, on one connection, all with the same key.
pub(crate) fn create_devices(hub: &Hub, prefix: &str, count: usize) -> Vec<Device> {
    let key = STANDARD.encode([7; 32]);
    let devices: Vec<Device> =
        (0..count).map(|n| Device { id: format!("{prefix}-{n}"), key: key.clone() }).collect();
    let mut connection = HttpConnection::open(hub).expect("the hub listens");
    for batch in devices.chunks(BULK_ITEMS_MAX) {
        let items = Value::Array(batch.iter().map(item).collect()).to_string();
        let json = "Content-Type: application/json; charset=utf-8\r\n";
        let answer = connection.exchange("POST", "/devices", json, &items);
        let answer = answer.expect("the hub answers registry requests");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    devices
}

fn item(Device { id, key }: &Device) -> Value {
    let keys = json!({ "primaryKey": key, "secondaryKey": key });
    let authentication = json!({ "type": "sas", "symmetricKey": keys });
    json!({ "id": id, "importMode": "create", "authentication": authentication })
}
