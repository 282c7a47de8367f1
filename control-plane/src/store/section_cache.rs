//! Reported properties that devices change again and again, ready to be changed once more.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;

use ringhub_core::limits::STORE_SECTION_CACHE_BYTES_MAX;
use ringhub_core::twin::Section;

use crate::directory::GenerationId;

/// Sections as the database has them, each by the generation of its identity, which no other
/// identity ever has. Who finds a section here need not ask whether the identity is registered.
///
/// Only the connection that writes may have one. A section is taken out to be changed and put back
/// once it is written, so one whose change was refused is not here any more. What is here includes
/// what is not committed: a rollback clears it.
///
/// Two halves stand for an order of use: a full one becomes the older one, and what was not used
/// since goes. Bounded by [`STORE_SECTION_CACHE_BYTES_MAX`].
#[derive(Debug, Default)]
pub(super) struct SectionCache {
    recent: Sections,
    older: Sections,
    /// Memory of the recent half.
    recent_bytes: usize,
}

type Sections = HashMap<GenerationId, Kept, BuildHasherDefault<GenerationHasher>>;

#[derive(Debug)]
struct Kept {
    section: Section,
    bytes: usize,
}

/// Spreads generations, which the hub gives out itself: nobody can choose them to collide.
#[derive(Debug, Default)]
struct GenerationHasher(u64);

impl Hasher for GenerationHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl SectionCache {
    /// Takes a section out.
    pub(super) fn take(&mut self, generation: GenerationId) -> Option<Section> {
        if let Some(kept) = self.recent.remove(&generation) {
            self.recent_bytes -= kept.bytes;
            return Some(kept.section);
        }
        self.older.remove(&generation).map(|kept| kept.section)
    }

    /// Keeps a section that was written and is not here, unless it needs more than half of the
    /// room.
    pub(super) fn put(&mut self, generation: GenerationId, section: Section) {
        const HALF: usize = STORE_SECTION_CACHE_BYTES_MAX / 2;
        let bytes = section.memory_bytes() + size_of::<(GenerationId, Kept)>();
        if bytes > HALF {
            return;
        }
        if self.recent_bytes + bytes > HALF {
            self.older = mem::take(&mut self.recent);
            self.recent_bytes = 0;
        }
        self.recent_bytes += bytes;
        self.recent.insert(generation, Kept { section, bytes });
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use ringhub_core::time::UnixMillis;
    use ringhub_core::twin::ReportedPatch;

    use super::*;

    fn section(text_bytes: usize) -> Section {
        let now = UnixMillis::from_millis(1);
        let texts = (0..text_bytes / 1000).map(|n| format!("\"k{n}\":\"{}\"", "x".repeat(1000)));
        let patch = format!("{{{}}}", texts.collect::<Vec<_>>().join(","));
        let patch = ReportedPatch::parse(patch.as_bytes()).expect("it is JSON");
        Section::new(now).report(&patch, now).expect("it is in bounds")
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes_before_the_bound_is_passed() {
        let mut cache = SectionCache::default();
        let bytes = section(20_000).memory_bytes();
        assert!((20_000..40_000).contains(&bytes), "{bytes}");
        let often = GenerationId(0);
        cache.put(often, section(20_000));
        for number in 1..=5 * (STORE_SECTION_CACHE_BYTES_MAX / bytes) as u64 {
            cache.put(GenerationId(number), section(20_000));
            let used = cache.take(often).expect("it was used just now");
            cache.put(often, used);
            let kept = cache.recent.len() + cache.older.len();
            assert!(kept * bytes <= STORE_SECTION_CACHE_BYTES_MAX);
        }
        assert!(cache.take(GenerationId(1)).is_none());
        cache.clear();
        assert!(cache.take(often).is_none() && cache.recent_bytes == 0);
    }

    #[test]
    fn what_is_taken_is_counted_no_more() {
        let mut cache = SectionCache::default();
        for _ in 0..2 {
            cache.put(GenerationId(1), section(0));
            assert!(cache.recent_bytes > 0);
            assert_eq!(cache.take(GenerationId(1)), Some(section(0)));
            assert_eq!(cache.recent_bytes, 0);
            assert_eq!(cache.take(GenerationId(1)), None);
        }
    }
}
