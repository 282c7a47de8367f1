//! Source addresses: one address has too few ports for many connections to one server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Connections that share a source address on the loopback network; an address has about 28,000
/// ports.
const CONNECTIONS_PER_ADDRESS: u32 = 4096;
/// First source address of the loopback network, away from the addresses that servers and people
/// use.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 128, 0, 1);

/// Address to bind connection `number` to before it connects to `target`; elsewhere the kernel
/// chooses.
pub(crate) fn source_for(target: IpAddr, number: u32) -> Option<SocketAddr> {
    match target {
        IpAddr::V4(target) if target.is_loopback() => {
            let address = Ipv4Addr::from(u32::from(FIRST) + number / CONNECTIONS_PER_ADDRESS);
            Some(SocketAddr::from((address, 0)))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_connections_are_spread() {
        let source = |number| source_for(IpAddr::from([127, 0, 0, 9]), number).unwrap();
        assert_eq!(source(0), SocketAddr::from(([127, 128, 0, 1], 0)));
        assert_eq!(source(4095), source(0));
        assert_eq!(source(4096), SocketAddr::from(([127, 128, 0, 2], 0)));
        assert!(source(u32::MAX).ip().is_loopback());
    }

    #[test]
    fn elsewhere_the_kernel_chooses() {
        assert_eq!(source_for(IpAddr::from([10, 0, 0, 1]), 0), None);
        assert_eq!(source_for(IpAddr::from(std::net::Ipv6Addr::LOCALHOST), 0), None);
    }
}
