use std::path::Path;
use std::time::Duration;

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    let parsed = Config::parse(text, Path::new("ringhub.toml"), &Overrides::default());
    parsed.map_err(|error| error.to_string())
}

#[test]
fn nothing_said_is_the_default_and_valid() {
    assert_eq!(parse(""), Ok(Config::default()));
    let config = Config::default();
    assert_eq!((config.format.partitions, config.listen.mqtt_port), (4, 8883));
    assert!(config.listen.address.is_loopback());
}

#[test]
fn every_value_can_be_said() {
    let config = parse(
        r#"
        [hub]
        host_name = "hub.example"
        retention = "2days"
        consumer_groups = ["billing", "audit-2"]
        [format]
        partitions = 32
        [listen]
        address = "::"
        mqtt_port = 18883
        amqp_port = 15671
        https_port = 8443
        [shards]
        count = 3
        pin = true
        [executors]
        count = 2
        pin = false
        commit_bytes = "1MiB"
        commit_delay = "250us"
        commits_in_flight = 4
        [log]
        segment_bytes = "1 GiB"
        [tls]
        handshake_timeout = "5s"
        [[tls.certificate]]
        certificate_file = "/etc/c.pem"
        key_file = "/etc/k.pem"
        [[tls.certificate]]
        host_name = "other.example"
        certificate_file = "/etc/c2.pem"
        key_file = "/etc/k2.pem"
        [limits]
        http_body_max = "2MiB"
        http_head_timeout = "3s"
        http_body_timeout = "30s"
        http_idle_timeout = "1min"
        shutdown_timeout = "0s"
        "#,
    )
    .unwrap();
    assert_eq!(config.hub.retention, Duration::from_hours(48));
    assert_eq!(config.hub.consumer_groups, ["billing", "audit-2"]);
    assert_eq!(config.executors.commit_bytes, ByteSize::mib(1));
    assert_eq!(config.executors.commit_delay, Duration::from_micros(250));
    assert_eq!(config.log.segment_bytes, ByteSize::gib(1));
    assert_eq!((config.shards.count, config.shards.pin), (Some(3), Some(true)));
    let keys = config.tls.certificate.iter().map(|files| &files.key_file);
    assert!(keys.eq([Path::new("/etc/k.pem"), Path::new("/etc/k2.pem")]));
}

#[test]
fn the_command_line_stands_over_the_file() {
    let text = "[listen]\nmqtt_port = 1\namqp_port = 2\n[shards]\ncount = 5\npin = false\n";
    let overrides = Overrides {
        mqtt_port: Some(3),
        shards: Some(6),
        pin: Some(true),
        host_name: Some("h.example".to_owned()),
        ..Overrides::default()
    };
    let config = Config::parse(text, Path::new("f"), &overrides).unwrap();
    let ports = [config.listen.mqtt_port, config.listen.amqp_port, config.listen.https_port];
    assert_eq!(ports, [3, 2, 443]);
    assert_eq!((config.shards.count, config.shards.pin), (Some(6), Some(true)));
    assert_eq!(config.executors.pin, Some(true));
    assert_eq!(config.hub.host_name, "h.example");
}

#[test]
fn errors_name_line_key_and_what_is_allowed() {
    let cases: &[(&str, &[&str])] = &[
        (
            "\n[listen]\nmqqt_port = 1\n",
            &["ringhub.toml:3: ", "unknown field `mqqt_port`", "did you mean `mqtt_port`?"],
        ),
        ("[listn]\n", &["ringhub.toml:1: ", "`listn`", "did you mean `listen`?"]),
        ("[hub]\nHostName = \"h\"\n", &["ringhub.toml:2: ", "did you mean `host_name`?"]),
        (
            "[format]\npartitions = 1\n",
            &["ringhub.toml:2: ", "`format.partitions` is 1", "2 to 128"],
        ),
        ("[format]\n# none\npartitions = 129\n", &["ringhub.toml:3: ", "2 to 128"]),
        ("[format]\npartitions = -1\n", &["ringhub.toml:2: ", "`partitions`", "-1"]),
        ("[listen]\naddress = \"here\"\n", &["ringhub.toml:2: ", "`address`"]),
        ("[listen]\nmqtt_port = 0\n", &["ringhub.toml:2: ", "`listen.mqtt_port` is 0"]),
        ("[listen]\namqp_port = 8883\n", &["ringhub.toml:2: ", "must differ from `mqtt_port`"]),
        ("[listen]\nhttps_port = 5671\n", &["ringhub.toml:2: ", "must differ"]),
        ("[hub]\nretention = \"8days\"\n", &["ringhub.toml:2: ", "`hub.retention`"]),
        ("[hub]\nretention = 5\n", &["ringhub.toml:2: ", "`retention`", "duration"]),
        ("[hub]\nhost_name = \"a_b\"\n", &["ringhub.toml:2: ", "`hub.host_name`", "DNS name"]),
        ("[hub]\nconsumer_groups = [\"a\", \"A\"]\n", &["ringhub.toml:2: ", "`A`"]),
        ("[hub]\nconsumer_groups = [\"$Default\"]\n", &["ringhub.toml:2: ", "`$Default`"]),
        ("[shards]\ncount = 0\n", &["ringhub.toml:2: ", "`shards.count` is 0"]),
        ("[executors]\ncount = 5\n", &["ringhub.toml:2: ", "`format.partitions` (4)"]),
        ("[executors]\ncommit_bytes = \"1KB\"\n", &["ringhub.toml:2: ", "`1KB` is not a size"]),
        ("[executors]\ncommit_bytes = \"1KiB\"\n", &["ringhub.toml:2: ", "4KiB to 8MiB"]),
        ("[executors]\ncommits_in_flight = 5\n", &["ringhub.toml:2: ", "1 to 4"]),
        (
            "[executors]\ncommit_bytes = \"8MiB\"\n[log]\nsegment_bytes = \"16MiB\"\n",
            &["ringhub.toml:4: ", "`log.segment_bytes`", "four times"],
        ),
        (
            "[[tls.certificate]]\ncertificate_file = \"c\"\n",
            &["ringhub.toml:1: ", "missing field `key_file`"],
        ),
        (
            "[[tls.certificate]]\nhost_name = \"h\"\ncertificate_file = \"c\"\nkey_file = \"k\"\n",
            &[
                "ringhub.toml:2: ",
                "`tls.certificate.host_name` must be `hub.host_name` (localhost)",
            ],
        ),
        (
            "tls.certificate = [{certificate_file = \"c\", key_file = \"k\"}, {certificate_file = \"c\", key_file = \"k\"}]\n",
            &["ringhub.toml: ", "names `localhost` twice"],
        ),
        ("[limits]\nhttp_idle_timeout = \"2h\"\n", &["ringhub.toml:2: ", "http_idle_timeout"]),
        ("[hub\n", &["ringhub.toml:1: "]),
    ];
    for (text, parts) in cases {
        let error = parse(text).unwrap_err();
        for part in *parts {
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}

#[test]
fn a_key_like_no_other_gets_no_suggestion() {
    let error = parse("[hub]\nxyz = 1\n").unwrap_err();
    assert!(!error.contains("did you mean"), "{error}");
}

#[test]
fn a_bad_value_of_the_command_line_is_not_blamed_on_a_line() {
    let overrides = Overrides { shards: Some(0), ..Overrides::default() };
    let error = Config::load(None, &overrides).unwrap_err().to_string();
    assert!(error.starts_with("command line: `shards.count` is 0"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Some(Path::new("/no/such.toml")), &Overrides::default()).unwrap_err();
    assert!(error.to_string().contains("/no/such.toml"), "{error}");
}

#[test]
fn sizes_read_as_they_are_written() {
    for (text, bytes, written) in [
        ("512B", 512, "512B"),
        ("4KiB", 4096, "4KiB"),
        ("1024 KiB", 1 << 20, "1MiB"),
        ("3GiB", 3 << 30, "3GiB"),
        ("0B", 0, "0B"),
    ] {
        let size: ByteSize = text.parse().unwrap();
        assert_eq!((size.as_bytes(), size.to_string().as_str()), (bytes, written));
    }
    for text in ["", "5", "KiB", "-1KiB", "1.5MiB", "1KB", "99999999999GiB"] {
        assert!(text.parse::<ByteSize>().is_err(), "{text:?}");
    }
}

#[test]
fn the_default_bounds_of_http_are_those_of_the_machine() {
    assert_eq!(Limits::default().http(), ringhub_core::session::http::HttpLimits::default());
}

/// Goal: the example tells the truth. Method: as it stands, it is the default; and it names every
/// key, so that a new one cannot be forgotten.
#[test]
fn the_example_is_the_default_and_names_every_key() {
    let example = include_str!("example.toml");
    assert_eq!(parse(example), Ok(Config::default()));
    let sections = include_str!("sections.rs");
    let keys = sections.lines().filter_map(|line| line.strip_prefix("    pub ")?.split_once(": "));
    for (key, _) in keys.filter(|(key, _)| !key.starts_with("fn ")) {
        let said = [format!("{key} = "), format!("[[tls.{key}]]")];
        assert!(said.iter().any(|said| example.contains(said)), "{key} is missing");
    }
}
