//! CLIENT: what the commands share to talk to a hub, as any client does: over TLS, with a shared
//! access signature.
//!
//! ```text
//!  --data-dir, --connection-string ──▶ Target ──▶ RestClient     HTTPS
//!                                        │ ─────▶ AmqpClient     core's machine on a blocking Wire
//!                                        └──────▶ MqttClient     core's machine on a blocking Wire
//! ```
//!
//! Everything blocks the calling thread, for the time that it is told at most.

mod administrator;
pub mod amqp;
mod connection_string;
mod error;
mod interrupt;
pub mod management;
pub mod mqtt;
mod pages;
mod refusal;
mod rest;
pub mod start;
mod target;
mod token;
mod wire;

pub use administrator::Administrator;
pub use connection_string::{ConnectionString, ConnectionStringError, Principal};
pub use error::{ClientError, Origin};
pub use interrupt::Interrupt;
pub use pages::Pages;
pub use refusal::Refusal;
pub(crate) use rest::https_agent_config;
pub use rest::{Answer, Page, Precondition, RestClient};
pub(crate) use target::trusted_roots;
pub use target::{
    Address, Remote, Target, policy_named, read_admin_token, read_endpoints, read_policies,
    read_policy,
};
pub use token::{Credential, encode_segment, sasl_user};

/// Result of an exchange with a hub.
pub type Result<T> = std::result::Result<T, ClientError>;
