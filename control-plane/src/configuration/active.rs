//! The configurations of a hub in memory, for those who have to look at all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::{Configuration, Kind};
use crate::directory::Shared;
use crate::query::Sees;

/// Something that has changed of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// What back ends write, or the identity itself.
    ServiceSide,
    /// Reported properties.
    Reported,
    /// What configurations themselves have set.
    Set,
}

impl Followed {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The configurations of a hub, from the lowest rank to the highest.
#[derive(Debug)]
pub(crate) struct Configurations {
    list: Shared<Arc<Configuration>>,
    /// Bits of what may change who is targeted: looked at with every change of a twin.
    followed: AtomicU8,
}

impl Configurations {
    pub(crate) fn new(configurations: Vec<Configuration>) -> Self {
        let new = Self { list: Shared::new(Vec::new()), followed: AtomicU8::new(0) };
        new.replace(configurations);
        new
    }

    pub(crate) fn replace(&self, configurations: Vec<Configuration>) {
        let mut list: Vec<_> = configurations.into_iter().map(Arc::new).collect();
        list.sort_by(|one, other| one.rank().cmp(&other.rank()));
        let mut followed = 0;
        for configuration in &list {
            let Sees { desired, reported, .. } = configuration.target.sees();
            followed |= Followed::ServiceSide.bit();
            followed |= if reported { Followed::Reported.bit() } else { 0 };
            followed |= if desired { Followed::Set.bit() } else { 0 };
        }
        self.list.replace(list);
        self.followed.store(followed, Relaxed);
    }

    /// All of them at this moment.
    pub(super) fn read(&self) -> Arc<[Arc<Configuration>]> {
        self.list.read()
    }

    /// Whether such a change of an identity can matter to any of them. Costs one load.
    pub(crate) fn follow(&self, change: Followed) -> bool {
        self.followed.load(Relaxed) & change.bit() != 0
    }
}

/// Those of some kinds, with their order.
pub(super) fn of_kinds<'l>(
    list: &'l [Arc<Configuration>],
    kinds: &[Kind],
) -> Vec<&'l Arc<Configuration>> {
    list.iter().filter(|configuration| kinds.contains(&configuration.kind())).collect()
}
