//! CPUs, cores, packages and NUMA nodes.

use std::collections::BTreeMap;

use super::cpu_list::parse_cpu_list;
use super::root::Root;
use crate::topology::CpuId;

const FOLDER: &str = "/sys/devices/system/cpu";

/// A core: its package, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CoreId {
    /// Number of the package (socket).
    pub package: u64,
    /// Number of the core in its package.
    pub core: u64,
}

/// The CPUs of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpus {
    /// CPUs that run.
    pub online: Vec<CpuId>,
    /// Those of them that this process may use: affinity mask and cpuset.
    pub allowed: Vec<CpuId>,
    /// CPUs of each core, as far as the kernel tells; more than one where cores have SMT.
    pub cores: BTreeMap<CoreId, Vec<CpuId>>,
    /// CPUs of each NUMA node; nodes without CPUs are left out.
    pub nodes: BTreeMap<u64, Vec<CpuId>>,
    /// Frequency governors in use; none where the machine, or its host, has no say in it.
    pub governors: Vec<String>,
}

impl Cpus {
    pub(super) fn read(root: &Root) -> Self {
        let listed = |name: &str| parse_cpu_list(&root.text(name)?);
        let allowed = allowed(root);
        let online = listed(&format!("{FOLDER}/online"));
        let online = online.or_else(|| allowed.clone()).unwrap_or_default();
        // The mask may name CPUs that do not run.
        let runs = |cpu: &CpuId| online.contains(cpu);
        let allowed = allowed
            .map_or_else(|| online.clone(), |allowed| allowed.into_iter().filter(runs).collect());
        let mut cores: BTreeMap<CoreId, Vec<CpuId>> = BTreeMap::new();
        for cpu in &online {
            let id = |name| root.number(&format!("{FOLDER}/cpu{cpu}/topology/{name}"));
            if let (Some(package), Some(core)) = (id("physical_package_id"), id("core_id")) {
                cores.entry(CoreId { package, core }).or_default().push(*cpu);
            }
        }
        let governor = |cpu| root.text(&format!("{FOLDER}/cpu{cpu}/cpufreq/scaling_governor"));
        let mut governors: Vec<String> = allowed.iter().filter_map(governor).collect();
        governors.sort_unstable();
        governors.dedup();
        Self { nodes: nodes(root), online, allowed, cores, governors }
    }

    /// Packages that have cores.
    #[must_use]
    pub fn package_count(&self) -> usize {
        let mut packages: Vec<u64> = self.cores.keys().map(|core| core.package).collect();
        packages.dedup();
        packages.len()
    }

    /// Cores that this process may use, whole or in part.
    #[must_use]
    pub fn allowed_core_count(&self) -> usize {
        let is_allowed = |cpus: &&Vec<CpuId>| cpus.iter().any(|cpu| self.allowed.contains(cpu));
        self.cores.values().filter(is_allowed).count()
    }

    /// Numbers of the nodes on which this process may run.
    #[must_use]
    pub fn allowed_nodes(&self) -> Vec<u64> {
        let is_allowed = |cpus: &[CpuId]| cpus.iter().any(|cpu| self.allowed.contains(cpu));
        self.nodes.iter().filter(|(_, cpus)| is_allowed(cpus)).map(|(node, _)| *node).collect()
    }
}

fn allowed(root: &Root) -> Option<Vec<CpuId>> {
    let status = root.text("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    parse_cpu_list(list)
}

fn nodes(root: &Root) -> BTreeMap<u64, Vec<CpuId>> {
    let folder = "/sys/devices/system/node";
    let names = root.names(folder).into_iter();
    let nodes = names.filter_map(|name| {
        let node: u64 = name.strip_prefix("node")?.parse().ok()?;
        let cpus = parse_cpu_list(&root.text(&format!("{folder}/{name}/cpulist"))?)?;
        (!cpus.is_empty()).then_some((node, cpus))
    });
    nodes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Processors;

    #[test]
    fn the_file_and_the_call_agree_on_what_is_allowed() {
        let read = Cpus::read(&Root::system());
        assert_eq!(read.allowed, Processors::of_this_process().unwrap().cpus);
        assert!(!read.governors.iter().any(String::is_empty), "{read:?}");
    }
}
