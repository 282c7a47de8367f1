//! What the hub says about the origin of a message, and a device cannot forge.

use bytes::BytesMut;

use crate::codec::amqp::primitive::{write_str, write_symbol};
use crate::id::Identity;

/// Whose key a connection was authenticated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScope {
    /// A key of the device.
    Device,
    /// A key of the module.
    Module,
    /// A key of a hub policy.
    Hub,
}

impl AuthScope {
    /// JSON text of `iothub-connection-auth-method` for a SAS token of this scope.
    fn method_json(self) -> &'static str {
        match self {
            Self::Device => {
                r#"{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#
            }
            Self::Module => {
                r#"{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#
            }
            Self::Hub => {
                r#"{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#
            }
        }
    }
}

/// The stamps of one connection, encoded once as message annotations.
///
/// About 400 bytes for the life of the connection; spares their encoding per message.
///
/// Source: device-endpoints reference, "Stamps set by the hub on accepted telemetry".
#[derive(Debug)]
pub struct Stamps {
    pairs: Box<[u8]>,
    element_count: u16,
    to: Box<str>,
}

impl Stamps {
    /// Encodes the stamps of a connection of `identity`.
    ///
    /// `generation_id` are the digits of the identity's generation, `model_id` is the Plug and Play
    /// model that the device announced.
    #[must_use]
    pub fn new(
        identity: &Identity,
        scope: AuthScope,
        generation_id: &str,
        model_id: Option<&str>,
    ) -> Self {
        let mut pairs = Pairs::default();
        pairs.add("iothub-connection-device-id", identity.device.as_str());
        if let Some(module) = &identity.module {
            pairs.add("iothub-connection-module-id", module.as_str());
        }
        pairs.add("iothub-connection-auth-method", scope.method_json());
        pairs.add("iothub-connection-auth-generation-id", generation_id);
        pairs.add("iothub-message-source", "Telemetry");
        if let Some(model_id) = model_id {
            pairs.add("dt-dataschema", model_id);
        }
        Self {
            pairs: pairs.bytes.freeze().to_vec().into_boxed_slice(),
            element_count: pairs.element_count,
            to: events_path(identity).into_boxed_str(),
        }
    }

    /// The encoded key-value pairs.
    pub(super) fn pairs(&self) -> &[u8] {
        &self.pairs
    }

    /// Keys and values in [`pairs`](Self::pairs), each counted.
    pub(super) fn element_count(&self) -> u16 {
        self.element_count
    }

    /// The address that the message was sent to.
    pub(super) fn to(&self) -> &str {
        &self.to
    }
}

fn events_path(identity: &Identity) -> String {
    match &identity.module {
        None => format!("/devices/{}/messages/events", identity.device),
        Some(module) => format!("/devices/{}/modules/{module}/messages/events", identity.device),
    }
}

#[derive(Default)]
struct Pairs {
    bytes: BytesMut,
    element_count: u16,
}

impl Pairs {
    fn add(&mut self, key: &str, value: &str) {
        write_symbol(&mut self.bytes, key);
        write_str(&mut self.bytes, value);
        self.element_count += 2;
    }
}
