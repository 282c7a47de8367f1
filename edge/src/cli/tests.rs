use clap::{CommandFactory, Parser, error::ErrorKind};

use super::*;
use crate::logging::LogFormat;

fn serve(arguments: &[&str]) -> ServeArguments {
    let cli = Cli::try_parse_from([&["ringhub"], arguments].concat()).unwrap();
    match cli.into_command() {
        Command::Serve(arguments) => arguments,
        Command::Client(command) => panic!("not serve: {command:?}"),
    }
}

#[test]
fn definitions_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn serve_is_what_happens_without_a_command() {
    assert_eq!(serve(&[]), ServeArguments::default());
    let arguments = ["--shards", "2", "--listen", "0.0.0.0", "--pin", "--https-port", "8443"];
    let expected = ServeArguments {
        shards: Some(2),
        listen: Some("0.0.0.0".parse().unwrap()),
        pin: Some(true),
        https_port: Some(8443),
        ..ServeArguments::default()
    };
    assert_eq!(serve(&arguments), expected);
    assert_eq!(serve(&[&["serve"], &arguments[..]].concat()), expected);
    assert_eq!(serve(&["--pin=false"]).pin, Some(false));
}

#[test]
fn every_argument_reaches_the_configuration() {
    let arguments = [
        "--host-name=h",
        "--listen=::1",
        "--mqtt-port=1",
        "--amqp-port=2",
        "--https-port=3",
        "--shards=4",
        "--executors=3",
        "--pin=false",
        "--log-format=json",
    ];
    let config = serve(&arguments).settings().unwrap().config().unwrap();
    assert_eq!((config.hub.host_name.as_str(), config.logging.format), ("h", LogFormat::Json));
    let listen = &config.listen;
    assert_eq!(listen.address.to_string(), "::1");
    assert_eq!([listen.mqtt_port, listen.amqp_port, listen.https_port], [1, 2, 3]);
    assert_eq!((config.shards.count, config.executors.count), (Some(4), Some(3)));
    assert_eq!((config.shards.pin, config.executors.pin), (Some(false), Some(false)));
    let error = serve(&["--mqtt-port=0"]).settings().unwrap_err().to_string();
    assert!(error.starts_with("--mqtt-port: `listen.mqtt_port` is 0"), "{error}");
}

#[test]
fn help_teaches_with_examples() {
    for arguments in [&["ringhub", "--help"][..], &["ringhub", "serve", "--help"]] {
        let error = Cli::try_parse_from(arguments).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DisplayHelp);
        let help = error.to_string();
        assert!(help.contains("Examples:") && help.contains("--host-name hub.example"), "{help}");
    }
}

#[test]
fn every_command_teaches_with_examples() {
    let root = Cli::command();
    for command in root.get_subcommands() {
        let help = command.clone().render_long_help().to_string();
        assert!(help.contains("Examples:"), "{help}");
        assert!(help.contains(&format!("ringhub {}", command.get_name())), "{help}");
    }
}

#[test]
fn examples_of_the_help_can_be_typed() {
    let mut examples = 0;
    let root = Cli::command();
    let nested = root.get_subcommands().flat_map(clap::Command::get_subcommands);
    for command in root.get_subcommands().chain(nested) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines().filter_map(|line| line.strip_prefix("  ringhub ")) {
            // What an example does stands behind two blanks; the shell has redirections and pipes.
            let typed = line.split("  ").next().unwrap_or_default();
            let typed = typed.split(" > ").next().unwrap_or_default();
            let typed = typed.split(" | ").next().unwrap_or_default();
            let words = [vec!["ringhub".to_owned()], words(typed)].concat();
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{line}: {error}");
            }
            examples += 1;
        }
    }
    assert!(examples > 40, "only {examples} examples were found");
}

/// Splits at blanks outside of single quotes, as a shell does.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, piece) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(ToOwned::to_owned));
        }
    }
    words
}

#[test]
fn arguments_that_exclude_each_other_are_refused() {
    for line in [
        "device-identity list --data-dir x --connection-string y",
        "connection-string show -d x --policy service",
        "connection-string show -m x",
        "device-identity create -d x --primary-key AAAA",
        "device-twin update -d x",
        "device-twin update -d x --desired 5",
        "device-twin replace -d x",
        "invoke-device-method -d x --method-name m --timeout 4",
        "invoke-device-method -d x --method-name m --method-payload text",
        "simulate-device -d x --count 0",
        "send-d2c-message -d x --interval -1",
        "c2d-message send -d x --ack maybe",
        "config show --defaults --shards 2",
        "query",
        "query a -q b",
        "query a --explain --top 5",
        "query a --top 0",
        "device-identity list --query [].deviceId",
        "device-identity list --auth-type login",
        "device-identity create -d x --valid-days 10",
        "device-identity connection-string",
        "device-identity renew-key -d x",
        "device-identity children remove -d x",
        "c2d-message receive -d x --complete --reject",
        "c2d-message send -d x --wait",
        "simulate-device -d x --endless --msg-count 5",
        "simulate-device -d x --protocol http",
        "send-d2c-message -d x --cp cert.pem",
    ] {
        let words = [vec!["ringhub".to_owned()], words(line)].concat();
        assert!(Cli::try_parse_from(words).is_err(), "{line}");
    }
}
