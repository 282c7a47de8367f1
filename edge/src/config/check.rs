//! Ranges, and how values relate.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use ringhub_core::id::ConsumerGroup;
use ringhub_core::limits::{C2D_QUEUE_DEPTH_MAX, C2D_TTL_MAX, CONSUMER_GROUPS_MAX};

use super::{ByteSize, Config};

/// Certificates at most.
const CERTIFICATES_MAX: usize = 64;

const HOST_NAME_RULE: &str =
    "must be a DNS name of letters, digits, `-` and `.`, at most 253 characters";

/// A rule that a value breaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    /// Continues a sentence that begins with the key: "must be …".
    pub(super) rule: String,
}

impl Violation {
    fn new(section: &'static str, key: &'static str, rule: impl Into<String>) -> Self {
        Self { section, key, rule: rule.into() }
    }
}

/// Checks every range and relation; the first that is broken is reported.
pub(super) fn check(config: &Config) -> Result<(), Violation> {
    check_hub(config)?;
    check_cloud_to_device(config)?;
    check_listen(config)?;
    check_threads(config)?;
    check_log(config)?;
    check_tls(config)?;
    check_limits(config)
}

fn check_hub(config: &Config) -> Result<(), Violation> {
    let hub = &config.hub;
    if !is_host_name(&hub.host_name) {
        return Err(Violation::new("hub", "host_name", HOST_NAME_RULE));
    }
    span("hub", "retention", hub.retention, Duration::from_hours(1)..=Duration::from_hours(168))?;
    let groups = &hub.consumer_groups;
    if groups.len() > CONSUMER_GROUPS_MAX {
        let rule = format!("must have at most {CONSUMER_GROUPS_MAX} entries");
        return Err(Violation::new("hub", "consumer_groups", rule));
    }
    match groups.iter().enumerate().find(|(at, group)| {
        ConsumerGroup::parse(group).is_err()
            || groups[..*at].iter().any(|g| g.eq_ignore_ascii_case(group))
    }) {
        Some((_, group)) => {
            let rule = format!(
                "holds `{group}`: a group is 1 to 50 letters, digits, `-`, `_` or `.`, named once, and not $Default"
            );
            Err(Violation::new("hub", "consumer_groups", rule))
        }
        None => range("format", "partitions", config.format.partitions, 2..=128),
    }
}

fn check_cloud_to_device(config: &Config) -> Result<(), Violation> {
    const SECTION: &str = "cloud_to_device";
    let c2d = &config.cloud_to_device;
    let lives = Duration::from_mins(1)..=C2D_TTL_MAX;
    range(SECTION, "queue_depth", c2d.queue_depth, 1..=C2D_QUEUE_DEPTH_MAX)?;
    span(SECTION, "default_ttl", c2d.default_ttl, lives.clone())?;
    range(SECTION, "max_delivery_count", c2d.max_delivery_count, 1..=100)?;
    span(SECTION, "feedback_ttl", c2d.feedback_ttl, lives)?;
    let locks = Duration::from_secs(5)..=Duration::from_mins(5);
    span(SECTION, "feedback_lock_duration", c2d.feedback_lock_duration, locks)?;
    let count = c2d.feedback_max_delivery_count;
    range(SECTION, "feedback_max_delivery_count", count, 1..=100)
}

fn check_listen(config: &Config) -> Result<(), Violation> {
    let listen = &config.listen;
    range("listen", "mqtt_port", listen.mqtt_port, 1..=u16::MAX)?;
    range("listen", "amqp_port", listen.amqp_port, 1..=u16::MAX)?;
    range("listen", "https_port", listen.https_port, 1..=u16::MAX)?;
    if listen.amqp_port == listen.mqtt_port {
        return Err(Violation::new("listen", "amqp_port", "must differ from `mqtt_port`"));
    }
    if [listen.mqtt_port, listen.amqp_port].contains(&listen.https_port) {
        let rule = "must differ from `mqtt_port` and `amqp_port`";
        return Err(Violation::new("listen", "https_port", rule));
    }
    Ok(())
}

fn check_threads(config: &Config) -> Result<(), Violation> {
    let executors = &config.executors;
    if let Some(count) = config.shards.count {
        range("shards", "count", count, 1..=1024)?;
    }
    if let Some(count) = executors.count {
        range("executors", "count", count, 1..=64)?;
        if count > config.format.partitions {
            let rule = format!(
                "is {count}, but must not exceed `format.partitions` ({}): the others would have nothing to do",
                config.format.partitions
            );
            return Err(Violation::new("executors", "count", rule));
        }
    }
    range(
        "executors",
        "commit_bytes",
        executors.commit_bytes,
        ByteSize::kib(4)..=ByteSize::mib(8),
    )?;
    let delays = Duration::ZERO..=Duration::from_millis(100);
    span("executors", "commit_delay", executors.commit_delay, delays)?;
    range("executors", "commits_in_flight", executors.commits_in_flight, 1..=4)
}

fn check_log(config: &Config) -> Result<(), Violation> {
    let segment_bytes = config.log.segment_bytes;
    range("log", "segment_bytes", segment_bytes, ByteSize::mib(2)..=ByteSize::gib(4))?;
    if segment_bytes.as_bytes() < 4 * config.executors.commit_bytes.as_bytes() {
        let rule = "must be at least four times `executors.commit_bytes`";
        return Err(Violation::new("log", "segment_bytes", rule));
    }
    Ok(())
}

fn check_tls(config: &Config) -> Result<(), Violation> {
    let (tls, hub) = (&config.tls, &config.hub.host_name);
    let names: Vec<&str> = tls.certificate.iter().map(|files| files.host_name(hub)).collect();
    let violation = |key, rule: String| Err(Violation::new("tls.certificate", key, rule));
    if names.len() > CERTIFICATES_MAX {
        return violation(
            "host_name",
            format!("stands {} times, but must at most {CERTIFICATES_MAX}", names.len()),
        );
    }
    for (at, name) in names.iter().enumerate() {
        if !is_host_name(name) {
            return violation("host_name", format!("is `{name}`, but {HOST_NAME_RULE}"));
        }
        if names[..at].iter().any(|earlier| earlier.eq_ignore_ascii_case(name)) {
            return violation(
                "host_name",
                format!("names `{name}` twice: one certificate is due for each host"),
            );
        }
    }
    if !names.is_empty() && !names.iter().any(|name| name.eq_ignore_ascii_case(hub)) {
        let rule = format!(
            "must be `hub.host_name` ({hub}) in one of them: that is the name that clients dial"
        );
        return violation("host_name", rule);
    }
    let timeouts = Duration::from_secs(1)..=Duration::from_mins(2);
    span("tls", "handshake_timeout", tls.handshake_timeout, timeouts)
}

fn check_limits(config: &Config) -> Result<(), Violation> {
    let limits = &config.limits;
    let second = Duration::from_secs(1);
    range("limits", "http_body_max", limits.http_body_max, ByteSize::kib(256)..=ByteSize::mib(16))?;
    let minutes = |minutes| second..=Duration::from_mins(minutes);
    span("limits", "http_head_timeout", limits.http_head_timeout, minutes(2))?;
    span("limits", "http_body_timeout", limits.http_body_timeout, minutes(10))?;
    span("limits", "http_idle_timeout", limits.http_idle_timeout, minutes(60))?;
    let shutdown = Duration::ZERO..=Duration::from_mins(5);
    span("limits", "shutdown_timeout", limits.shutdown_timeout, shutdown)
}

fn range<T: PartialOrd + Display>(
    section: &'static str,
    key: &'static str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<(), Violation> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let rule = format!("is {value}, but must be {} to {}", allowed.start(), allowed.end());
    Err(Violation::new(section, key, rule))
}

fn span(
    section: &'static str,
    key: &'static str,
    value: Duration,
    allowed: RangeInclusive<Duration>,
) -> Result<(), Violation> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let rule = format!("is {value:?}, but must be {:?} to {:?}", allowed.start(), allowed.end());
    Err(Violation::new(section, key, rule))
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
