//! `ringhub tune` on the machine that runs the tests, by the real binary.

mod support;

use std::fs;
use std::process::Command;

use serde_json::Value;
use support::command::{Ended, at, ringhub, run};
use support::hub::Hub;

const AREAS: [&str; 6] = ["cpu", "memory", "limits", "kernel", "network", "disk"];

fn findings(document: &Value) -> &[Value] {
    document["findings"].as_array().expect("findings are a list")
}

#[test]
fn says_what_the_hub_does_and_measures_its_disk() {
    let hub = Hub::start();
    let before = fs::read_dir(hub.data_dir()).expect("it is there").count();
    let document = at(&hub, &["tune", "--output", "json"]).json();
    for area in AREAS {
        assert!(findings(&document).iter().any(|found| found["area"] == area), "{area}");
    }
    for found in findings(&document) {
        let is_text = |name: &str| found[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(["subject", "value", "why"].into_iter().all(is_text), "{found}");
        let must_mend = ["advice", "wrong"].into_iter().any(|mark| found["mark"] == mark);
        assert_eq!((is_text("mend"), is_text("undo")), (must_mend, must_mend), "{found}");
    }
    let us = |name: &str| document["syncLatency"][name].as_u64().expect("it was measured");
    assert!(us("count") >= 1 && us("p50Us") <= us("p99Us") && us("p99Us") <= us("maxUs"));
    assert_eq!(fs::read_dir(hub.data_dir()).expect("it is there").count(), before);
    let executors = &document["proposal"]["executors"]["count"];
    assert_eq!(executors, 1, "fixed by the hub whose directory it is");
}

#[test]
fn the_text_groups_by_area_and_ends_in_lines_for_the_file() {
    let directory = "/no/such/folder/of/a/hub";
    let text = run(&["tune", "--no-disk", "--data-dir", directory]).good();
    let places: Vec<usize> = AREAS
        .map(|area| text.find(&format!("{area}\n")).unwrap_or_else(|| panic!("{area}: {text}")))
        .to_vec();
    assert!(places.is_sorted(), "{text}");
    let toml = text.split_once("For ringhub.toml:").expect("a proposal").1;
    let file = std::env::temp_dir().join(format!("ringhub-tune-{}.toml", std::process::id()));
    fs::write(&file, toml).expect("the file is written");
    let checked = run(&["config", "check", file.to_str().expect("the name is UTF-8")]);
    fs::remove_file(&file).expect("the file was written");
    checked.good();
}

#[test]
fn what_keeps_a_hub_from_starting_is_named_and_fails_the_command() {
    let binary = env!("CARGO_BIN_EXE_ringhub");
    let line = format!("ulimit -l 64; exec {binary} tune --no-disk --data-dir /no/such/folder");
    let ended = Ended::of(Command::new("bash").args(["-c", &line]).output().expect("bash starts"));
    ended.refused(1, &["the hub cannot run like this", "locked memory"]);
    assert!(ended.said.contains("LimitMEMLOCK=infinity"), "{}", ended.said);

    let absurd = ringhub(&["tune", "--no-disk", "--connections", "0"]).output();
    Ended::of(absurd.expect("the binary starts")).refused(2, &["--connections"]);
}
