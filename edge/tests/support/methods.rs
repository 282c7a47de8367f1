//! Both ends of a method call: a device in plain MQTT, and back ends through REST and the SDKs.

use std::io;

use serde_json::{Value, json};

use super::hub::Hub;
use super::mqtt::{Login, MqttDevice, PUBLISH_QOS1, packet, publish_packet, push_text};
use super::node::Node;
use super::python::Python;
use super::rest::{self, Device};
use super::script::Script;

const SUBSCRIBE: u8 = 0x82;
const UNSUBSCRIBE: u8 = 0xa2;
const SUBACK: u8 = 0x90;
const UNSUBACK: u8 = 0xb0;
const PUBLISH: u8 = 0x30;
const METHODS: &str = "$iothub/methods/POST/#";

/// A call as a device gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedCall {
    pub(crate) name: String,
    pub(crate) rid: String,
    pub(crate) payload: String,
}

/// A device whose only packets are about methods.
pub(crate) struct MethodDevice {
    pub(crate) mqtt: MqttDevice,
}

impl MethodDevice {
    /// Connects and subscribes.
    pub(crate) fn connect(hub: &Hub, device: &Device) -> io::Result<Self> {
        let mqtt = MqttDevice::connect_as(hub, &Login::device(hub, device))?;
        let mut device = Self { mqtt };
        device.subscribe()?;
        Ok(device)
    }

    /// Asks for method calls with QoS 0.
    pub(crate) fn subscribe(&mut self) -> io::Result<()> {
        self.change(SUBSCRIBE, SUBACK, &[0])
    }

    /// Declines method calls.
    pub(crate) fn unsubscribe(&mut self) -> io::Result<()> {
        self.change(UNSUBSCRIBE, UNSUBACK, &[])
    }

    fn change(&mut self, first: u8, answer: u8, qos: &[u8]) -> io::Result<()> {
        let mut body = vec![0, 1];
        push_text(&mut body, METHODS);
        body.extend_from_slice(qos);
        self.mqtt.write(&packet(first, &body))?;
        self.mqtt.flush()?;
        let (kind, _) = self.mqtt.read_packet()?;
        assert_eq!(kind, answer, "the hub answers with the packet that belongs to the question");
        Ok(())
    }

    /// The call that comes next.
    pub(crate) fn next_call(&mut self) -> io::Result<ReceivedCall> {
        let (kind, body) = self.mqtt.read_packet()?;
        assert_eq!(kind, PUBLISH, "only calls are due");
        let (length, rest) = body.split_at(2);
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let (topic, payload) = rest.split_at(length);
        let topic = str::from_utf8(topic).expect("topics are UTF-8");
        let call = topic.strip_prefix("$iothub/methods/POST/").expect("only calls are due");
        let (name, rid) = call.split_once("/?$rid=").expect("a call has a request id");
        let payload = String::from_utf8(payload.to_vec()).expect("payloads are JSON");
        Ok(ReceivedCall { name: name.to_owned(), rid: rid.to_owned(), payload })
    }

    /// Answers with QoS 1 and waits for the PUBACK, so that the hub has dealt with the answer.
    pub(crate) fn answer(&mut self, status: &str, rid: &str, body: &str) -> io::Result<()> {
        let topic = format!("$iothub/methods/res/{status}/?$rid={rid}");
        self.mqtt.write(&publish_packet(PUBLISH_QOS1, &topic, Some(9), body.as_bytes()))?;
        self.mqtt.flush()?;
        assert_eq!(self.mqtt.read_puback()?, 9);
        Ok(())
    }

    /// Answers `count` calls with their own payload, whichever come.
    pub(crate) fn echo(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let call = self.next_call()?;
            let topic = format!("$iothub/methods/res/200/?$rid={}", call.rid);
            self.mqtt.write(&publish_packet(PUBLISH, &topic, None, call.payload.as_bytes()))?;
            self.mqtt.flush()?;
        }
        Ok(())
    }
}

/// Calls a method over REST and returns status and body.
pub(crate) fn invoke(hub: &Hub, device: &str, call: &Value) -> (u16, Value) {
    let path = format!("/twins/{device}/methods");
    let (status, body) =
        rest::exchange(hub, "POST", &path, &call.to_string()).expect("the hub answers every call");
    (status, serde_json::from_str(&body).expect("answers are JSON"))
}

/// Number and text of an error of a call; the text holds JSON of its own.
pub(crate) fn device_error(body: &Value) -> Value {
    assert_eq!(body["ExceptionMessage"], "", "{body}");
    let message = body["Message"].as_str().expect("errors have a message");
    let mut message: Value = serde_json::from_str(message).expect("the message is JSON");
    let members = message.as_object_mut().expect("an object");
    let tracking = members.remove("trackingId").expect("an error can be tracked");
    assert!(tracking.as_str().is_some_and(|id| id.contains("-TimeStamp:")), "{tracking}");
    let time = members.remove("timestampUtc").expect("an error has a time");
    let time = time.as_str().expect("a text");
    assert!(time.len() == "2030-03-17T17:46:40.1234567Z".len() && time.ends_with('Z'), "{time}");
    message
}

impl Python {
    /// A device or module that answers methods, before it is started.
    pub(crate) fn method_device(&self, hub: &Hub, connection_string: &str) -> Script {
        self.script("method_device.py").arg(connection_string).arg("--ca").arg(hub.ca_file())
    }

    /// A back end that calls methods, before it is started.
    pub(crate) fn methods(&self, hub: &Hub, calls: &[Value]) -> Script {
        self.script("methods.py")
            .arg(hub.registry_connection_string(&hub.address.https_host()))
            .arg(json!(calls).to_string())
            .env("REQUESTS_CA_BUNDLE", hub.ca_file())
    }
}

impl Node {
    /// A device that answers methods over `mqtt`, `ws`, `amqp` or `amqp-websocket`, before it is
    /// started.
    pub(crate) fn method_device(&self, hub: &Hub, device: &Device, transport: &str) -> Script {
        self.script(hub, "method_device.js")
            .arg(hub.device_connection_string(&device.id, &device.key))
            .arg(transport)
    }

    /// A back end that calls methods, before it is started.
    pub(crate) fn methods(&self, hub: &Hub, calls: &[Value]) -> Script {
        self.script(hub, "methods.js")
            .arg(hub.registry_connection_string(&hub.address.host()))
            .arg(hub.address.https_port.to_string())
            .arg(json!(calls).to_string())
    }
}
