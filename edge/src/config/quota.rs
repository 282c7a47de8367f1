//! `[quota]`: limits of the operator's own, and together with `hub.quota` those of all hubs.

use std::time::Duration;

use ringhub_core::quota::{Imitated, OperationClass, QuotaPlan, Rate, Shaping};
use serde::{Deserialize, Deserializer, de};

use super::sections::auto;

/// Words of `hub.quota` beside tiers.
const NOTHING: &str = "none";
const SKU: &str = "sku";

/// A rate of its own for a class of operations; `None`: that of the imitated tier, or none.
pub type OwnRate = Option<u64>;

/// Limits in the place of those of the tier, for each hub of the process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Messages in a day of UTC.
    #[serde(deserialize_with = "auto")]
    pub messages_per_day: OwnRate,
    /// Telemetry: publishes, transfers and requests.
    #[serde(deserialize_with = "auto")]
    pub d2c_sends_per_second: OwnRate,
    /// Devices that connect.
    #[serde(deserialize_with = "auto")]
    pub connections_per_second: OwnRate,
    /// Messages to devices.
    #[serde(deserialize_with = "auto")]
    pub c2d_sends_per_minute: OwnRate,
    /// Requests of devices for messages over HTTPS.
    #[serde(deserialize_with = "auto")]
    pub c2d_receives_per_minute: OwnRate,
    /// Uploads that begin.
    #[serde(deserialize_with = "auto")]
    pub file_uploads_per_minute: OwnRate,
    /// Payloads of method calls, in steps of 4 KiB.
    #[serde(deserialize_with = "auto")]
    pub direct_method_steps_per_second: OwnRate,
    /// Pages of queries.
    #[serde(deserialize_with = "auto")]
    pub queries_per_minute: OwnRate,
    /// Reads of twins.
    #[serde(deserialize_with = "auto")]
    pub twin_reads_per_second: OwnRate,
    /// Changes of twins.
    #[serde(deserialize_with = "auto")]
    pub twin_updates_per_second: OwnRate,
    /// Operations on identities.
    #[serde(deserialize_with = "auto")]
    pub identity_operations_per_minute: OwnRate,
    /// Requests about jobs.
    #[serde(deserialize_with = "auto")]
    pub job_requests_per_minute: OwnRate,
    /// Devices that the jobs of a hub begin with.
    #[serde(deserialize_with = "auto")]
    pub job_devices_per_second: OwnRate,
    /// Requests about configurations.
    #[serde(deserialize_with = "auto")]
    pub configuration_requests_per_minute: OwnRate,
    /// How much of a rate may be used at once.
    #[serde(with = "humantime_serde")]
    pub burst: Duration,
    /// Longest wait of an operation that comes too early.
    #[serde(with = "humantime_serde")]
    pub wait_max: Duration,
}

impl Quota {
    /// What holds for hubs, with what `imitated` says of their tier.
    #[must_use]
    pub fn plan(&self, imitated: Imitated) -> QuotaPlan {
        use OperationClass as Class;
        let mut rates = [None; Class::COUNT];
        for (class, count, rate) in [
            (Class::D2cSends, self.d2c_sends_per_second, Rate::per_second as fn(u64) -> Rate),
            (Class::Connections, self.connections_per_second, Rate::per_second),
            (Class::C2dSends, self.c2d_sends_per_minute, Rate::per_minute),
            (Class::C2dReceives, self.c2d_receives_per_minute, Rate::per_minute),
            (Class::FileUploads, self.file_uploads_per_minute, Rate::per_minute),
            (Class::DirectMethods, self.direct_method_steps_per_second, Rate::per_second),
            (Class::Queries, self.queries_per_minute, Rate::per_minute),
            (Class::TwinReads, self.twin_reads_per_second, Rate::per_second),
            (Class::TwinUpdates, self.twin_updates_per_second, Rate::per_second),
            (Class::IdentityRegistry, self.identity_operations_per_minute, Rate::per_minute),
            (Class::Jobs, self.job_requests_per_minute, Rate::per_minute),
            (Class::JobDevices, self.job_devices_per_second, Rate::per_second),
            (Class::Configurations, self.configuration_requests_per_minute, Rate::per_minute),
        ] {
            rates[class as usize] = count.map(rate);
        }
        QuotaPlan {
            imitated,
            rates,
            messages_per_day: self.messages_per_day,
            shaping: Shaping { burst: self.burst, wait_max: self.wait_max },
        }
    }
}

/// Reads what `hub.quota` may be.
pub(super) fn parse_imitated(text: &str) -> Option<Imitated> {
    match text {
        NOTHING => Some(Imitated::Nothing),
        SKU => Some(Imitated::Sku),
        tier => tier.parse().ok().map(Imitated::Tier),
    }
}

/// `hub.quota` as what it means.
pub(super) fn imitated<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Imitated, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_imitated(&text).ok_or_else(|| de::Error::custom("no tier"))
}
