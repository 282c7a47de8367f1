//! Filesystem and device of the data directory.

use std::path::{Path, PathBuf};

use super::mounts::{mount_of, mounts};
use super::root::Root;

/// What holds the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The data directory, or the nearest folder above it that exists.
    pub directory: PathBuf,
    /// Name of the filesystem, such as `ext4`.
    pub fs_type: String,
    /// Bytes that this user may still write.
    pub free_bytes: Option<u64>,
    /// The block device; `None` for filesystems without one, and where it is not shown.
    pub device: Option<BlockDevice>,
}

/// A block device, as its queue describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDevice {
    /// Name, such as `nvme0n1`.
    pub name: String,
    /// Whether it says that it turns; virtual disks say so without reason.
    pub is_rotational: Option<bool>,
    /// `write back`: a volatile cache, which every sync empties; `write through`: none, or one that
    /// survives a loss of power.
    pub write_cache: Option<String>,
}

impl Disk {
    pub(super) fn read(root: &Root, data_directory: &Path) -> Option<Self> {
        let absolute = std::path::absolute(data_directory).ok()?;
        let directory = absolute.ancestors().find(|folder| folder.exists())?;
        // Where links lead is where the bytes go.
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        let mount = mount_of(&mounts(root), &directory)?;
        let free = rustix::fs::statvfs(&directory).ok();
        Some(Self {
            free_bytes: free.map(|vfs| vfs.f_bavail.saturating_mul(vfs.f_frsize)),
            device: BlockDevice::read(root, &mount.device),
            fs_type: mount.fs_type,
            directory,
        })
    }
}

impl BlockDevice {
    fn read(root: &Root, number: &str) -> Option<Self> {
        let device = root.path(&format!("/sys/dev/block/{number}")).canonicalize().ok()?;
        // The queue is that of the whole disk, also for a partition.
        let disk = device.ancestors().take(2).find(|folder| folder.join("queue").is_dir())?;
        let value = |name: &str| std::fs::read_to_string(disk.join("queue").join(name)).ok();
        Some(Self {
            name: disk.file_name()?.to_str()?.to_owned(),
            is_rotational: value("rotational").map(|flag| flag.trim() == "1"),
            write_cache: value("write_cache").map(|mode| mode.trim().to_owned()),
        })
    }
}
