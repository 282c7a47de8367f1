//! How many connections this process may open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything that is no connection: standard streams, the runtime, the files of
/// `/proc`.
const RESERVED: u64 = 64;

/// The process may not open as many connections as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{wanted} connections do not fit into one process, which may open {fit} (RLIMIT_NOFILE, hard \
     limit): give more --workers, or raise the limit with `ulimit -Hn` as root"
)]
pub struct TooFewDescriptors {
    /// Connections asked for.
    pub wanted: u32,
    /// Connections that fit.
    pub fit: u64,
}

/// Raises the limit of descriptors to the hard limit and gives the number of connections that fit;
/// `None` is no limit.
pub(crate) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let usable = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    usable.map(|descriptors| descriptors.saturating_sub(RESERVED))
}

/// As few processes as have room for so many connections.
pub(crate) fn workers_for(connections: u32, fit: Option<u64>) -> u32 {
    let fit = fit.and_then(|fit| u32::try_from(fit).ok()).unwrap_or(u32::MAX);
    connections.div_ceil(fit.max(1)).max(1)
}

/// Checks that `wanted` connections fit.
pub(crate) fn check(wanted: u32, fit: Option<u64>) -> Result<(), TooFewDescriptors> {
    match fit {
        Some(fit) if u64::from(wanted) > fit => Err(TooFewDescriptors { wanted, fit }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_many_connections_fit() {
        assert_eq!(check(100, Some(100)), Ok(()));
        assert_eq!(check(u32::MAX, None), Ok(()));
        let error = check(101, Some(100)).unwrap_err();
        assert_eq!(error, TooFewDescriptors { wanted: 101, fit: 100 });
        assert!(error.to_string().contains("may open 100"), "{error}");
    }

    #[test]
    fn takes_as_few_workers_as_have_room() {
        for (connections, workers) in [(0, 1), (100, 1), (101, 2), (1_000, 10)] {
            assert_eq!(workers_for(connections, Some(100)), workers);
        }
        assert_eq!(workers_for(u32::MAX, None), 1);
    }

    #[test]
    fn raises_to_the_hard_limit() {
        let fit = raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(fit, limit.maximum.map(|descriptors| descriptors - RESERVED));
    }
}
