//! Ports, checked before any shard binds them.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Listen;

/// Port for HTTPS when the privilege for 443 is missing.
const HTTPS_PORT_UNPRIVILEGED: u16 = 8443;

/// Ports below this one need a privilege, unless the system says otherwise.
const PRIVILEGED_BELOW: u16 = 1024;

/// How long a hub that was killed may still hold its ports.
const PREDECESSOR_TIME_MAX: Duration = Duration::from_secs(2);

/// Time between two tries to bind.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Addresses that shards bind with `SO_REUSEPORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// MQTT over TLS.
    pub mqtt: SocketAddr,
    /// AMQP over TLS.
    pub amqp: SocketAddr,
    /// REST and WebSocket over TLS.
    pub https: SocketAddr,
    /// What the operator is told when HTTPS is not where it was wanted.
    pub notice: Option<String>,
}

/// A port that cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Somebody else listens there.
    #[error("{0} is in use by another process (`ss -ltnp` shows which); choose another port")]
    InUse(SocketAddr),
    /// The port needs a privilege.
    #[error("{0} needs a privilege: {remedy}", remedy = remedy(.0.port()))]
    Forbidden(SocketAddr),
    /// Anything else, such as an address that this machine does not have.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// Binds every port once, without `SO_REUSEPORT`, and lets go: with it, a second process would
/// share them silently.
///
/// Without the privilege for 443, HTTPS goes to 8443 and [`Ports::notice`] says how to mend that.
///
/// # Errors
/// [`PortError`], naming the address.
pub fn claim_ports(listen: &Listen) -> Result<Ports, PortError> {
    claim(listen, bind_patiently)
}

/// Binds a port once; waits a little for one that is in use, because the kernel closes the sockets
/// of a killed hub's io_uring some time after the process is gone.
fn bind_patiently(address: SocketAddr) -> io::Result<()> {
    let until = Instant::now() + PREDECESSOR_TIME_MAX;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < until => {
                thread::sleep(RETRY_INTERVAL);
            }
            result => return result.map(drop),
        }
    }
}

fn claim(listen: &Listen, bind: impl Fn(SocketAddr) -> io::Result<()>) -> Result<Ports, PortError> {
    let try_bind = |ip: IpAddr, port: u16| {
        let address = SocketAddr::new(ip, port);
        bind(address).map(|()| address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => PortError::InUse(address),
            io::ErrorKind::PermissionDenied => PortError::Forbidden(address),
            _ => PortError::Io { address, source },
        })
    };
    let mqtt = try_bind(listen.address, listen.mqtt_port)?;
    let amqp = try_bind(listen.address, listen.amqp_port)?;
    let (https, notice) = match try_bind(listen.address, listen.https_port) {
        Err(PortError::Forbidden(_)) if listen.https_port < PRIVILEGED_BELOW => {
            let notice = format!(
                "port {} needs a privilege, so HTTPS listens on {HTTPS_PORT_UNPRIVILEGED}; to mend that: {}",
                listen.https_port,
                remedy(listen.https_port)
            );
            (try_bind(listen.address, HTTPS_PORT_UNPRIVILEGED)?, Some(notice))
        }
        other => (other?, None),
    };
    Ok(Ports { mqtt, amqp, https, notice })
}

/// One line to type.
fn remedy(port: u16) -> String {
    let program = std::env::current_exe()
        .map_or_else(|_| "ringhub".to_owned(), |path| path.display().to_string());
    format!(
        "sudo setcap 'cap_net_bind_service=+ep' {program}   (or: sudo sysctl net.ipv4.ip_unprivileged_port_start={port})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn listen() -> Listen {
        Settings::default().config().unwrap().listen
    }

    #[test]
    fn without_the_privilege_https_moves_and_says_how_to_mend_it() {
        let bind = |address: SocketAddr| match address.port() {
            443 => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Ok(()),
        };
        let ports = claim(&listen(), bind).unwrap();
        assert_eq!(ports.https.to_string(), "127.0.0.1:8443");
        let notice = ports.notice.unwrap();
        assert!(notice.contains("sudo setcap") && notice.contains("port_start=443"), "{notice}");
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let holder = TcpListener::bind(taken).unwrap();
        let listen = Listen { mqtt_port: taken.port(), ..listen() };
        let error = claim_ports(&listen).unwrap_err();
        assert!(matches!(error, PortError::InUse(address) if address == taken), "{error}");
        drop(holder);
    }

    #[test]
    fn every_port_is_bound_where_it_was_wanted() {
        let ports = claim(&listen(), |_| Ok(())).unwrap();
        let found = [ports.mqtt.port(), ports.amqp.port(), ports.https.port()];
        assert_eq!((found, ports.notice), ([8883, 5671, 443], None));
        let forbidden = claim(&listen(), |_| Err(io::ErrorKind::PermissionDenied.into()));
        assert!(matches!(forbidden, Err(PortError::Forbidden(_))));
    }
}
