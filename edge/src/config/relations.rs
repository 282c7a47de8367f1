//! How values go together.

use super::{CertificateFiles, Config, Storage};

/// Certificates at most.
const CERTIFICATES_MAX: usize = 64;

/// Certificates of one host at most: one for clients that verify ECDSA, one for all others.
const CERTIFICATES_OF_HOST_MAX: usize = 2;

/// A rule between values that is broken.
#[derive(Debug)]
pub(super) struct Broken {
    /// The keys that it is about, each by section and name.
    pub(super) keys: &'static [(&'static str, &'static str)],
    /// What the values are, and how they should be.
    pub(super) rule: String,
}

/// Checks every relation; the first that is broken is reported.
pub(super) fn check(config: &Config) -> Result<(), Broken> {
    check_ports(config)?;
    check_executors(config)?;
    check_segments(config)?;
    check_uploads(config)?;
    check_certificates(config)
}

fn check_ports(config: &Config) -> Result<(), Broken> {
    const KEYS: [(&str, &str); 3] =
        [("listen", "mqtt_port"), ("listen", "amqp_port"), ("listen", "https_port")];
    let listen = &config.listen;
    for (keys, same) in [
        (&[KEYS[0], KEYS[1]], listen.mqtt_port == listen.amqp_port),
        (&[KEYS[0], KEYS[2]], listen.mqtt_port == listen.https_port),
        (&[KEYS[1], KEYS[2]], listen.amqp_port == listen.https_port),
    ] {
        if same {
            let [(_, one), (_, other)] = keys;
            let rule = format!("`listen.{one}` and `listen.{other}` are the same, but must differ");
            return Err(Broken { keys, rule });
        }
    }
    Ok(())
}

fn check_executors(config: &Config) -> Result<(), Broken> {
    let partitions = config.format.partitions;
    match config.executors.count {
        Some(count) if count > partitions => Err(Broken {
            keys: &[("executors", "count"), ("format", "partitions")],
            rule: format!(
                "`executors.count` is {count}, but must not exceed `format.partitions` ({partitions}): the others would have nothing to do"
            ),
        }),
        _ => Ok(()),
    }
}

fn check_segments(config: &Config) -> Result<(), Broken> {
    let (segment, commit) = (config.log.segment_bytes, config.executors.commit_bytes);
    if segment.as_bytes() >= 4 * commit.as_bytes() {
        return Ok(());
    }
    Err(Broken {
        keys: &[("log", "segment_bytes"), ("executors", "commit_bytes")],
        rule: format!(
            "`log.segment_bytes` is {segment}, but must be at least four times `executors.commit_bytes` ({commit})"
        ),
    })
}

fn check_uploads(config: &Config) -> Result<(), Broken> {
    let uploads = &config.file_upload;
    if uploads.storage != Storage::Account || uploads.account_file.is_some() {
        return Ok(());
    }
    Err(Broken {
        keys: &[("file_upload", "storage"), ("file_upload", "account_file")],
        rule: "`file_upload.storage` is \"account\", so `file_upload.account_file` must name a file with its connection string".to_owned(),
    })
}

fn check_certificates(config: &Config) -> Result<(), Broken> {
    let hub = &config.hub.host_name;
    let of_hub = |files: &'_ CertificateFiles| files.host_name(hub).to_lowercase();
    let names: Vec<String> = config.tls.certificate.iter().map(of_hub).collect();
    let uses = |name: &String| names.iter().filter(|other| *other == name).count();
    let too_often = names.iter().find(|name| uses(name) > CERTIFICATES_OF_HOST_MAX);
    let rule = if names.len() > CERTIFICATES_MAX {
        format!(
            "`[[tls.certificate]]` stands {} times, but must at most {CERTIFICATES_MAX}",
            names.len()
        )
    } else if let Some(name) = too_often {
        format!(
            "`tls.certificate.host_name` names `{name}` {} times: a host has at most one certificate with an ECDSA key and one with an RSA key",
            uses(name)
        )
    } else if !names.is_empty() && !names.contains(&hub.to_lowercase()) {
        format!(
            "`tls.certificate.host_name` must be `hub.host_name` ({hub}) in one of them: that is the name that clients dial"
        )
    } else {
        return Ok(());
    };
    Err(Broken { keys: &[("tls.certificate", "host_name"), ("hub", "host_name")], rule })
}
