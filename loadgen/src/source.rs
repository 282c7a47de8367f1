//! Source addresses: one address has too few ports for many connections to one server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::error::Error;

/// Connections that share a source address on the loopback network.
const CONNECTIONS_PER_ADDRESS: u32 = 4096;
/// First source address of the loopback network, away from the addresses that servers and people
/// use.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 128, 0, 1);
/// Ports of an address, from the range that Linux has by default.
const PORTS_PER_ADDRESS: u32 = 28_000;

/// Where connections come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sources {
    /// The kernel chooses.
    Any,
    /// Addresses of the loopback network, as many as it takes.
    Loopback,
    /// These in turn; there is at least one.
    Given(Vec<IpAddr>),
}

impl Sources {
    /// Those that were given; without them a server on the loopback network is reached from there.
    pub(crate) fn new(target: IpAddr, given: &[IpAddr]) -> Self {
        match target {
            _ if !given.is_empty() => Self::Given(given.to_vec()),
            IpAddr::V4(target) if target.is_loopback() => Self::Loopback,
            IpAddr::V4(_) | IpAddr::V6(_) => Self::Any,
        }
    }

    /// Address to bind connection `number` to before it connects.
    pub(crate) fn of(&self, number: u32) -> Option<SocketAddr> {
        let address = match self {
            Self::Any => return None,
            Self::Loopback => {
                Ipv4Addr::from(u32::from(FIRST) + number / CONNECTIONS_PER_ADDRESS).into()
            }
            Self::Given(given) => given[number as usize % given.len()],
        };
        Some(SocketAddr::new(address, 0))
    }

    /// Checks that there are ports for so many connections.
    pub(crate) fn check(&self, connections: u32) -> Result<(), Error> {
        let addresses = match self {
            Self::Any => 1,
            Self::Loopback => return Ok(()),
            Self::Given(given) => given.len(),
        };
        let fit = addresses as u64 * u64::from(PORTS_PER_ADDRESS);
        if u64::from(connections) > fit {
            return Err(Error::TooFewPorts { connections, addresses });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn loopback_connections_are_spread() {
        let sources = Sources::new(LOOPBACK, &[]);
        let source = |number| sources.of(number).unwrap();
        assert_eq!(source(0), SocketAddr::from(([127, 128, 0, 1], 0)));
        assert_eq!(source(4095), source(0));
        assert_eq!(source(4096), SocketAddr::from(([127, 128, 0, 2], 0)));
        assert!(source(u32::MAX).ip().is_loopback());
        assert!(sources.check(u32::MAX).is_ok());
    }

    #[test]
    fn elsewhere_the_kernel_chooses_unless_it_is_told() {
        assert_eq!(Sources::new(ELSEWHERE, &[]).of(0), None);
        assert_eq!(Sources::new(IpAddr::from(std::net::Ipv6Addr::LOCALHOST), &[]).of(0), None);
        let given = Sources::new(ELSEWHERE, &[LOOPBACK, ELSEWHERE]);
        assert_eq!(given.of(3), Some(SocketAddr::new(ELSEWHERE, 0)));
    }

    #[test]
    fn says_when_ports_will_not_suffice() {
        assert!(Sources::Any.check(28_000).is_ok());
        let error = Sources::Any.check(28_001).unwrap_err().to_string();
        assert!(error.contains("--source"), "{error}");
        assert!(Sources::Given(vec![LOOPBACK, ELSEWHERE]).check(56_000).is_ok());
    }
}
