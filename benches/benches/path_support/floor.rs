//! The floor: a process that only encrypts and sends, and a client that only decrypts.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use ringhub_edge::tls::{TicketCount, TlsIdentity, server_config};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::cpu;
use super::hub::Hub;
use super::wire::Wire;

/// First argument of the sending process; directory of the certificate and address follow.
pub(crate) const SENDER: &str = "floor-sender";

/// Given to TLS at a time: four full records, which go out in one system call.
const WRITE_BYTES: usize = 64 * 1024;

/// The sending process. Dropping it ends it.
pub(crate) struct Floor {
    process: Child,
    port: u16,
}

impl Floor {
    /// Starts this program again as sender, with the hub's certificate.
    pub(crate) fn start(hub: &Hub) -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(SENDER)
            .arg(hub.tls_dir())
            .arg(hub.address.host())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line)?;
        let port = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { process, port })
    }

    /// CPU time so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu::seconds(self.process.id())
    }

    /// Has `bytes` of plaintext sent and receives them.
    pub(crate) fn receive(&self, hub: &Hub, bytes: u64) -> io::Result<()> {
        let mut wire = Wire::connect(hub, self.port)?;
        wire.send(&bytes.to_le_bytes())?;
        while wire.received < bytes {
            wire.fill()?;
            wire.input.clear();
        }
        Ok(())
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // Fails only when the sender is gone already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The life of the sending process: one connection after the other.
pub(crate) fn run_sender(tls_dir: &OsStr, address: &OsStr) -> io::Result<()> {
    let config = config(Path::new(tls_dir))?;
    let address = address.to_str().and_then(|address| address.parse::<IpAddr>().ok());
    let listener = TcpListener::bind((address.ok_or(io::ErrorKind::InvalidInput)?, 0))?;
    println!("{}", listener.local_addr()?.port());
    for socket in listener.incoming() {
        send(&config, socket?)?;
    }
    Ok(())
}

fn send(config: &Arc<ServerConfig>, socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(tls, socket);
    let mut wanted = [0; 8];
    stream.read_exact(&mut wanted)?;
    let mut rest = u64::from_le_bytes(wanted);
    let plaintext = vec![0x5a; WRITE_BYTES];
    while rest > 0 {
        let len = rest.min(WRITE_BYTES as u64);
        stream.write_all(&plaintext[..len as usize])?;
        rest -= len;
    }
    Ok(())
}

/// TLS of a server with the hub's certificate.
pub(crate) fn config(tls_dir: &Path) -> io::Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(tls_dir.join("server.pem"));
    let chain = chain.and_then(Iterator::collect).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(tls_dir.join("server.key")).map_err(io::Error::other)?;
    server_config(TlsIdentity { chain, key }, TicketCount::One).map_err(io::Error::other)
}
