use clap::{CommandFactory, Parser, error::ErrorKind};

use super::*;

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
    let overrides =
        serve(&["--host-name", "h", "--mqtt-port", "1", "--executors", "3"]).overrides();
    assert_eq!(overrides.host_name.as_deref(), Some("h"));
    assert_eq!((overrides.mqtt_port, overrides.executors), (Some(1), Some(3)));
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
