//! The running hub: its threads, from the first to the last.
//!
//! Start goes against the data path (control plane, executors, shards), so that nothing is accepted
//! before there is somewhere to put it; the end goes along it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use ringhub_control_plane::directory::{self, Policy};
use ringhub_control_plane::registry_job::AccountClient;
use ringhub_control_plane::{
    ControlPlane, ControlPlaneConfig, HubSettings, OpenError, ProviderSettings,
};
use ringhub_core::id::{HubId, ShardId};
use ringhub_core::message::D2cEncoder;
use ringhub_core::session::amqp::AmqpConfig;
use ringhub_core::time::UnixMillis;
use tracing::{error, warn};

use crate::client::{ClientError, trusted_roots};
use crate::config::{Config, FileUploadError};
use crate::hub_parts::{EdgeParts, hub_log};
use crate::listener::{BindError, ListenerConfig, ListenerKind, probe_ports};
use crate::metrics::{Inspector, InspectorThread, Sources, inspector};
use crate::partition::{self, PartitionsConfig, PartitionsHandle, ShardPipeline, StartError};
use crate::shard::mailbox::{Mail, Mailbox, MailboxSender, Mailboxes, mailbox};
use crate::shard::{
    Clock, HubInfo, HubServices, MailboxShards, ShardConfig, ShardCounters, ShardHandle,
    ShardParts, start_shards,
};
use crate::startup::{CertificateError, DEVELOPMENT_CA_FILE, KeyFiles, Ports, Prepared};
use crate::storage::StorageCalls;
use crate::storage_client::{StorageClient, TrustError, trusted_authorities};
use crate::tls::{TicketCount, TlsConfigError, reloadable_server_config};
use crate::topology::CpuId;

/// Name of the Event-Hubs-compatible entity, `EntityPath` in connection strings.
pub const EVENT_HUB: &str = "ringhub";

/// The hub of the configuration, which is there as long as its data directory.
pub(crate) const CONFIGURED_HUB: HubId = HubId(0);

/// Directory of the registry database in the data directory.
pub(crate) const REGISTRY_DIRECTORY: &str = "registry";

/// Directory of the hub's own storage account in the data directory.
const BLOB_DIRECTORY: &str = "blobs";

/// Why a hub does not start; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The registry cannot be opened.
    #[error(transparent)]
    Registry(#[from] OpenError),
    /// A commit log cannot be opened.
    #[error(transparent)]
    Log(#[from] StartError),
    /// The certificate cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// The certificate of a hub cannot be read or made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A port cannot be bound.
    #[error(transparent)]
    Port(#[from] BindError),
    /// The storage account for uploads cannot be used.
    #[error(transparent)]
    Uploads(#[from] FileUploadError),
    /// The authorities that sign for the storage account cannot be read.
    #[error("`file_upload.account_ca_file`: {0}")]
    StorageTrust(#[source] ClientError),
    /// The authorities of storage accounts cannot be read.
    #[error(transparent)]
    Storage(#[from] TrustError),
    /// A thread or an io_uring cannot be made.
    #[error("a shard cannot start: {0}")]
    Shard(#[from] io::Error),
}

/// A hub whose threads run.
pub struct Hub {
    control: Arc<ControlPlane>,
    partitions: PartitionsHandle,
    shards: Vec<ShardHandle>,
    mailboxes: Mailboxes,
    inspector: InspectorThread,
}

impl Hub {
    /// Opens registry and logs and starts all threads; devices are accepted when it returns.
    ///
    /// Blocks while identities are read and logs are recovered.
    ///
    /// # Errors
    /// [`HubError`]; the process is to end.
    pub fn start(prepared: &Prepared) -> Result<Self, HubError> {
        let config = &prepared.config;
        let shard_count = prepared.placement.shards.len();
        let boxes = (0..shard_count).map(|_| mailbox()).collect::<io::Result<Vec<_>>>()?;
        let (senders, mailboxes): (Vec<MailboxSender>, Vec<Mailbox>) = boxes.into_iter().unzip();
        let all = Mailboxes::new(senders.clone());
        let control = Arc::new(open_control_plane(prepared, &all)?);
        let clock = Clock::start();
        let (pipelines, partitions) =
            partition::start(partitions_config(prepared, &control, clock), senders)?;
        let certificates = Arc::clone(&prepared.certificates);
        let tls = reloadable_server_config(certificates, TicketCount::One)?;
        let ports = probe_ports(&listener_configs(&prepared.ports))?;
        let info = Arc::new(hub_info(config, prepared));
        let (inspector, inspections) = inspector();
        let configured = &control.directory().hub(CONFIGURED_HUB).ok_or(OpenError::HostNames)?;
        let common =
            Parts { control: &control, mailboxes: &all, info: &info, configured, inspector };
        let parts = common.of_all(pipelines, mailboxes, &ports, &prepared.placement.shards);
        let mut shard_config = ShardConfig::new(clock);
        shard_config.handshake_time_max = config.tls.handshake_timeout;
        shard_config.shutdown_time_max = config.limits.shutdown_timeout / 2;
        let hub_parts = hub_parts(prepared, &control, &partitions)?;
        let shards = start_shards(parts, shard_config, &tls)?;
        let sources = Sources {
            hub: CONFIGURED_HUB,
            host_name: config.hub.host_name.clone(),
            shards: Sources::counters_of(&shards),
            mailboxes: all.clone(),
            partitions: partitions.view().clone(),
            control: Arc::clone(&control),
            registry_directory: prepared.data_directory.path().join(REGISTRY_DIRECTORY),
            certificates: Arc::clone(&prepared.certificates),
            clock,
        };
        let inspector = InspectorThread::start(sources, inspections)?;
        control.serve_hubs(hub_parts)?;
        Ok(Self { control, partitions, shards, mailboxes: all, inspector })
    }

    /// The control plane, which makes and deletes hubs.
    #[must_use]
    pub fn control(&self) -> &ControlPlane {
        &self.control
    }

    /// The shared access policies, for connection strings.
    #[must_use]
    pub fn policies(&self) -> Arc<[Policy]> {
        self.control.policies(CONFIGURED_HUB)
    }

    /// For the watchdog of a service manager.
    #[must_use]
    pub fn heartbeat(&self) -> Heartbeat {
        let shards = Sources::counters_of(&self.shards);
        let shards = shards.into_iter().map(|counters| (counters, None)).collect();
        Heartbeat { shards, mailboxes: self.mailboxes.clone() }
    }

    /// Closes all sessions, commits what they sent and ends all threads.
    pub fn stop(self) {
        for mailbox in self.mailboxes.iter() {
            mailbox.post(Mail::Shutdown);
        }
        for shard in self.shards {
            let number = shard.shard.0;
            if shard.join().is_err() {
                error!(shard = number, "the shard's thread has panicked");
            }
        }
        // The last that could ask for a page was a shard.
        if self.inspector.join().is_err() {
            error!("the thread that writes the page of numbers has panicked");
        }
        self.partitions.stop();
        // Every other holder was a shard or the inspector, and those have ended.
        match Arc::into_inner(self.control) {
            Some(control) => control.shutdown(),
            None => error!("a shard has left the registry open"),
        }
    }
}

/// Tells whether the threads of all shards turn.
#[derive(Debug)]
pub struct Heartbeat {
    /// With the number of turns when the shard was woken.
    shards: Vec<(Arc<ShardCounters>, Option<u64>)>,
    mailboxes: Mailboxes,
}

impl Heartbeat {
    /// True if every shard has turned since the last call; wakes those that sleep, for the next
    /// call. Shards do not wait for it.
    pub fn beat(&mut self) -> bool {
        let mut is_alive = true;
        for ((counters, woken_at), mailbox) in self.shards.iter_mut().zip(self.mailboxes.iter()) {
            let turns = counters.turns.read();
            is_alive &= *woken_at != Some(turns);
            *woken_at = Some(turns);
            mailbox.doorbell().ring();
        }
        is_alive
    }
}

fn open_control_plane(
    prepared: &Prepared,
    mailboxes: &Mailboxes,
) -> Result<ControlPlane, HubError> {
    let config = &prepared.config;
    let settings = HubSettings {
        id: CONFIGURED_HUB,
        host_name: config.hub.host_name.clone(),
        aliases: aliases_of(&config.hub.host_name),
        partition_count: config.format.partitions,
        retention: config.hub.retention,
        consumer_groups: config.hub.consumer_groups.clone(),
        cloud_to_device: config.cloud_to_device.settings(),
        file_upload: config.file_upload.settings()?,
    };
    let development_ca = prepared.data_directory.path().join(DEVELOPMENT_CA_FILE);
    let authorities = trusted_authorities(config.storage.ca_file.as_deref(), &development_ca)?;
    let control_config = ControlPlaneConfig {
        data_dir: prepared.data_directory.path().join(REGISTRY_DIRECTORY),
        blob_dir: prepared.data_directory.path().join(BLOB_DIRECTORY),
        hubs: vec![settings],
        provider: ProviderSettings {
            token: prepared.admin_token.clone(),
            event_hub: EVENT_HUB.to_owned(),
            domain: config.hub.domain().to_owned(),
        },
        job_devices_per_second: config.jobs.devices_per_second,
        storage: Arc::new(AccountClient(StorageClient::new(&config.storage, &authorities))),
        quotas: config.quota.plan(config.hub.quota),
    };
    let key_files = KeyFiles::of(prepared, EVENT_HUB);
    let shards = Arc::new(MailboxShards::new(mailboxes.clone(), key_files));
    let control = ControlPlane::open(&control_config, shards)?;
    let of_uploads = match &config.file_upload.account_ca_file {
        Some(file) => trusted_roots(Some(file)).map_err(HubError::StorageTrust)?,
        None => authorities,
    };
    // Any hub that is made may name an account.
    control.set_storage_client(Arc::new(StorageCalls::start(&of_uploads)?));
    Ok(control)
}

/// What makes and removes the parts of hubs; the certificates of those that are there are presented
/// when this returns.
fn hub_parts(
    prepared: &Prepared,
    control: &ControlPlane,
    partitions: &PartitionsHandle,
) -> Result<Arc<EdgeParts>, CertificateError> {
    let (source, served) = (prepared.certificate_source.clone(), &prepared.certificates);
    let (partitions, blobs) = (partitions.hubs().clone(), Arc::clone(control.blobs()));
    let parts = EdgeParts::new(partitions, source, Arc::clone(served), blobs);
    let hubs = control.hubs();
    let others = hubs.iter().filter(|hub| !hub.is_configured);
    parts.add_certificates(others.map(|hub| hub.host_name.as_str()))?;
    Ok(Arc::new(parts))
}

/// Tools on the same machine may call every hub `localhost`.
fn aliases_of(host_name: &str) -> Vec<String> {
    let local = "localhost";
    if host_name.eq_ignore_ascii_case(local) { Vec::new() } else { vec![local.to_owned()] }
}

fn partitions_config(
    prepared: &Prepared,
    control: &ControlPlane,
    clock: Clock,
) -> PartitionsConfig {
    let others = control.hubs().into_iter().filter(|hub| hub.id != CONFIGURED_HUB);
    let other_hubs = others.map(|hub| hub_log(&hub)).collect();
    let config = &prepared.config;
    let data_dir = prepared.data_directory.path().to_owned();
    let cores: Option<Vec<usize>> =
        prepared.placement.executors.iter().map(|cpu| cpu.map(|CpuId(number)| number)).collect();
    let executor_count = u16::try_from(prepared.placement.executors.len()).unwrap_or(u16::MAX);
    PartitionsConfig {
        executor_count,
        cores: cores.unwrap_or_default(),
        segment_bytes: config.log.segment_bytes.as_bytes(),
        commit_bytes: usize::try_from(config.executors.commit_bytes.as_bytes())
            .unwrap_or(usize::MAX),
        commit_delay: config.executors.commit_delay,
        commits_in_flight_max: usize::from(config.executors.commits_in_flight),
        retention: config.hub.retention,
        other_hubs,
        clock,
        ..PartitionsConfig::new(CONFIGURED_HUB, data_dir, config.format.partitions)
    }
}

fn listener_configs(ports: &Ports) -> [ListenerConfig; 3] {
    [
        ListenerConfig { kind: ListenerKind::Mqtt, address: ports.mqtt },
        ListenerConfig { kind: ListenerKind::Amqp, address: ports.amqp },
        ListenerConfig { kind: ListenerKind::Http, address: ports.https },
    ]
}

fn hub_info(config: &Config, prepared: &Prepared) -> HubInfo {
    HubInfo {
        event_hub: EVENT_HUB.to_owned(),
        amqp_port: prepared.ports.amqp.port(),
        created_at: created_at(prepared.data_directory.path()),
        amqp: Arc::new(AmqpConfig {
            hostname: Some(config.hub.host_name.as_str().into()),
            ..AmqpConfig::default()
        }),
        http: config.limits.http(),
    }
}

/// When the data directory was made, as far as the filesystem knows.
fn created_at(data_directory: &Path) -> UnixMillis {
    let created = std::fs::metadata(data_directory).and_then(|metadata| metadata.created());
    let since = created.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let Some(since) = since else {
        warn!("the filesystem does not tell when the data directory was made");
        return UnixMillis::EPOCH;
    };
    UnixMillis::from_millis(i64::try_from(since.as_millis()).unwrap_or_default())
}

/// What all shards get.
struct Parts<'a> {
    control: &'a Arc<ControlPlane>,
    mailboxes: &'a Mailboxes,
    info: &'a Arc<HubInfo>,
    configured: &'a Arc<directory::Hub>,
    inspector: Inspector,
}

impl Parts<'_> {
    fn of_all(
        self,
        pipelines: Vec<ShardPipeline>,
        own: Vec<Mailbox>,
        ports: &[ListenerConfig],
        cpus: &[Option<CpuId>],
    ) -> Vec<ShardParts<impl FnOnce() -> HubServices + Send + use<>>> {
        let each = pipelines.into_iter().zip(own).zip(cpus);
        let numbered = (0..).map(ShardId).zip(each);
        numbered
            .map(|(shard, ((pipeline, mailbox), cpu))| {
                let (control, mailboxes) = (Arc::clone(self.control), self.mailboxes.clone());
                let hub = Arc::clone(self.info);
                let configured = Arc::clone(self.configured);
                let inspector = self.inspector.clone();
                let services = move || HubServices {
                    shard,
                    pipeline,
                    control,
                    mailboxes,
                    encoder: D2cEncoder::default(),
                    hub,
                    configured,
                    inspector,
                };
                let core = cpu.map(|CpuId(number)| number);
                ShardParts { shard, mailbox, ports: ports.to_vec(), core, services }
            })
            .collect()
    }
}
