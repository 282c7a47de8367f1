//! A hub as somebody asks for it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ringhub_core::auth::{KeyPair, Permissions};
use ringhub_core::id::ConsumerGroup;
use ringhub_core::limits::{
    C2D_QUEUE_DEPTH_MAX, C2D_TTL_MAX, HUB_RESOURCE_BYTES_MAX, PARTITIONS_MAX, POLICIES_MAX,
    RETENTION_MAX, RETENTION_MIN,
};

use super::{HubError, host_name};
use crate::c2d::CloudToDevice;
use crate::directory::{Hub, HubProperties, Policy};
use crate::registry::{Mint, NoEntropy};

/// Longest name of a policy.
const POLICY_NAME_LENGTH_MAX: usize = 64;

/// A hub that is to be made.
#[derive(Clone, Debug)]
pub struct NewHub {
    /// Fully qualified name that clients will address it by.
    pub host_name: String,
    /// Number of partitions, for good.
    pub partition_count: u16,
    /// How long events are kept.
    pub retention: Duration,
    /// Bounds of messages to devices and their feedback.
    pub cloud_to_device: CloudToDevice,
    /// Consumer groups besides `$Default`.
    pub consumer_groups: Vec<ConsumerGroup>,
    /// The shared access policies; `None` makes those that every new hub has.
    pub policies: Option<Vec<NewPolicy>>,
    /// What the resource provider keeps of the hub beside that.
    pub resource: String,
}

impl NewHub {
    /// A hub as the service makes it when nothing is said: four partitions, one day.
    #[must_use]
    pub fn named(host_name: &str) -> Self {
        Self {
            host_name: host_name.to_owned(),
            partition_count: 4,
            retention: Duration::from_hours(24),
            cloud_to_device: CloudToDevice::default(),
            consumer_groups: Vec::new(),
            policies: None,
            resource: String::new(),
        }
    }

    /// Checks everything that needs no look at other hubs; the name is in lower case then.
    pub(super) fn check(mut self) -> Result<Self, HubError> {
        self.host_name = host_name::check(&self.host_name)?;
        let partitions = 1..=PARTITIONS_MAX as u64;
        within("the number of partitions", self.partition_count.into(), partitions)?;
        check_properties(&self.properties())?;
        self.policies.as_deref().map_or(Ok(()), check_policies)?;
        Ok(self)
    }

    pub(super) fn properties(&self) -> HubProperties {
        HubProperties::new(self.retention, self.cloud_to_device, self.resource.clone())
    }
}

/// A policy that is to be made or overwritten.
#[derive(Clone, Debug)]
pub struct NewPolicy {
    /// Its name, which compares with case.
    pub name: String,
    /// What holders of its keys may do.
    pub permissions: Permissions,
    /// Its keys; `None` keeps those that it has, and makes them for a new one.
    pub keys: Option<KeyPair>,
}

impl NewPolicy {
    pub(super) fn check(&self) -> Result<(), HubError> {
        let permitted = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let is_name = (1..=POLICY_NAME_LENGTH_MAX).contains(&self.name.len())
            && self.name.bytes().all(permitted);
        let is_good = is_name && self.permissions != Permissions::NONE;
        if is_good { Ok(()) } else { Err(HubError::Policy) }
    }

    /// The policy in the place of `before`, which is of its name.
    pub(super) fn over(self, before: Option<&Policy>) -> Result<Policy, NoEntropy> {
        let keys = match self.keys.or_else(|| before.map(|before| before.keys.clone())) {
            Some(keys) => keys,
            None => Mint::keys()?,
        };
        Ok(Policy { name: self.name, permissions: self.permissions, keys })
    }
}

/// What is to be changed of a hub; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct HubUpdate {
    /// How long events are kept.
    pub retention: Option<Duration>,
    /// Bounds of messages to devices and their feedback.
    pub cloud_to_device: Option<CloudToDevice>,
    /// All policies of the hub: those that are not named are deleted.
    pub policies: Option<Vec<NewPolicy>>,
    /// What the resource provider keeps of the hub.
    pub resource: Option<String>,
}

impl HubUpdate {
    /// What the hub would be with the change.
    pub(super) fn over(&self, hub: &Hub) -> Result<HubProperties, HubError> {
        let before = hub.properties();
        let resource = self.resource.as_ref().unwrap_or(&before.resource);
        let retention = self.retention.unwrap_or(before.retention);
        let cloud_to_device = self.cloud_to_device.unwrap_or(before.cloud_to_device);
        let mut after = HubProperties::new(retention, cloud_to_device, resource.clone());
        if hub.is_configured {
            after.file_upload = Arc::clone(&before.file_upload);
        }
        check_properties(&after)?;
        self.policies.as_deref().map_or(Ok(()), check_policies)?;
        Ok(after)
    }
}

fn check_policies(policies: &[NewPolicy]) -> Result<(), HubError> {
    policies.iter().try_for_each(NewPolicy::check)?;
    if policies.len() > POLICIES_MAX {
        return Err(HubError::TooManyPolicies);
    }
    let mut names: Vec<_> = policies.iter().map(|policy| &policy.name).collect();
    names.sort();
    names.dedup();
    if names.len() == policies.len() { Ok(()) } else { Err(HubError::Policy) }
}

fn check_properties(properties: &HubProperties) -> Result<(), HubError> {
    let HubProperties { retention, cloud_to_device, resource, .. } = properties;
    let CloudToDevice { queue_depth, default_ttl, max_delivery_count, feedback } = *cloud_to_device;
    let times = RETENTION_MIN.as_secs()..=RETENTION_MAX.as_secs();
    within("the retention in seconds", retention.as_secs(), times)?;
    within("the depth of queues", queue_depth.into(), 1..=u64::from(C2D_QUEUE_DEPTH_MAX))?;
    let lives = 60..=C2D_TTL_MAX.as_secs();
    within("the life of a message in seconds", default_ttl.as_secs(), lives.clone())?;
    within("the life of feedback in seconds", feedback.ttl.as_secs(), lives)?;
    within("the lock of feedback in seconds", feedback.lock_time.as_secs(), 5..=300)?;
    for (name, count) in [
        ("the deliveries of a message", max_delivery_count),
        ("the deliveries of feedback", feedback.delivery_count_max),
    ] {
        within(name, count.into(), 1..=100)?;
    }
    let length = resource.len() as u64;
    within("the length of the resource in bytes", length, 0..=HUB_RESOURCE_BYTES_MAX as u64)
}

fn within(name: &'static str, value: u64, range: RangeInclusive<u64>) -> Result<(), HubError> {
    if range.contains(&value) { Ok(()) } else { Err(HubError::Range { name, range }) }
}
