//! What the kernel allows this process.

use super::root::Root;

/// Number of the capability to bind any port.
///
/// Source: capabilities(7), `CAP_NET_BIND_SERVICE`.
const BIND_ANY_PORT: u32 = 10;

/// A resource limit; `None` is without a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What holds now.
    pub soft: Option<u64>,
    /// What the process may raise it to.
    pub hard: Option<u64>,
}

/// Limits and privileges of this process, which are those of a hub that is started in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Descriptors of a table (`RLIMIT_NOFILE`).
    pub open_files: Option<Limit>,
    /// Bytes that may be locked (`RLIMIT_MEMLOCK`).
    pub locked_memory: Option<Limit>,
    /// Threads and processes of the user (`RLIMIT_NPROC`).
    pub tasks: Option<Limit>,
    /// Whether any port may be bound, whatever the kernel's setting.
    pub binds_any_port: Option<bool>,
}

impl Process {
    pub(super) fn read(root: &Root) -> Self {
        let limits = root.text("/proc/self/limits").unwrap_or_default();
        Self {
            open_files: limit(&limits, "Max open files"),
            locked_memory: limit(&limits, "Max locked memory"),
            tasks: limit(&limits, "Max processes"),
            binds_any_port: binds_any_port(root),
        }
    }
}

fn limit(limits: &str, name: &str) -> Option<Limit> {
    let mut values = limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace();
    let mut value = || match values.next()? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    };
    Some(Limit { soft: value()?, hard: value()? })
}

fn binds_any_port(root: &Root) -> Option<bool> {
    let status = root.text("/proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let effective = u64::from_str_radix(effective.trim(), 16).ok()?;
    Some(effective >> BIND_ANY_PORT & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Resource, getrlimit};

    #[test]
    fn the_file_and_the_call_agree() {
        let read = Process::read(&Root::system());
        let called = getrlimit(Resource::Memlock);
        let expected = Limit { soft: called.current, hard: called.maximum };
        assert_eq!(read.locked_memory, Some(expected));
        assert!(read.binds_any_port.is_some() && read.open_files.is_some(), "{read:?}");
    }

    #[test]
    fn what_is_no_limit_is_unknown() {
        assert_eq!(limit("Max open files  many  more  files", "Max open files"), None);
        let expected = Limit { soft: Some(1024), hard: None };
        assert_eq!(limit("Max x  1024  unlimited  files", "Max x"), Some(expected));
    }
}
