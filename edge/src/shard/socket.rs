//! Non-blocking calls on the socket of a connection, of a hub's as of a client's.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::rc::Rc;

use monoio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use socket2::{Domain, Protocol, Type};

/// A connected socket: the runtime polls it, everything else is a direct system call.
///
/// Clones share the descriptor; it is closed with the last of them.
#[derive(Clone, Debug)]
pub struct Socket(Rc<TcpStream>);

impl Socket {
    /// Takes a connection that was accepted.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self(Rc::new(stream))
    }

    /// Connects from `source`, or from where the kernel likes, on the runtime of the calling
    /// thread.
    ///
    /// # Errors
    /// When the kernel has no descriptor or port, or the peer cannot be reached.
    pub async fn connect(source: Option<SocketAddr>, target: SocketAddr) -> io::Result<Self> {
        let socket =
            socket2::Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            socket.bind(&source.into())?;
        }
        match socket.connect(&target.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                return Err(error);
            }
            Ok(()) | Err(_) => {}
        }
        let connecting = Self::new(TcpStream::from_std(socket.into())?);
        connecting.writable().await?;
        rustix::net::sockopt::socket_error(connecting.fd())??;
        Ok(connecting)
    }

    /// Waits until there is something to receive, or the connection is over. The future must not be
    /// dropped before it ends: cancelling costs time in proportion to all pending polls.
    ///
    /// # Errors
    /// When the runtime cannot poll.
    pub async fn readable(&self) -> io::Result<()> {
        self.0.readable(false).await
    }

    /// Waits until there is room to send, or the connection is over. Not to be dropped either.
    ///
    /// # Errors
    /// When the runtime cannot poll.
    pub async fn writable(&self) -> io::Result<()> {
        self.0.writable(false).await
    }

    /// Receives what is there, without waiting. 0 is the end of the stream.
    ///
    /// # Errors
    /// `AGAIN` when nothing is there, or why the connection is over.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| recv(self.fd(), &mut *buffer, RecvFlags::DONTWAIT))
            .map(|(received, _)| received)
    }

    /// Sends what the socket takes, without waiting; 0 means that it takes nothing now.
    ///
    /// # Errors
    /// Why the connection is over.
    pub fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::io::retry_on_intr(|| send(self.fd(), bytes, flags)) {
            Err(Errno::AGAIN) => Ok(0),
            result => result,
        }
    }

    /// Ends one or both directions; pending polls complete. A peer that is gone already is no
    /// error.
    pub fn shutdown(&self, how: Shutdown) {
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
