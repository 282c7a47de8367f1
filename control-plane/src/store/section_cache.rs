//! Reported properties that devices change again and again, ready to be changed once more.

use std::cell::Cell;
use std::mem;

use ringhub_core::limits::STORE_SECTION_CACHE_BYTES_MAX;
use ringhub_core::number_map::NumberMap;
use ringhub_core::twin::Section;

use crate::directory::GenerationId;
use crate::twin::Reader;

/// Sections as the database has them or will have them after the commit, each by the generation of
/// its identity, which no other identity ever has. Who finds a section here need not ask whether
/// the identity is registered.
///
/// Only the connection that writes may have one. A section is taken out to be changed and put back.
/// Rows are [written](Self::write) later, some together and each once, but before the commit. What
/// is here includes what is not committed: a rollback clears it.
///
/// Two halves stand for an order of use: a full one is written and becomes the older one, and what
/// was not used since goes. Bounded by [`STORE_SECTION_CACHE_BYTES_MAX`].
#[derive(Debug, Default)]
pub(super) struct SectionCache {
    recent: Sections,
    older: Sections,
    /// Memory of the recent half.
    recent_bytes: usize,
    /// Those of the recent half whose rows are older, in the order of their changes; perhaps more
    /// than once, or here no more.
    unwritten: Vec<GenerationId>,
}

/// Rows that are written together: many enough for one look at the statement, few enough that what
/// was changed is still in the processor's cache.
const UNWRITTEN_MAX: usize = 32;

type Sections = NumberMap<GenerationId, Box<Kept>>;

/// A section, and whose it is.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) owner: Reader,
    pub(super) section: Section,
    /// Its row is older.
    is_changed: Cell<bool>,
    /// What the recent half counts for it.
    bytes: usize,
}

impl Kept {
    /// A section as its row has it.
    pub(super) fn new(owner: Reader, section: Section) -> Box<Self> {
        Box::new(Self { owner, section, is_changed: Cell::new(false), bytes: 0 })
    }

    /// Changes the section, or leaves it as it is.
    pub(super) fn change<E>(
        &mut self,
        change: impl FnOnce(&mut Section) -> Result<(), E>,
    ) -> Result<(), E> {
        change(&mut self.section)?;
        self.is_changed.set(true);
        Ok(())
    }
}

impl SectionCache {
    /// Takes a section out.
    pub(super) fn take(&mut self, generation: GenerationId) -> Option<Box<Kept>> {
        if let Some(kept) = self.recent.remove(&generation) {
            self.recent_bytes -= kept.bytes;
            return Some(kept);
        }
        self.older.remove(&generation)
    }

    /// Keeps a section that is not here. When that is too much, `write` takes what is to be
    /// written, as in [`write`](Self::write).
    pub(super) fn put<E>(
        &mut self,
        mut kept: Box<Kept>,
        write: impl FnOnce(&mut dyn Iterator<Item = &Kept>) -> Result<(), E>,
    ) -> Result<(), E> {
        // Limits keep each section far below this.
        const HALF: usize = STORE_SECTION_CACHE_BYTES_MAX / 2;
        kept.bytes = kept.section.memory_bytes() + size_of::<(GenerationId, Box<Kept>, Kept)>();
        let is_full = self.recent_bytes + kept.bytes > HALF;
        if is_full || self.unwritten.len() == UNWRITTEN_MAX {
            self.write(write)?;
        }
        if is_full {
            self.older = mem::take(&mut self.recent);
            self.recent_bytes = 0;
        }
        let generation = kept.owner.generation;
        if kept.is_changed.get() {
            self.unwritten.push(generation);
        }
        self.recent_bytes += kept.bytes;
        self.recent.insert(generation, kept);
        Ok(())
    }

    /// True when every row is as the section is here.
    pub(super) const fn is_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// Gives `write` the sections whose rows are older, in the order of their changes.
    ///
    /// # Errors
    /// That of `write`; what is here is then good for nothing but to be cleared.
    pub(super) fn write<E>(
        &mut self,
        write: impl FnOnce(&mut dyn Iterator<Item = &Kept>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { recent, unwritten, .. } = self;
        let kept = unwritten.drain(..).filter_map(|generation| recent.get(&generation));
        write(&mut kept.map(|kept| &**kept).filter(|kept| kept.is_changed.take()))
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use ringhub_core::id::{DeviceId, HubId, Identity};
    use ringhub_core::time::UnixMillis;
    use ringhub_core::twin::ReportedPatch;

    use super::*;

    fn fresh(generation: GenerationId) -> Box<Kept> {
        let device = DeviceId::parse("d").expect("valid");
        let identity = Identity { device, module: None };
        let owner = Reader { hub: HubId(0), identity, generation };
        Kept::new(owner, Section::new(UnixMillis::EPOCH))
    }

    fn report(kept: &mut Kept, text_bytes: usize) {
        let texts = (0..text_bytes / 1000).map(|n| format!("\"k{n}\":\"{}\"", "x".repeat(1000)));
        let patch = format!("{{{}}}", texts.collect::<Vec<_>>().join(","));
        let patch = ReportedPatch::parse(patch.as_bytes()).expect("it is JSON");
        let changed = kept.change(|section| section.report(&patch, UnixMillis::EPOCH));
        changed.expect("it is in bounds");
    }

    /// Puts a section, and adds what is written to `rows`: generations and versions.
    fn put(cache: &mut SectionCache, kept: Box<Kept>, rows: &mut Vec<(u64, u64)>) {
        cache.put(kept, |changed| note(changed, rows)).expect("nothing fails");
    }

    fn write(cache: &mut SectionCache, rows: &mut Vec<(u64, u64)>) {
        cache.write(|changed| note(changed, rows)).expect("nothing fails");
    }

    fn note(
        changed: &mut dyn Iterator<Item = &Kept>,
        rows: &mut Vec<(u64, u64)>,
    ) -> Result<(), Infallible> {
        rows.extend(changed.map(|kept| (kept.owner.generation.0, kept.section.version())));
        Ok(())
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes_before_the_bound_is_passed() {
        let mut cache = SectionCache::default();
        let mut rows = Vec::new();
        let mut often = fresh(GenerationId(0));
        report(&mut often, 20_000);
        let bytes = often.section.memory_bytes();
        assert!((20_000..40_000).contains(&bytes), "{bytes}");
        put(&mut cache, often, &mut rows);
        let others = 5 * (STORE_SECTION_CACHE_BYTES_MAX / bytes) as u64;
        for number in 1..=others {
            let mut kept = fresh(GenerationId(number));
            report(&mut kept, 20_000);
            put(&mut cache, kept, &mut rows);
            let used = cache.take(GenerationId(0)).expect("it was used just now");
            put(&mut cache, used, &mut rows);
            let kept = cache.recent.len() + cache.older.len();
            assert!(kept * bytes <= STORE_SECTION_CACHE_BYTES_MAX);
        }
        assert!(cache.take(GenerationId(1)).is_none());
        write(&mut cache, &mut rows);
        rows.sort_unstable();
        let expected: Vec<_> = (0..=others).map(|number| (number, 2)).collect();
        assert_eq!(rows, expected, "each change is written once, also of those that went");
        cache.clear();
        assert!(cache.take(GenerationId(0)).is_none() && cache.recent_bytes == 0);
    }

    #[test]
    fn a_section_is_written_once_in_its_last_version_and_only_if_it_is_here() {
        let mut cache = SectionCache::default();
        let mut rows = Vec::new();
        for generation in [1, 2, 3, 1, 2] {
            let generation = GenerationId(generation);
            let mut kept = cache.take(generation).unwrap_or_else(|| fresh(generation));
            assert!(cache.recent_bytes < cache.recent.len() * 1000 + 1);
            report(&mut kept, 0);
            put(&mut cache, kept, &mut rows);
        }
        let refused = cache.take(GenerationId(2)).map(|mut kept| {
            assert_eq!(kept.change(|_| Err("no")), Err("no"));
            put(&mut cache, kept, &mut rows);
        });
        assert!(refused.is_some() && rows.is_empty());
        cache.take(GenerationId(3)).expect("it is here");
        for expected in [&[(1, 3), (2, 3)][..], &[]] {
            write(&mut cache, &mut rows);
            assert_eq!(rows, expected);
            rows.clear();
        }
    }
}
