//! What the hub says about the origin of a message, and a device cannot forge.

use std::ops::Range;

use bytes::BytesMut;

use super::d2c::{SystemProperties, write_properties_section};
use crate::codec::amqp::primitive::{write_str, write_symbol};
use crate::id::Identity;

/// Whose key, or what kind of certificate, a connection was authenticated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScope {
    /// A key of the device.
    Device,
    /// A key of the module.
    Module,
    /// A key of a hub policy.
    Hub,
    /// A certificate whose thumbprint stands in the registry.
    X509Thumbprint,
    /// A certificate that an authority of the hub has issued.
    X509CertificateAuthority,
}

impl AuthScope {
    /// JSON text of `iothub-connection-auth-method` for an identity.
    fn method_json(self, identity: &Identity) -> &'static str {
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
            Self::X509Thumbprint | Self::X509CertificateAuthority => match identity.module {
                None => {
                    r#"{"scope":"device","type":"x509","issuer":"iothub","acceptingIpFilterRule":null}"#
                }
                Some(_) => {
                    r#"{"scope":"module","type":"x509","issuer":"iothub","acceptingIpFilterRule":null}"#
                }
            },
        }
    }
}

/// The stamps of one connection, encoded once as message annotations, and the properties section of
/// a message whose sender set none.
///
/// About 400 bytes for the life of the connection; spares their encoding per message.
///
/// Source: device-endpoints reference, "Stamps set by the hub on accepted telemetry".
#[derive(Debug)]
pub struct Stamps {
    /// The pairs, then the section.
    bytes: Box<[u8]>,
    pairs_len: usize,
    element_count: u16,
    /// Where the address stands in the section.
    to: Range<usize>,
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
        pairs.add("iothub-connection-auth-method", scope.method_json(identity));
        pairs.add("iothub-connection-auth-generation-id", generation_id);
        pairs.add("iothub-message-source", "Telemetry");
        if let Some(model_id) = model_id {
            pairs.add("dt-dataschema", model_id);
        }
        pairs.add_key("iothub-enqueuedtime");
        let Pairs { mut bytes, element_count } = pairs;
        let (pairs_len, to) = (bytes.len(), events_path(identity));
        write_properties_section(&mut bytes, &to, &SystemProperties::default());
        let is_to = |place: &usize| bytes[*place..].starts_with(to.as_bytes());
        let start = (pairs_len..bytes.len()).find(is_to).expect("the section has the address");
        let to = start..start + to.len();
        Self { bytes: Box::from(&bytes[..]), pairs_len, element_count, to }
    }

    /// The encoded key-value pairs; the last is a key, whose value is the time of arrival.
    pub(super) fn pairs(&self) -> &[u8] {
        &self.bytes[..self.pairs_len]
    }

    /// Keys and values in [`pairs`](Self::pairs), each counted.
    pub(super) fn element_count(&self) -> u16 {
        self.element_count
    }

    /// The properties section of a message without system properties.
    pub(super) fn bare_properties(&self) -> &[u8] {
        &self.bytes[self.pairs_len..]
    }

    /// The address that the message was sent to.
    pub(super) fn to(&self) -> &str {
        str::from_utf8(&self.bytes[self.to.clone()]).expect("it was encoded from a text")
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
        self.add_key(key);
        write_str(&mut self.bytes, value);
        self.element_count += 1;
    }

    fn add_key(&mut self, key: &str) {
        write_symbol(&mut self.bytes, key);
        self.element_count += 1;
    }
}
