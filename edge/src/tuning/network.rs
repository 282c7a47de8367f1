//! Network interfaces and their queues.

use super::{Area, Finding, Proposal};
use crate::machine::{CpuMask, Interface, Machine};

const AREA: Area = Area::Network;

const WHY: &str = "the interrupts of one receive queue keep one CPU: with fewer queues than shards \
                   some shards get their packets from the CPU of another";

pub(super) fn findings(machine: &Machine, proposal: &Proposal) -> Vec<Finding> {
    let interfaces = machine.interfaces.iter().filter(|interface| interface.is_up);
    let found: Vec<Finding> =
        interfaces.map(|interface| interface_finding(machine, proposal, interface)).collect();
    if found.is_empty() {
        return vec![Finding::unknown(AREA, "interfaces", "none with a link is shown here")];
    }
    found
}

fn interface_finding(machine: &Machine, proposal: &Proposal, interface: &Interface) -> Finding {
    let name = &interface.name;
    let driver = interface.driver.as_deref().unwrap_or("virtual");
    let speed = interface.speed_mbits;
    let speed = speed.map_or_else(|| "speed unknown".to_owned(), |speed| format!("{speed} Mbit/s"));
    let value = format!(
        "{driver}, {speed}, {} rx queue(s) ({} with RPS), {} tx queue(s) ({} with XPS)",
        interface.rx_queues, interface.rps_queues, interface.tx_queues, interface.xps_queues
    );
    let finding = Finding::ok(AREA, name, value, WHY);
    let busy_cpus = proposal.shards().min(machine.cpus.allowed.len());
    let is_short = interface.rx_queues < busy_cpus && interface.rps_queues == 0;
    if interface.driver.is_none() || !is_short {
        return finding;
    }
    let cpus: Vec<_> = proposal.placement.shards.iter().flatten().copied().collect();
    let cpus = if cpus.is_empty() { machine.cpus.allowed.clone() } else { cpus };
    let set = |mask: &CpuMask| {
        format!("echo {mask} | sudo tee /sys/class/net/{name}/queues/rx-*/rps_cpus")
    };
    finding.advice(set(&CpuMask::of(cpus)), set(&CpuMask::of([])))
}
