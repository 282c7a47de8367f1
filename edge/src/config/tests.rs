use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringhub_core::limits::JOB_DEVICES_PER_SECOND;
use toml::Value;

use super::*;
use crate::startup::TestDirectory;

mod ranges;

/// What `text` in a file and `variables` over it make.
fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let directory = TestDirectory::new();
    let path = directory.path().join("ringhub.toml");
    fs::write(&path, text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let settings = Settings::read(Some(&path), variables, &[]);
    settings.and_then(|settings| settings.config()).map_err(|error| error.to_string())
}

fn parse(text: &str) -> Result<Config, String> {
    read(text, &[])
}

fn default() -> Config {
    Settings::default().config().unwrap()
}

#[test]
fn nothing_said_is_the_default_and_valid() {
    assert_eq!(parse(""), Ok(default()));
    let config = default();
    assert_eq!((config.format.partitions, config.listen.mqtt_port), (4, 8883));
    assert!(config.listen.address.is_loopback());
    assert_eq!((config.shards.count, config.executors.pin), (None, None));
    assert_eq!(config.jobs.devices_per_second, JOB_DEVICES_PER_SECOND);
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
        [jobs]
        devices_per_second = 50000
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
        [logging]
        format = "json"
        level = "warn,ringhub_edge=debug"
        [tls]
        handshake_timeout = "5s"
        [[tls.certificate]]
        certificate_file = "/etc/c.pem"
        key_file = "k.pem"
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
    assert_eq!(config.jobs.devices_per_second, 50_000);
    assert_eq!((config.shards.count, config.shards.pin), (Some(3), Some(true)));
    assert_eq!(config.logging.level, "warn,ringhub_edge=debug");
    let [first, second] = &config.tls.certificate[..] else { panic!("two are named") };
    assert_eq!(first.certificate_file, Path::new("/etc/c.pem"));
    assert!(first.key_file.is_absolute() && first.key_file.ends_with("k.pem"), "{first:?}");
    assert_eq!(second.host_name.as_deref(), Some("other.example"));
}

#[test]
fn each_source_stands_over_the_one_before() {
    let directory = TestDirectory::new();
    let path = directory.path().join("ringhub.toml");
    fs::write(&path, "[listen]\nmqtt_port = 1\namqp_port = 2\n[shards]\ncount = 5\n").unwrap();
    let variables = [
        ("RINGHUB_LISTEN__MQTT_PORT", "3"),
        ("RINGHUB_LISTEN__AMQP_PORT", "4"),
        ("RINGHUB_SHARDS__COUNT", "auto"),
        ("RINGHUB_HUB__CONSUMER_GROUPS", "hot, cold"),
        ("RINGHUB_LOG", "trace"),
        ("RINGHUB_DATA_DIR", "/data"),
        ("RINGHUB_SERVICE_PORT_MQTT", "tcp://10.0.0.1:8883"),
        ("PATH", "/bin"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let arguments =
        [Argument { name: "--mqtt-port", key: ("listen", "mqtt_port"), value: Value::from(5) }];
    let settings = Settings::read(Some(&path), variables, &arguments).unwrap();
    let config = settings.config().unwrap();
    let ports = [config.listen.mqtt_port, config.listen.amqp_port, config.listen.https_port];
    assert_eq!((ports, config.shards.count), ([5, 4, 443], None));
    assert_eq!(config.hub.consumer_groups, ["hot", "cold"]);
    assert_eq!(config.logging.level, "trace");

    let text = effective(&settings);
    for line in [
        "mqtt_port = 5  # --mqtt-port",
        "amqp_port = 4  # RINGHUB_LISTEN__AMQP_PORT",
        "https_port = 443",
        "count = \"auto\"  # RINGHUB_SHARDS__COUNT",
        "level = \"trace\"  # RINGHUB_LOG",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is missing in\n{text}");
    }
    assert_eq!(parse(&text), Ok(config), "what is shown is a file");
}

#[test]
fn the_full_name_of_the_level_stands_over_the_short_one() {
    let names = [("RINGHUB_LOGGING__LEVEL", "warn"), ("RINGHUB_LOG", "trace")];
    assert_eq!(read("", &names).unwrap().logging.level, "warn");
}

#[test]
fn variables_name_one_certificate_in_the_place_of_those_of_the_file() {
    let file = "[[tls.certificate]]\ncertificate_file = \"c\"\nkey_file = \"k\"\n";
    let variables = [
        ("RINGHUB_TLS__CERTIFICATE__CERTIFICATE_FILE", "/c.pem"),
        ("RINGHUB_TLS__CERTIFICATE__KEY_FILE", "k.pem"),
    ];
    let files = CertificateFiles {
        host_name: None,
        certificate_file: PathBuf::from("/c.pem"),
        key_file: PathBuf::from("k.pem"),
    };
    assert_eq!(read(file, &variables).unwrap().tls.certificate, [files]);
    let error = read(file, &variables[..1]).unwrap_err();
    let expected =
        "RINGHUB_TLS__CERTIFICATE__CERTIFICATE_FILE: `tls.certificate.key_file` is missing";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn unknown_variables_are_refused_with_the_one_that_was_meant() {
    for (name, suggestion) in [
        ("RINGHUB_LISTEN__MQQT_PORT", "RINGHUB_LISTEN__MQTT_PORT"),
        ("RINGHUB_LISTN__MQTT_PORT", "RINGHUB_LISTEN__MQTT_PORT"),
        ("RINGHUB_LISTEN_MQTT_PORT", "RINGHUB_LISTEN__MQTT_PORT"),
        ("RINGHUB_CLOUD_TO_DEVICE_DEFAULT_TTL", "RINGHUB_CLOUD_TO_DEVICE__DEFAULT_TTL"),
        ("RINGHUB_TLS__CERTIFICATE_KEY_FILE", "RINGHUB_TLS__CERTIFICATE__KEY_FILE"),
    ] {
        let error = read("", &[(name, "1")]).unwrap_err();
        let expected =
            format!("{name}: there is no variable `{name}`; did you mean `{suggestion}`?");
        assert_eq!(error, expected);
    }
}

#[test]
fn errors_name_line_key_and_what_is_allowed() {
    let cases: &[(&str, &[&str])] = &[
        (
            "\n[listen]\nmqqt_port = 1\n",
            &["ringhub.toml:3: ", "no key `mqqt_port`", "did you mean `mqtt_port`?"],
        ),
        ("[listn]\n", &["ringhub.toml:1: ", "`listn`", "did you mean `listen`?"]),
        ("[hub]\nHostName = \"h\"\n", &["ringhub.toml:2: ", "did you mean `host_name`?"]),
        ("mqtt_port = 1\n", &["ringhub.toml:1: ", "`mqtt_port` stands outside of any section"]),
        ("[format]\npartitions = 1\n", &["toml:2: ", "`format.partitions` is 1", "2 to 128"]),
        ("[format]\n# none\npartitions = 129\n", &["ringhub.toml:3: ", "2 to 128"]),
        ("format = {partitions = -1}\n", &["ringhub.toml:1: ", "`format.partitions`", "-1"]),
        ("format.partitions = 1.5\n", &["ringhub.toml:1: ", "`format.partitions`", "1.5"]),
        ("[listen]\namqp_port = 8883\n", &["ringhub.toml:2: ", "must differ"]),
        ("[listen]\nhttps_port = 5671\n", &["ringhub.toml:2: ", "must differ"]),
        ("[listen]\nmqtt_port = 5671\n", &["ringhub.toml:2: ", "must differ"]),
        ("[hub]\nretention = 5\n", &["ringhub.toml:2: ", "`hub.retention` is 5", "1h to 7days"]),
        (
            "[hub]\nconsumer_groups = [\"a\", \"A\"]\n",
            &["ringhub.toml:2: ", "`hub.consumer_groups`"],
        ),
        ("[executors]\ncount = 5\n", &["ringhub.toml:2: ", "`format.partitions` (4)"]),
        ("[executors]\ncommit_bytes = \"1KB\"\n", &["ringhub.toml:2: ", "1KB", "4KiB to 8MiB"]),
        (
            "[executors]\ncommit_bytes = \"8MiB\"\n[log]\nsegment_bytes = \"16MiB\"\n",
            &["ringhub.toml:4: ", "`log.segment_bytes`", "four times"],
        ),
        (
            "[[tls.certificate]]\ncertificate_file = \"c\"\n",
            &["ringhub.toml:1: ", "`tls.certificate.key_file` is missing"],
        ),
        ("[tls.certificate]\nkey_file = \"c\"\n", &["toml:1: ", "write `[[tls.certificate]]`"]),
        (
            "[[tls.certificate]]\nhost_name = \"h\"\ncertificate_file = \"c\"\nkey_file = \"k\"\n",
            &[
                "ringhub.toml:1: ",
                "`tls.certificate.host_name` must be `hub.host_name` (localhost)",
            ],
        ),
        (
            "tls.certificate = [{certificate_file = \"c\", key_file = \"k\"},\n\
             {certificate_file = \"c\", key_file = \"k\"},\n\
             {certificate_file = \"c\", key_file = \"k\"}]\n",
            &["ringhub.toml:3: ", "names `localhost` 3 times", "one with an RSA key"],
        ),
        ("[hub\n", &["ringhub.toml:1: "]),
        ("[hub]\nhost_name = \"a\"\nhost_name = \"b\"\n", &["ringhub.toml:3: ", "duplicate"]),
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
fn a_bad_value_of_the_command_line_is_blamed_on_its_argument() {
    let arguments = [Argument { name: "--shards", key: ("shards", "count"), value: 0.into() }];
    let error = Settings::read(None, [], &arguments).unwrap_err().to_string();
    assert!(error.starts_with("--shards: `shards.count` is 0, but must be"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Settings::read(Some(Path::new("/no/such.toml")), [], &[]).unwrap_err();
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

/// Goal: who starts parts of the hub without a configuration gets what the configuration says.
#[test]
fn the_defaults_are_those_of_the_parts() {
    use crate::partition::PartitionsConfig;
    use ringhub_control_plane::c2d;

    let config = default();
    assert_eq!(config.limits.http(), ringhub_core::session::http::HttpLimits::default());
    assert_eq!(config.cloud_to_device.settings(), c2d::CloudToDevice::default());
    let uploads = config.file_upload.settings().expect("the defaults need no file");
    assert_eq!(uploads, ringhub_control_plane::file_upload::FileUpload::default());
    let executors = &config.executors;
    assert_eq!(executors.commit_bytes.as_bytes(), PartitionsConfig::COMMIT_BYTES as u64);
    assert_eq!(executors.commit_delay, PartitionsConfig::COMMIT_DELAY);
    assert_eq!(usize::from(executors.commits_in_flight), PartitionsConfig::COMMITS_IN_FLIGHT);
}
