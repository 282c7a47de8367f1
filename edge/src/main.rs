//! The process: arguments, start, wait, end.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use ringhub_edge::cli::{Cli, Command, ServeArguments};
use ringhub_edge::hub::{EVENT_HUB, Hub};
use ringhub_edge::reload::{ReloadSignal, reload_certificates};
use ringhub_edge::shutdown::ShutdownSignals;
use ringhub_edge::startup::{
    Banner, ConnectionStrings, Endpoints, Prepared, prepare, write_policies,
};
use time::OffsetDateTime;
use tracing::info;
use tracing_subscriber::EnvFilter;

/// Policy whose connection strings are shown: it may do everything.
const OWNER_POLICY: &str = "iothubowner";

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
    start_logging();
    let mut signals = ShutdownSignals::install()?;
    let reload_signal = ReloadSignal::install()?;
    let prepared = prepare(arguments, OffsetDateTime::now_utc())?;
    log_findings(&prepared);
    let hub = Hub::start(&prepared)?;
    let (source, certificates) = (&prepared.certificate_source, &prepared.certificates);
    reload_certificates(source.clone(), Arc::clone(certificates), reload_signal)?;
    announce(&prepared, &hub)?;
    signals.wait()?;
    info!("shutting down");
    signals.guard(prepared.config.limits.shutdown_timeout)?;
    hub.stop();
    info!("all sessions closed, all accepted telemetry committed");
    Ok(())
}

/// Logs to standard error, so that standard output holds the banner alone; `RINGHUB_LOG` sets the
/// level.
fn start_logging() {
    let filter = EnvFilter::try_from_env("RINGHUB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

fn log_findings(prepared: &Prepared) {
    for reason in &prepared.placement.reasons {
        info!("{reason}");
    }
}

fn announce(prepared: &Prepared, hub: &Hub) -> Result<(), Box<dyn std::error::Error>> {
    let host_name = &prepared.config.hub.host_name;
    let data_directory = prepared.data_directory.path();
    let owner = hub.policies().iter().find(|policy| policy.name == OWNER_POLICY);
    let key = owner.map(|policy| policy.keys.primary_text()).unwrap_or_default();
    let connection_strings = ConnectionStrings::new(host_name, OWNER_POLICY, &key, EVENT_HUB);
    let connection_strings_file = connection_strings.write(data_directory)?;
    write_policies(data_directory, hub.policies())?;
    Endpoints::of(prepared, EVENT_HUB).write(data_directory)?;
    let ca = prepared.certificate_source.ca();
    let banner = Banner {
        host_name,
        ports: &prepared.ports,
        data_directory,
        ca: ca.as_deref(),
        connection_strings: &connection_strings,
        connection_strings_file: &connection_strings_file,
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}\nringhub is ready", banner.render(io::stdout().is_terminal()))?;
    Ok(stdout.flush()?)
}
