//! What a machine means for a hub: findings, and how many threads to start with.
//!
//! Decides and measures nothing: [`Observed`] goes in, a [`Report`] comes out. The number of
//! threads is that of [`topology::place`](crate::topology::place), as the hub itself starts them.

mod cpus;
mod demand;
mod disk;
mod finding;
mod kernel;
mod limits;
mod memory;
mod network;
mod proposal;

pub use demand::Demand;
pub use finding::{Area, Finding, Mark};
pub use proposal::Proposal;

use crate::config::Config;
use crate::machine::{IoUring, Machine, SyncLatency};
use crate::startup::Layout;

/// What is known about a machine.
#[derive(Debug)]
pub struct Observed {
    /// What the kernel tells.
    pub machine: Machine,
    /// Whether io_uring works.
    pub io_uring: IoUring,
    /// Time of syncs on the data directory's filesystem.
    pub syncs: Syncs,
    /// Whether a hub can use the data directory.
    pub data_directory: DataDirectory,
    /// What a hub that is told nothing goes by.
    pub defaults: Config,
}

/// The data directory, as a hub would find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataDirectory {
    /// A hub can use it; with a layout it was used before.
    Usable(Option<Layout>),
    /// This user may not look into it: the reason.
    Hidden(String),
    /// No hub of this version can use it: the reason.
    Refused(String),
}

impl DataDirectory {
    pub(in crate::tuning) const fn layout(&self) -> Option<Layout> {
        match self {
            Self::Usable(layout) => *layout,
            Self::Hidden(_) | Self::Refused(_) => None,
        }
    }
}

/// The outcome of the measurement of the disk.
#[derive(Debug)]
pub enum Syncs {
    /// There was none: the reason.
    Unknown(String),
    /// What was measured.
    Measured(SyncLatency),
}

/// Everything that `ringhub tune` has to say.
#[derive(Debug)]
pub struct Report {
    /// By area.
    pub findings: Vec<Finding>,
    /// What to write into the configuration.
    pub proposal: Proposal,
}

impl Report {
    /// Judges a machine for a hub that `demand` is made of.
    #[must_use]
    pub fn of(observed: &Observed, demand: Demand) -> Self {
        let proposal = Proposal::of(observed, demand);
        let mut findings = cpus::findings(&observed.machine);
        findings.extend(memory::findings(&observed.machine, &proposal, demand));
        findings.extend(limits::findings(&observed.machine, &proposal, demand));
        findings.extend(kernel::findings(&observed.machine, &observed.io_uring));
        findings.extend(network::findings(&observed.machine, &proposal));
        findings.extend(disk::findings(observed));
        Self { findings, proposal }
    }

    /// The worst mark.
    #[must_use]
    pub fn verdict(&self) -> Mark {
        self.findings.iter().map(|finding| finding.mark).max().unwrap_or(Mark::Ok)
    }
}

#[cfg(test)]
mod tests;
