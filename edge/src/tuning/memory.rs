//! Memory of machine and control group.

use super::{Area, Demand, Finding, Proposal};
use crate::machine::Machine;
use crate::partition::PartitionsConfig;

const AREA: Area = Area::Memory;
const MIB: u64 = 1 << 20;

/// Bytes of a hub without connections (`benches/README.md`, memory).
const HUB_BYTES: u64 = 16 * MIB;

pub(super) fn findings(machine: &Machine, proposal: &Proposal, demand: Demand) -> Vec<Finding> {
    let why = "an idle connection takes 5.2 KB, its socket in the kernel 4 KB, a device 0.6 KB";
    let of_machine = machine.kernel.memory_bytes;
    let of_group = machine.cgroup.memory_bytes_max;
    let Some(bytes) = [of_machine, of_group].into_iter().flatten().min() else {
        return vec![Finding::unknown(AREA, "memory", why)];
    };
    let group_binds = of_group == Some(bytes);
    let of_what = if group_binds { "the control group allows" } else { "in the machine" };
    let mut finding = Finding::ok(AREA, "memory", format!("{} MiB {of_what}", bytes / MIB), why);
    if let Some(connections) = demand.connections {
        let needed = needed_bytes(proposal, demand);
        finding.value += &format!("; {connections} connections take {} MiB", needed / MIB);
        // What events and their readers take comes on top.
        if needed > bytes / 4 * 3 {
            let (mend, undo) = mend(group_binds, needed, bytes);
            finding = match needed > bytes {
                true => finding.wrong(mend, undo),
                false => finding.advice(mend, undo),
            };
        }
    }
    vec![finding]
}

fn needed_bytes(proposal: &Proposal, demand: Demand) -> u64 {
    let rings = proposal.shards() as u64 * proposal.executors() as u64;
    let rings = rings.saturating_mul(PartitionsConfig::RING_BYTES as u64);
    let tails = proposal.executors() as u64 * PartitionsConfig::TAIL_BYTES as u64;
    HUB_BYTES + rings + tails + demand.memory_bytes()
}

/// Lines that mend a lack of memory, and undo that.
fn mend(group_binds: bool, needed: u64, bytes: u64) -> (String, String) {
    let wanted = (needed / 3).saturating_mul(4) / MIB + 1;
    if group_binds {
        let set = "sudo systemctl set-property ringhub.service MemoryMax=";
        let of_containers = "   (container: raise its memory limit)";
        (format!("{set}{wanted}M{of_containers}"), format!("{set}{}M", bytes / MIB))
    } else {
        (format!("a machine with {wanted} MiB of memory"), "-".to_owned())
    }
}
