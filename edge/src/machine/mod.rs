//! The machine that a hub runs on, as the kernel describes it.
//!
//! Everything is read from below a [`Root`], so that tests can describe machines that they do not
//! run on. What cannot be read is `None`: containers and ordinary users see less. What is good or
//! bad about it is for [`tuning`](crate::tuning) to say.

mod cgroup;
mod cpu_list;
mod cpus;
mod disk;
mod io_uring;
mod kernel;
mod mounts;
mod network;
mod process;
mod root;
mod sync_latency;

pub use cgroup::Cgroup;
pub use cpu_list::{CpuMask, format_cpu_list, parse_cpu_list};
pub use cpus::{CoreId, Cpus};
pub use disk::{BlockDevice, Disk};
pub use io_uring::{IoUring, probe_io_uring};
pub use kernel::Kernel;
pub use network::Interface;
pub use process::{Limit, Process};
pub use root::Root;
pub use sync_latency::{SyncError, SyncLatency, measure_syncs};

use std::path::Path;

/// All that is known about a machine without measuring.
#[derive(Debug)]
pub struct Machine {
    /// CPUs, and which of them this process may use.
    pub cpus: Cpus,
    /// What the control groups of this process allow it.
    pub cgroup: Cgroup,
    /// Limits and privileges of this process.
    pub process: Process,
    /// Version and settings of the kernel.
    pub kernel: Kernel,
    /// Network interfaces but the loopback, by name.
    pub interfaces: Vec<Interface>,
    /// Filesystem and device of the data directory; `None` where the mounts are not known.
    pub disk: Option<Disk>,
}

impl Machine {
    /// Reads everything below `root`; `data_directory` need not exist yet. Some hundred small
    /// files, a few milliseconds.
    #[must_use]
    pub fn read(root: &Root, data_directory: Option<&Path>) -> Self {
        Self {
            cpus: Cpus::read(root),
            cgroup: Cgroup::read(root),
            process: Process::read(root),
            kernel: Kernel::read(root),
            interfaces: Interface::read_all(root),
            disk: data_directory.and_then(|directory| Disk::read(root, directory)),
        }
    }

    /// Descriptors that each shard may have: the hub raises the limit to the hard one, and no
    /// limit goes beyond what the kernel allows a table.
    #[must_use]
    pub fn descriptors_per_table(&self) -> Option<u64> {
        let hard = self.process.open_files?.hard;
        [hard, self.kernel.number("fs.nr_open")].into_iter().flatten().min()
    }
}

#[cfg(test)]
pub(crate) mod test_machine;
