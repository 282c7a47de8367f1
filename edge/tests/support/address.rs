//! Loopback addresses: one per hub, so that parallel test processes can all use the ports that SDKs
//! dial.
//!
//! All of 127.0.0.0/8 is local on Linux without any set-up. The address is the hub's host name too:
//! the hub puts it into its certificate as an IP address, and every SDK in the tests verifies that.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where device SDKs expect MQTT over TLS.
pub(crate) const MQTT_PORT: u16 = 8883;
/// Where back-end SDKs expect AMQP over TLS.
pub(crate) const AMQP_PORT: u16 = 5671;
/// Where all SDKs expect HTTPS and WebSockets.
const HTTPS_PORT: u16 = 443;
/// Stands in for 443 where an ordinary user may not bind it.
const HTTPS_PORT_UNPRIVILEGED: u16 = 8443;

/// An address that no other test of this run uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loopback {
    pub(crate) ip: Ipv4Addr,
    pub(crate) https_port: u16,
}

impl Loopback {
    /// Takes the next address of this process on which the MQTT and AMQP ports are free.
    pub(crate) fn claim() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let free = |ip: &Ipv4Addr| are_free(*ip, &[MQTT_PORT, AMQP_PORT]);
        let ip = std::iter::repeat_with(|| nth_address(NEXT.fetch_add(1, Ordering::Relaxed)))
            .take(1024)
            .find(free)
            .expect("one of 1,024 loopback addresses has its ports free");
        Self { ip, https_port: https_port(ip) }
    }

    /// True when no hub listens here.
    pub(crate) fn is_free(&self) -> bool {
        are_free(self.ip, &[MQTT_PORT, AMQP_PORT, self.https_port])
    }

    /// The host name in connection strings of clients that always dial 443.
    pub(crate) fn host(&self) -> String {
        self.ip.to_string()
    }

    /// The host name in connection strings of clients that accept a port there.
    pub(crate) fn https_host(&self) -> String {
        if self.https_port == HTTPS_PORT {
            self.host()
        } else {
            format!("{}:{}", self.ip, self.https_port)
        }
    }

    /// True when clients that cannot be told another port than 443 can reach the hub.
    pub(crate) fn has_port_443(&self) -> bool {
        self.https_port == HTTPS_PORT
    }
}

/// Spreads processes over 127.16.0.0 to 127.79.255.255, sixteen neighbours each.
fn nth_address(number: u32) -> Ipv4Addr {
    let place = process::id().wrapping_mul(16).wrapping_add(number) & 0x003f_ffff;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 16, 0, 0)) + place)
}

fn are_free(ip: Ipv4Addr, ports: &[u16]) -> bool {
    ports.iter().all(|port| TcpListener::bind((ip, *port)).is_ok())
}

fn https_port(ip: Ipv4Addr) -> u16 {
    match TcpListener::bind((ip, HTTPS_PORT)) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => HTTPS_PORT_UNPRIVILEGED,
        _ => HTTPS_PORT,
    }
}
