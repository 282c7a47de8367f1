//! What a machine is told once.

use core::time::Duration;

use crate::limits::{AMQP_FRAME_BYTES_MAX, AMQP_LINKS_MAX, AMQP_SESSION_WINDOW, AMQP_SESSIONS_MAX};

/// Settings of a machine, shared by all connections of a listener.
#[derive(Clone, Debug)]
pub struct AmqpConfig {
    /// Name of this container; not empty.
    pub container_id: Box<str>,
    /// Host: what a hub calls itself where the client names none, or what a client means.
    pub hostname: Option<Box<str>>,
    /// Largest frame in bytes that is accepted; at least 512.
    pub max_frame_size: u32,
    /// Highest channel number that is accepted.
    pub channel_max: u16,
    /// Highest link handle that is accepted.
    pub handle_max: u32,
    /// Silence that is told the peer as idle timeout; twice as long closes the connection.
    pub idle_timeout: Duration,
    /// Time from the first byte to the open of the peer.
    pub handshake_timeout: Duration,
    /// Transfer frames that the peer may send before the next session flow.
    pub session_window: u32,
    /// Sessions at a time.
    pub sessions_max: usize,
    /// Links at a time, over all sessions.
    pub links_max: usize,
}

impl Default for AmqpConfig {
    /// The values of the real service where the reference names them.
    fn default() -> Self {
        Self {
            container_id: "ringhub".into(),
            hostname: Some("localhost".into()),
            max_frame_size: AMQP_FRAME_BYTES_MAX,
            channel_max: 8191,
            handle_max: 262_143,
            idle_timeout: Duration::from_secs(240),
            handshake_timeout: Duration::from_secs(60),
            session_window: AMQP_SESSION_WINDOW,
            sessions_max: AMQP_SESSIONS_MAX,
            links_max: AMQP_LINKS_MAX,
        }
    }
}

/// How a client authenticates before AMQP itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientSasl<'a> {
    /// No SASL layer at all.
    Skip,
    /// Claims follow over `$cbs`.
    Anonymous,
    /// By the certificate of the handshake.
    External,
    /// A user and a password.
    Plain {
        /// For example `policy@sas.root.hub`.
        user: &'a str,
        /// For example a token.
        password: &'a str,
    },
}
