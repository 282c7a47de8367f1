//! What a key of the configuration may be set to.

use std::net::IpAddr;
use std::time::Duration;

use humantime_serde::re::humantime::{format_duration, parse_duration};
use ringhub_core::id::ConsumerGroup;
use ringhub_core::storage::ContainerName;
use toml::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::ByteSize;
use super::quota::parse_imitated;

/// Word for a value that the hub chooses itself.
pub(super) const AUTO: &str = "auto";

/// What a key may be set to: the one place that ranges are checked and described from.
#[derive(Clone, Copy, Debug)]
pub enum Allowed {
    /// A whole number of some unit.
    Number {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
        /// What is counted.
        unit: &'static str,
    },
    /// A time with its unit, such as `"10s"`.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A number of bytes with its unit, such as `"64KiB"`.
    Size {
        /// The smallest.
        min: ByteSize,
        /// The largest.
        max: ByteSize,
    },
    /// `true` or `false`.
    Switch,
    /// One of some words.
    Word(&'static [&'static str]),
    /// The word `auto`, or what else is allowed.
    Auto(&'static Self),
    /// An IP address.
    Address,
    /// A DNS name.
    HostName,
    /// A list of so many names of consumer groups at most.
    ConsumerGroups(usize),
    /// Levels of log lines.
    LogLevel,
    /// The path of a file.
    File,
    /// The name of a container of blobs.
    Container,
    /// A tier whose limits a hub has.
    Quota,
}

impl Allowed {
    /// What is allowed, to be read after "must be".
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            Self::Number { min, max, unit } => format!("{min} to {max} {unit}"),
            Self::Duration { min, max } => {
                format!("{} to {}", format_duration(*min), format_duration(*max))
            }
            Self::Size { min, max } => format!("{min} to {max}"),
            Self::Switch => "true or false".to_owned(),
            Self::Word(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                quoted.join(" or ")
            }
            Self::Auto(other) => format!("\"{AUTO}\" or {}", other.description()),
            Self::Address => "an IPv4 or IPv6 address".to_owned(),
            Self::HostName => {
                "a DNS name of letters, digits, `-` and `.`, at most 253 characters".to_owned()
            }
            Self::ConsumerGroups(max) => format!(
                "a list of at most {max} names, each once: 1 to 50 letters, digits, `-`, `_` or `.`, not $Default"
            ),
            Self::LogLevel => "off, error, warn, info, debug or trace, or such a level for each of several modules, like \"warn,ringhub_edge=debug\"".to_owned(),
            Self::File => "the path of a file".to_owned(),
            Self::Quota => "\"none\", \"sku\", or a tier with its units: F1, B1 to B3 or S1 to S3, like \"S1 x 2\"".to_owned(),
            Self::Container => "a name of 3 to 63 lower-case letters, digits and single `-`, none at its ends".to_owned(),
        }
    }

    /// Whether `value` is allowed.
    #[must_use]
    pub fn permits(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Number { min, max, .. } => {
                value.as_integer().is_some_and(|number| (*min..=*max).contains(&number))
            }
            Self::Duration { min, max } => text
                .and_then(|text| parse_duration(text).ok())
                .is_some_and(|time| (*min..=*max).contains(&time)),
            Self::Size { min, max } => text
                .and_then(|text| text.parse().ok())
                .is_some_and(|size: ByteSize| (*min..=*max).contains(&size)),
            Self::Switch => value.is_bool(),
            Self::Word(words) => text.is_some_and(|text| words.contains(&text)),
            Self::Auto(other) => text == Some(AUTO) || other.permits(value),
            Self::Address => text.is_some_and(|text| text.parse::<IpAddr>().is_ok()),
            Self::HostName => text.is_some_and(is_host_name),
            Self::ConsumerGroups(max) => {
                value.as_array().is_some_and(|names| are_consumer_groups(names, *max))
            }
            Self::LogLevel => text.is_some_and(is_log_level),
            Self::File => text.is_some_and(|text| !text.is_empty()),
            Self::Container => text.is_some_and(|text| ContainerName::parse(text).is_ok()),
            Self::Quota => text.is_some_and(|text| parse_imitated(text).is_some()),
        }
    }

    /// Whether `text` is the path of a file and not a word.
    pub(super) fn is_path(&self, text: &str) -> bool {
        match self {
            Self::File => true,
            Self::Auto(other) => text != AUTO && other.is_path(text),
            _ => false,
        }
    }

    /// The value that `text` stands for where TOML's quotes and brackets are not written, as in
    /// variables: lists are separated by commas. What is not of the right kind stays a text, which
    /// [`permits`](Self::permits) then refuses.
    #[must_use]
    pub fn read(&self, text: &str) -> Value {
        let other = || Value::String(text.to_owned());
        match self {
            Self::Number { .. } => text.parse().map_or_else(|_| other(), Value::Integer),
            Self::Switch => text.parse().map_or_else(|_| other(), Value::Boolean),
            Self::Auto(kind) if text != AUTO => kind.read(text),
            Self::ConsumerGroups(_) => {
                let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                Value::Array(names.map(Value::from).collect())
            }
            _ => other(),
        }
    }
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

fn are_consumer_groups(names: &[Value], max: usize) -> bool {
    let is_new = |at: usize, name: &str| {
        let earlier = names[..at].iter().filter_map(Value::as_str);
        ConsumerGroup::parse(name).is_ok()
            && !earlier.into_iter().any(|other| other.eq_ignore_ascii_case(name))
    };
    let is_good = |(at, name): (usize, &Value)| name.as_str().is_some_and(|name| is_new(at, name));
    names.len() <= max && names.iter().enumerate().all(is_good)
}

/// A word without `=` has to be a level: the filter would take a misspelt one for a module.
fn is_log_level(text: &str) -> bool {
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let is_good = |part: &str| part.contains('=') || is_level(part);
    text.split(',').map(str::trim).all(is_good) && EnvFilter::try_new(text).is_ok()
}
