//! Source addresses: one address has too few ports for many connections to one server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::error::Error;

/// Connections that share a source address on the loopback network, if each has one port.
const CONNECTIONS_PER_ADDRESS: u32 = 4096;
/// First source address of the loopback network, away from the addresses that servers and people
/// use.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 128, 0, 1);
/// Ports of an address, from the range that Linux has by default.
const PORTS_PER_ADDRESS: u32 = 28_000;
/// How long the kernel keeps the port of a connection that this end has closed: `TIME_WAIT`.
const PORT_KEPT_S: u32 = 60;

/// Where connections come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sources {
    /// The kernel chooses.
    Any,
    /// Addresses of the loopback network, as many as it takes, with so many connections each.
    Loopback(u32),
    /// These in turn; there is at least one.
    Given(Vec<IpAddr>),
}

impl Sources {
    /// Those that were given; without them a server on the loopback network is reached from there.
    /// Each connection takes so many ports.
    pub(crate) fn new(target: IpAddr, given: &[IpAddr], ports_each: u32) -> Self {
        match target {
            _ if !given.is_empty() => Self::Given(given.to_vec()),
            IpAddr::V4(target) if target.is_loopback() => {
                let fit = PORTS_PER_ADDRESS / ports_each.max(1);
                Self::Loopback(fit.clamp(1, CONNECTIONS_PER_ADDRESS))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => Self::Any,
        }
    }

    /// Address to bind connection `number` to before it connects.
    pub(crate) fn of(&self, number: u32) -> Option<SocketAddr> {
        let address = match self {
            Self::Any => return None,
            Self::Loopback(each) => Ipv4Addr::from(u32::from(FIRST) + number / each).into(),
            Self::Given(given) => given[number as usize % given.len()],
        };
        Some(SocketAddr::new(address, 0))
    }

    /// Checks that there are ports for so many connections.
    pub(crate) fn check(&self, connections: u32, ports_each: u32) -> Result<(), Error> {
        let addresses = match self {
            Self::Any => 1,
            Self::Loopback(each) => connections.div_ceil(*each) as usize,
            Self::Given(given) => given.len(),
        };
        let fit = addresses as u64 * u64::from(PORTS_PER_ADDRESS);
        let ports = u64::from(connections) * u64::from(ports_each);
        if ports > fit {
            return Err(Error::TooFewPorts { connections, ports, addresses });
        }
        Ok(())
    }
}

/// Ports that a connection takes if so many of all are closed and opened again per second.
pub(crate) fn ports_each(churn: Option<u32>, connections: u32) -> u32 {
    let kept = u64::from(churn.unwrap_or(0)) * u64::from(PORT_KEPT_S);
    u32::try_from(1 + kept.div_ceil(u64::from(connections.max(1)))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn loopback_connections_are_spread() {
        let sources = Sources::new(LOOPBACK, &[], 1);
        let source = |number| sources.of(number).unwrap();
        assert_eq!(source(0), SocketAddr::from(([127, 128, 0, 1], 0)));
        assert_eq!(source(4095), source(0));
        assert_eq!(source(4096), SocketAddr::from(([127, 128, 0, 2], 0)));
        assert!(source(u32::MAX).ip().is_loopback());
        assert!(sources.check(u32::MAX, 1).is_ok());
    }

    #[test]
    fn elsewhere_the_kernel_chooses_unless_it_is_told() {
        assert_eq!(Sources::new(ELSEWHERE, &[], 1).of(0), None);
        assert_eq!(Sources::new(IpAddr::from(std::net::Ipv6Addr::LOCALHOST), &[], 1).of(0), None);
        let given = Sources::new(ELSEWHERE, &[LOOPBACK, ELSEWHERE], 1);
        assert_eq!(given.of(3), Some(SocketAddr::new(ELSEWHERE, 0)));
    }

    #[test]
    fn says_when_ports_will_not_suffice() {
        assert!(Sources::Any.check(28_000, 1).is_ok());
        let error = Sources::Any.check(28_001, 1).unwrap_err().to_string();
        assert!(error.contains("--source"), "{error}");
        assert!(Sources::Given(vec![LOOPBACK, ELSEWHERE]).check(56_000, 1).is_ok());
    }

    #[test]
    fn a_port_outlives_its_connection() {
        assert_eq!((ports_each(None, 1000), ports_each(Some(50), 1000)), (1, 4));
        let sources = Sources::new(LOOPBACK, &[], ports_each(Some(10_000), 1000));
        assert_eq!(sources, Sources::Loopback(46));
        assert!(sources.check(1000, 601).is_ok());
        let hectic = ports_each(Some(1_000_000), 1);
        assert!(Sources::new(LOOPBACK, &[], hectic).check(1, hectic).is_err());
        assert!(Sources::Any.check(1000, 601).is_err());
    }
}
