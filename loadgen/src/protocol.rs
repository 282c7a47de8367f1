//! What devices speak, and what they call it.

use serde::{Deserialize, Serialize};

/// What devices speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Protocol {
    /// MQTT 3.1.1; a device is connected at its CONNACK, and a PUBACK acknowledges a message
    #[default]
    Mqtt,
    /// AMQP 1.0, to a hub; at the credit of the last link, and an outcome
    Amqp,
    /// HTTP/1.1, to a hub; at the end of the TLS handshake, and the status 204
    Http,
}

impl Protocol {
    /// As the command line has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Amqp => "amqp",
            Self::Http => "http",
        }
    }

    /// What says that a device is connected.
    pub(crate) const fn connected(self) -> &'static str {
        match self {
            Self::Mqtt => "CONNACK",
            Self::Amqp => "credit",
            Self::Http => "TLS",
        }
    }

    /// What acknowledges a message.
    pub(crate) const fn acknowledged(self) -> &'static str {
        match self {
            Self::Mqtt => "PUBACK",
            Self::Amqp => "outcome",
            Self::Http => "204",
        }
    }
}
