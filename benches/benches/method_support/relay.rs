//! The floor: a process with two TLS connections and two threads that passes a request to the other
//! side and the answer back, and looks at neither. Between two messages both threads sleep.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::path_support::floor::config;
use crate::path_support::hub::Hub;
use crate::path_support::wire::Wire;

/// First argument of the relaying process; directory of the certificate, address and sizes follow.
pub(crate) const RELAY: &str = "method-relay";

/// Bytes of the four messages of a call, before TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) request: usize,
    pub(crate) call: usize,
    pub(crate) answer: usize,
    pub(crate) response: usize,
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// The relaying process with a caller and a device. Dropping it ends the process.
pub(crate) struct Relay {
    process: Child,
    caller: Wire,
    sizes: Sizes,
}

impl Relay {
    /// Starts this program again as relay, with the hub's certificate, and connects both sides; the
    /// device answers on a thread of its own.
    pub(crate) fn start(hub: &Hub, sizes: Sizes) -> io::Result<Self> {
        let Sizes { request, call, answer, response } = sizes;
        let mut process = Command::new(std::env::current_exe()?)
            .arg(RELAY)
            .arg(hub.tls_dir())
            .arg(hub.address.host())
            .args([request, call, answer, response].map(|size| size.to_string()))
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line)?;
        let port = line.trim().parse().map_err(io::Error::other)?;
        let mut device = Wire::connect(hub, port)?;
        let caller = Wire::connect(hub, port)?;
        thread::spawn(move || {
            let bytes = vec![0x5a; answer];
            while take(&mut device, call).is_ok() && device.send(&bytes).is_ok() {}
        });
        Ok(Self { process, caller, sizes })
    }

    /// One request to the device and back.
    pub(crate) fn invoke(&mut self) -> io::Result<Duration> {
        let request = vec![0x5a; self.sizes.request];
        let begin = Instant::now();
        self.caller.send(&request)?;
        take(&mut self.caller, self.sizes.response)?;
        Ok(begin.elapsed())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Fails only when the relay is gone already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn take(wire: &mut Wire, bytes: usize) -> io::Result<()> {
    while wire.input.len() < bytes {
        wire.fill()?;
    }
    wire.input.clear();
    Ok(())
}

/// The life of the relaying process: the device connects first, then the caller.
pub(crate) fn run(arguments: &[std::ffi::OsString]) -> io::Result<()> {
    let [tls_dir, address, sizes @ ..] = arguments else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let size = |text: &OsStr| text.to_str().and_then(|text| text.parse::<usize>().ok());
    let sizes: Vec<usize> = sizes.iter().filter_map(|text| size(text)).collect();
    let &[request, call, answer, response] = &sizes[..] else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let config = config(Path::new(tls_dir))?;
    let address = address.to_str().and_then(|address| address.parse::<IpAddr>().ok());
    let listener = TcpListener::bind((address.ok_or(io::ErrorKind::InvalidInput)?, 0))?;
    println!("{}", listener.local_addr()?.port());
    let mut device = accept(&listener, &config)?;
    let mut caller = accept(&listener, &config)?;
    let [for_caller, for_device] = [Bell::new()?, Bell::new()?];
    thread::scope(|scope| {
        scope.spawn(|| serve(&mut device, (answer, call), &for_device, &for_caller));
        serve(&mut caller, (request, response), &for_caller, &for_device)
    })
}

/// The life of one thread, which sleeps until its socket or its bell has something: whoever serves
/// many connections cannot wait in a read of one of them.
fn serve(
    stream: &mut Stream,
    (received, sent): (usize, usize),
    own: &Bell,
    other: &Bell,
) -> io::Result<()> {
    let mut buffer = vec![0; received];
    let bytes = vec![0x5a; sent];
    loop {
        let mut waits = [
            PollFd::from_borrowed_fd(own.0.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(stream.sock.as_fd(), PollFlags::IN),
        ];
        poll(&mut waits, None)?;
        let [is_rung, is_readable] = waits.map(|wait| !wait.revents().is_empty());
        if is_rung {
            rustix::io::read(&own.0, &mut [0; 8])?;
            stream.write_all(&bytes)?;
        }
        if is_readable {
            stream.read_exact(&mut buffer)?;
            other.ring()?;
        }
    }
}

/// Wakes the other thread.
struct Bell(OwnedFd);

impl Bell {
    fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC)?))
    }

    fn ring(&self) -> io::Result<()> {
        Ok(rustix::io::write(&self.0, &1_u64.to_ne_bytes()).map(drop)?)
    }
}

fn accept(listener: &TcpListener, config: &Arc<ServerConfig>) -> io::Result<Stream> {
    let (mut socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    let mut tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(tls, socket))
}
