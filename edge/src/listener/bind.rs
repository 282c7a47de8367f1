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

/// One shard's socket of a port.
#[derive(Debug)]
pub struct BoundListener {
    /// What is spoken there.
    pub kind: ListenerKind,
    /// Address with the port that was bound.
    pub address: SocketAddr,
    pub(crate) socket: TcpListener,
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

/// Binds every port once per shard; element `i` of the result belongs to shard `i`.
///
/// Each address is first bound without `SO_REUSEPORT`, because with it a second process would
/// silently take a share of the connections.
///
/// # Errors
/// [`BindError`] for the first address that cannot be bound.
pub fn bind_listeners(
    configs: &[ListenerConfig],
    shards: usize,
) -> Result<Vec<Vec<BoundListener>>, BindError> {
    let mut per_shard: Vec<Vec<BoundListener>> = (0..shards).map(|_| Vec::new()).collect();
    for config in configs {
        let fail = |source| BindError::new(config.address, source);
        let address = probe(config.address).map_err(fail)?;
        for listeners in &mut per_shard {
            let socket = listen(address, Share::Port).map_err(fail)?;
            listeners.push(BoundListener { kind: config.kind, address, socket });
        }
    }
    Ok(per_shard)
}

/// Finds out whether nobody else has the port, and which one it is.
fn probe(address: SocketAddr) -> io::Result<SocketAddr> {
    listen(address, Share::Nothing)?.local_addr()
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
        let bound = bind_listeners(&[loopback(0)], 3).expect("bind");
        assert_eq!(bound.len(), 3);
        assert_ne!(bound[0][0].address.port(), 0);
        assert!(bound.iter().all(|listeners| listeners[0].address == bound[0][0].address));
    }

    #[test]
    fn refuses_a_port_that_another_hub_holds() {
        let first = bind_listeners(&[loopback(0)], 1).expect("bind");
        let port = first[0][0].address.port();
        let error = bind_listeners(&[loopback(port)], 1).expect_err("taken");
        assert!(matches!(error, BindError::Taken { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&port.to_string()) && text.contains("ss -ltnp"), "{text}");
    }

    #[test]
    fn names_an_address_that_is_not_ours() {
        let address = ([192, 0, 2, 1], 8883).into();
        let config = ListenerConfig { kind: ListenerKind::Amqp, address };
        let error = bind_listeners(&[config], 1).expect_err("foreign");
        assert!(matches!(error, BindError::NoSuchAddress { .. }), "{error}");
    }
}
