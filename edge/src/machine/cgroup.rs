//! What control groups allow this process, in both of their versions.
//!
//! Source: the kernel's documentation of cgroup v2 (`cpu.max`, `memory.max`, `pids.max`) and v1.

use std::path::{Path, PathBuf};

use super::mounts::{Mount, mounts};
use super::root::Root;

/// The least that the group of the process and those around it allow; `None` is without a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// CPU time per time, in thousandths of a CPU.
    pub quota_millicpus: Option<u64>,
    /// Memory in bytes.
    pub memory_bytes_max: Option<u64>,
    /// Processes and threads.
    pub tasks_max: Option<u64>,
}

/// Bytes from which a limit of version 1 is none: it says so by the largest number of pages.
const MEMORY_UNLIMITED: u64 = 1 << 62;

impl Cgroup {
    /// Reads the groups of this process.
    #[must_use]
    pub fn read(root: &Root) -> Self {
        let mounts = mounts(root);
        let groups = root.text("/proc/self/cgroup").unwrap_or_default();
        let least = |controller: &str, read: &dyn Fn(&Path) -> Option<u64>| {
            let folders = folders(&groups, &mounts, controller);
            folders.iter().filter_map(|folder| read(folder)).min()
        };
        let number = |folder: &Path, names: [&str; 2]| {
            names.iter().find_map(|name| root.number(folder.join(name).to_str()?))
        };
        let memory = |folder: &Path| number(folder, ["memory.max", "memory.limit_in_bytes"]);
        Self {
            quota_millicpus: least("cpu", &|folder| quota(root, folder)),
            memory_bytes_max: least("memory", &memory).filter(|bytes| *bytes < MEMORY_UNLIMITED),
            tasks_max: least("pids", &|folder| number(folder, ["pids.max", "pids.max"])),
        }
    }
}

/// Thousandths of a CPU that one group may use.
fn quota(root: &Root, folder: &Path) -> Option<u64> {
    let text = |name: &str| root.text(folder.join(name).to_str()?);
    let (quota, period) = match text("cpu.max") {
        Some(both) => {
            let (quota, period) = both.split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        }
        None => (text("cpu.cfs_quota_us")?, text("cpu.cfs_period_us")?),
    };
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    quota.checked_mul(1000)?.checked_div(period)
}

/// Folders of the group of `controller` and of all around it that can be seen.
fn folders(groups: &str, mounts: &[Mount], controller: &str) -> Vec<PathBuf> {
    let has = |list: &str| list.split(',').any(|name| name == controller);
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let mount = match controllers {
            "" => mounts.iter().find(|mount| mount.fs_type == "cgroup2"),
            list if has(list) => {
                mounts.iter().find(|mount| mount.fs_type == "cgroup" && has(&mount.fs_options))
            }
            _ => None,
        };
        let Some(mount) = mount else { continue };
        // In a container the mount may begin inside of the group, and shows nothing around it.
        let inside = Path::new(group).strip_prefix(&mount.root).unwrap_or_else(|_| Path::new(""));
        let innermost = mount.point.join(inside);
        let seen = innermost.ancestors().take_while(|folder| folder.starts_with(&mount.point));
        folders.extend(seen.map(Path::to_owned));
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::test_machine::TestMachine;

    #[test]
    fn the_least_of_all_groups_around_counts() {
        let machine = TestMachine::new();
        machine.cgroup2("/hub.slice/ringhub.service");
        machine.put("sys/fs/cgroup/hub.slice/cpu.max", "150000 100000");
        machine.put("sys/fs/cgroup/hub.slice/memory.max", "1073741824");
        machine.put("sys/fs/cgroup/hub.slice/ringhub.service/cpu.max", "max 100000");
        machine.put("sys/fs/cgroup/hub.slice/ringhub.service/memory.max", "536870912");
        machine.put("sys/fs/cgroup/hub.slice/ringhub.service/pids.max", "max");
        let expected = Cgroup {
            quota_millicpus: Some(1500),
            memory_bytes_max: Some(536_870_912),
            tasks_max: None,
        };
        assert_eq!(Cgroup::read(&machine.root()), expected);
    }

    #[test]
    fn version_1_has_a_mount_for_each_controller() {
        let machine = TestMachine::new();
        machine.put("proc/self/cgroup", "4:memory:/box\n1:cpu,cpuacct:/box\n0::/");
        machine.put(
            "proc/self/mountinfo",
            "1 1 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
             2 1 0:2 /box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
        );
        machine.put("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1");
        machine.put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000");
        machine.put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
        machine.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
        let expected = Cgroup { quota_millicpus: Some(2500), ..Cgroup::default() };
        assert_eq!(Cgroup::read(&machine.root()), expected);
    }

    #[test]
    fn without_groups_there_is_no_bound() {
        assert_eq!(Cgroup::read(&TestMachine::new().root()), Cgroup::default());
    }
}
