//! Where many partitions stand.

use std::collections::BTreeMap;

use super::PartitionState;
use crate::id::{HubId, HubPartition, PartitionId};

/// States of the partitions that have had an event, in the order of hub and partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States(BTreeMap<HubPartition, PartitionState>);

impl States {
    /// The state of `place`; that of a new partition if it has never had an event.
    #[must_use]
    pub fn get(&self, place: HubPartition) -> PartitionState {
        self.find(place).copied().unwrap_or_else(|| PartitionState::new(place))
    }

    /// The state of `place`, if it has had an event.
    #[must_use]
    pub fn find(&self, place: HubPartition) -> Option<&PartitionState> {
        self.0.get(&place)
    }

    /// Takes `state` in the place of what was known of its partition; without an event, nothing
    /// is.
    pub fn insert(&mut self, state: PartitionState) {
        if state.last.is_some() {
            self.0.insert(state.place, state);
        }
    }

    /// Number of partitions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if no partition has had an event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All states, in order.
    pub fn iter(&self) -> impl Iterator<Item = &PartitionState> + Clone {
        self.0.values()
    }

    /// The hubs of the partitions, each once.
    pub fn hubs(&self) -> impl Iterator<Item = HubId> + '_ {
        let mut last = None;
        self.0.keys().filter_map(move |place| {
            (last.replace(place.hub) != Some(place.hub)).then_some(place.hub)
        })
    }

    /// True if a partition of `hub` is here.
    #[must_use]
    pub fn has_hub(&self, hub: HubId) -> bool {
        let first = HubPartition { hub, partition: PartitionId(0) };
        self.0.range(first..).next().is_some_and(|(place, _)| place.hub == hub)
    }

    /// True if both say the same of every hub that both know. What one of them does not know was
    /// removed, or had no event yet.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let ours = self.iter().filter(|state| other.has_hub(state.place.hub));
        let theirs = other.iter().filter(|state| self.has_hub(state.place.hub));
        ours.eq(theirs)
    }
}

impl FromIterator<PartitionState> for States {
    fn from_iter<I: IntoIterator<Item = PartitionState>>(states: I) -> Self {
        let mut all = Self::default();
        all.extend(states);
        all
    }
}

impl Extend<PartitionState> for States {
    fn extend<I: IntoIterator<Item = PartitionState>>(&mut self, states: I) {
        states.into_iter().for_each(|state| self.insert(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMillis;

    fn states(events: &[(u32, u16, usize)]) -> States {
        let state = |&(hub, partition, count): &(u32, u16, usize)| {
            let place = HubPartition { hub: HubId(hub), partition: PartitionId(partition) };
            let mut state = PartitionState::new(place);
            for _ in 0..count {
                state.append(64, UnixMillis::EPOCH);
            }
            state
        };
        events.iter().map(state).collect()
    }

    #[test]
    fn a_partition_without_event_is_not_among_them() {
        let states = states(&[(0, 0, 1), (0, 1, 0), (3, 2, 4)]);
        assert_eq!(states.len(), 2);
        assert_eq!(states.hubs().collect::<Vec<_>>(), [HubId(0), HubId(3)]);
        assert!(states.has_hub(HubId(3)) && !states.has_hub(HubId(2)));
        let place = HubPartition { hub: HubId(9), partition: PartitionId(1) };
        assert_eq!(states.get(place), PartitionState::new(place));
    }

    #[test]
    fn hubs_that_only_one_side_knows_do_not_count() {
        let before = states(&[(0, 0, 1), (1, 0, 2), (1, 1, 1)]);
        for (after, agrees) in [
            (states(&[(0, 0, 1), (1, 0, 2), (1, 1, 1)]), true),
            (states(&[(0, 0, 1)]), true),
            (states(&[(0, 0, 1), (7, 0, 2)]), true),
            (states(&[]), true),
            (states(&[(0, 0, 2)]), false),
            (states(&[(0, 0, 1), (1, 0, 2)]), false),
            (states(&[(0, 0, 1), (0, 1, 1)]), false),
        ] {
            assert_eq!(before.agrees_with(&after), agrees, "{after:?}");
            assert_eq!(after.agrees_with(&before), agrees, "{after:?}");
        }
    }
}
