//! The values of a section: their JSON, which is what is stored, and an index of it.
//!
//! A change writes JSON and index anew and copies what the patch does not name, so that the cost of
//! a report is that of two short copies, whatever is in the section.

use core::cmp::Ordering;
use core::ops::Range;
use std::borrow::Cow;

use super::json;
use super::patch_value::{PatchMembers, PatchValue};
use super::size::Size;
use super::stamp::Stamp;

/// Room for what a patch adds, in bytes and in values.
const SPARE_BYTES: usize = 64;
const SPARE_ENTRIES: usize = 4;

/// Members of an object and of the objects in it. Arrays change as a whole, so what is in them has
/// no entries.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    /// JSON object without spaces, names in order.
    json: String,
    /// All values, each before those in it.
    entries: Vec<Entry>,
    size: Size,
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    stamp: Stamp,
    /// Place of the name, between its quotes.
    name_start: u32,
    name_end: u32,
    /// Place of the value, which follows the name.
    value_end: u32,
    /// Entries of the value: its own and those of the values in it.
    len: u32,
    /// Of name and value, without that of the values in it.
    size: Size,
    /// JSON writes the name with escapes.
    has_escapes: bool,
}

/// A value of a tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'t> {
    tree: &'t Tree,
    index: usize,
}

impl Tree {
    /// No JSON yet.
    const NONE: Self =
        Self { json: String::new(), entries: Vec::new(), size: Size { counted: 0, held: 0 } };

    pub(super) fn new() -> Self {
        Self { json: "{}".to_owned(), ..Self::NONE }
    }

    /// Makes a tree of one age, without the nulls of `members`.
    pub(super) fn of(members: &PatchMembers<'_>, stamp: Stamp) -> Self {
        Self::NONE.merged(members, stamp)
    }

    /// Merges a patch: objects deeply, everything else as a whole, `null` removes. Each value that
    /// the patch names gets the stamp, also when it stays the same.
    ///
    /// Source: RFC 7396; control-plane reference, "PATCH semantics".
    pub(super) fn merged(&self, patch: &PatchMembers<'_>, stamp: Stamp) -> Self {
        let mut writer = TreeWriter {
            stamp,
            json: String::with_capacity(self.json.len() + SPARE_BYTES),
            entries: Vec::with_capacity(self.entries.len() + SPARE_ENTRIES),
            size: Size::default(),
        };
        writer.merge(self, 0..self.entries.len(), patch);
        Self { json: writer.json, entries: writer.entries, size: writer.size }
    }

    pub(super) fn json(&self) -> &str {
        &self.json
    }

    pub(super) const fn size(&self) -> Size {
        self.size
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory behind the tree, in bytes.
    pub(super) const fn memory_bytes(&self) -> usize {
        self.json.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Stamps of all values, parents first and names in order.
    pub(super) fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.entries.iter().map(|entry| entry.stamp)
    }

    /// As [`stamps`](Self::stamps), to be set.
    pub(super) fn stamps_mut(&mut self) -> impl Iterator<Item = &mut Stamp> {
        self.entries.iter_mut().map(|entry| &mut entry.stamp)
    }

    /// The members at the top.
    pub(super) fn members(&self) -> Members<'_> {
        self.siblings(0..self.entries.len())
    }

    const fn siblings(&self, range: Range<usize>) -> Members<'_> {
        Members { tree: self, rest: range }
    }
}

impl<'t> Member<'t> {
    fn entry(self) -> &'t Entry {
        &self.tree.entries[self.index]
    }

    fn encoded_name(self) -> &'t str {
        let Entry { name_start, name_end, .. } = *self.entry();
        &self.tree.json[name_start as usize..name_end as usize]
    }

    pub(super) fn name(self) -> Cow<'t, str> {
        let name = self.encoded_name();
        if !self.entry().has_escapes {
            return name.into();
        }
        serde_json::from_str(&format!("\"{name}\"")).unwrap_or_else(|_| name.to_owned()).into()
    }

    pub(super) fn json(self) -> &'t str {
        let Entry { name_end, value_end, .. } = *self.entry();
        // After the quote and the colon.
        &self.tree.json[name_end as usize + 2..value_end as usize]
    }

    pub(super) fn stamp(self) -> Stamp {
        self.entry().stamp
    }

    fn is_object(self) -> bool {
        self.json().starts_with('{')
    }

    /// Entries of the values in it.
    fn inner(self) -> Range<usize> {
        self.index + 1..self.end()
    }

    fn end(self) -> usize {
        self.index + self.entry().len as usize
    }

    /// Members, if it is an object that has some.
    pub(super) fn members(self) -> Members<'t> {
        self.tree.siblings(self.inner())
    }

    fn cmp_name(self, name: &str) -> Ordering {
        if self.entry().has_escapes {
            (*self.name()).cmp(name)
        } else {
            self.encoded_name().cmp(name)
        }
    }
}

/// Members of one object, in the order of their names.
#[derive(Clone, Debug)]
pub(super) struct Members<'t> {
    tree: &'t Tree,
    rest: Range<usize>,
}

impl<'t> Iterator for Members<'t> {
    type Item = Member<'t>;

    fn next(&mut self) -> Option<Member<'t>> {
        let member = Member { tree: self.tree, index: self.rest.start };
        (!self.rest.is_empty()).then(|| {
            self.rest.start = member.end();
            member
        })
    }
}

/// Writes a tree from front to end.
struct TreeWriter {
    stamp: Stamp,
    json: String,
    entries: Vec<Entry>,
    size: Size,
}

impl TreeWriter {
    /// Writes an object: the members `range` of `old` with `patch` merged into them.
    fn merge(&mut self, old: &Tree, range: Range<usize>, patch: &PatchMembers<'_>) {
        self.json.push('{');
        let mut rest = range;
        for (name, value) in patch.iter() {
            let mut members = old.siblings(rest.clone()).map(|next| (next, next.cmp_name(name)));
            let next = members.find(|(_, order)| order.is_ge());
            let start = next.map_or(rest.end, |(next, _)| next.index);
            self.copy(old, rest.start..start);
            let same = next.filter(|(_, order)| order.is_eq()).map(|(same, _)| same);
            rest.start = same.map_or(start, Member::end);
            match (value, same.filter(|same| same.is_object())) {
                (PatchValue::Null, _) => {}
                (PatchValue::Object(patch), Some(same)) => {
                    self.member(name, Size::OBJECT, |new| new.merge(old, same.inner(), patch));
                }
                (value, _) => self.write(name, value),
            }
        }
        self.copy(old, rest);
        self.json.push('}');
    }

    fn write(&mut self, name: &str, value: &PatchValue<'_>) {
        match value {
            PatchValue::Object(members) => {
                const NONE: &Tree = &Tree::NONE;
                self.member(name, Size::OBJECT, |new| new.merge(NONE, 0..0, members));
            }
            leaf => self.member(name, Size::of_value(leaf), |new| json::write(leaf, &mut new.json)),
        }
    }

    /// Writes a name, and the value by `write`; `own` is the size of the value without others in
    /// it.
    fn member(&mut self, name: &str, own: Size, write: impl FnOnce(&mut Self)) {
        self.separate();
        let index = self.entries.len();
        let name_start = self.place() + 1;
        let has_escapes = json::write_text(name, &mut self.json);
        let size = Size::of_name(name) + own;
        self.size += size;
        let (stamp, name_end) = (self.stamp, self.place() - 1);
        let value_end = 0;
        let entry = Entry { stamp, name_start, name_end, value_end, len: 1, size, has_escapes };
        self.entries.push(entry);
        self.json.push(':');
        write(self);
        let (value_end, len) = (self.place(), (self.entries.len() - index) as u32);
        let entry = &mut self.entries[index];
        (entry.value_end, entry.len) = (value_end, len);
    }

    /// Copies siblings as they are.
    fn copy(&mut self, old: &Tree, range: Range<usize>) {
        let entries = &old.entries[range];
        let Some(first) = entries.first() else { return };
        let end = entries.iter().fold(0, |end, entry| end.max(entry.value_end));
        self.separate();
        let start = first.name_start - 1;
        let shift = self.place().wrapping_sub(start);
        self.json.push_str(&old.json[start as usize..end as usize]);
        self.entries.extend(entries.iter().map(|entry| Entry {
            name_start: entry.name_start.wrapping_add(shift),
            name_end: entry.name_end.wrapping_add(shift),
            value_end: entry.value_end.wrapping_add(shift),
            ..*entry
        }));
        self.size = entries.iter().fold(self.size, |size, entry| size + entry.size);
    }

    /// A comma, unless nothing stands before it in its object.
    fn separate(&mut self) {
        if !self.json.ends_with('{') {
            self.json.push(',');
        }
    }

    fn place(&self) -> u32 {
        self.json.len() as u32
    }
}
