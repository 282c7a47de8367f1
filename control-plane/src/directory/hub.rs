//! Hubs: their names, fixed while the process runs, and the policies and consumer groups that they
//! have at the moment.

use std::sync::{Arc, PoisonError, RwLock};

use ringhub_core::auth::{KeyPair, Permissions, Segment};
use ringhub_core::id::{ConsumerGroup, DeviceId, HubId, PartitionId};
use ringhub_core::message::PartitionMapping;

use super::Authorities;
use crate::c2d::CloudToDevice;
use crate::configuration::Configurations;
use crate::file_upload::FileUpload;
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

/// One hub.
#[derive(Debug)]
pub struct Hub {
    /// Number of the hub in this process and in its data directory.
    pub id: HubId,
    /// Fully qualified name that clients address the hub by.
    pub host_name: String,
    /// Further names that mean the same hub.
    pub aliases: Vec<String>,
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
    /// Bounds of messages to devices and their feedback.
    pub cloud_to_device: CloudToDevice,
    /// Where files of devices go, and who is told.
    pub file_upload: FileUpload,
}

impl Hub {
    /// True when `host` names this hub; without regard to case, port and a final dot.
    #[must_use]
    pub fn is_named(&self, host: &str) -> bool {
        let host = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        let mut names = std::iter::once(&self.host_name).chain(&self.aliases);
        names.any(|name| name.eq_ignore_ascii_case(host))
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

/// The resource path of a device or module, for scope checks.
pub(super) fn identity_resource<'a>(device: &'a str, module: Option<&'a str>) -> Vec<Segment<'a>> {
    let mut path = vec![Segment::Literal("devices"), Segment::Id(device)];
    if let Some(module) = module {
        path.extend([Segment::Literal("modules"), Segment::Id(module)]);
    }
    path
}
