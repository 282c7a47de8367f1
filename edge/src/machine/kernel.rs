//! Version and settings of the kernel, and the memory that it sees.

use super::root::Root;

/// What the kernel says about itself.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Release, such as `6.8.0-45-generic`.
    pub release: Option<String>,
    /// Memory of the machine in bytes.
    pub memory_bytes: Option<u64>,
    /// Transparent huge pages: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    root: Root,
}

impl Kernel {
    pub(super) fn read(root: &Root) -> Self {
        let huge_pages = root.text("/sys/kernel/mm/transparent_hugepage/enabled");
        Self {
            release: root.text("/proc/sys/kernel/osrelease"),
            memory_bytes: memory_bytes(root),
            huge_pages: huge_pages.as_deref().and_then(chosen).map(ToOwned::to_owned),
            root: root.clone(),
        }
    }

    /// Major and minor number of the version.
    #[must_use]
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release.as_deref()?.split(|c: char| !c.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }

    /// A setting by its name, such as `net.core.somaxconn`.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<String> {
        self.root.text(&format!("/proc/sys/{}", name.replace('.', "/")))
    }

    /// A setting that is one number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.setting(name)?.parse().ok()
    }
}

/// The word in brackets: `always [madvise] never`.
fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(word, _)| word)
}

fn memory_bytes(root: &Root) -> Option<u64> {
    let text = root.text("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_choices() {
        let mut kernel = Kernel::read(&Root::system());
        assert!(kernel.version() >= Some((5, 19)), "{kernel:?}");
        assert!(kernel.memory_bytes > Some(1 << 20) && kernel.number("fs.nr_open").is_some());
        kernel.release = Some("5.4.0-42-generic".to_owned());
        assert_eq!(kernel.version(), Some((5, 4)));
        kernel.release = Some("unknown".to_owned());
        assert_eq!(kernel.version(), None);
        assert_eq!(chosen("always [madvise] never"), Some("madvise"));
        assert_eq!(chosen("always"), None);
    }
}
