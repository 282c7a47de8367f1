//! The loop that accepts from one socket.

use std::io;
use std::net::SocketAddr;

use monoio::net::{TcpListener, TcpStream};
use ringhub_core::limits::ACCEPT_PAUSE;
use rustix::io::Errno;

/// What a failed accept says about the listener.
#[derive(Debug, PartialEq, Eq)]
enum AcceptFailure {
    /// One peer went away before it was accepted.
    Peer,
    /// Descriptors or memory ran out: accepting at once again would only spin.
    Exhausted,
    /// The socket was shut down.
    Stopped,
}

impl AcceptFailure {
    fn new(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::INVAL | Errno::BADF | Errno::CANCELED) => Self::Stopped,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Self::Exhausted,
            _ => Self::Peer,
        }
    }
}

/// Hands each accepted socket to `on_socket` until the listening socket is shut down.
///
/// After running out of descriptors or memory it calls `on_exhausted` and pauses; the kernel's
/// backlog holds the clients meanwhile.
pub async fn accept_loop(
    listener: TcpListener,
    on_socket: impl Fn(TcpStream, SocketAddr),
    on_exhausted: impl Fn(&io::Error),
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => on_socket(stream, peer),
            Err(error) => match AcceptFailure::new(&error) {
                AcceptFailure::Peer => {}
                AcceptFailure::Exhausted => {
                    on_exhausted(&error);
                    monoio::time::sleep(ACCEPT_PAUSE).await;
                }
                AcceptFailure::Stopped => return,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        for (errno, expected) in [
            (Errno::CONNABORTED, AcceptFailure::Peer),
            (Errno::MFILE, AcceptFailure::Exhausted),
            (Errno::NFILE, AcceptFailure::Exhausted),
            (Errno::INVAL, AcceptFailure::Stopped),
        ] {
            assert_eq!(AcceptFailure::new(&errno.into()), expected, "{errno}");
        }
    }
}
