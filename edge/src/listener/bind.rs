//! Binding of ports.

use std::io;
use std::net::{SocketAddr, TcpListener};

use ringhub_core::limits::LISTEN_BACKLOG;
use socket2::{Domain, Protocol, Socket, Type};

/// Which protocol a port speaks; TLS comes first on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerKind {
    /// MQTT, usually on port 8883.
    Mqtt,
    /// AMQP 1.0, usually on port 5671.
    Amqp,
    /// HTTPS and the two WebSocket protocols, usually on port 443.
    Http,
}

/// A port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// What is spoken there.
    pub kind: ListenerKind,
    /// Address; port 0 lets the kernel choose one, the same for all shards.
    pub address: SocketAddr,
}

/// Why a port cannot be listened on, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error(
        "{address} is taken by another process: end it (`ss -ltnp` names it) or configure another port"
    )]
    Taken {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The port is privileged.
    #[error(
        "{address} is not permitted to this user: choose a port from 1024 on, grant CAP_NET_BIND_SERVICE, or lower \
         net.ipv4.ip_unprivileged_port_start"
    )]
    NotPermitted {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The address belongs to none of this machine's interfaces.
    #[error("{address} is no address of this machine: configure one that `ip address` lists")]
    NoSuchAddress {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Anything else that the kernel reports.
    #[error("{address} cannot be listened on: {source}")]
    Other {
        /// What was asked for.
        address: SocketAddr,
        /// The kernel's reason.
        source: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::Taken { address },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { address },
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress { address },
            _ => Self::Other { address, source },
        }
    }
}

/// Finds out whether nobody else has the ports, and which one the kernel chooses where port 0 is
/// asked for.
///
/// Each address is bound once without `SO_REUSEPORT`, because with it a second process would
/// silently take a share of the connections.
///
/// # Errors
/// [`BindError`] for the first address that cannot be bound.
pub fn probe_ports(ports: &[ListenerConfig]) -> Result<Vec<ListenerConfig>, BindError> {
    ports
        .iter()
        .map(|port| {
            let probed = listen(port.address, Share::Nothing)
                .and_then(|socket| socket.local_addr())
                .map_err(|source| BindError::new(port.address, source))?;
            Ok(ListenerConfig { address: probed, ..*port })
        })
        .collect()
}

/// Binds a port for one shard, beside the sockets of the other shards.
///
/// # Errors
/// [`BindError`] when the kernel refuses.
pub fn bind(port: ListenerConfig) -> Result<TcpListener, BindError> {
    listen(port.address, Share::Port).map_err(|source| BindError::new(port.address, source))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    Nothing,
    Port,
}

fn listen(address: SocketAddr, share: Share) -> io::Result<TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if share == Share::Port {
        socket.set_reuse_port(true)?;
    }
    // Inherited by accepted sockets, which saves a call per connection.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(port: u16) -> ListenerConfig {
        ListenerConfig { kind: ListenerKind::Mqtt, address: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn all_shards_share_the_port_that_the_kernel_chose() {
        let ports = probe_ports(&[loopback(0)]).expect("a free port");
        assert_ne!(ports[0].address.port(), 0);
        let sockets = [bind(ports[0]).expect("first"), bind(ports[0]).expect("second")];
        assert!(sockets.iter().all(|socket| socket.local_addr().ok() == Some(ports[0].address)));
    }

    #[test]
    fn refuses_a_port_that_another_hub_holds() {
        let ports = probe_ports(&[loopback(0)]).expect("a free port");
        let _other = bind(ports[0]).expect("bind");
        let error = probe_ports(&ports).expect_err("taken");
        assert!(matches!(error, BindError::Taken { .. }), "{error}");
        let text = error.to_string();
        let port = ports[0].address.port().to_string();
        assert!(text.contains(&port) && text.contains("ss -ltnp"), "{text}");
    }

    #[test]
    fn names_an_address_that_is_not_ours() {
        let address = ([192, 0, 2, 1], 8883).into();
        let config = ListenerConfig { kind: ListenerKind::Amqp, address };
        let error = probe_ports(&[config]).expect_err("foreign");
        assert!(matches!(error, BindError::NoSuchAddress { .. }), "{error}");
    }
}
