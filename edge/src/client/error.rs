//! Why a command could not talk to a hub, said so that it can be mended at once.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::connection_string::ConnectionStringError;
use super::refusal::Refusal;

/// Where a command had its target from, which decides what can be advised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A data directory on this machine.
    DataDirectory(PathBuf),
    /// A connection string.
    ConnectionString,
}

/// A failed exchange with a hub; the text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection string is malformed.
    #[error("the connection string is not right: {0}")]
    ConnectionString(#[from] ConnectionStringError),
    /// The hub that was found is not the one that was named.
    #[error(
        "the hub is called {found}, not {named}: leave --hub-name out, or name another hub with --login or --data-dir"
    )]
    OtherHub {
        /// What the user said.
        named: String,
        /// What the hub is called.
        found: String,
    },
    /// There is no home to look for a data directory in.
    #[error(
        "neither XDG_STATE_HOME nor HOME is set: name a data directory with --data-dir, or a hub with --connection-string"
    )]
    NoDataDirectory,
    /// No hub has been started on this data directory.
    #[error(
        "{dir} holds no hub: start one with `ringhub serve --data-dir {dir}`, name another directory with --data-dir, or a hub elsewhere with --connection-string",
        dir = .0.display()
    )]
    NoHub(PathBuf),
    /// Another user's data directory.
    #[error(
        "cannot read {}: only user {owner} may; run the command as that user (`sudo -u '#{owner}' ringhub …`), or use a connection string that its owner gives you (--connection-string)",
        path.display()
    )]
    Forbidden {
        /// What was to be read.
        path: PathBuf,
        /// Number of the user who owns it.
        owner: u32,
    },
    /// A file that is not as it should be.
    #[error("{} cannot be used: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The policy does not exist in the data directory.
    #[error("the hub has no policy called `{name}`; it has {}", known.join(", "))]
    NoPolicy {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Nobody listens, or nobody can be reached.
    #[error("no hub answers at {address} ({protocol}): {source}; {}", StartHint(origin))]
    Unreachable {
        /// What was dialled.
        address: String,
        /// In which protocol.
        protocol: &'static str,
        /// Where that was known from.
        origin: Origin,
        /// Why not.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("{host} cannot be trusted: {reason}")]
    Untrusted {
        /// Name that was expected.
        host: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The hub does not let the principal in.
    #[error(
        "the hub refuses the login of {principal}: is it disabled or deleted, or has its key changed? `ringhub connection-string show` gives the present one"
    )]
    LoginRefused {
        /// Who wanted in.
        principal: String,
    },
    /// The hub answered, and said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The login is of another kind than the command needs.
    #[error("{0}")]
    WrongPrincipal(String),
    /// The connection ended.
    #[error("the hub ended the {0} connection; its log says why")]
    Ended(&'static str),
    /// The hub did not answer.
    #[error("the hub did not answer within {0} seconds")]
    Silent(u64),
    /// The other end does not speak as a hub does.
    #[error("{0} is no answer of a hub: is this the right port?")]
    Protocol(String),
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

struct StartHint<'a>(&'a Origin);

impl fmt::Display for StartHint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Origin::DataDirectory(path) => {
                write!(f, "start it with `ringhub serve --data-dir {}`", path.display())
            }
            Origin::ConnectionString => f.write_str(
                "check the host name and the port (--https-port, --amqp-port, --mqtt-port), and that the hub listens on the network (`ringhub serve --listen 0.0.0.0`)",
            ),
        }
    }
}

impl ClientError {
    /// Says what rustls found wrong with the certificate of `host`, which `ca` should have signed.
    pub(super) fn from_tls(error: &rustls::Error, host: &str, ca: &str) -> Self {
        use rustls::CertificateError::{
            Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
            NotValidYetContext,
        };
        let rustls::Error::InvalidCertificate(error) = error else {
            let reason = format!("the TLS handshake failed ({error}): is this the right port?");
            return Self::Untrusted { host: host.to_owned(), reason };
        };
        let reason = match error {
            NotValidForName | NotValidForNameContext { .. } => format!(
                "its certificate does not name {host}; dial a name that it has, or start the hub with `--host-name {host}`"
            ),
            Expired | ExpiredContext { .. } => {
                "its certificate has expired; put a renewed one into its files, which the hub takes up by itself, or have a hub with a development certificate make a new one (`kill -HUP` to its process)"
                    .to_owned()
            }
            NotValidYet | NotValidYetContext { .. } => {
                "its certificate is not valid yet: is the clock of this machine right?".to_owned()
            }
            _ => format!(
                "its certificate is not signed by {ca}; name the CA that has signed it with --ca (for a hub with a development certificate, `ringhub ca show` on its machine prints it)"
            ),
        };
        Self::Untrusted { host: host.to_owned(), reason }
    }
}
