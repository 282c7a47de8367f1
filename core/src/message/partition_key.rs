//! Partition keys of Event Hubs: a key's hash, and the partition that the hash falls into.
//!
//! Source: service-endpoints reference, "Partitions"; the hash is `hashlittle2` of lookup3 by Bob
//! Jenkins, with both seeds zero.

/// Logical partitions, which the partitions of an entity share out among themselves.
const LOGICAL_PARTITIONS: u32 = 32_767;

/// Bytes that one round of the hash takes.
const BLOCK_BYTES: usize = 12;

/// What each of the three words begins with, beside the length.
const SEED: u32 = 0xdead_beef;

/// The partition of `key` among `count`, which is not zero; the case of letters does not matter.
pub(super) fn partition_of_key(key: &[u8], count: u16) -> u16 {
    let logical = logical_partition(key);
    let count = u32::from(count);
    let (width, wider) = (LOGICAL_PARTITIONS / count, LOGICAL_PARTITIONS % count);
    let of_wider = wider * (width + 1);
    let partition = if logical < of_wider {
        logical / (width + 1)
    } else {
        wider + (logical - of_wider) / width
    };
    u16::try_from(partition).expect("it is below the count, which is a u16")
}

fn logical_partition(key: &[u8]) -> u32 {
    let (first, second) = hash(key, u8::to_ascii_uppercase);
    let low = (first ^ second) as u16;
    u32::from(low.cast_signed().unsigned_abs()) % LOGICAL_PARTITIONS
}

/// Both words of the hash of `key`, each byte of which is read through `byte`.
fn hash(key: &[u8], byte: impl Fn(&u8) -> u8) -> (u32, u32) {
    // Keys are shorter than 4 GiB, and the hash knows lengths of 32 bits only.
    let mut words = [SEED.wrapping_add(key.len() as u32); 3];
    let blocks = key.len().div_ceil(BLOCK_BYTES);
    for (number, block) in key.chunks(BLOCK_BYTES).enumerate() {
        let mut padded = [0; BLOCK_BYTES];
        block.iter().zip(&mut padded).for_each(|(from, to)| *to = byte(from));
        let (of_block, _) = padded.as_chunks::<4>();
        for (word, bytes) in words.iter_mut().zip(of_block) {
            *word = word.wrapping_add(u32::from_le_bytes(*bytes));
        }
        words = if number + 1 == blocks { last_round(words) } else { round(words) };
    }
    let [_, second, first] = words;
    (first, second)
}

/// Mixes a block that others follow.
fn round([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    for turns in [[4, 6, 8], [16, 19, 4]] {
        a = a.wrapping_sub(c) ^ c.rotate_left(turns[0]);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(turns[1]);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(turns[2]);
        b = b.wrapping_add(a);
    }
    [a, b, c]
}

/// Mixes the last block so that each of its bits reaches all bits of the result.
fn last_round([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    let step = |to: u32, from: u32, turn| (to ^ from).wrapping_sub(from.rotate_left(turn));
    c = step(c, b, 14);
    a = step(a, c, 11);
    b = step(b, a, 25);
    c = step(c, b, 16);
    a = step(a, c, 4);
    b = step(b, a, 14);
    c = step(c, b, 24);
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_lookup3() {
        let of = |key: &[u8]| hash(key, |byte| *byte);
        assert_eq!(of(b""), (0xdead_beef, 0xdead_beef));
        assert_eq!(of(b"Four score and seven years ago"), (0x1777_0551, 0xce72_26e6));
    }

    #[test]
    fn keys_fall_where_other_tools_look_for_them() {
        let long = "x".repeat(40);
        for (key, partitions) in [
            ("pump-1", [1, 2, 5, 22]),
            ("pump-7", [0, 0, 1, 4]),
            ("Device001", [0, 0, 1, 6]),
            ("a", [0, 1, 2, 9]),
            ("cooler-7", [1, 3, 6, 25]),
            (&long, [0, 0, 1, 7]),
        ] {
            let of = |key: &str| [2, 4, 8, 32].map(|n| partition_of_key(key.as_bytes(), n));
            assert_eq!(of(key), partitions, "{key}");
            assert_eq!(of(&key.to_ascii_uppercase()), partitions, "{key}");
        }
    }

    #[test]
    fn every_count_has_a_partition_for_every_key_and_uses_all() {
        for count in [1, 2, 3, 5, 32, 127, 128, 32_767, u16::MAX] {
            let all = (0..20_000).map(|n| partition_of_key(format!("d{n}").as_bytes(), count));
            let mut found: Vec<u16> = all.collect();
            assert!(found.iter().all(|partition| *partition < count), "{count}");
            found.sort_unstable();
            found.dedup();
            assert!(count > 128 || found.len() == usize::from(count), "{count}");
        }
    }
}
