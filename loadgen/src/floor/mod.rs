//! A server with no hub behind it: TLS, as much MQTT as publishing devices need, and nothing kept,
//! or no more than a log that nobody reads.
//!
//! What it costs, any hub on the machine costs: sockets, records, packets. What a hub costs more
//! under the same load is the hub's own. It reads, answers and sends as ringhub's shards do: one
//! thread each with a ring and a table of descriptors, no buffer for who is silent.

mod client;
mod log;

use std::cell::RefCell;
use std::fs;
use std::io;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;

use monoio::net::TcpListener;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use ringhub_edge::listener::{ListenerConfig, ListenerKind, accept_loop, bind, probe_ports};
use ringhub_edge::shard::{Socket, make_descriptors_private, runtime};
use ringhub_edge::tls::{TicketCount, TlsIdentity, server_config};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use crate::cli::FloorArguments;
use crate::descriptors;
use crate::error::Error;
use crate::run::RING_ENTRIES;
use client::{Buffers, Client};
use log::Log;

/// Serves until the process is ended; says on standard output when devices may come.
///
/// # Errors
/// [`Error`] when it cannot listen, or not write its certificate.
pub fn serve(arguments: &FloorArguments) -> Result<(), Error> {
    descriptors::raise();
    let config = make_config(arguments)?;
    let port = ListenerConfig { kind: ListenerKind::Mqtt, address: arguments.listen };
    let port = *probe_ports(&[port])?.first().unwrap_or(&port);
    let (listening, is_listening) = mpsc::channel();
    let threads: Vec<_> = (0..arguments.threads)
        .map(|_| {
            let (config, path) = (Arc::clone(&config), arguments.log.clone());
            let listening = listening.clone();
            thread::spawn(move || serve_clients(port, &config, path, &listening))
        })
        .collect();
    drop(listening);
    // Fewer when a thread has ended with an error, which follows.
    if is_listening.iter().take(threads.len()).count() == threads.len() {
        announce(port.address, arguments)?;
    }
    for thread in threads {
        // A thread ends with an error only.
        thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread has ended").into()))?;
    }
    Ok(())
}

/// Makes a certificate for the address, and writes it where clients find it.
fn make_config(arguments: &FloorArguments) -> Result<Arc<ServerConfig>, Error> {
    let names = vec![arguments.listen.ip().to_string(), "localhost".to_owned()];
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(names).map_err(|error| io::Error::other(error.to_string()))?;
    let path = arguments.ca.clone();
    fs::write(&path, cert.pem()).map_err(|source| Error::Result { path, source })?;
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let identity = TlsIdentity { chain: vec![cert.der().clone()], key };
    server_config(identity, TicketCount::One).map_err(|error| io::Error::other(error).into())
}

fn announce(address: SocketAddr, arguments: &FloorArguments) -> Result<(), Error> {
    let (host, port, ca) = (address.ip(), address.port(), arguments.ca.display());
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "floor is ready: --target mqtt --host {host} --port {port} --ca {ca}")?;
    Ok(stdout.flush()?)
}

/// Accepts and serves on this thread.
fn serve_clients(
    port: ListenerConfig,
    config: &Arc<ServerConfig>,
    log: Option<PathBuf>,
    listening: &mpsc::Sender<()>,
) -> Result<(), Error> {
    // Without a table of its own the thread shares the bound with the others.
    let _ = make_descriptors_private();
    let mut runtime = runtime(RING_ENTRIES)?;
    runtime.block_on(async {
        let start =
            |path: PathBuf| Log::start(&path).map_err(|source| Error::Result { path, source });
        let log = log.map(start).transpose()?;
        let listener = TcpListener::from_std(bind(port)?)?;
        // Nobody waits for it any more when another thread has failed.
        let _ = listening.send(());
        let buffers = Rc::new(RefCell::new(Buffers::default()));
        let serve_one = |stream, _| {
            let (config, buffers) = (Arc::clone(config), Rc::clone(&buffers));
            let log = log.clone();
            monoio::spawn(async move {
                if let Ok(mut client) = Client::new(Socket::new(stream), config, log) {
                    client.serve(&buffers).await;
                }
            });
        };
        let exhausted = |error: &io::Error| eprintln!("ringhub-loadgen: no more clients: {error}");
        accept_loop(listener, serve_one, exhausted).await;
        Ok(())
    })
}
