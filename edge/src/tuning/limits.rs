//! Bounds of the process and of the kernel.

use ringhub_core::limits::LISTEN_BACKLOG;

use super::{Area, Demand, Finding, Proposal};
use crate::machine::Machine;
use crate::startup::LOCKED_MEMORY_MIN;

const AREA: Area = Area::Limits;

/// Descriptors of a shard below which more are advised, even if nobody has said how many
/// connections are wanted.
const DESCRIPTORS_MIN: u64 = 65_536;

/// What the service asks for (`tuning/systemd/ringhub.service`).
const DESCRIPTORS_WANTED: u64 = 1_048_576;

/// Port that SDKs dial for HTTPS and WebSockets.
const HTTPS_PORT: u64 = 443;

/// Threads of a hub besides shards and executors, those that the kernel starts for IO included.
const OTHER_THREADS: u64 = 64;

const UNDO_DROP_IN: &str =
    "sudo rm /etc/systemd/system/ringhub.service.d/tune.conf && sudo systemctl daemon-reload";

/// A setting of the kernel that is to have at least a value: name, value, why.
const SETTINGS: [(&str, u64, &str); 3] = [
    (
        "net.core.somaxconn",
        LISTEN_BACKLOG as u64,
        "connections that wait to be accepted; when all devices come back at once, those beyond it wait a second for a retransmission",
    ),
    (
        "net.ipv4.tcp_max_syn_backlog",
        LISTEN_BACKLOG as u64,
        "handshakes that wait for their last packet, in the same storms",
    ),
    (
        "vm.max_map_count",
        65_530,
        "areas of memory: rings, buffers and stacks take some of each thread",
    ),
];

pub(super) fn findings(machine: &Machine, proposal: &Proposal, demand: Demand) -> Vec<Finding> {
    let mut found = vec![
        open_files(machine, proposal, demand),
        locked_memory(machine, proposal),
        threads(machine, proposal),
        https_port(machine),
        client_ports(machine, demand),
    ];
    found.extend(SETTINGS.map(|(name, least, why)| at_least(machine, name, least, why)));
    if let Some(connections) = demand.connections {
        let why = "open files of the whole machine: every connection is one";
        found.push(at_least(machine, "fs.file-max", connections.saturating_mul(2), why));
    }
    found.extend(tracked_connections(machine, demand));
    found
}

fn open_files(machine: &Machine, proposal: &Proposal, demand: Demand) -> Finding {
    let subject = "open files";
    let why = "every connection is a descriptor; the hard limit bounds each shard, not the process";
    let Some(descriptors) = machine.descriptors_per_table() else {
        return Finding::unknown(AREA, subject, why);
    };
    let shards = proposal.shards() as u64;
    let (needed, wanted) = (demand.descriptors_per_shard(shards), DESCRIPTORS_WANTED);
    let mut finding = Finding::ok(AREA, subject, format!("{descriptors} in each shard"), why);
    if needed > 0 {
        finding.value += &format!("; the fullest of {shards} needs {needed}");
    }
    let mut mend = service_limit("LimitNOFILE", &wanted.to_string());
    if machine.kernel.number("fs.nr_open").is_some_and(|most| most < wanted) {
        mend = format!("sudo sysctl fs.nr_open={wanted} && {mend}");
    }
    if needed > descriptors {
        finding.wrong(mend, UNDO_DROP_IN)
    } else if descriptors < DESCRIPTORS_MIN || !proposal.is_automatic {
        finding.advice(mend, UNDO_DROP_IN)
    } else {
        finding
    }
}

fn locked_memory(machine: &Machine, proposal: &Proposal) -> Finding {
    let subject = "locked memory";
    let why = "each executor locks 512 KiB of buffers, and does not start with less";
    let Some(limit) = machine.process.locked_memory else {
        return Finding::unknown(AREA, subject, why);
    };
    let Some(hard) = limit.hard else {
        return Finding::ok(AREA, subject, "without limit", why);
    };
    let finding = Finding::ok(AREA, subject, format!("{} KiB", hard / 1024), why);
    let mend = service_limit("LimitMEMLOCK", "infinity");
    if hard < LOCKED_MEMORY_MIN {
        finding.wrong(mend, UNDO_DROP_IN)
    } else if hard < LOCKED_MEMORY_MIN * proposal.executors() as u64 {
        finding.advice(mend, UNDO_DROP_IN)
    } else {
        finding
    }
}

fn threads(machine: &Machine, proposal: &Proposal) -> Finding {
    let subject = "threads";
    let needed = (proposal.shards() + proposal.executors()) as u64 + OTHER_THREADS;
    let why = "one for each shard and executor, some for the registry, and those that the kernel \
               starts for IO";
    let of_machine = machine.kernel.number("kernel.threads-max");
    let of_user = machine.process.tasks.and_then(|limit| limit.hard);
    let of_group = machine.cgroup.tasks_max;
    let Some(most) = [of_machine, of_user, of_group].into_iter().flatten().min() else {
        return Finding::unknown(AREA, subject, why);
    };
    let finding = Finding::ok(AREA, subject, format!("{most}; the hub needs up to {needed}"), why);
    if most >= needed {
        return finding;
    }
    let (mend, undo) = if of_group == Some(most) {
        let set = "sudo systemctl set-property ringhub.service TasksMax=";
        (format!("{set}{}", needed * 2), format!("{set}{most}"))
    } else if of_user == Some(most) {
        (service_limit("LimitNPROC", &(needed * 2).to_string()), UNDO_DROP_IN.to_owned())
    } else {
        set_and_undo("kernel.threads-max", &(needed * 2).to_string(), &most.to_string())
    };
    finding.wrong(mend, undo)
}

fn https_port(machine: &Machine) -> Finding {
    let name = "net.ipv4.ip_unprivileged_port_start";
    let why = "device and service SDKs dial port 443; without the privilege the hub takes 8443";
    if machine.process.binds_any_port == Some(true) {
        return Finding::ok(AREA, "port 443", "this user may bind any port", why);
    }
    let Some(first) = machine.kernel.number(name) else {
        return Finding::unknown(AREA, "port 443", why);
    };
    let finding = Finding::ok(AREA, "port 443", format!("users may bind ports from {first}"), why);
    if first <= HTTPS_PORT {
        return finding;
    }
    let (mend, undo) = set_and_undo(name, &HTTPS_PORT.to_string(), &first.to_string());
    finding.advice(mend, undo)
}

/// The hub takes no such port itself: those who dial it do.
fn client_ports(machine: &Machine, demand: Demand) -> Finding {
    let name = "net.ipv4.ip_local_port_range";
    let why = "so many connections can one address open to a port of the hub: a proxy, a gateway \
               or a load generator on a machine that is set like this";
    let range = machine.kernel.setting(name);
    let ends = range.as_deref().and_then(|range| {
        let mut ends = range.split_whitespace().map(|end| end.parse::<u64>().ok());
        Some((ends.next()??, ends.next()??))
    });
    let Some((first, last)) = ends else { return Finding::unknown(AREA, name, why) };
    let count = (last + 1).saturating_sub(first);
    let finding = Finding::ok(AREA, name, format!("{first} to {last}, {count} ports"), why);
    if demand.connections.is_none_or(|connections| connections <= count) {
        return finding;
    }
    let (mend, undo) = set_and_undo(name, "\"1024 65535\"", &format!("\"{first} {last}\""));
    finding.advice(mend, undo)
}

fn tracked_connections(machine: &Machine, demand: Demand) -> Option<Finding> {
    let name = "net.netfilter.nf_conntrack_max";
    let most = machine.kernel.number(name)?;
    let why = "where a firewall tracks connections, those beyond it are dropped without a word";
    let finding = Finding::ok(AREA, name, most.to_string(), why);
    // Entries of connections that have ended stay for a while.
    let wanted = demand.connections.unwrap_or_default().saturating_mul(2);
    if wanted <= most {
        return Some(finding);
    }
    let (mend, undo) = set_and_undo(name, &wanted.to_string(), &most.to_string());
    Some(finding.advice(mend, undo))
}

fn at_least(machine: &Machine, name: &str, least: u64, why: &str) -> Finding {
    let Some(value) = machine.kernel.number(name) else {
        return Finding::unknown(AREA, name, why);
    };
    let finding = Finding::ok(AREA, name, value.to_string(), why);
    if value >= least {
        return finding;
    }
    let (mend, undo) = set_and_undo(name, &least.to_string(), &value.to_string());
    finding.advice(mend, undo)
}

fn set_and_undo(name: &str, wanted: &str, present: &str) -> (String, String) {
    let set = |value: &str| format!("sudo sysctl {name}={value}");
    (set(wanted), set(present))
}

/// A line that gives the service another limit.
fn service_limit(name: &str, value: &str) -> String {
    format!(
        "sudo install -D /dev/stdin /etc/systemd/system/ringhub.service.d/tune.conf <<< \
         $'[Service]\\n{name}={value}' && sudo systemctl daemon-reload && sudo systemctl restart ringhub"
    )
}
