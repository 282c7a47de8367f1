//! Devices that exist for a run only.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::Method;
use ringhub_core::limits::BULK_ITEMS_MAX;
use ringhub_edge::client::{Precondition, RestClient};
use serde_json::{Value, json};

use crate::cli::Connections;
use crate::conversation::back_end::target;
use crate::error::Error;
use crate::trust::{TrustError, certificates};
use crate::view::View;

/// Longest time for one request.
const PATIENCE: Duration = Duration::from_secs(60);

/// Registered devices; dropping it deletes them.
pub(crate) struct Registration {
    rest: RestClient,
    prefix: String,
    registered: Range<u32>,
    /// How the devices prove themselves, if not with keys of the hub.
    authentication: Option<Value>,
    is_kept: bool,
    is_quiet: bool,
}

impl Registration {
    /// Registers as many devices as there are connections, with the policy that signs for them.
    /// Blocks until all are registered.
    pub(crate) fn new(connections: &Connections, count: u32) -> Result<Self, Error> {
        let Connections { policy, key, .. } = connections;
        let (Some(policy), Some(key)) = (policy, key) else { return Err(Error::NoOwner) };
        let target = target(connections, (policy, key), None).map_err(Error::Register)?;
        let mut registration = Self {
            rest: RestClient::new(&target),
            prefix: connections.device_prefix.clone(),
            registered: 0..0,
            authentication: connections.certificate.as_deref().map(by_thumbprint).transpose()?,
            is_kept: false,
            is_quiet: connections.output.quiet,
        };
        View::new(connections.output.quiet).say(&format!("registering {count} devices"));
        while registration.registered.end < count {
            registration.register_batch(count)?;
        }
        registration.is_kept = connections.keep_devices;
        Ok(registration)
    }

    fn register_batch(&mut self, count: u32) -> Result<(), Error> {
        let first = self.registered.end;
        let batch = first..count.min(first + BULK_ITEMS_MAX as u32);
        let answer = self.send(batch.clone(), "create").map_err(Error::Register)?;
        let errors = answer["errors"].as_array().map_or(&[][..], Vec::as_slice);
        let Some(error) = errors.first() else {
            self.registered.end = batch.end;
            return Ok(());
        };
        // Those of the batch that were registered are ours; the others belong to somebody.
        let failed: Vec<_> = errors.iter().filter_map(|error| error["deviceId"].as_str()).collect();
        let ours = batch.filter(|number| !failed.contains(&self.name(*number).as_str()));
        for number in ours {
            // What cannot be deleted either is named by the error that follows.
            let _ = self.send(number..number + 1, "delete");
        }
        Err(Error::NotRegistered {
            device: error["deviceId"].as_str().unwrap_or_default().to_owned(),
            reason: error["errorStatus"].as_str().unwrap_or_default().to_owned(),
        })
    }

    fn name(&self, number: u32) -> String {
        format!("{}{number}", self.prefix)
    }

    fn send(&self, batch: Range<u32>, mode: &str) -> ringhub_edge::client::Result<Value> {
        let item = |number| {
            let mut item = json!({"id": self.name(number), "importMode": mode});
            if let Some(authentication) = &self.authentication {
                item["authentication"] = authentication.clone();
            }
            item
        };
        let items = Value::Array(batch.map(item).collect());
        let when = Precondition::Absent;
        let answer = self.rest.exchange(Method::POST, "/devices", when, Some(&items), PATIENCE)?;
        match serde_json::from_slice::<Value>(&answer.body) {
            Ok(per_item) if per_item.get("isSuccessful").is_some() => Ok(per_item),
            Ok(_) | Err(_) => Err(answer.refusal().into()),
        }
    }
}

/// The authentication of devices that show the first certificate of a file.
fn by_thumbprint(path: &Path) -> Result<Value, TrustError> {
    let thumbprint = digest(&SHA256, &certificates(path)?[0]);
    let text: String = thumbprint.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": text}}))
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.is_kept || self.registered.is_empty() {
            return;
        }
        View::new(self.is_quiet).say(&format!("deleting {} devices", self.registered.len()));
        let all: Vec<u32> = self.registered.clone().collect();
        for batch in all.chunks(BULK_ITEMS_MAX) {
            let (Some(first), Some(last)) = (batch.first(), batch.last()) else { continue };
            if let Err(error) = self.send(*first..last + 1, "delete") {
                let name = self.name(*first);
                eprintln!("ringhub-loadgen: {name} and what comes after it stays behind: {error}");
                return;
            }
        }
    }
}
