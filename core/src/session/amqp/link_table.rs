//! The links of a connection: by id, and by name while they are attached.

use core::cmp::Ordering;

use super::link::{Link, LinkId};
use crate::codec::amqp::performative::Role;

/// What a link is found by when the peer attaches: links of other sessions may have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkName<'a> {
    pub(super) session: u16,
    /// Our role.
    pub(super) role: Role,
    pub(super) name: &'a str,
}

/// The links of a connection. A slot is used again; its generation tells the links apart.
///
/// A connection without links owns no memory here, and what a gateway's links took is given up when
/// the last one goes.
#[derive(Debug, Default)]
pub(super) struct LinkTable {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Links that keep others from their name, in the order of session, role and name: eight bytes
    /// a link, searched by halves.
    named: Vec<LinkId>,
    /// Generation of the next link.
    next_generation: u32,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    link: Option<Link>,
}

impl LinkTable {
    pub(super) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a link in, under its name: whoever had that before is found by it no more.
    pub(super) fn insert(&mut self, link: Link) -> LinkId {
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        let slot = Slot { generation, link: Some(link) };
        let number = if let Some(number) = self.free.pop() {
            self.slots[index(number)] = slot;
            number
        } else {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).expect("the number of links is bounded")
        };
        let id = LinkId { slot: number, generation };
        self.set_name(id);
        id
    }

    fn set_name(&mut self, id: LinkId) {
        let Some(link) = self.link(id) else { return };
        match self.place_of(link.full_name()) {
            Ok(place) => self.named[place] = id,
            Err(place) => self.named.insert(place, id),
        }
    }

    /// Lets others have the name of a link that is on its way out.
    pub(super) fn free_name(&mut self, id: LinkId) {
        let Some(link) = self.link(id) else { return };
        if let Ok(place) = self.place_of(link.full_name())
            && self.named[place] == id
        {
            self.named.remove(place);
        }
    }

    /// The link that has a name.
    pub(super) fn find(&self, name: LinkName<'_>) -> Option<LinkId> {
        self.place_of(name).ok().map(|place| self.named[place])
    }

    fn place_of(&self, name: LinkName<'_>) -> Result<usize, usize> {
        self.named.binary_search_by(|id| {
            self.link(*id).map_or(Ordering::Less, |link| link.full_name().cmp(&name))
        })
    }

    pub(super) fn link(&self, id: LinkId) -> Option<&Link> {
        let slot = self.slots.get(index(id.slot))?;
        slot.link.as_ref().filter(|_| slot.generation == id.generation)
    }

    pub(super) fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let slot = self.slots.get_mut(index(id.slot))?;
        slot.link.as_mut().filter(|_| slot.generation == id.generation)
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        self.link(id)?;
        self.free_name(id);
        let link = self.slots[index(id.slot)].link.take()?;
        self.free.push(id.slot);
        if self.len() == 0 {
            let next_generation = self.next_generation;
            *self = Self { next_generation, ..Self::default() };
        }
        Some(link)
    }
}

impl Link {
    fn full_name(&self) -> LinkName<'_> {
        LinkName { session: self.session, role: self.role, name: &self.name }
    }
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(session: u16, role: Role, name: &str) -> Link {
        Link::new(session, name, role, 0)
    }

    fn name(session: u16, role: Role, name: &str) -> LinkName<'_> {
        LinkName { session, role, name }
    }

    #[test]
    fn a_name_is_one_per_session_and_role() {
        let mut table = LinkTable::default();
        let mut ids = Vec::new();
        for session in [7, 3, 5] {
            for role in [Role::Sender, Role::Receiver] {
                for text in ["b", "a", ""] {
                    ids.push((session, role, text, table.insert(link(session, role, text))));
                }
            }
        }
        for (session, role, text, id) in ids {
            assert_eq!(table.find(name(session, role, text)), Some(id));
        }
        assert_eq!(table.find(name(4, Role::Sender, "a")), None);
        assert_eq!(table.find(name(3, Role::Sender, "c")), None);
        assert_eq!(table.len(), 18);
    }

    #[test]
    fn a_link_on_its_way_out_keeps_nobody_from_its_name() {
        let mut table = LinkTable::default();
        let old = table.insert(link(0, Role::Sender, "x"));
        table.free_name(old);
        assert_eq!(table.find(name(0, Role::Sender, "x")), None);
        let new = table.insert(link(0, Role::Sender, "x"));
        table.remove(old);
        assert_eq!(table.find(name(0, Role::Sender, "x")), Some(new));
    }

    #[test]
    fn an_id_means_nothing_once_its_link_is_gone() {
        let mut table = LinkTable::default();
        let old = table.insert(link(0, Role::Sender, "x"));
        table.remove(old);
        assert!(table.slots.capacity() == 0 && table.named.capacity() == 0, "room is given up");
        let new = table.insert(link(0, Role::Sender, "x"));
        assert!(table.link(old).is_none() && table.remove(old).is_none());
        assert!(table.link(new).is_some());
    }
}
