//! Starting and joining the threads of the shards.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use ringhub_core::id::ShardId;
use ringhub_core::limits::{
    CONNECTIONS_PER_SHARD_MAX, HANDSHAKE_TIME_MAX, SHARD_RING_ENTRIES, SHUTDOWN_TIME_MAX,
    WRITE_STALL_TIME_MAX,
};
use rustls::ServerConfig;

use super::clock::Clock;
use super::counters::ShardCounters;
use super::descriptor_table::make_private;
use super::event_loop::Shard;
use super::mailbox::Mailbox;
use super::protocol::Services;
use super::runtime::runtime;
use super::state::ShardState;
use crate::listener::ListenerConfig;

/// What all shards of the process have in common.
#[derive(Clone, Copy, Debug)]
pub struct ShardConfig {
    /// Clock of the process.
    pub clock: Clock,
    /// Connections per shard; more are closed as they come. Each costs up to 6 KB while idle.
    pub connections_max: u32,
    /// Time from accept to the end of the TLS handshake.
    pub handshake_time_max: Duration,
    /// Time in which a peer must take some of what waits for it.
    pub write_stall_time_max: Duration,
    /// Time that the shard takes to end: half for commits that are awaited, half for the peers'
    /// closing.
    pub shutdown_time_max: Duration,
}

impl ShardConfig {
    /// The defaults of `limits.rs`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            connections_max: CONNECTIONS_PER_SHARD_MAX,
            handshake_time_max: HANDSHAKE_TIME_MAX,
            write_stall_time_max: WRITE_STALL_TIME_MAX,
            shutdown_time_max: SHUTDOWN_TIME_MAX,
        }
    }
}

/// What one shard is made of. `services` runs on the shard's thread, so what it makes need not be
/// `Send`.
#[derive(Debug)]
pub struct ShardParts<F> {
    /// Number of the shard, its index among all.
    pub shard: ShardId,
    /// Its mailbox; whoever posts to it has the sender.
    pub mailbox: Mailbox,
    /// The ports, from [`probe_ports`](crate::listener::probe_ports).
    pub ports: Vec<ListenerConfig>,
    /// Core to run on; `None` leaves it to the scheduler.
    pub core: Option<usize>,
    /// Makes what the shard's connections share.
    pub services: F,
}

/// A running shard. It ends after [`Mail::Shutdown`](super::mailbox::Mail::Shutdown).
#[derive(Debug)]
pub struct ShardHandle {
    /// Which shard it is.
    pub shard: ShardId,
    /// What it counts.
    pub counters: Arc<ShardCounters>,
    thread: JoinHandle<()>,
}

impl ShardHandle {
    /// Waits for the end of the thread.
    ///
    /// # Errors
    /// With the panic's payload if the thread panicked.
    pub fn join(self) -> std::thread::Result<()> {
        self.thread.join()
    }
}

/// Starts all shards; `tls` and its ticket keys are common to them.
///
/// # Errors
/// What [`start_shard`] reports for the first that cannot be started; those before it run on.
pub fn start_shards<S, F>(
    parts: Vec<ShardParts<F>>,
    config: ShardConfig,
    tls: &Arc<ServerConfig>,
) -> io::Result<Vec<ShardHandle>>
where
    S: Services,
    F: FnOnce() -> S + Send + 'static,
{
    parts.into_iter().map(|parts| start_shard(parts, config, Arc::clone(tls))).collect()
}

/// Starts the thread of one shard and waits until it listens.
///
/// # Errors
/// When the kernel refuses a thread, an io_uring (kernel setting or memory limit), the core, a
/// descriptor or a port.
pub fn start_shard<S, F>(
    parts: ShardParts<F>,
    config: ShardConfig,
    tls: Arc<ServerConfig>,
) -> io::Result<ShardHandle>
where
    S: Services,
    F: FnOnce() -> S + Send + 'static,
{
    let shard = parts.shard;
    let counters = Arc::new(ShardCounters::default());
    let shared = Arc::clone(&counters);
    let (ready, is_ready) = flume::bounded(1);
    let thread = Builder::new().name(format!("shard-{}", shard.0)).spawn(move || {
        // The starter waits for the one message, so it cannot be gone.
        let listening = || drop(ready.send(Ok(())));
        if let Err(error) = run(parts, config, tls, shared, listening) {
            drop(ready.send(Err(error)));
        }
    })?;
    match is_ready.recv() {
        Ok(Ok(())) => Ok(ShardHandle { shard, counters, thread }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("the shard's thread ended while it started")),
    }
}

/// Fails before `listening` is called, or not at all.
fn run<S, F>(
    parts: ShardParts<F>,
    config: ShardConfig,
    tls: Arc<ServerConfig>,
    counters: Arc<ShardCounters>,
    listening: impl FnOnce(),
) -> io::Result<()>
where
    S: Services,
    F: FnOnce() -> S,
{
    let ShardParts { shard, mailbox, ports, core, services } = parts;
    if let Err(error) = make_private() {
        tracing::warn!(shard = shard.0, %error, "the shard shares its descriptors with all others");
    }
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    counters.thread_id.set(u64::try_from(thread).unwrap_or_default());
    pin(core)?;
    let bell = mailbox.doorbell().as_fd().try_clone_to_owned()?;
    let mut runtime = runtime(SHARD_RING_ENTRIES)?;
    let state = ShardState::new(shard, mailbox, config, tls, services(), counters);
    let shard = Shard::new(state, config.clock);
    runtime.block_on(async {
        for port in ports {
            shard.listen(port)?;
        }
        listening();
        shard.run(bell).await;
        Ok(())
    })
}

fn pin(core: Option<usize>) -> io::Result<()> {
    let Some(core) = core else { return Ok(()) };
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}
