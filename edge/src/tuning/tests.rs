use std::fs;
use std::path::Path;

use super::*;
use crate::config::Settings;
use crate::machine::test_machine::TestMachine;
use crate::startup::TestDirectory;
use crate::topology::{CpuId, Processors, place};

fn observe(machine: &TestMachine) -> Observed {
    Observed {
        machine: Machine::read(&machine.root(), None),
        io_uring: IoUring::Ready,
        syncs: Syncs::Unknown("not measured".to_owned()),
        data_directory: DataDirectory::Usable(None),
        defaults: Settings::default().config().unwrap(),
    }
}

fn report(machine: &TestMachine, connections: Option<u64>) -> Report {
    Report::of(&observe(machine), Demand { connections })
}

/// Numbers of shards and executors, and whether they are pinned.
fn threads(report: &Report) -> (usize, usize, bool) {
    let proposal = &report.proposal;
    assert_eq!(proposal.shards_pin(), proposal.executors_pin());
    (proposal.shards(), proposal.executors(), proposal.shards_pin())
}

#[track_caller]
fn finding<'r>(report: &'r Report, subject: &str) -> &'r Finding {
    let found = report.findings.iter().find(|finding| finding.subject == subject);
    found.unwrap_or_else(|| panic!("no {subject} in {report:#?}"))
}

/// The proposal is what a hub starts with on these processors, and its lines configure just that.
#[track_caller]
fn agrees_with_the_hub(report: &Report, processors: &Processors) {
    let defaults = Settings::default().config().unwrap();
    let by_itself = place(processors, &defaults.shards, &defaults.executors, 4);
    assert_eq!(report.proposal.placement, by_itself);
    assert!(report.proposal.is_automatic);
    let toml = report.proposal.toml();
    let directory = TestDirectory::new();
    let file = directory.path().join("ringhub.toml");
    fs::write(&file, &toml).unwrap();
    let config = Settings::read(Some(&file), [], &[]).unwrap().config().unwrap();
    let configured = place(processors, &config.shards, &config.executors, 4);
    let of = |placement: &crate::topology::Placement| {
        (placement.shards.clone(), placement.executors.clone())
    };
    assert_eq!(of(&configured), of(&by_itself), "{toml}");
}

#[test]
fn proposes_what_the_hub_does_by_itself() {
    for (cpus, threads_per_core, nodes, expected) in [
        (1, 1, 1, (1, 1, false)),
        (2, 1, 1, (1, 1, true)),
        (8, 2, 1, (7, 1, true)),
        (64, 1, 2, (60, 4, true)),
    ] {
        let machine = TestMachine::with_cpus(cpus, threads_per_core, nodes);
        let report = report(&machine, None);
        assert_eq!(threads(&report), expected, "{cpus} CPUs");
        let all = Processors { cpus: (0..cpus).map(CpuId).collect(), quota_millicpus: None };
        agrees_with_the_hub(&report, &all);
        let has = |subject: &str| report.findings.iter().any(|found| found.subject == subject);
        assert_eq!((has("SMT"), has("NUMA")), (threads_per_core > 1, nodes > 1), "{cpus} CPUs");
        assert!(report.verdict() < Mark::Wrong, "{report:#?}");
    }
}

#[test]
fn cores_and_nodes_are_named() {
    let smt = report(&TestMachine::with_cpus(8, 2, 1), None);
    assert_eq!(finding(&smt, "CPUs").value, "8 of 8 on 4 core(s), 1 package(s)");
    assert_eq!(finding(&smt, "SMT").value, "8 CPUs on 4 cores");
    let numa = report(&TestMachine::with_cpus(64, 1, 2), None);
    let finding = finding(&numa, "NUMA");
    let mend = finding.mend.as_deref().unwrap();
    assert!(mend.ends_with("AllowedCPUs=0-31 AllowedMemoryNodes=0"), "{mend}");
    assert_eq!((finding.mark, finding.area), (Mark::Advice, Area::Cpu));
}

#[test]
fn a_quota_counts_as_cpus_and_is_told() {
    let machine = TestMachine::with_cpus(8, 1, 1);
    machine.cgroup2("/box");
    machine.put("sys/fs/cgroup/box/cpu.max", "150000 100000");
    let report = report(&machine, None);
    assert_eq!(threads(&report), (1, 1, false));
    let all = (0..8).map(CpuId).collect();
    agrees_with_the_hub(&report, &Processors { cpus: all, quota_millicpus: Some(1500) });
    let quota = finding(&report, "CPU quota");
    assert_eq!((quota.mark, quota.value.as_str()), (Mark::Advice, "1.5 CPU(s)"));
    assert!(quota.undo.as_deref().unwrap().ends_with("CPUQuota=150%"));
    assert!(report.proposal.toml().contains("quota is 1.5"));
}

#[test]
fn an_affinity_mask_leaves_the_cpus_that_it_names() {
    let machine = TestMachine::with_cpus(16, 1, 1);
    machine.status("2,4-5,99");
    let report = report(&machine, None);
    assert_eq!(threads(&report), (2, 1, true));
    let cpus = [2, 4, 5].map(CpuId).to_vec();
    agrees_with_the_hub(&report, &Processors { cpus, quota_millicpus: None });
    assert_eq!(report.proposal.placement.executors, [Some(CpuId(5))]);
    assert!(finding(&report, "CPUs").value.ends_with(": 2,4-5"));
}

#[test]
fn the_data_directory_fixes_the_executors() {
    let machine = TestMachine::with_cpus(16, 1, 1);
    let layout = Some(Layout { partitions: 4, executors: 1 });
    let with = |data_directory| {
        let observed = Observed { data_directory, ..observe(&machine) };
        Report::of(&observed, Demand::default())
    };
    let fixed = with(DataDirectory::Usable(layout));
    assert_eq!(threads(&fixed), (15, 1, true));
    assert!(fixed.proposal.toml().contains("fixed when the data directory was made"));
    let mark = |report: &Report| finding(report, "data directory").mark;
    let refused = with(DataDirectory::Refused("it is from the future".to_owned()));
    let hidden = with(DataDirectory::Hidden("Permission denied".to_owned()));
    assert_eq!((mark(&refused), mark(&hidden)), (Mark::Wrong, Mark::Unknown));
}

#[test]
fn more_shards_hold_what_the_limit_of_descriptors_does_not_let_few_hold() {
    let machine = TestMachine::with_cpus(2, 1, 1);
    machine.limits(20_000, "unlimited");
    let report = |connections| report(&machine, Some(connections));
    let few = report(10_000);
    assert_eq!(threads(&few), (1, 1, true));
    assert!(few.proposal.is_automatic);
    let many = report(100_000);
    assert_eq!(threads(&many), (6, 1, false), "as many as hold them, left to the kernel");
    assert!(!many.proposal.is_automatic && many.proposal.toml().contains("count = 6"));
    assert_eq!(finding(&many, "open files").mark, Mark::Advice);
    assert!(finding(&many, "open files").mend.as_deref().unwrap().contains("LimitNOFILE=1048576"));
    let ports = finding(&many, "net.ipv4.ip_local_port_range");
    assert_eq!(
        ports.undo.as_deref().unwrap(),
        "sudo sysctl net.ipv4.ip_local_port_range=\"32768 60999\""
    );

    machine.limits(256, "unlimited");
    let impossible = report(100_000);
    assert_eq!(finding(&impossible, "open files").mark, Mark::Wrong);
    assert_eq!(impossible.verdict(), Mark::Wrong);
}

#[test]
fn memory_for_the_connections_is_counted() {
    let machine = TestMachine::with_cpus(2, 1, 1);
    assert_eq!(finding(&report(&machine, Some(1_000_000)), "memory").mark, Mark::Ok);
    machine.cgroup2("/box");
    machine.put("sys/fs/cgroup/box/memory.max", "1073741824");
    let few = report(&machine, Some(10_000));
    let memory = finding(&few, "memory");
    assert_eq!(memory.mark, Mark::Ok);
    assert!(memory.value.contains("1024 MiB the control group allows"), "{memory:?}");
    let many = report(&machine, Some(1_000_000));
    assert_eq!(finding(&many, "memory").mark, Mark::Wrong);
}

#[test]
fn settings_are_mended_and_undone_by_a_line_each() {
    let machine = TestMachine::with_cpus(2, 1, 1);
    machine.put("proc/sys/net/core/somaxconn", "128");
    machine.put("proc/sys/net/ipv4/ip_unprivileged_port_start", "1024");
    machine.put("proc/sys/net/netfilter/nf_conntrack_max", "65536");
    machine.put("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never");
    for cpu in 0..2 {
        let governor = format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
        machine.put(&governor, "powersave");
    }
    let report = report(&machine, Some(50_000));
    for (subject, mend, undo) in [
        (
            "net.core.somaxconn",
            "sudo sysctl net.core.somaxconn=4096",
            "sudo sysctl net.core.somaxconn=128",
        ),
        (
            "port 443",
            "sudo sysctl net.ipv4.ip_unprivileged_port_start=443",
            "sudo sysctl net.ipv4.ip_unprivileged_port_start=1024",
        ),
        (
            "net.netfilter.nf_conntrack_max",
            "sudo sysctl net.netfilter.nf_conntrack_max=100000",
            "sudo sysctl net.netfilter.nf_conntrack_max=65536",
        ),
        (
            "transparent huge pages",
            "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
            "echo always | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
        ),
        (
            "frequency governor",
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
            "echo powersave | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        ),
    ] {
        let found = finding(&report, subject);
        let lines = (found.mend.as_deref(), found.undo.as_deref());
        assert_eq!((found.mark, lines), (Mark::Advice, (Some(mend), Some(undo))), "{subject}");
    }
    assert_eq!(report.verdict(), Mark::Advice);
}

#[test]
fn what_keeps_the_hub_from_starting_is_wrong() {
    let machine = TestMachine::with_cpus(2, 1, 1);
    machine.limits(1_048_576, "65536");
    machine.put("proc/sys/kernel/osrelease", "5.10.0-8-amd64");
    machine.put("proc/sys/kernel/io_uring_disabled", "2");
    let io_uring = IoUring::Refused("Operation not permitted".to_owned());
    let report = Report::of(&Observed { io_uring, ..observe(&machine) }, Demand::default());
    for subject in ["locked memory", "version", "io_uring"] {
        assert_eq!(finding(&report, subject).mark, Mark::Wrong, "{subject}");
    }
    let undo = finding(&report, "io_uring").undo.as_deref();
    assert_eq!(undo, Some("sudo sysctl kernel.io_uring_disabled=2"));
}

#[test]
fn queues_of_a_network_card_are_compared_with_the_shards() {
    let machine = TestMachine::with_cpus(8, 1, 1);
    for (name, queues) in [("eth0", 1), ("eth1", 8)] {
        let folder = format!("sys/class/net/{name}");
        machine.put(&format!("{folder}/operstate"), "up");
        machine.put(&format!("{folder}/speed"), "25000");
        machine.link(&format!("{folder}/device/driver"), "drivers/mlx5_core");
        for queue in 0..queues {
            machine.put(&format!("{folder}/queues/rx-{queue}/rps_cpus"), "00");
            machine.put(&format!("{folder}/queues/tx-{queue}/xps_cpus"), "01");
        }
    }
    let before = report(&machine, None);
    let narrow = finding(&before, "eth0");
    let value = "mlx5_core, 25000 Mbit/s, 1 rx queue(s) (0 with RPS), 1 tx queue(s) (1 with XPS)";
    assert_eq!((narrow.mark, narrow.value.as_str()), (Mark::Advice, value));
    let mend = "echo 7f | sudo tee /sys/class/net/eth0/queues/rx-*/rps_cpus";
    assert_eq!(narrow.mend.as_deref(), Some(mend), "the CPUs of the shards");
    assert_eq!(finding(&before, "eth1").mark, Mark::Ok);
    machine.put("sys/class/net/eth0/queues/rx-0/rps_cpus", "7f");
    assert_eq!(finding(&report(&machine, None), "eth0").mark, Mark::Ok);
}

#[test]
fn the_disk_of_the_data_directory_is_found_through_its_partition() {
    let machine = TestMachine::with_cpus(2, 1, 1);
    let disk = "sys/devices/pci0/nvme0n1";
    machine.put(&format!("{disk}/queue/rotational"), "0");
    machine.put(&format!("{disk}/queue/write_cache"), "write through");
    machine.put(&format!("{disk}/nvme0n1p2/partition"), "2");
    machine.link("sys/dev/block/259:2", "../../devices/pci0/nvme0n1/nvme0n1p2");
    let on = |fs_type: &str| {
        let mount = format!("27 1 259:2 / / rw - {fs_type} /dev/nvme0n1p2 rw");
        machine.put("proc/self/mountinfo", &mount);
        let read = Machine::read(&machine.root(), Some(Path::new("/no/such/folder")));
        Report::of(&Observed { machine: read, ..observe(&machine) }, Demand::default())
    };
    let report = on("xfs");
    let value = "nvme0n1: does not turn, write cache: write through";
    assert_eq!(finding(&report, "device").value, value);
    assert_eq!(finding(&report, "filesystem").value, "xfs at /");
    assert_eq!(finding(&on("tmpfs"), "filesystem").mark, Mark::Advice);
}

#[test]
fn a_machine_that_shows_nothing_is_unknown_and_no_reason_to_fail() {
    let report = report(&TestMachine::new(), Some(1000));
    assert_eq!(threads(&report), (1, 1, false), "{:?}", report.proposal);
    assert!(report.verdict() <= Mark::Unknown, "{report:#?}");
    for area in Area::ALL {
        assert!(report.findings.iter().any(|finding| finding.area == area), "{area}");
    }
}
