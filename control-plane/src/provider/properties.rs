//! Properties of a hub in the body of a request.

use std::ops::RangeInclusive;
use std::time::Duration;

use ringhub_core::c2d::BatchLimits;
use ringhub_core::limits::{C2D_TTL_MAX, PARTITIONS_MAX};
use serde_json::{Map, Value};

use super::ProviderError;
use super::duration;
use super::network::check_network;
use super::policy::parse_policies;
use super::routing::complete_routing;
use crate::api::Members;
use crate::c2d::CloudToDevice;
use crate::hub::NewPolicy;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// What a hub says of itself; clients send it back, and it changes nothing.
const TOLD: [&str; 5] =
    ["state", "provisioningState", "hostName", "locations", "privateEndpointConnections"];

/// What the hub lives by; it is kept there.
const GOVERNING: [&str; 3] = ["authorizationPolicies", "eventHubEndpoints", "cloudToDevice"];

/// What is kept and given back, by its usual spelling.
const KEPT: [&str; 20] = [
    "allowedFqdnList",
    "comments",
    "deviceStreams",
    "disableDeviceSAS",
    "disableLocalAuth",
    "disableModuleSAS",
    "enableDataResidency",
    "enableFileUploadNotifications",
    "encryption",
    "features",
    "ipFilterRules",
    "ipVersion",
    "messagingEndpoints",
    "minTlsVersion",
    "networkRuleSets",
    "publicNetworkAccess",
    "restrictOutboundNetworkAccess",
    "rootCertificate",
    "routing",
    "storageEndpoints",
];

/// What a body says of the properties.
#[derive(Debug, Default)]
pub(super) struct PropertiesDraft {
    /// All policies; `None` if nothing is said of them.
    pub(super) policies: Option<Vec<NewPolicy>>,
    pub(super) retention: Option<Duration>,
    pub(super) partition_count: Option<u16>,
    pub(super) cloud_to_device: Option<CloudToDevice>,
    /// What is kept and given back.
    pub(super) kept: Map<String, Value>,
}

impl PropertiesDraft {
    /// # Errors
    /// [`ProviderError`] that names the member.
    ///
    /// Source: control-plane reference, "IotHubDescription" and "Settings".
    pub(super) fn parse(value: Option<&Value>) -> Result<Self, ProviderError> {
        let Some(value) = value else { return Ok(Self::default()) };
        let members = Members::of(value)?;
        let policies = members.get("authorizationPolicies").map(parse_policies).transpose()?;
        let events = match members.object("eventHubEndpoints")? {
            Some(endpoints) => endpoints.object("events")?,
            None => None,
        };
        let (retention, partition_count) = match events {
            Some(events) => (retention(events)?, partition_count(events)?),
            None => (None, None),
        };
        let cloud_to_device = members.object("cloudToDevice")?.map(cloud_to_device).transpose()?;
        let mut kept = kept(value)?;
        check_network(members)?;
        complete_routing(&mut kept)?;
        Ok(Self { policies, retention, partition_count, cloud_to_device, kept })
    }
}

fn kept(value: &Value) -> Result<Map<String, Value>, ProviderError> {
    let mut kept = Map::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let is = |known: &&&str| known.eq_ignore_ascii_case(name);
        if value.is_null() || TOLD.iter().chain(&GOVERNING).any(|known| is(&known)) {
            continue;
        }
        let Some(known) = KEPT.iter().find(is) else {
            let name: String = name.chars().take(64).collect();
            return Err(ProviderError::member(format!("properties.{name}"), "is not known"));
        };
        kept.insert((*known).to_owned(), value.clone());
    }
    Ok(kept)
}

fn retention(events: Members<'_>) -> Result<Option<Duration>, ProviderError> {
    let days = whole(events, "retentionTimeInDays", 1..=7)?;
    Ok(days.and_then(|days| DAY.checked_mul(u32::try_from(days).ok()?)))
}

fn partition_count(events: Members<'_>) -> Result<Option<u16>, ProviderError> {
    let count = whole(events, "partitionCount", 2..=PARTITIONS_MAX as u64)?;
    Ok(count.and_then(|count| u16::try_from(count).ok()))
}

/// Members that are missing have the value of a new hub.
fn cloud_to_device(members: Members<'_>) -> Result<CloudToDevice, ProviderError> {
    let usual = CloudToDevice::default();
    let feedback = match members.object("feedback")? {
        None => usual.feedback,
        Some(members) => batch_limits(members, usual.feedback)?,
    };
    Ok(CloudToDevice {
        default_ttl: span(members, "defaultTtlAsIso8601", LIVES)?.unwrap_or(usual.default_ttl),
        max_delivery_count: deliveries(members)?.unwrap_or(usual.max_delivery_count),
        feedback,
        ..usual
    })
}

/// How long something may wait for somebody to take it.
const LIVES: RangeInclusive<Duration> = MINUTE..=C2D_TTL_MAX;

/// How long something may be locked.
const LOCKS: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(300);

/// Life, lock and count of what back ends are told; members that are missing are as `usual`.
pub(super) fn batch_limits(
    members: Members<'_>,
    usual: BatchLimits,
) -> Result<BatchLimits, ProviderError> {
    Ok(BatchLimits {
        ttl: span(members, "ttlAsIso8601", LIVES)?.unwrap_or(usual.ttl),
        lock_time: span(members, "lockDurationAsIso8601", LOCKS)?.unwrap_or(usual.lock_time),
        delivery_count_max: deliveries(members)?.unwrap_or(usual.delivery_count_max),
    })
}

fn deliveries(members: Members<'_>) -> Result<Option<u32>, ProviderError> {
    let count = whole(members, "maxDeliveryCount", 1..=100)?;
    Ok(count.and_then(|count| u32::try_from(count).ok()))
}

/// A whole number, with the member and its range in the refusal.
fn whole(
    members: Members<'_>,
    name: &'static str,
    range: RangeInclusive<u64>,
) -> Result<Option<u64>, ProviderError> {
    Ok(members.whole(name, range)?)
}

/// A span of time within a range.
pub(super) fn span(
    members: Members<'_>,
    name: &'static str,
    range: RangeInclusive<Duration>,
) -> Result<Option<Duration>, ProviderError> {
    let Some(text) = members.filled(name)? else { return Ok(None) };
    match duration::parse(text).filter(|span| range.contains(span)) {
        Some(span) => Ok(Some(span)),
        None => {
            let (least, most) = (duration::text(*range.start()), duration::text(*range.end()));
            let rule = format!("'{text}' must be a span of time from {least} to {most}");
            Err(ProviderError::member(name, rule))
        }
    }
}
