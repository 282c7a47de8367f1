//! A run from its plan to its report: in this process, or in several that it starts.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ringhub_edge::shard::runtime;
use rustix::process::{Signal, set_parent_process_death_signal};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::{self, ConnectArguments, Connections, StormArguments, TelemetryArguments};
use crate::conversation::back_end::service_target;
use crate::conversation::service::Service;
use crate::crew::Crew;
use crate::descriptors;
use crate::engine::Engine;
use crate::error::Error;
use crate::gate::{Gate, News};
use crate::observer::Observer;
use crate::outcome::Outcome;
use crate::output::Output;
use crate::pinning;
use crate::plan::{Plan, Work};
use crate::registration::Registration;
use crate::report::Report;
use crate::share::Share;
use crate::tls::TlsClient;
use crate::verdict::Thresholds;
use crate::view::View;

/// Entries of the io_uring.
pub(crate) const RING_ENTRIES: u32 = 4096;

/// Connects devices and keeps their connections; prints the result. `None` is that of a worker,
/// whose parent has it.
///
/// # Errors
/// [`Error`] when nothing could be started; refused connections are part of the report.
pub fn connect(arguments: &ConnectArguments) -> Result<Option<Report>, Error> {
    Run::new(&arguments.connections, None)?
        .execute(&arguments.connections, || Plan::to_connect(arguments))
}

/// Connects devices and publishes from each; otherwise as [`connect`].
///
/// # Errors
/// As [`connect`].
pub fn publish(arguments: &TelemetryArguments) -> Result<Option<Report>, Error> {
    let mut run = Run::new(&arguments.connections, arguments.puback_p99_max)?;
    run.set_conversation(&arguments.conversation);
    run.execute(&arguments.connections, || Plan::to_publish(arguments))
}

/// Connects devices, cuts all of them off and lets them come back; otherwise as [`connect`].
///
/// # Errors
/// As [`connect`].
pub fn storm(arguments: &StormArguments) -> Result<Option<Report>, Error> {
    let run = Run::new(&arguments.connections, None)?;
    run.execute(&arguments.connections, || Plan::to_storm(arguments))
}

/// What is the same whatever is to be done.
struct Run {
    share: Option<Share>,
    workers: Option<u32>,
    server_pid: Option<u32>,
    thresholds: Thresholds,
    output: Output,
    /// What is said beside telemetry.
    conversation: Option<cli::Conversation>,
    /// Set by SIGINT and SIGTERM.
    stop: Arc<AtomicBool>,
}

impl Run {
    fn new(
        connections: &Connections,
        puback_p99_max: Option<std::time::Duration>,
    ) -> Result<Self, Error> {
        let Connections { share, workers, server_pid, failures_max, connect_p99_max, .. } =
            *connections;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Self {
            share,
            workers,
            server_pid,
            thresholds: Thresholds {
                failures_max,
                connect_p99_max,
                puback_p99_max,
                ..Thresholds::default()
            },
            output: connections.output.clone(),
            conversation: None,
            stop,
        })
    }

    fn set_conversation(&mut self, conversation: &cli::Conversation) {
        self.thresholds.method_p99_max = conversation.method_p99_max;
        self.thresholds.patch_p99_max = conversation.patch_p99_max;
        self.thresholds.c2d_p99_max = conversation.c2d_p99_max;
        self.conversation = Some(conversation.clone());
    }

    /// Logs the back end in, if the plan has one.
    fn back_end(&self, connections: &Connections, plan: &Plan) -> Result<Option<Service>, Error> {
        let (Some(arguments), Some(conversation), Work::Publish(load)) =
            (&self.conversation, plan.conversation, &plan.work)
        else {
            return Ok(None);
        };
        if !conversation.has_back_end() {
            return Ok(None);
        }
        let target = service_target(connections, arguments)?;
        Service::new(conversation, plan, load, &target, &self.stop).map(Some)
    }

    fn execute(
        self,
        connections: &Connections,
        plan: impl FnOnce() -> Result<Plan, Error>,
    ) -> Result<Option<Report>, Error> {
        if self.share.is_none() {
            let plan = plan()?;
            let workers = self.workers_for(&plan)?;
            let mut observer = Observer::new(self.server_pid, View::new(self.output.quiet))?;
            observer.invite(self.back_end(connections, &plan)?);
            // Held until the report is out; an error deletes the devices as well.
            let _registration = match connections.provision {
                true => Some(Registration::new(connections, plan.fleet.size())?),
                false => None,
            };
            return self.oversee(plan, workers, observer).map(Some);
        }
        // A parent that is killed takes its workers with it.
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(std::io::Error::from)?;
        let gate = Gate::of_parent(Arc::clone(&self.stop));
        let last = match plan().and_then(|plan| self.work(plan, gate)) {
            Ok(outcome) => News::Done(Box::new(outcome)),
            Err(error) => News::Failed(error.to_string()),
        };
        last.tell();
        Ok(None)
    }

    /// Number of processes, with room in each for what it has to open.
    fn workers_for(&self, plan: &Plan) -> Result<u32, Error> {
        let (size, fit) = (plan.connections(), descriptors::raise());
        let workers = match self.workers {
            Some(workers) => workers.min(size.max(1)),
            None => descriptors::workers_for(plan.descriptors(size), fit),
        };
        descriptors::check(plan.descriptors(size.div_ceil(workers)), fit)?;
        plan.check_ports()?;
        Ok(workers)
    }

    /// Does the work here or lets workers do it, and tells the result.
    fn oversee(&self, plan: Plan, workers: u32, observer: Observer) -> Result<Report, Error> {
        let observer = Rc::new(RefCell::new(observer));
        let measured = match &plan.work {
            Work::Hold(_) | Work::Storm(_) => None,
            Work::Publish(load) => Some(load.duration),
        };
        let (size, devices) = (plan.connections(), plan.fleet.size());
        let of = if devices > size { format!(" of {devices} devices") } else { String::new() };
        let text = format!("{size} connections{of} to {} from {workers} processes", plan.target);
        observer.borrow().say(&text);
        let outcomes = if workers == 1 {
            vec![self.work(plan, Gate::Alone(Rc::clone(&observer)))?]
        } else {
            Crew::start(workers)?.lead(&self.stop, &mut observer.borrow_mut())?
        };
        observer.borrow_mut().end_view();
        let report = Report::new(outcomes, &mut observer.borrow_mut(), measured, self.thresholds);
        self.output.tell(&report)?;
        Ok(report)
    }

    /// Does the share of this process.
    fn work(&self, plan: Plan, gate: Gate) -> Result<Outcome, Error> {
        descriptors::raise();
        pinning::pin(plan.share.index);
        // The random source takes tens of milliseconds at its first use, which are not the
        // server's.
        TlsClient::new(Arc::clone(&plan.tls), plan.server.clone(), false).map_err(Error::Tls)?;
        let engine = Engine::new(plan, gate, Arc::clone(&self.stop));
        runtime(RING_ENTRIES)?.block_on(engine.drive())
    }
}
