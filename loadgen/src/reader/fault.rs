//! Why a reader cannot read, or no longer; the text says what to look at.

use std::io;

use ringhub_core::codec::amqp::performative::{AmqpError, Condition};
use ringhub_core::session::amqp::SessionError;
use rustix::io::Errno;

use crate::failure::{of_tcp, of_tls};

/// Why a reader cannot read, or no longer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// Nobody answers.
    #[error("no TCP connection to the hub: {}{}", .0, of_tcp(*.0))]
    Tcp(io::ErrorKind),
    /// The other end cannot be trusted, or does not speak TLS.
    #[error("TLS: {}{}", .0, of_tls(.0))]
    Tls(rustls::Error),
    /// The policy or its key is not right.
    #[error(
        "the hub refuses the login of policy `{0}`: check --policy and --key; \
         `ringhub connection-string show` gives the present key, and --host must be the name \
         that the hub knows itself by"
    )]
    Login(String),
    /// The hub gave a reason.
    #[error("{text} ({condition}){}", of_condition(.condition))]
    Refused {
        /// Symbol of the error.
        condition: String,
        /// What the hub says to it.
        text: String,
    },
    /// A partition that does not exist.
    #[error("there is no partition `{partition}`, only {}", known.join(", "))]
    Partition {
        /// What was asked for.
        partition: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The connection ended.
    #[error("the hub ended the connection; its log says why, if it is still there")]
    Lost,
    /// Nothing came.
    #[error("the hub did not answer in time; --timeout says how long to wait")]
    Silent,
    /// The hub broke the protocol, or is none.
    #[error("{0}; is --port that of AMQP over TLS?")]
    Protocol(String),
}

impl Fault {
    pub(super) fn of_errno(error: Errno) -> Self {
        match error {
            Errno::CONNRESET | Errno::PIPE => Self::Lost,
            error => Self::Tcp(io::Error::from(error).kind()),
        }
    }

    pub(super) fn of_session(error: &SessionError, policy: &str) -> Self {
        match error {
            SessionError::Authentication => Self::Login(policy.to_owned()),
            SessionError::IdleTimeout | SessionError::HandshakeTimeout => Self::Silent,
            error => Self::Protocol(error.to_string()),
        }
    }

    /// The end of a link or connection, with the reason that the hub gave.
    pub(super) fn of_end(error: Option<AmqpError<'_>>) -> Self {
        let Some(error) = error else { return Self::Lost };
        let text = error.description.unwrap_or("the hub ended the link");
        let text = text.trim_end_matches('.').to_owned();
        Self::Refused { condition: error.condition.to_owned(), text }
    }
}

fn of_condition(condition: &str) -> &'static str {
    let is = |known: Condition| known.name() == condition;
    if is(Condition::NotFound) {
        return "; check --consumer-group and --entity: `ringhub consumer-group list` shows the \
                groups, `ringhub consumer-group create` makes one";
    }
    if is(Condition::UnauthorizedAccess) {
        return "; --policy must have the right ServiceConnect, as `service` and `iothubowner` have";
    }
    if is(Condition::ResourceLimitExceeded) {
        return "; end another reader of the group, or read as another with --consumer-group";
    }
    if is(Condition::Stolen) || is(Condition::NotAllowed) {
        return "; another reader holds the partition: give a higher --epoch, or read as another \
                group with --consumer-group";
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_that_can_be_mended_says_how() {
        for (condition, remedy) in [
            (Condition::NotFound, "--consumer-group"),
            (Condition::UnauthorizedAccess, "ServiceConnect"),
            (Condition::ResourceLimitExceeded, "another reader"),
            (Condition::Stolen, "--epoch"),
            (Condition::NotAllowed, "--epoch"),
        ] {
            let text = Fault::of_end(Some(AmqpError::new(condition, "No."))).to_string();
            assert!(text.starts_with("No (amqp:") && text.contains(remedy), "{text}");
        }
        assert!(matches!(Fault::of_end(None), Fault::Lost));
    }
}
