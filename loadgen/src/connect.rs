//! The `connect` command: open connections on schedule, keep them, report.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use monoio::{IoUringDriver, RuntimeBuilder};
use ringhub_core::time::Timestamp;
use rustix::io::Errno;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::ConnectArguments;
use crate::descriptors::{self, TooFewDescriptors};
use crate::device::{Device, Failure, Manner, Scratch, Stage};
use crate::fleet::{Fleet, FleetError};
use crate::process;
use crate::report::{End, Report, progress};
use crate::schedule::Schedule;
use crate::socket::Socket;
use crate::source::source_for;
use crate::tally::Tally;
use crate::tls::TlsClient;
use crate::trust::{TrustError, client_config};

/// Entries of the io_uring.
const RING_ENTRIES: u32 = 4096;
/// Bytes received at a time.
const RECEIVE_BYTES: usize = 16 * 1024;
/// How often deadlines and signals are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long tokens are good for beyond the planned end.
const TOKEN_MARGIN: Duration = Duration::from_secs(3600);

/// Why a run could not start.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No devices.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Nobody to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Too many connections for one process.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// The host name is no name for TLS.
    #[error("`{0}` is no host name")]
    HostName(String),
    /// No TLS connection can be prepared.
    #[error("TLS cannot be started: {0}")]
    Tls(#[source] rustls::Error),
    /// The host has no address.
    #[error("cannot resolve {host}: {source}; give its address with --address")]
    Resolve {
        /// The name.
        host: String,
        /// Why not.
        source: io::Error,
    },
    /// The kernel refuses io_uring or signal handlers.
    #[error("cannot start the io_uring runtime: {0}")]
    Runtime(#[from] io::Error),
}

/// Opens the connections, keeps them for the time asked for and prints the result.
///
/// # Errors
/// [`ConnectError`] when nothing could be started; refused connections are part of the report.
pub fn run(arguments: &ConnectArguments) -> Result<Report, ConnectError> {
    let fleet = fleet(arguments)?;
    let fit = descriptors::raise();
    descriptors::check(fleet.size(), fit)?;
    let plan = Plan {
        target: target(arguments)?,
        server: ServerName::try_from(arguments.host.clone())
            .map_err(|_| ConnectError::HostName(arguments.host.clone()))?,
        tls: client_config(&arguments.ca)?,
        schedule: Schedule { rate: arguments.rate, count: fleet.size() },
        hold: arguments.hold,
        timeout: arguments.timeout,
        manner: Manner { keep_alive: arguments.keep_alive, patience: arguments.timeout },
        fleet,
    };
    let fits = fit.map_or_else(|| "any number".to_owned(), |fit| fit.to_string());
    eprintln!("{} connections to {}; {fits} fit", plan.schedule.count, plan.target);
    // The random source takes tens of milliseconds at its first use, which are not the server's.
    TlsClient::new(Arc::clone(&plan.tls), plan.server.clone()).map_err(ConnectError::Tls)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let builder = RuntimeBuilder::<IoUringDriver>::new().with_entries(RING_ENTRIES);
    let report = builder.enable_timer().build()?.block_on(Run::new(plan).drive(&stop));
    if arguments.json {
        println!("{}", report.to_json());
    } else {
        print!("{report}");
    }
    Ok(report)
}

/// Credentials of a policy or of a file; the arguments have exactly one of them.
fn fleet(arguments: &ConnectArguments) -> Result<Fleet, FleetError> {
    let ConnectArguments { host, connections, device_prefix, .. } = arguments;
    if let (Some(name), Some(key)) = (&arguments.policy, &arguments.key) {
        return Fleet::of_policy(host, (name, key), device_prefix, *connections);
    }
    Fleet::from_file(host, &arguments.devices.clone().unwrap_or_default(), *connections)
}

fn target(arguments: &ConnectArguments) -> Result<SocketAddr, ConnectError> {
    if let Some(address) = arguments.address {
        return Ok(SocketAddr::new(address, arguments.port));
    }
    let host = &arguments.host;
    let unresolved = |source| ConnectError::Resolve { host: host.clone(), source };
    let address = host.parse::<IpAddr>().map(|address| SocketAddr::new(address, arguments.port));
    address.or_else(|_| {
        let mut addresses =
            (host.as_str(), arguments.port).to_socket_addrs().map_err(unresolved)?;
        addresses.next().ok_or_else(|| unresolved(io::ErrorKind::NotFound.into()))
    })
}

/// What is to be done.
struct Plan {
    target: SocketAddr,
    server: ServerName<'static>,
    tls: Arc<ClientConfig>,
    schedule: Schedule,
    hold: Duration,
    timeout: Duration,
    manner: Manner,
    fleet: Fleet,
}

/// One connection, shared by its task and the clock.
struct Connection {
    socket: Socket,
    device: RefCell<Device>,
    /// Why the clock has ended it.
    ended: Cell<Option<Failure>>,
    due: Instant,
}

/// A run under way; everything happens on one thread.
struct Run {
    plan: Plan,
    start: Instant,
    tally: RefCell<Tally>,
    scratch: RefCell<Scratch>,
    connections: RefCell<HashMap<u32, Rc<Connection>>>,
    is_ending: Cell<bool>,
}

impl Run {
    fn new(plan: Plan) -> Rc<Self> {
        Rc::new(Self {
            plan,
            start: Instant::now(),
            tally: RefCell::new(Tally::new()),
            scratch: RefCell::default(),
            connections: RefCell::default(),
            is_ending: Cell::new(false),
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.start.elapsed()
    }

    async fn drive(self: Rc<Self>, stop: &AtomicBool) -> Report {
        let end = self.plan.schedule.last() + self.plan.hold;
        monoio::spawn(Rc::clone(&self).arrive());
        let mut next_line = Duration::from_secs(1);
        while self.start.elapsed() < end && !stop.load(Ordering::Relaxed) {
            monoio::time::sleep(TICK).await;
            self.handle_deadlines();
            if self.start.elapsed() >= next_line {
                eprintln!("{}", progress(self.start.elapsed(), &self.tally.borrow()));
                next_line += Duration::from_secs(1);
            }
        }
        let resident = process::resident_bytes();
        let elapsed = self.start.elapsed();
        self.end();
        let end = if stop.load(Ordering::Relaxed) { End::Interrupted } else { End::Complete };
        let tally = self.tally.replace(Tally::new());
        Report::new(tally, end, elapsed, resident, process::cpu_time())
    }

    /// Starts each connection when it is due.
    async fn arrive(self: Rc<Self>) {
        for number in 0..self.plan.schedule.count {
            let due = self.start + self.plan.schedule.due(number);
            monoio::time::sleep_until(due.into()).await;
            if self.is_ending.get() {
                return;
            }
            self.tally.borrow_mut().attempted += 1;
            monoio::spawn(Rc::clone(&self).hold(number, due));
        }
    }

    /// One connection from its start to its end.
    async fn hold(self: Rc<Self>, number: u32, due: Instant) {
        let outcome = match self.open(number, due).await {
            Ok(connection) => {
                let outcome = self.serve(number, &connection).await;
                self.connections.borrow_mut().remove(&number);
                let stage = connection.device.borrow().stage();
                outcome.map_err(|failure| (stage, connection.ended.take().unwrap_or(failure)))
            }
            Err(failure) => Err((Stage::Connecting, failure)),
        };
        if self.is_ending.get() {
            return;
        }
        match outcome {
            Err((Stage::Connecting, failure)) => self.tally.borrow_mut().refuse(&failure),
            Err((Stage::Connected, failure)) => self.tally.borrow_mut().lose(&failure),
            Ok(never) => match never {},
        }
    }

    async fn open(&self, number: u32, due: Instant) -> Result<Rc<Connection>, Failure> {
        let source = source_for(self.plan.target.ip(), number);
        let socket = Socket::connect(source, self.plan.target)
            .await
            .map_err(|error| Failure::Tcp(error.kind()))?;
        let tls = TlsClient::new(Arc::clone(&self.plan.tls), self.plan.server.clone())
            .map_err(Failure::Tls)?;
        let (device, ended) = (RefCell::new(Device::new(tls)), Cell::default());
        let connection = Rc::new(Connection { socket, device, ended, due });
        self.connections.borrow_mut().insert(number, Rc::clone(&connection));
        Ok(connection)
    }

    /// Moves bytes until the connection is over.
    async fn serve(
        &self,
        number: u32,
        connection: &Connection,
    ) -> Result<std::convert::Infallible, Failure> {
        let tcp = |error: io::Error| Failure::Tcp(error.kind());
        self.handle(number, connection, 0).await?;
        loop {
            connection.socket.readable().await.map_err(tcp)?;
            let received = {
                let scratch = &mut *self.scratch.borrow_mut();
                scratch.received.resize(RECEIVE_BYTES, 0);
                connection.socket.receive(&mut scratch.received)
            };
            match received {
                Ok(0) | Err(Errno::CONNRESET) => {
                    return Err(connection.device.borrow().closed());
                }
                Ok(received) => self.handle(number, connection, received).await?,
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(tcp(error.into())),
            }
        }
    }

    /// Lets the device process the first `received` bytes of the scratch buffer, and sends what it
    /// has to say.
    async fn handle(
        &self,
        number: u32,
        connection: &Connection,
        received: usize,
    ) -> Result<(), Failure> {
        let unsent = {
            let scratch = &mut *self.scratch.borrow_mut();
            let device = &mut *connection.device.borrow_mut();
            scratch.received.truncate(received);
            let before = device.stage();
            let login = || self.plan.fleet.login(number, self.token_expiry_secs());
            let result = device.handle_received(scratch, self.plan.manner, login, self.now());
            if let Err(failure) = result {
                scratch.clear();
                return Err(failure);
            }
            if (before, device.stage()) == (Stage::Connecting, Stage::Connected) {
                self.tally.borrow_mut().accept(connection.due.elapsed());
            }
            send_now(&connection.socket, scratch)?
        };
        send_rest(&connection.socket, &unsent).await
    }

    fn token_expiry_secs(&self) -> u64 {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (unix + self.plan.schedule.last() + self.plan.hold + TOKEN_MARGIN).as_secs()
    }

    /// Pings where it is time, and ends what has waited too long.
    fn handle_deadlines(&self) {
        let (now, scratch) = (self.now(), &mut *self.scratch.borrow_mut());
        for connection in self.connections.borrow().values() {
            let mut device = connection.device.borrow_mut();
            let late = device.stage() == Stage::Connecting
                && connection.due.elapsed() >= self.plan.timeout;
            let result = if late {
                Err(Failure::Timeout)
            } else {
                device.handle_timeout(scratch, now).and_then(|()| {
                    match send_now(&connection.socket, scratch)? {
                        // A ping has two dozen bytes: a server that does not take them is not
                        // reading.
                        unsent if unsent.is_empty() => Ok(()),
                        _ => Err(Failure::Silent),
                    }
                })
            };
            if let Err(failure) = result {
                scratch.clear();
                connection.ended.set(Some(failure));
                connection.socket.end();
            }
        }
    }

    /// Says goodbye on every connection; what happens after that is not counted.
    fn end(&self) {
        self.is_ending.set(true);
        let (now, scratch) = (self.now(), &mut *self.scratch.borrow_mut());
        for connection in self.connections.borrow().values() {
            connection.device.borrow_mut().disconnect(scratch, now);
            // Nothing depends on the goodbye.
            let _ = send_now(&connection.socket, scratch);
            scratch.clear();
            connection.socket.end();
        }
    }
}

/// Sends what the socket takes now and gives the rest, which is nearly always empty.
fn send_now(socket: &Socket, scratch: &mut Scratch) -> Result<Vec<u8>, Failure> {
    if scratch.out.is_empty() {
        return Ok(Vec::new());
    }
    let sent = socket.send(&scratch.out).map_err(|error| Failure::Tcp(to_io(error).kind()));
    let unsent = sent.map(|sent| scratch.out[sent..].to_vec());
    scratch.out.clear();
    unsent
}

async fn send_rest(socket: &Socket, mut unsent: &[u8]) -> Result<(), Failure> {
    while !unsent.is_empty() {
        socket.writable().await.map_err(|error| Failure::Tcp(error.kind()))?;
        let sent = socket.send(unsent).map_err(|error| Failure::Tcp(to_io(error).kind()))?;
        unsent = &unsent[sent..];
    }
    Ok(())
}

fn to_io(error: Errno) -> io::Error {
    error.into()
}
