//! What the hub says about the origin of a message, and a device cannot forge.

use bytes::BytesMut;

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

/// The origin of the messages of one connection, encoded once as message annotations.
///
/// About 300 bytes for the life of the connection; spares their encoding per message.
///
/// Source: device-endpoints reference, "Stamps set by the hub on accepted telemetry".
#[derive(Debug)]
pub struct Origin {
    pairs: Box<[u8]>,
    element_count: u16,
}

impl Origin {
    /// Encodes the origin of the messages of `identity`.
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
        let Pairs { bytes, element_count } = pairs;
        Self { pairs: Box::from(&bytes[..]), element_count }
    }

    /// The encoded key-value pairs; the last is a key, whose value is the time of arrival.
    pub(super) fn pairs(&self) -> &[u8] {
        &self.pairs
    }

    /// Keys and values in [`pairs`](Self::pairs), each counted.
    pub(super) fn element_count(&self) -> u16 {
        self.element_count
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
