//! Why a device has no connection, or no longer; the text says what to look at.

use std::io;

use ringhub_core::codec::mqtt::ConnackCode;
use rustix::io::Errno;
use rustls::CertificateError;

/// What to look at when a hub does not let a device in.
const NOT_ADMITTED: &str = "the device is not registered or disabled, or its key is another one: see --provision (there \
     are --connections times --gateway devices)";

/// Why a device has no connection, or no longer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no TCP connection: {}{}", .0, of_tcp(*.0))]
    Tcp(io::ErrorKind),
    #[error("TLS: {}{}", .0, of_tls(.0))]
    Tls(rustls::Error),
    #[error("CONNACK: {:?}{}", .0, of_connack(*.0))]
    Refused(ConnackCode),
    #[error("not connected in time")]
    Timeout,
    #[error("closed by the server before the device was connected")]
    ClosedEarly,
    #[error("lost: closed by the server")]
    Closed,
    #[error("lost: no answer to a ping")]
    Silent,
    #[error("lost: the server takes no more data")]
    Stuck,
    #[error("acknowledgements out of order")]
    Disordered,
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
    #[error("token refused: {0}; {NOT_ADMITTED}")]
    Token(String),
    #[error("a link was detached: {0}")]
    Detached(String),
    #[error("a message was not accepted: {0}")]
    Rejected(String),
    #[error("lost: closed by the server: {0}")]
    Ended(String),
    #[error("a request was answered with the status {}{}", .0, of_status(*.0))]
    Status(u16),
    #[error("lost: no answer to a request")]
    Unanswered,
}

impl Failure {
    pub(crate) fn of_errno(error: Errno) -> Self {
        Self::Tcp(io::Error::from(error).kind())
    }

    pub(crate) fn of_protocol(error: impl std::error::Error) -> Self {
        Self::Protocol(error.to_string())
    }
}

pub(crate) fn of_tcp(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => {
            "; nothing listens there: check --host, --address and --port"
        }
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => {
            "; the source addresses have no free port: name more with --source, or widen \
             net.ipv4.ip_local_port_range"
        }
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::TimedOut => "; check --host and --address",
        _ => "",
    }
}

pub(crate) fn of_tls(error: &rustls::Error) -> &'static str {
    let rustls::Error::InvalidCertificate(error) = error else { return "" };
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "; --ca is not the authority of this server"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "; --host must be a name in the certificate, --address says where to connect to"
        }
        _ => "",
    }
}

fn of_status(status: u16) -> String {
    if status == 401 { format!("; {NOT_ADMITTED}") } else { String::new() }
}

fn of_connack(code: ConnackCode) -> String {
    match code {
        ConnackCode::BadUserNameOrPassword | ConnackCode::NotAuthorized => {
            format!("; {NOT_ADMITTED}")
        }
        _ => String::new(),
    }
}
