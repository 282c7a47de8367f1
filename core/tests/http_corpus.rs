//! Replays the samples, the fuzz corpora and damaged copies of all through the hooks of the `http`
//! and `http_batch` fuzz targets.

use std::fs;
use std::path::Path;

use ringhub_core::message::HttpMessage;

/// Replays folders of inputs, whole, cut at every length and damaged at every byte.
fn replay(folders: &[&str], inputs_min: usize, hook: impl Fn(&[u8])) {
    let mut inputs = 0;
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(&folder).expect("the folder is part of the crate") {
            let input = fs::read(entry.expect("readable entry").path()).expect("readable file");
            inputs += 1;
            hook(&input);
            for at in 0..input.len() {
                hook(&input[..at]);
                let mut damaged = input.clone();
                damaged[at] ^= 0x55;
                hook(&damaged);
            }
        }
    }
    assert!(inputs >= inputs_min, "only {inputs} inputs found");
}

#[test]
fn corpus_and_damaged_samples_break_no_invariant() {
    replay(&["samples/http", "fuzz/corpus/http"], 8, ringhub_core::codec::http::fuzz);
}

#[test]
fn damaged_arrays_of_messages_are_refused_or_good() {
    replay(&["fuzz/corpus/http_batch"], 3, HttpMessage::fuzz_batch);
}
