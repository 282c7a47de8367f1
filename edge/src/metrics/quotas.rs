//! What hubs have used of their quotas; nothing of those that have none.

use std::sync::Arc;

use ringhub_control_plane::directory::Hub;
use ringhub_core::limits::METRICS_HUBS_MAX;
use ringhub_core::quota::{Day, HubQuota, OperationClass};
use ringhub_core::time::UnixMillis;

use super::page::{Kind, Page};

const USED: &str = "Messages that the hub was charged for today (UTC).";
const LIMIT: &str = "Messages that the hub has for a day.";
const DELAYED: &str = "Operations that had to wait for their rate.";
const REFUSED: &str =
    "Operations refused: too fast for their rate, or without messages of the day.";

/// Writes the quotas of `hubs`, of the first thousand that have some.
pub(super) fn write(hubs: &[Arc<Hub>], now: UnixMillis, page: &mut Page) {
    let limited = |hub: &'_ Arc<Hub>| hub.quota().is_some();
    let hubs: Vec<_> = hubs.iter().filter(|hub| limited(hub)).take(METRICS_HUBS_MAX).collect();
    if hubs.is_empty() {
        return;
    }
    let today = Day::of(now);
    let all = || hubs.iter().filter_map(|hub| Some((hub.host_name.as_str(), hub.quota()?)));
    let mut family = page.family("ringhub_quota_messages", Kind::Gauge, USED);
    all().for_each(|(hub, quota)| family.sample_of(hub, &[], quota.used(today).messages));
    let mut family = page.family("ringhub_quota_messages_max", Kind::Gauge, LIMIT);
    for (hub, quota) in all() {
        if let Some(limit) = quota.messages_per_day() {
            family.sample_of(hub, &[], limit);
        }
    }
    let mut family = page.family("ringhub_quota_delayed_total", Kind::Counter, DELAYED);
    for (hub, quota) in all() {
        for class in OperationClass::ALL {
            family.sample_of(hub, &[("class", &class.name())], quota.delayed(class));
        }
    }
    let mut family = page.family("ringhub_quota_refused_total", Kind::Counter, REFUSED);
    for (hub, quota) in all() {
        for class in OperationClass::ALL {
            for (reason, count) in reasons(quota, class) {
                family.sample_of(hub, &[("class", &class.name()), ("reason", &reason)], count);
            }
        }
    }
}

fn reasons(quota: &HubQuota, class: OperationClass) -> [(&'static str, u64); 2] {
    [("rate", quota.throttled(class)), ("day", quota.refused_by_day(class))]
}
