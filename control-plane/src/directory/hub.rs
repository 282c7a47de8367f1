//! Hubs: what is fixed for their life, such as their names, and what they have at the moment.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;

use ringhub_core::auth::{KeyPair, Permissions, Segment};
use ringhub_core::id::{ConsumerGroup, DeviceId, HubId, PartitionId};
use ringhub_core::message::PartitionMapping;
use ringhub_core::quota::{HubQuota, QuotaLimits};
use ringhub_core::time::UnixMillis;

use super::{Authorities, KeyRules};
use crate::c2d::CloudToDevice;
use crate::configuration::Configurations;
use crate::file_upload::FileUpload;
use crate::provider::Governing;
use crate::query_index::QueryIndex;

/// A named key pair with rights on a whole hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name, as it stands in the `skn` field of tokens.
    pub name: String,
    /// What holders of the keys may do.
    pub permissions: Permissions,
    /// The keys.
    pub keys: KeyPair,
}

/// A short list that any thread reads and the writer rarely replaces.
///
/// A read costs a lock that is held for the copy of a pointer.
#[derive(Debug)]
pub struct Shared<T>(RwLock<Arc<[T]>>);

impl<T> Shared<T> {
    pub(crate) fn new(items: Vec<T>) -> Self {
        Self(RwLock::new(items.into()))
    }

    /// The list at this moment.
    #[must_use]
    pub fn read(&self) -> Arc<[T]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn replace(&self, items: Vec<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = items.into();
    }
}

/// What may be changed of a hub while it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubProperties {
    /// How long events are kept.
    pub retention: Duration,
    /// Bounds of messages to devices and their feedback.
    pub cloud_to_device: CloudToDevice,
    /// What the resource provider keeps of the hub beside that, as a text of its own.
    pub resource: String,
    /// Where files of devices go, and who is told: as the resource says, or the configuration for
    /// its hub.
    pub file_upload: Arc<FileUpload>,
    /// Whose keys count, as the resource says.
    pub keys: KeyRules,
}

impl HubProperties {
    /// Properties with what the resource says of them.
    pub(crate) fn new(
        retention: Duration,
        cloud_to_device: CloudToDevice,
        resource: String,
    ) -> Self {
        let Governing { file_upload, keys } = Governing::of_text(&resource);
        Self { retention, cloud_to_device, resource, file_upload, keys }
    }
}

/// One hub.
#[derive(Debug)]
pub struct Hub {
    /// Number of the hub in this process and in its data directory.
    pub id: HubId,
    /// Fully qualified name that clients address the hub by.
    pub host_name: String,
    /// Further names that mean the same hub.
    pub aliases: Vec<String>,
    /// Whether the configuration of the process says that it is there.
    pub is_configured: bool,
    /// Number of D2C partitions, fixed when the hub was created.
    pub partition_count: u16,
    /// How devices are shared out among the partitions, fixed likewise.
    pub partition_mapping: PartitionMapping,
    /// Shared access policies.
    pub policies: Shared<Policy>,
    /// Certificate authorities whose certificates admit devices.
    pub(crate) authorities: Authorities,
    /// Consumer groups of the built-in endpoint; always has `$default`.
    pub consumer_groups: Shared<ConsumerGroup>,
    /// What is written into twins by itself.
    pub(crate) configurations: Configurations,
    /// What queries can be answered by.
    pub(crate) query_indexes: Shared<QueryIndex>,
    /// When the hub was made.
    pub created: UnixMillis,
    pub(crate) properties: ArcSwap<HubProperties>,
    /// Set when the directory takes the hub in, if it has limits.
    pub(crate) quota: OnceLock<Box<HubQuota>>,
}

/// No two hubs have a number.
impl PartialEq for Hub {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Hub {
    /// A hub for tests, without policies and with four partitions.
    #[cfg(test)]
    pub(crate) fn bare(id: HubId, host_name: &str) -> Self {
        Self {
            id,
            host_name: host_name.to_owned(),
            aliases: Vec::new(),
            is_configured: false,
            partition_count: 4,
            partition_mapping: PartitionMapping::default(),
            policies: Shared::new(Vec::new()),
            authorities: Authorities::default(),
            consumer_groups: Shared::new(vec![ConsumerGroup::new(ConsumerGroup::DEFAULT)]),
            configurations: Configurations::new(Vec::new()),
            query_indexes: Shared::new(Vec::new()),
            created: UnixMillis::EPOCH,
            properties: ArcSwap::from_pointee(HubProperties::new(
                Duration::from_hours(24),
                CloudToDevice::default(),
                String::new(),
            )),
            quota: OnceLock::new(),
        }
    }

    /// What may be changed of it, as it is at this moment.
    #[must_use]
    pub fn properties(&self) -> Arc<HubProperties> {
        self.properties.load_full()
    }

    /// Where files of devices go at this moment, and who is told.
    #[must_use]
    pub fn file_upload(&self) -> Arc<FileUpload> {
        Arc::clone(&self.properties.load().file_upload)
    }

    /// Whose keys count at this moment.
    pub(super) fn keys(&self) -> KeyRules {
        self.properties.load().keys
    }

    /// Its quotas and throttles; `None` if it has none. Costs a look at a place that no thread
    /// writes any more.
    #[must_use]
    #[inline]
    pub fn quota(&self) -> Option<&HubQuota> {
        self.quota.get().map(Box::as_ref)
    }

    /// Lets limits count from now on.
    pub(super) fn set_limits(&self, limits: &QuotaLimits) {
        self.quota.get_or_init(|| Box::new(HubQuota::new(limits))).set_limits(limits);
    }

    pub(super) fn set_properties(&self, properties: HubProperties) {
        self.properties.store(Arc::new(properties));
    }

    /// All names that clients may call it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.host_name).chain(&self.aliases).map(String::as_str)
    }

    /// True when `host` names this hub; without regard to case, port and a final dot.
    #[must_use]
    pub fn is_named(&self, host: &str) -> bool {
        let host = without_port(host);
        self.names().any(|name| name.eq_ignore_ascii_case(host))
    }

    /// The partition of a device and its modules.
    #[must_use]
    pub fn partition_of(&self, device: &DeviceId) -> PartitionId {
        self.partition_mapping.partition_of(device, self.partition_count)
    }

    /// Finds a policy by its name, which compares with case.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<Policy> {
        self.policies.read().iter().find(|policy| policy.name == name).cloned()
    }

    /// The consumer group that a client has called `name`, as it was made.
    #[must_use]
    pub fn consumer_group(&self, name: &str) -> Option<ConsumerGroup> {
        let wanted = ConsumerGroup::new(name);
        self.consumer_groups.read().iter().find(|group| **group == wanted).cloned()
    }
}

/// A name as names are compared: without port and final dot, in lower case.
pub(crate) fn normal_name(host: &str) -> Cow<'_, str> {
    let host = without_port(host);
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        host.to_ascii_lowercase().into()
    } else {
        host.into()
    }
}

fn without_port(host: &str) -> &str {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    host.strip_suffix('.').unwrap_or(host)
}

/// The resource path of a device or module, for scope checks.
pub(super) fn identity_resource<'a>(device: &'a str, module: Option<&'a str>) -> Vec<Segment<'a>> {
    let mut path = vec![Segment::Literal("devices"), Segment::Id(device)];
    if let Some(module) = module {
        path.extend([Segment::Literal("modules"), Segment::Id(module)]);
    }
    path
}
