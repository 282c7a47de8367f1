//! How many threads to start, and whether to pin them.

use std::fmt::Write as _;

use super::{Demand, Observed};
use crate::config::{Executors, Shards};
use crate::machine::Machine;
use crate::topology::{Placement, Processors, place};

/// Most shards that a configuration may name.
const SHARDS_MAX: u64 = 1024;

/// What to write into the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Number and place of the threads, with reasons.
    pub placement: Placement,
    /// Whether the hub starts the same threads when nothing is configured.
    pub is_automatic: bool,
}

impl Proposal {
    pub(super) fn of(observed: &Observed, demand: Demand) -> Self {
        let machine = &observed.machine;
        let processors = Processors {
            cpus: machine.cpus.allowed.clone(),
            quota_millicpus: machine.cgroup.quota_millicpus,
        };
        let layout = observed.data_directory.layout();
        let defaults = &observed.defaults;
        let partitions = layout.map_or(defaults.format.partitions, |fixed| fixed.partitions);
        let count = layout.map(|fixed| fixed.executors);
        let executors = Executors { count, ..defaults.executors.clone() };
        let placed = |shards: Option<u16>| {
            let shards = Shards { count: shards, pin: None };
            place(&processors, &shards, &executors, partitions)
        };
        let mut placement = placed(None);
        let automatic = placement.shards.len();
        let needed = shards_needed(machine, demand).filter(|least| usize::from(*least) > automatic);
        if let Some(count) = needed {
            placement = placed(Some(count));
            placement.reasons.shards = format!(
                "{count} shards: each holds as many connections as the limit of open files allows, \
                 and {automatic} would not hold {}",
                demand.connections.unwrap_or_default()
            );
        }
        if let Some(count) = count {
            placement.reasons.executors =
                format!("{count} executor(s): fixed when the data directory was made");
        }
        Self { placement, is_automatic: needed.is_none() }
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.placement.shards.len()
    }

    /// Number of executors.
    #[must_use]
    pub fn executors(&self) -> usize {
        self.placement.executors.len()
    }

    /// Whether shards are pinned.
    #[must_use]
    pub fn shards_pin(&self) -> bool {
        self.placement.shards.iter().any(Option::is_some)
    }

    /// Whether executors are pinned.
    #[must_use]
    pub fn executors_pin(&self) -> bool {
        self.placement.executors.iter().any(Option::is_some)
    }

    /// Lines for the configuration file, each behind its reason.
    #[must_use]
    pub fn toml(&self) -> String {
        let reasons = &self.placement.reasons;
        let mut toml = String::new();
        if self.is_automatic {
            toml += "# The hub starts like this by itself: write it down to keep it on another machine.\n";
        }
        for (section, count, of_count, pin, of_pin) in [
            ("shards", self.shards(), &reasons.shards, self.shards_pin(), &reasons.shards_pin),
            (
                "executors",
                self.executors(),
                &reasons.executors,
                self.executors_pin(),
                &reasons.executors_pin,
            ),
        ] {
            // Writing to a text cannot fail.
            let _ = write!(
                toml,
                "\n[{section}]\n# {of_count}\ncount = {count}\n# {of_pin}\npin = {pin}\n"
            );
        }
        toml
    }
}

/// Shards without which the connections find no descriptors.
fn shards_needed(machine: &Machine, demand: Demand) -> Option<u16> {
    let descriptors = machine.descriptors_per_table()?;
    let least = demand.shards_least(descriptors, SHARDS_MAX)?;
    u16::try_from(least).ok()
}
