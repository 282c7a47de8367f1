//! The process: arguments, start, wait, end.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use ringhub_edge::cli::{Cli, Command, ServeArguments};
use ringhub_edge::hub::{EVENT_HUB, Hub};
use ringhub_edge::reload::{ReloadSignal, TokenWatch, reload_files};
use ringhub_edge::shutdown::ShutdownSignals;
use ringhub_edge::startup::{
    AdminTokenFile, Banner, ConnectionStrings, Endpoints, KeyFiles, NotWritten, Prepared, prepare,
};
use ringhub_edge::{logging, notify};
use tikv_jemallocator::Jemalloc;
use time::OffsetDateTime;
use tracing::{info, warn};

/// Gives back what is free within seconds, on a thread of its own: what a million connections held
/// lies scattered, and the allocator of the C library would keep it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    match Cli::parse().into_command() {
        Command::Serve(arguments) => match serve(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("ringhub: {error}");
                ExitCode::FAILURE
            }
        },
        Command::Client(command) => match command.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.is_end_of_output() => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("ringhub: {error}");
                error.exit_code()
            }
        },
    }
}

fn serve(arguments: &ServeArguments) -> Result<(), Box<dyn std::error::Error>> {
    let config = arguments.settings()?.config()?;
    logging::start(&config.logging);
    let mut signals = ShutdownSignals::install()?;
    let reload_signal = ReloadSignal::install()?;
    let prepared = prepare(config, arguments.data_dir.clone(), OffsetDateTime::now_utc())?;
    log_findings(&prepared);
    let hub = Hub::start(&prepared)?;
    let (source, certificates) = (&prepared.certificate_source, &prepared.certificates);
    let admin_token = prepared
        .admin_token
        .clone()
        .map(|token| TokenWatch::new(AdminTokenFile::of(prepared.data_directory.path()), token));
    reload_files(source.clone(), Arc::clone(certificates), admin_token, reload_signal)?;
    announce(&prepared, &hub)?;
    notify::start_watchdog(hub.heartbeat())?;
    notify::ready(&format!("serving {}", prepared.config.hub.host_name));
    signals.wait()?;
    notify::stopping();
    info!("shutting down");
    signals.guard(prepared.config.limits.shutdown_timeout)?;
    hub.stop();
    info!("all sessions closed, all accepted telemetry committed");
    Ok(())
}

fn log_findings(prepared: &Prepared) {
    for reason in prepared.placement.reasons.all() {
        info!("{reason}");
    }
}

fn announce(prepared: &Prepared, hub: &Hub) -> Result<(), Box<dyn std::error::Error>> {
    let data_directory = prepared.data_directory.path();
    let (key_files, policies) = (KeyFiles::of(prepared, EVENT_HUB), hub.policies());
    let connection_strings = key_files.connection_strings(&policies);
    unless_disk_full(key_files.write(&policies))?;
    unless_disk_full(Endpoints::of(prepared, EVENT_HUB).write(data_directory))?;
    let ca = prepared.certificate_source.ca();
    let banner = Banner {
        host_name: &prepared.config.hub.host_name,
        ports: &prepared.ports,
        data_directory,
        ca: ca.as_deref(),
        connection_strings: &connection_strings,
        connection_strings_file: &ConnectionStrings::file(data_directory),
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}\nringhub is ready", banner.render(io::stdout().is_terminal()))?;
    Ok(stdout.flush()?)
}

/// Devices and readers need none of these files: on a full disk the hub serves them without.
fn unless_disk_full(written: Result<(), NotWritten>) -> Result<(), NotWritten> {
    match written {
        Err(error) if error.is_disk_full() => {
            warn!("{error}; commands on this machine find there what an earlier start wrote");
            Ok(())
        }
        written => written,
    }
}
