//! MQTT 3.1.1 session, hub side ([`MqttSession`]) and client side ([`MqttClient`]).
//!
//! ```text
//!                  handle_packet              accept / refuse
//!  ExpectConnect ───── CONNECT ─────▶ AwaitingVerdict ───────▶ Connected ◀──────────┐
//!        │                                  │                  │   │       handle_subscribed
//!        │ error, 60 s                      │ refused, 60 s    │   └ SUBSCRIBE ─▶ AwaitingSubscribed
//!        ▼                                  ▼                  ▼ error, DISCONNECT, deadline, takeover
//!      Closed ◀──────────────────────────── close ─────────────┘
//! ```

pub mod client;
mod error;
mod handled;
mod outbound;
mod percent;
pub mod property_bag;
mod publish;
mod session;
pub mod subscription;
mod telemetry;
mod timer;
pub mod topic;
pub mod user_name;
mod will;
mod window;

pub use client::{ClientError, ClientEvent, MqttClient, SendError};
pub use error::{CloseReason, SessionError};
pub use handled::{
    ConnectRequest, Handled, MethodResponse, SubscriptionChange, TwinOperation, TwinRequest,
};
pub use outbound::DeliveryToken;
pub use publish::{D2cPublish, Receipt};
pub use session::{Acceptance, Delivered, DeviceBound, MqttSession, NotSent};
pub use subscription::{SubscriptionKind, Subscriptions};
pub use telemetry::{d2c_message, system_properties};
pub use will::{InvalidWill, Will};

#[cfg(test)]
mod tests;
