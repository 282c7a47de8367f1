//! Non-blocking calls on the socket of a connection.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::rc::Rc;

use monoio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

/// A connected socket: the runtime polls it, everything else is a direct system call.
///
/// Clones share the descriptor; it is closed with the last of them.
#[derive(Clone, Debug)]
pub(super) struct Socket(Rc<TcpStream>);

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Rc::new(stream))
    }

    /// Waits until there is something to receive, or the connection is over. The future must not be
    /// dropped before it ends: cancelling costs time in proportion to all pending polls.
    pub(super) async fn readable(&self) -> std::io::Result<()> {
        self.0.readable(false).await
    }

    /// Waits until there is room to send, or the connection is over. Not to be dropped either.
    pub(super) async fn writable(&self) -> std::io::Result<()> {
        self.0.writable(false).await
    }

    /// Receives what is there, without waiting. 0 is the end of the stream.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| recv(self.fd(), &mut *buffer, RecvFlags::DONTWAIT))
            .map(|(received, _)| received)
    }

    /// Sends what the socket takes, without waiting; 0 means that it takes nothing now.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::io::retry_on_intr(|| send(self.fd(), bytes, flags)) {
            Err(Errno::AGAIN) => Ok(0),
            result => result,
        }
    }

    /// Ends one or both directions; pending polls complete. A peer that is gone already is no
    /// error.
    pub(super) fn shutdown(&self, how: Shutdown) {
        let _ = shutdown(self.fd(), how);
    }

    #[expect(unsafe_code, reason = "monoio's stream lends its descriptor as a number only")]
    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: `self.0` owns the descriptor and closes it when the last clone is dropped, so it
        // stays open while `self` is borrowed. No safe way exists: a duplicate descriptor per
        // connection would double their number.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }
    }
}
