//! Replays the samples, the fuzz corpus and damaged copies of both through the hook of the `http`
//! fuzz target.

use std::fs;
use std::path::Path;

#[test]
fn corpus_and_damaged_samples_break_no_invariant() {
    let mut inputs = 0;
    for folder in ["samples/http", "fuzz/corpus/http"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(&folder).expect("the folder is part of the crate") {
            let input = fs::read(entry.expect("readable entry").path()).expect("readable file");
            inputs += 1;
            ringhub_core::codec::http::fuzz(&input);
            for at in 0..input.len() {
                ringhub_core::codec::http::fuzz(&input[..at]);
                let mut damaged = input.clone();
                damaged[at] ^= 0x55;
                ringhub_core::codec::http::fuzz(&damaged);
            }
        }
    }
    assert!(inputs >= 8, "only {inputs} inputs found");
}
