//! Replays samples and fuzzing corpus, whole, cut at every length and damaged at every byte.

use std::path::Path;

use ringhub_core::session::amqp::exercise;

fn inputs() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = Vec::new();
    for folder in ["samples/amqp", "fuzz/corpus/amqp"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        let before = inputs.len();
        inputs.extend(entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()));
        assert!(inputs.len() > before, "{folder} is empty");
    }
    inputs
}

#[test]
fn samples_and_corpus_are_survived_whole_and_damaged() {
    for input in inputs() {
        exercise(&input);
        for len in 0..input.len() {
            exercise(&input[..len]);
        }
        for place in 0..input.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = input.clone();
                damaged[place] ^= flip;
                exercise(&damaged);
            }
        }
    }
}
