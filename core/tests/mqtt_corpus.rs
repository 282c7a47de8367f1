//! Replays the fuzz corpus, so that what a fuzzer once found stays found.

use std::path::Path;

use ringhub_core::codec::mqtt::{check_arbitrary, decode};

/// Calls `check` with every file of a directory of the crate and gives their number.
fn each_file(directory: &str, mut check: impl FnMut(&[u8])) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut count = 0;
    for entry in std::fs::read_dir(path).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    count
}

#[test]
fn replays_the_corpus() {
    assert!(each_file("fuzz/corpus/mqtt", check_arbitrary) > 0, "the corpus is there");
}

#[test]
fn survives_damaged_samples() {
    let count = each_file("samples/mqtt", |sample| {
        for index in 0..sample.len() {
            assert_eq!(decode(&sample[..index]), Ok(None), "a prefix asks for more");
            for bit in 0..8 {
                let mut damaged = sample.to_vec();
                damaged[index] ^= 1 << bit;
                check_arbitrary(&damaged);
            }
        }
    });
    assert!(count >= 19, "the samples are there");
}
