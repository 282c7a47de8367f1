//! Chance that can be repeated.
#![allow(dead_code, reason = "every test uses its own part")]

/// Xorshift of 64 bits: small, and the same everywhere. The seed must not be zero.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from 0 on.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// The same for indices, from the upper bits.
    pub(crate) fn index(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `from`; `None` if there is none.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let bound = from.len() as u64;
        (bound > 0).then(|| from[usize::try_from(self.below(bound)).expect("an index")])
    }
}
