//! Scenarios as texts, and the commands that they become.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::Args as _;

use super::keys::SECTIONS;
use super::*;
use crate::cli::{ConnectArguments, StormArguments, TelemetryArguments};

const NEEDED: &str = "--host h --ca c";

fn options(line: &str) -> Vec<OsString> {
    format!("{line} {NEEDED}").split_whitespace().map(OsString::from).collect()
}

fn telemetry(text: &str, line: &str) -> Result<TelemetryArguments, String> {
    let document = Document::parse("s.toml", text).map_err(|error| error.to_string())?;
    parse(&document, &options(line)).map_err(|error| error.to_string())
}

#[test]
fn built_in_scenarios_are_the_files_of_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<String> =
        files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let names = library::BUILT_IN.map(|(name, _)| name.to_owned());
    assert_eq!(files, BTreeSet::from(names));
}

#[test]
fn every_built_in_scenario_can_be_run_and_says_what_for() {
    for (name, text) in library::BUILT_IN {
        assert!(!Document::parse(name, text).unwrap().about.is_empty(), "{name}");
        let run = RunArguments { scenario: name.to_owned(), options: options("--devices d") };
        resolve(&run).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(library::overview().unwrap().contains("\nfan-in "));
}

#[test]
fn every_key_is_an_option() {
    let commands = [
        ConnectArguments::augment_args(clap::Command::new("c")),
        TelemetryArguments::augment_args(clap::Command::new("t")),
        StormArguments::augment_args(clap::Command::new("s")),
    ];
    for (key, argument) in SECTIONS.iter().flat_map(|section| section.keys) {
        let arguments = commands.iter().flat_map(clap::Command::get_arguments);
        let mut arguments = arguments.filter(|found| found.get_id() == argument);
        assert!(arguments.any(|found| found.get_long().is_some()), "{key}");
    }
}

#[test]
fn the_command_line_wins() {
    let text = "[connections]\ncount = 5\nrate = 7\nkeep_alive = \"2m\"\n\
                [telemetry]\nper_second = 9\npayload = \"1KiB\"\nwarm_up = \"1s\"\n";
    let said = telemetry(text, "--rate 8 --warm-up=3s").unwrap();
    let connections = &said.connections;
    assert_eq!((connections.connections, connections.rate), (Some(5), 8));
    assert_eq!((connections.keep_alive, said.payload), (120, 1024));
    assert_eq!((said.per_second, said.warm_up), (Some(9), Duration::from_secs(3)));
    let said = telemetry(text, "--closed").unwrap();
    assert_eq!((said.per_second, said.closed), (None, true), "a pace replaces another one");
}

#[test]
fn a_switch_that_is_off_is_not_there() {
    let text = |closed| format!("[telemetry]\nper_second = 1\nclosed = {closed}\n");
    let error = telemetry(&text(true), "").unwrap_err();
    assert!(error.contains("closed and telemetry.per_second (line 2) exclude"), "{error}");
    let error = telemetry("[telemetry]\nclosed = 1", "").unwrap_err();
    assert!(error.contains("write true or false"), "{error}");
    let said = telemetry("[telemetry]\nclosed = false", "--per-second 3").unwrap();
    assert_eq!((said.per_second, said.closed), (Some(3), false));
}

#[test]
fn values_that_cannot_be_name_line_key_and_range() {
    for (line, problem) in [
        ("per_second = 0", "telemetry.per_second = 0: 0 is not in 1..=10000000"),
        ("per_second = 20000000", "20000000 is not in 1..=10000000"),
        ("per_second = -1", "-1 is not in 1..=10000000"),
        ("per_device = 0.0", "telemetry.per_device = 0.0: not above zero"),
        ("per_device = [1]", "write a number"),
        ("qos = 2", "2 is not in 0..=1"),
        ("payload = \"1MiB\"", "write 0 to 262144"),
        ("duration = \"0s\"", "no time at all"),
        ("duration = 30", "write a number and a unit"),
        ("warm_up = \"40days\"", "longer than 30days"),
        ("warm_up = true", "write a number, or a text"),
    ] {
        let error = telemetry(&format!("[telemetry]\n{line}\n"), "").unwrap_err();
        assert!(error.starts_with("s.toml:2: telemetry."), "{error}");
        assert!(error.contains(problem), "{problem} in {error}");
    }
}

#[test]
fn a_key_of_another_kind_of_work_means_nothing() {
    let text = "[hold]\n[thresholds]\npuback_p99_max = \"1s\"\n";
    let document = Document::parse("s.toml", text).unwrap();
    let error = parse::<ConnectArguments>(&document, &options("")).unwrap_err().to_string();
    assert!(error.starts_with("s.toml:3: thresholds.puback_p99_max means nothing"), "{error}");
}

#[test]
fn churn_lasts_as_long_as_telemetry() {
    let text = "[telemetry]\nper_second = 1\n[churn]\nper_second = 2\n";
    assert_eq!(telemetry(text, "").unwrap().turnover.churn, Some(2));
    let error = telemetry(&format!("{text}duration = \"1s\"\n"), "").unwrap_err();
    assert!(error.starts_with("s.toml:5: churn.duration means nothing"), "{error}");
}

#[test]
fn a_scenario_has_one_kind_of_work() {
    for (text, problem) in [
        ("", "does not say what devices do"),
        ("[hold]\n[storm]\n", "hold, storm exclude each other"),
        ("[hold]\n[churn]\n", "hold, churn exclude each other"),
        ("[conversation]\n", "is beside something else"),
        ("[storm]\n[telemetry]\n[churn]\n", "telemetry, storm, churn exclude each other"),
    ] {
        let document = Document::parse("s.toml", text).unwrap();
        let error = work(&document).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains("one of churn and conv"), "{error}");
    }
}
