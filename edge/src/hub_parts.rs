//! What hubs have beside the registry in this process: the partitions of their logs, a certificate
//! and the files of their devices.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ringhub_control_plane::HubParts;
use ringhub_control_plane::blob::BlobService;
use ringhub_control_plane::directory::Hub;
use ringhub_core::id::HubId;
use time::OffsetDateTime;
use tracing::warn;

use crate::partition::{HubLog, HubPartitions, HubRefused};
use crate::startup::{CertificateError, CertificateSource};
use crate::tls::Certificates;

/// A hub as its logs know it.
pub(crate) fn hub_log(hub: &Hub) -> HubLog {
    let retention = hub.properties().retention;
    HubLog { hub: hub.id, partition_count: hub.partition_count, retention }
}

/// Makes and removes logs and certificates as hubs come and go, and removes files.
#[derive(Debug)]
pub(crate) struct EdgeParts {
    partitions: HubPartitions,
    source: CertificateSource,
    certificates: Arc<Certificates>,
    blobs: Arc<BlobService>,
}

impl EdgeParts {
    pub(crate) fn new(
        partitions: HubPartitions,
        source: CertificateSource,
        certificates: Arc<Certificates>,
        blobs: Arc<BlobService>,
    ) -> Self {
        Self { partitions, source, certificates, blobs }
    }

    /// Presents certificates for hubs, which are made where there are none.
    pub(crate) fn add_certificates<'h>(
        &self,
        hosts: impl IntoIterator<Item = &'h str>,
    ) -> Result<(), CertificateError> {
        let made = self.source.load_hubs(hosts, OffsetDateTime::now_utc())?;
        if !made.is_empty() {
            self.certificates.put_hubs(made);
        }
        Ok(())
    }
}

impl HubParts for EdgeParts {
    fn add(&self, hub: &Hub) -> io::Result<()> {
        self.add_certificates([&*hub.host_name]).map_err(io::Error::other)?;
        let HubLog { hub, partition_count, retention } = hub_log(hub);
        self.partitions.add(hub, partition_count, retention).map_err(io::Error::other)
    }

    fn set_retention(&self, hub: HubId, retention: Duration) {
        if let Err(reason) = self.partitions.set_retention(hub, retention) {
            warn!(number = hub.0, %reason, "events are kept for the former time until a restart");
        }
    }

    fn remove(&self, hub: HubId, host_name: &str) -> io::Result<()> {
        self.certificates.remove_hub(host_name);
        self.source.remove_hub(host_name).map_err(io::Error::other)?;
        self.blobs.forget_hub(hub).map_err(io::Error::other)?;
        match self.partitions.remove(hub) {
            Ok(()) | Err(HubRefused::Unknown(_) | HubRefused::Used(_)) => Ok(()),
            Err(refused) => Err(io::Error::other(refused)),
        }
    }
}
