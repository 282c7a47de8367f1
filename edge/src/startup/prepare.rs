//! Everything that comes before the first thread, in its order.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use ringhub_control_plane::AdminToken;
use time::OffsetDateTime;
use tracing::warn;

use super::admin_token::{AdminTokenError, AdminTokenFile};
use super::certificate::CertificateError;
use super::certificate_source::CertificateSource;
use super::data_directory::{DataDirectory, DataDirectoryError, Layout, default_data_directory};
use super::ports::{PortError, Ports, claim_ports};
use super::process_limits::{
    DescriptorLimit, LockedMemoryTooSmall, catch_file_size_signal, check_locked_memory,
    raise_descriptor_limit,
};
use crate::config::Config;
use crate::tls::Certificates;
use crate::topology::{Placement, Processors, place};

/// What the threads of a hub are started with.
#[derive(Debug)]
pub struct Prepared {
    /// The configuration, checked.
    pub config: Config,
    /// The data directory, locked for this process: keep it until the last thread has ended.
    pub data_directory: DataDirectory,
    /// Number and place of shards and executors.
    pub placement: Placement,
    /// What all listeners present.
    pub certificates: Arc<Certificates>,
    /// Where they came from, and new ones will.
    pub certificate_source: CertificateSource,
    /// What administrators prove themselves with; `None` where there is no room to write one.
    pub admin_token: Option<Arc<AdminToken>>,
    /// Where they listen.
    pub ports: Ports,
    /// Descriptors that the process may have.
    pub descriptors: DescriptorLimit,
}

/// Why a hub does not start; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// No data directory was named, and there is no home to put one into.
    #[error("neither XDG_STATE_HOME nor HOME is set: name a data directory with --data-dir")]
    NoDataDirectory,
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The token of administrators cannot be used.
    #[error(transparent)]
    AdminToken(#[from] AdminTokenError),
    /// A port cannot be bound.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Executors could not start.
    #[error(transparent)]
    LockedMemory(#[from] LockedMemoryTooSmall),
    /// The kernel does not tell or change a limit of the process.
    #[error("the kernel refuses a limit or the list of CPUs: {0}")]
    Kernel(#[from] io::Error),
}

/// Takes the data directory (`data_dir`, or the default), places the threads, gets a certificate
/// and claims the ports.
///
/// Call it before any thread is started: it changes limits of the process.
///
/// # Errors
/// [`StartupError`]. A new data directory is fixed last, so that a start that fails leaves no
/// layout behind.
pub fn prepare(
    mut config: Config,
    data_dir: Option<PathBuf>,
    now: OffsetDateTime,
) -> Result<Prepared, StartupError> {
    let path = data_dir.or_else(default_data_directory);
    let mut data_directory = DataDirectory::open(&path.ok_or(StartupError::NoDataDirectory)?)?;
    if let Some(fixed) = data_directory.layout() {
        config.executors.count.get_or_insert(fixed.executors);
    }
    let processors = Processors::of_this_process()?;
    let placement = place(&processors, &config.shards, &config.executors, config.format.partitions);
    check_locked_memory()?;
    catch_file_size_signal()?;
    let descriptors = raise_descriptor_limit()?;
    let certificate_source = CertificateSource::of(&config, data_directory.path());
    let certificates = Certificates::new(certificate_source.load(now)?);
    let admin_token = admin_token(&AdminTokenFile::of(data_directory.path()))?.map(Arc::new);
    let ports = claim_ports(&config.listen)?;
    let executors = u16::try_from(placement.executors.len()).unwrap_or(u16::MAX);
    data_directory.fix(Layout { partitions: config.format.partitions, executors })?;
    Ok(Prepared {
        config,
        data_directory,
        placement,
        certificates,
        certificate_source,
        admin_token,
        ports,
        descriptors,
    })
}

/// Devices and readers need no administrators: on a full disk the hub serves them without.
fn admin_token(file: &AdminTokenFile) -> Result<Option<AdminToken>, AdminTokenError> {
    match file.open() {
        Err(AdminTokenError::NotWritten(error)) if error.is_disk_full() => {
            warn!("{error}; until the next start nobody administrates");
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::test_directory::{TestDirectory, reopen};
    use super::*;
    use crate::config::Settings;

    /// The configuration of a hub on ports that were free a moment ago.
    fn config(executors: Option<u16>) -> Config {
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [mqtt, amqp, https] = listeners.map(|listener| listener.local_addr().unwrap().port());
        let mut config = Settings::default().config().unwrap();
        config.listen.mqtt_port = mqtt;
        config.listen.amqp_port = amqp;
        config.listen.https_port = https;
        config.executors.count = executors;
        config
    }

    fn prepare_in(directory: &TestDirectory, config: Config) -> Result<Prepared, StartupError> {
        prepare(config, Some(directory.path().join("data")), OffsetDateTime::now_utc())
    }

    #[test]
    fn a_second_start_keeps_the_layout_of_the_first() {
        let directory = TestDirectory::new();
        let prepared = prepare_in(&directory, config(Some(2))).unwrap();
        assert_eq!(prepared.placement.executors.len(), 2);
        assert!(prepared.certificate_source.ca().unwrap().starts_with(directory.path()));
        drop(prepared);

        let prepared = reopen(|| prepare_in(&directory, config(None))).unwrap();
        assert_eq!(prepared.placement.executors.len(), 2, "not said: as before");
        drop(prepared);

        let error = reopen(|| prepare_in(&directory, config(Some(1)))).unwrap_err().to_string();
        assert!(error.contains("executors.count is 1") && error.contains("with 2"), "{error}");
    }

    #[test]
    fn a_failed_start_fixes_nothing() {
        let directory = TestDirectory::new();
        let mut wanted = config(None);
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        wanted.listen.amqp_port = holder.local_addr().unwrap().port();
        let error = prepare_in(&directory, wanted).unwrap_err();
        assert!(matches!(error, StartupError::Port(_)), "{error}");
        let data = directory.path().join("data");
        let data_directory = reopen(|| DataDirectory::open(&data)).unwrap();
        assert_eq!(data_directory.layout(), None);
    }
}
