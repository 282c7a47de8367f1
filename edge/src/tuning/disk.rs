//! Filesystem and disk of the data directory.

use std::time::Duration;

use super::{Area, DataDirectory, Finding, Observed, Syncs};
use crate::config::Log;
use crate::machine::{Disk, SyncLatency};
use crate::partition::IoMode;

const AREA: Area = Area::Disk;
const MIB: u64 = 1 << 20;

/// Median of a sync from which a disk is called slow: a disk that turns, or one behind a network.
const SYNC_SLOW: Duration = Duration::from_millis(2);

/// Segments that a log has at least: retained, written and prepared.
const SEGMENTS_MIN: u64 = 3;

/// Filesystems in memory, of containers, and on other machines.
const UNFIT: [&str; 10] =
    ["tmpfs", "ramfs", "overlay", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs"];

pub(super) fn findings(observed: &Observed) -> Vec<Finding> {
    let mut found = vec![data_directory(observed)];
    match &observed.machine.disk {
        None => found.push(Finding::unknown(AREA, "filesystem", "no mount is shown for it")),
        Some(disk) => {
            found.push(filesystem(disk));
            found.push(free_space(disk, &observed.defaults.log));
            found.push(device(disk));
        }
    }
    found.push(syncs(&observed.syncs));
    found
}

fn data_directory(observed: &Observed) -> Finding {
    let subject = "data directory";
    let why = "the hub keeps everything there, and refuses what another version or program made";
    let finding = |value: String| Finding::ok(AREA, subject, value, why);
    match &observed.data_directory {
        DataDirectory::Usable(Some(fixed)) => finding(format!(
            "of a hub with {} partitions and {} executor(s)",
            fixed.partitions, fixed.executors
        )),
        DataDirectory::Usable(None) => finding("new, or empty".to_owned()),
        DataDirectory::Hidden(reason) => Finding::unknown(AREA, subject, reason),
        DataDirectory::Refused(reason) => finding(reason.clone())
            .wrong("ringhub serve --data-dir DIR   (another folder)", "the old --data-dir"),
    }
}

fn filesystem(disk: &Disk) -> Finding {
    let why = "an acknowledgement means that the event is on disk: in memory it is lost with the \
               machine, in the layer of a container with that, and on a network every commit \
               crosses it";
    let value = format!("{} at {}", disk.fs_type, disk.directory.display());
    let finding = Finding::ok(AREA, "filesystem", value, why);
    if !UNFIT.contains(&disk.fs_type.as_str()) {
        return finding;
    }
    let mend = "ringhub serve --data-dir DIR   (on ext4 or XFS of a disk in this machine; in a \
                container on a volume)";
    finding.advice(mend, format!("--data-dir {}", disk.directory.display()))
}

fn free_space(disk: &Disk, log: &Log) -> Finding {
    let why = "ingest waits while the disk is full; a log takes rate times `hub.retention`, and \
               three segments at least";
    let Some(free) = disk.free_bytes else {
        return Finding::unknown(AREA, "free space", why);
    };
    let finding = Finding::ok(AREA, "free space", format!("{} MiB", free / MIB), why);
    if free < SEGMENTS_MIN * log.segment_bytes.as_bytes() {
        return finding.advice(
            "hub.retention = \"1h\" and log.segment_bytes = \"8MiB\" in ringhub.toml, or a larger disk",
            "take the two lines out again",
        );
    }
    finding
}

fn device(disk: &Disk) -> Finding {
    let why = "a write-back cache is emptied by every sync; write through, with a cache that \
               survives a loss of power, makes syncs cheap";
    let Some(device) = &disk.device else {
        return Finding::unknown(AREA, "device", why);
    };
    let rotational = match device.is_rotational {
        Some(true) => "says that it turns (virtual disks do)",
        Some(false) => "does not turn",
        None => "turning or not is unknown",
    };
    let cache = device.write_cache.as_deref().unwrap_or("unknown");
    let value = format!("{}: {rotational}, write cache: {cache}", device.name);
    Finding::ok(AREA, "device", value, why)
}

fn syncs(syncs: &Syncs) -> Finding {
    let why = "every acknowledgement waits for one write and sync, beside `executors.commit_delay`";
    let subject = "write and fdatasync";
    let measured = match syncs {
        Syncs::Unknown(reason) => {
            return Finding::unknown(AREA, subject, format!("{why}; {reason}"));
        }
        Syncs::Measured(measured) => measured,
    };
    let finding = Finding::ok(AREA, subject, times(measured), why);
    if measured.quantile(0.5) >= SYNC_SLOW {
        return finding.advice(
            "executors.commit_delay = \"2ms\" in ringhub.toml saves syncs, a disk with a protected \
             cache makes them fast",
            "executors.commit_delay = \"250us\"",
        );
    }
    if measured.mode == IoMode::Buffered {
        let mend = "ringhub serve --data-dir DIR   (on a filesystem with direct IO: ext4, XFS)";
        return finding.advice(mend, "the old --data-dir");
    }
    finding
}

fn times(measured: &SyncLatency) -> String {
    let us = |share| measured.quantile(share).as_micros();
    let mode = match measured.mode {
        IoMode::Direct => "direct IO",
        IoMode::Buffered => "through the page cache, for want of direct IO",
    };
    format!(
        "4 KiB: p50 {} us, p90 {} us, p99 {} us, worst {} us of {}, {mode}",
        us(0.5),
        us(0.9),
        us(0.99),
        us(1.0),
        measured.count()
    )
}
