//! The connections of a shard, by slot and generation.

use ringhub_core::id::{ConnectionId, ShardId};

/// Slots that are kept, however few are taken.
const SLOTS_KEPT: usize = 1024;

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<Box<T>>,
}

/// A slab whose ids are never mistaken for those of a later owner of the same slot.
#[derive(Debug)]
pub(super) struct Table<T> {
    shard: ShardId,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    capacity: u32,
    /// Generation of a slot that is made: no slot that was given up has had an owner of it.
    first_generation: u32,
    /// Most values since slots were given up.
    most: usize,
}

impl<T> Table<T> {
    pub(super) fn new(shard: ShardId, capacity: u32) -> Self {
        let (slots, free) = (Vec::new(), Vec::new());
        Self { shard, slots, free, capacity, first_generation: 0, most: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Bytes of the slots and of the values in them, without what values own.
    pub(super) fn memory(&self) -> usize {
        let slots = self.slots.capacity() * size_of::<Slot<T>>();
        slots + self.free.capacity() * size_of::<u32>() + self.len() * size_of::<T>()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.capacity as usize
    }

    /// Adds a value; `None` when the table is full.
    pub(super) fn insert(&mut self, value: Box<T>) -> Option<ConnectionId> {
        if self.is_full() {
            return None;
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot { generation: self.first_generation, value: None });
                u32::try_from(self.slots.len() - 1).expect("capacity is a u32")
            }
        };
        self.most = self.most.max(self.len());
        let entry = &mut self.slots[slot as usize];
        entry.value = Some(value);
        Some(ConnectionId { shard: self.shard, slot, generation: entry.generation })
    }

    /// Whether `id` has a value.
    pub(super) fn holds(&self, id: ConnectionId) -> bool {
        let entry = self.slots.get(id.slot as usize).filter(|_| id.shard == self.shard);
        entry.is_some_and(|entry| entry.generation == id.generation && entry.value.is_some())
    }

    /// The value, if `id` is its present owner.
    pub(super) fn find(&mut self, id: ConnectionId) -> Option<&mut T> {
        let entry = self.slots.get_mut(id.slot as usize)?;
        if entry.generation != id.generation || id.shard != self.shard {
            return None;
        }
        entry.value.as_deref_mut()
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Box<T>> {
        self.find(id)?;
        let entry = &mut self.slots[id.slot as usize];
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(id.slot);
        entry.value.take()
    }

    /// Gives up the free slots at the end, if half of the values have gone since the last time;
    /// whether they have. Linear in the slots then, so constant for each value that goes.
    pub(super) fn shrink(&mut self) -> bool {
        if self.slots.len() <= SLOTS_KEPT || 2 * self.len() > self.most {
            return false;
        }
        self.most = self.len();
        let last = self.slots.iter().rposition(|slot| slot.value.is_some());
        let kept = last.map_or(0, |last| last + 1).max(SLOTS_KEPT);
        let given_up = self.slots.drain(kept.min(self.slots.len())..);
        let newest = given_up.map(|slot| slot.generation).max();
        self.first_generation = self.first_generation.max(newest.unwrap_or(0));
        self.free.retain(|slot| (*slot as usize) < kept);
        self.slots.shrink_to_fit();
        self.free.shrink_to_fit();
        true
    }

    /// Ids of all values at this moment.
    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        let occupied = self.slots.iter().zip(0_u32..).filter(|(entry, _)| entry.value.is_some());
        occupied
            .map(|(entry, slot)| ConnectionId {
                shard: self.shard,
                slot,
                generation: entry.generation,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_never_reaches_the_next_owner() {
        let mut table = Table::new(ShardId(3), 2);
        let old = table.insert(Box::new('a')).expect("room");
        assert_eq!(table.remove(old).as_deref(), Some(&'a'));
        let new = table.insert(Box::new('b')).expect("room");
        assert_eq!((new.slot, new.generation), (old.slot, old.generation + 1));
        assert_eq!(table.find(old), None);
        assert_eq!(table.remove(old), None);
        assert_eq!(table.find(new), Some(&mut 'b'));
        assert_eq!(table.find(ConnectionId { shard: ShardId(4), ..new }), None);
    }

    #[test]
    fn slots_are_given_up_and_their_ids_never_come_again() {
        let mut table = Table::new(ShardId(0), u32::MAX);
        let ids: Vec<_> = (0..5000).map(|n| table.insert(Box::new(n)).expect("room")).collect();
        let full = table.memory();
        let (staying, leaving) = ids.split_first().expect("there are some");
        for id in leaving {
            table.remove(*id);
            assert!(table.shrink() == (table.len() == table.most));
        }
        assert!(table.memory() * 4 < full, "{} of {full}", table.memory());
        assert!(table.holds(*staying) && !leaving.iter().any(|id| table.holds(*id)));
        for _ in 0..5000 {
            let id = table.insert(Box::new(0)).expect("room");
            assert!(table.holds(id) && !ids.contains(&id));
        }
        assert_eq!(table.len(), 5001);
    }

    #[test]
    fn a_full_table_takes_nothing_until_a_slot_is_free() {
        let mut table = Table::new(ShardId(0), 1);
        let first = table.insert(Box::new(1)).expect("room");
        assert_eq!(table.insert(Box::new(2)), None);
        table.remove(first);
        assert!(table.insert(Box::new(3)).is_some());
        assert_eq!((table.len(), table.ids().len()), (1, 1));
    }
}
