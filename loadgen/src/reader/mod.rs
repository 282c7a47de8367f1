//! `ringhub-loadgen reader`: reads as a back end does, and measures whether it keeps up.
//!
//! ```text
//!  arguments ─▶ plan ─▶ engine ─┬─ backend ─ links      one receiving link per partition
//!                               │     └────▶ account    each event: stamps, order, lag
//!                               └─ watch ── desk        every second: where partitions stand
//!               report ◀─ verdict ◀─ account, timeline
//! ```
//!
//! One thread; two connections, because an answer about positions would queue behind the events.

mod account;
mod arguments;
mod backend;
mod desk;
mod devices;
mod engine;
mod fault;
mod links;
mod partition;
mod picture;
mod plan;
mod report;
mod timeline;
mod verdict;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ringhub_edge::shard::runtime;
use signal_hook::consts::{SIGINT, SIGTERM};

pub use arguments::ReaderArguments;
pub use fault::Fault;
pub use report::ReaderReport;
pub(crate) use timeline::Point;

use account::Account;
use engine::Engine;
use plan::Plan;
use report::Cost;
use timeline::Timeline;
use verdict::{Thresholds, judge};

use crate::error::Error;
use crate::process::Usage;
use crate::run::RING_ENTRIES;
use crate::view::View;

/// How often progress is shown.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);

/// Reads and prints the result.
///
/// # Errors
/// [`Error`] when nothing could be read at all; what goes wrong later is part of the report.
pub fn read(arguments: &ReaderArguments) -> Result<ReaderReport, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let plan = Plan::new(arguments)?;
    let server = Server::new(arguments.server_pid)?;
    let thresholds =
        Thresholds { lag_p99_max: arguments.lag_p99_max, lag_events_max: arguments.lag_events_max };
    let report = runtime(RING_ENTRIES)?.block_on(measure(
        plan,
        stop,
        server,
        thresholds,
        View::new(arguments.output.quiet),
    ));
    let report = report.map_err(Error::Reader)?;
    arguments.output.tell(&report)?;
    Ok(report)
}

async fn measure(
    plan: Plan,
    stop: Arc<AtomicBool>,
    server: Server,
    thresholds: Thresholds,
    mut view: View,
) -> Result<ReaderReport, Fault> {
    let target = plan.target;
    let engine = Engine::open(plan, stop).await?;
    view.say(&format!("{} partitions of {target}", engine.partition_count()));
    let before = (Usage::of_self(), server.usage());
    let mut timeline = Timeline::new(before.0, before.1);
    let mut shown = Duration::ZERO;
    let show = |elapsed: Duration, account: &Account| {
        if elapsed - shown >= SHOW_INTERVAL {
            shown = elapsed;
            timeline.push(elapsed, account, Usage::of_self(), server.usage());
            let points = timeline.points();
            let drawn = || picture::picture(elapsed, account, points);
            view.show(|| progress(elapsed, account), drawn);
        }
    };
    let (end, elapsed, account, watch_fault) = engine.read(show).await;
    view.end();
    let own = Cost { before: before.0, after: Usage::of_self() };
    let server = before.1.zip(server.usage()).map(|(before, after)| Cost { before, after });
    let verdict = judge(&account, &end, watch_fault.as_ref(), elapsed, thresholds);
    Ok(ReaderReport { account, end, elapsed, own, server, timeline, verdict })
}

/// One line about a run under way.
fn progress(elapsed: Duration, account: &Account) -> String {
    format!(
        "{:>5} s  events {}  behind {}  missing {}  disordered {}  lag p99 {:.1} ms",
        elapsed.as_secs(),
        account.events,
        account.behind(),
        account.missing(),
        account.disordered(),
        account.lag.at_ms(0.99),
    )
}

/// The process of the server, if it is on this machine.
struct Server(Option<u32>);

impl Server {
    /// Checks that the process is there, if one is named.
    fn new(pid: Option<u32>) -> Result<Self, Error> {
        match pid {
            Some(pid) if Usage::of(pid).is_none() => Err(Error::NoServer(pid)),
            pid => Ok(Self(pid)),
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.0.and_then(Usage::of)
    }
}
