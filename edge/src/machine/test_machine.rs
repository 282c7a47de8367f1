//! A machine that is described by files in a folder, for tests.

use std::fs;
use std::os::unix::fs::symlink;

use super::Root;
use crate::startup::TestDirectory;

/// Files below a folder that stand for `/proc` and `/sys`.
pub(crate) struct TestMachine(TestDirectory);

impl TestMachine {
    /// A machine about which nothing is known.
    pub(crate) fn new() -> Self {
        Self(TestDirectory::new())
    }

    /// A machine that lacks nothing, with `cpus` CPUs on `nodes` NUMA nodes, each core with
    /// `threads` of them: as kernels do, first threads are numbered before second ones.
    pub(crate) fn with_cpus(cpus: usize, threads: usize, nodes: usize) -> Self {
        let machine = Self::new();
        machine.status(&format!("0-{}", cpus - 1));
        machine.put("sys/devices/system/cpu/online", &format!("0-{}", cpus - 1));
        let cores = cpus / threads;
        let node_of = |cpu: usize| cpu % cores * nodes / cores;
        for cpu in 0..cpus {
            let folder = format!("sys/devices/system/cpu/cpu{cpu}/topology");
            machine.put(&format!("{folder}/core_id"), &(cpu % cores).to_string());
            machine.put(&format!("{folder}/physical_package_id"), &node_of(cpu).to_string());
        }
        for node in 0..nodes {
            let of_node = (0..cpus).filter(|cpu| node_of(*cpu) == node).map(|cpu| cpu.to_string());
            let list = of_node.collect::<Vec<_>>().join(",");
            machine.put(&format!("sys/devices/system/node/node{node}/cpulist"), &list);
        }
        machine.limits(1_048_576, "unlimited");
        machine.put("proc/meminfo", "MemTotal:       33554432 kB");
        machine.put("proc/sys/kernel/osrelease", "6.8.0-45-generic");
        for (name, value) in [
            ("fs/nr_open", "1048576"),
            ("fs/file-max", "9223372036854775807"),
            ("kernel/io_uring_disabled", "0"),
            ("kernel/threads-max", "192730"),
            ("net/core/somaxconn", "4096"),
            ("net/ipv4/ip_local_port_range", "32768\t60999"),
            ("net/ipv4/ip_unprivileged_port_start", "443"),
            ("net/ipv4/tcp_max_syn_backlog", "16384"),
            ("vm/max_map_count", "65530"),
        ] {
            machine.put(&format!("proc/sys/{name}"), value);
        }
        machine
    }

    pub(crate) fn root(&self) -> Root {
        Root::at(self.0.path())
    }

    /// Writes a file; folders are made.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders are made");
        fs::write(path, format!("{text}\n")).expect("files are written");
    }

    /// Makes a link to `target`, which need not be there.
    pub(crate) fn link(&self, name: &str, target: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a link has a folder")).expect("folders are made");
        symlink(target, path).expect("links are made");
    }

    /// Puts the process into a group of version 2, whose files are still to be written.
    pub(crate) fn cgroup2(&self, group: &str) {
        self.put("proc/self/cgroup", &format!("0::{group}"));
        let mount = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        self.put("proc/self/mountinfo", mount);
    }

    /// An ordinary user's process that may use the CPUs of `allowed`.
    pub(crate) fn status(&self, allowed: &str) {
        let status = format!("CapEff:\t0000000000000000\nCpus_allowed_list:\t{allowed}");
        self.put("proc/self/status", &status);
    }

    /// Limits of open files, soft and hard, and of locked memory.
    pub(crate) fn limits(&self, open_files: u64, locked_memory: &str) {
        let text = format!(
            "Limit                     Soft Limit           Hard Limit           Units\n\
             Max open files            1024                 {open_files}              files\n\
             Max locked memory         {locked_memory}              {locked_memory}              bytes"
        );
        self.put("proc/self/limits", &text);
    }
}
