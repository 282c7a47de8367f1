//! `/proc/self/mountinfo`.
//!
//! Source: proc_pid_mountinfo(5).

use std::path::{Path, PathBuf};

use super::root::Root;

/// One mounted filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Number of the device, `254:0`.
    pub(super) device: String,
    /// What of the filesystem is mounted; `/` for all of it.
    pub(super) root: PathBuf,
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// Name of the filesystem, such as `ext4`.
    pub(super) fs_type: String,
    /// Options of the filesystem, separated by commas; for a control group its controllers.
    pub(super) fs_options: String,
}

/// All mounts, in the order in which they were made.
pub(super) fn mounts(root: &Root) -> Vec<Mount> {
    let text = root.text("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter_map(parse).collect()
}

/// The mount that holds `path`: of the longest matching points the last, which hides the others.
pub(super) fn mount_of(mounts: &[Mount], path: &Path) -> Option<Mount> {
    let holding = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    holding.max_by_key(|mount| mount.point.components().count()).cloned()
}

fn parse(line: &str) -> Option<Mount> {
    let (of_mount, of_filesystem) = line.split_once(" - ")?;
    let mut fields = of_mount.split(' ').skip(2);
    let mut filesystem = of_filesystem.split(' ');
    Some(Mount {
        device: fields.next()?.to_owned(),
        root: PathBuf::from(unescape(fields.next()?)),
        point: PathBuf::from(unescape(fields.next()?)),
        fs_type: filesystem.next()?.to_owned(),
        fs_options: filesystem.nth(1).unwrap_or_default().to_owned(),
    })
}

/// Blanks, tabs, line ends and backslashes stand as three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_holds_a_path() {
        let lines = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
                     40 27 8:17 / /srv/my\\040data rw shared:7 - xfs /dev/sdb1 rw";
        let mounts: Vec<Mount> = lines.lines().filter_map(parse).collect();
        let found = |path: &str| mount_of(&mounts, Path::new(path)).unwrap();
        assert_eq!(found("/srv/my data/hub").device, "8:17");
        assert_eq!(found("/srv/my").fs_type, "ext4");
        assert_eq!(found("/").fs_options, "rw,discard");
        assert_eq!(parse("no mount"), None);
    }
}
