//! What the kernel can do, and how it is set.

use super::{Area, Finding};
use crate::machine::{IoUring, Machine};

const AREA: Area = Area::Kernel;

/// Oldest version that the hub is built for.
const VERSION_MIN: (u32, u32) = (5, 19);

/// From here on the descriptors of a shard can be counted without listing them.
const VERSION_COUNTS_DESCRIPTORS: (u32, u32) = (6, 2);

const IO_URING_SETTING: &str = "kernel.io_uring_disabled";

pub(super) fn findings(machine: &Machine, io_uring: &IoUring) -> Vec<Finding> {
    vec![version(machine), rings(machine, io_uring), huge_pages(machine)]
}

fn version(machine: &Machine) -> Finding {
    let (major, minor) = VERSION_MIN;
    let why = format!("the hub needs Linux {major}.{minor}; 6.2 adds descriptors to its numbers");
    let (Some(release), Some(version)) = (&machine.kernel.release, machine.kernel.version()) else {
        return Finding::unknown(AREA, "version", why);
    };
    let finding = Finding::ok(AREA, "version", release, why);
    let (mend, undo) = ("install a newer kernel and boot it", "boot the old one");
    if version < VERSION_MIN {
        finding.wrong(mend, undo)
    } else if version < VERSION_COUNTS_DESCRIPTORS {
        finding.advice(mend, undo)
    } else {
        finding
    }
}

fn rings(machine: &Machine, io_uring: &IoUring) -> Finding {
    let why = "all IO of shards and executors goes through io_uring; shards ask theirs not to \
               interrupt them";
    let setting = machine.kernel.setting(IO_URING_SETTING);
    let of_setting = setting.as_deref().filter(|value| *value != "0");
    let finding = |value: String| Finding::ok(AREA, "io_uring", value, why);
    let set = |value: &str| format!("sudo sysctl {IO_URING_SETTING}={value}");
    match (io_uring, of_setting) {
        (IoUring::Ready, Some(value)) => {
            finding(format!("for privileged users alone: {IO_URING_SETTING} is {value}"))
                .advice(set("0"), set(value))
        }
        (IoUring::Ready, None) => finding("every operation that the hub uses".to_owned()),
        (IoUring::Lacks(names), _) => finding(format!("lacks {}", names.join(", ")))
            .wrong("install a newer kernel and boot it", "boot the old one"),
        (IoUring::Refused(reason), Some(value)) => {
            finding(format!("refused: {reason}; {IO_URING_SETTING} is {value}"))
                .wrong(set("0"), set(value))
        }
        (IoUring::Refused(reason), None) => finding(format!("refused: {reason}")).wrong(
            "let the container's seccomp profile pass io_uring_setup, io_uring_enter and \
             io_uring_register: docker run --security-opt seccomp=PROFILE.json",
            "run it without --security-opt",
        ),
    }
}

fn huge_pages(machine: &Machine) -> Finding {
    let why = "with `always` the memory of idle connections is rounded up to 2 MiB pages, and \
               threads wait while the kernel makes room for them";
    let Some(chosen) = &machine.kernel.huge_pages else {
        return Finding::unknown(AREA, "transparent huge pages", why);
    };
    let finding = Finding::ok(AREA, "transparent huge pages", chosen, why);
    let set = |value: &str| {
        format!("echo {value} | sudo tee /sys/kernel/mm/transparent_hugepage/enabled")
    };
    if chosen == "always" { finding.advice(set("madvise"), set("always")) } else { finding }
}
