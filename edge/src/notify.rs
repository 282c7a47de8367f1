//! What the service manager is told: ready, stopping, and that the threads still turn.
//!
//! Source: systemd, sd_notify(3): one datagram per message to the socket in `NOTIFY_SOCKET`.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::thread;
use std::time::Duration;

use tracing::warn;

use crate::hub::Heartbeat;

/// Tells the service manager, if there is one, that the hub serves.
pub fn ready(status: &str) {
    tell(&format!("READY=1\nSTATUS={status}"));
}

/// Tells the service manager, if there is one, that the hub is on its way to its end.
pub fn stopping() {
    tell("STOPPING=1\nSTATUS=closing sessions and committing what they sent");
}

/// Starts the thread that feeds the manager's watchdog, if it has one for this process.
///
/// # Errors
/// When the kernel refuses a thread.
pub fn start_watchdog(mut heartbeat: Heartbeat) -> io::Result<()> {
    let Some(interval) = watchdog_interval() else { return Ok(()) };
    let feed = move || {
        loop {
            if heartbeat.beat() {
                tell("WATCHDOG=1");
            } else {
                warn!("a shard has not turned since it was woken");
            }
            thread::sleep(interval);
        }
    };
    thread::Builder::new().name("watchdog".to_owned()).spawn(feed).map(drop)
}

/// A third of the time after which the manager gives the process up.
fn watchdog_interval() -> Option<Duration> {
    let micros: u64 = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let of_other = env::var("WATCHDOG_PID").is_ok_and(|pid| pid != std::process::id().to_string());
    (micros > 0 && !of_other).then(|| Duration::from_micros(micros / 3))
}

fn tell(message: &str) {
    if let Err(error) = send(message) {
        warn!(%error, "the service manager could not be told");
    }
}

fn send(message: &str) -> io::Result<()> {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(drop)
}
