//! CPUs, and what keeps the hub from them.

use super::{Area, Finding};
use crate::machine::{Machine, format_cpu_list};
use crate::topology::Processors;

const AREA: Area = Area::Cpu;

pub(super) fn findings(machine: &Machine) -> Vec<Finding> {
    let found = [
        Some(cpus(machine)),
        quota(machine),
        threads_of_cores(machine),
        nodes(machine),
        Some(governor(machine)),
    ];
    found.into_iter().flatten().collect()
}

fn cpus(machine: &Machine) -> Finding {
    let cpus = &machine.cpus;
    let why = "every shard and every executor wants a CPU of its own";
    if cpus.allowed.is_empty() {
        return Finding::unknown(AREA, "CPUs", why);
    }
    let (allowed, online) = (cpus.allowed.len(), cpus.online.len());
    let mut value = format!("{allowed} of {online}");
    if !cpus.cores.is_empty() {
        let (cores, packages) = (cpus.allowed_core_count(), cpus.package_count());
        value += &format!(" on {cores} core(s), {packages} package(s)");
    }
    if allowed < online {
        value += &format!(": {}", format_cpu_list(&cpus.allowed));
    }
    Finding::ok(AREA, "CPUs", value, why)
}

fn quota(machine: &Machine) -> Option<Finding> {
    let quota_millicpus = machine.cgroup.quota_millicpus;
    let cpus = machine.cpus.allowed.clone();
    let quota = quota_millicpus? as f64 / 1e3;
    let why = "a group that has used up its quota stands still for the rest of the period, up to \
               100 ms, and every acknowledgement with it";
    let finding = Finding::ok(AREA, "CPU quota", format!("{quota} CPU(s)"), why);
    let binding = Processors { cpus, quota_millicpus }.binding_quota_millicpus();
    Some(match binding {
        None => finding,
        Some(_) => finding.advice(
            "sudo systemctl set-property ringhub.service CPUQuota=   (container: raise its CPU limit)",
            format!(
                "sudo systemctl set-property ringhub.service CPUQuota={:.0}%",
                quota * 100.0
            ),
        ),
    })
}

fn threads_of_cores(machine: &Machine) -> Option<Finding> {
    let (allowed, cores) = (machine.cpus.allowed.len(), machine.cpus.allowed_core_count());
    let why = "CPUs of one core share its units: busy shards on both do less than twice the work";
    let value = format!("{allowed} CPUs on {cores} cores");
    (cores > 0 && allowed > cores).then(|| Finding::ok(AREA, "SMT", value, why))
}

fn nodes(machine: &Machine) -> Option<Finding> {
    let nodes = machine.cpus.allowed_nodes();
    let [first, _, ..] = nodes[..] else { return None };
    let why = "rings between shards and executors on different nodes cost remote memory; if one \
               node is enough for the load, keep the hub there";
    let value = format!("{} nodes", nodes.len());
    let list = format_cpu_list(&machine.cpus.nodes[&first]);
    let property = "sudo systemctl set-property ringhub.service";
    Some(Finding::ok(AREA, "NUMA", value, why).advice(
        format!("{property} AllowedCPUs={list} AllowedMemoryNodes={first}"),
        format!("{property} AllowedCPUs= AllowedMemoryNodes="),
    ))
}

fn governor(machine: &Machine) -> Finding {
    let why = "a CPU that was slowed down while idle answers the next message late";
    let governors = &machine.cpus.governors;
    if governors.is_empty() {
        let why = format!("{why}; this machine, or its host, does not show it");
        return Finding::unknown(AREA, "frequency governor", why);
    }
    let finding = Finding::ok(AREA, "frequency governor", governors.join(", "), why);
    let Some(other) = governors.iter().find(|governor| *governor != "performance") else {
        return finding;
    };
    let set = |governor: &str| {
        format!("echo {governor} | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
    };
    finding.advice(set("performance"), set(other))
}
