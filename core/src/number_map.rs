//! Maps by numbers that the hub gives out itself.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

/// A map whose keys nobody can choose to collide: a look-up costs a multiplication, where the
/// hasher of the standard library costs as much as reading a small frame.
pub type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Spreads numbers over 64 bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        let [high, low] = [product >> 64, product & u128::from(u64::MAX)];
        self.0 = u64::try_from(high ^ low).unwrap_or_default();
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use core::hash::{BuildHasher, Hash};
    use std::collections::HashSet;

    use super::*;

    fn buckets(keys: impl Iterator<Item = impl Hash>) -> usize {
        let build = BuildHasherDefault::<NumberHasher>::default();
        keys.map(|key| build.hash_one(key) & 0x3ff).collect::<HashSet<_>>().len()
    }

    #[test]
    fn numbers_in_a_row_spread_over_the_buckets() {
        // A thousand keys at random would hit 640 of 1,024 buckets.
        assert!(buckets(0..1000_u32) > 600);
        assert!(buckets((0..1000_u32).map(|number| (number, 7_u32))) > 600);
        assert!(buckets((0..1000_u32).map(|number| (7_u32, number))) > 600);
        assert!(buckets((0..1000_u64).map(|number| number << 20)) > 600);
    }
}
