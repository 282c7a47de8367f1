//! Scopes of the edge devices that lines name as their parents.

use std::collections::HashMap;

use super::super::identity::Identity;
use crate::client::{ClientError, RestClient};

/// Scopes that are kept; more are asked for again.
const KEPT_MAX: usize = 100_000;

/// Asks the hub for each scope once.
pub(super) struct Scopes<'a> {
    rest: &'a RestClient,
    known: HashMap<String, String>,
}

impl<'a> Scopes<'a> {
    pub(super) fn new(rest: &'a RestClient) -> Self {
        Self { rest, known: HashMap::new() }
    }

    /// The scope of a device; `None` when it is not there or has none.
    pub(super) fn of(&mut self, device: &str) -> Result<Option<&str>, ClientError> {
        if !self.known.contains_key(device) {
            let found = match Identity::device(device).read(self.rest) {
                Err(ClientError::Refused(refusal)) if refusal.status < 500 => return Ok(None),
                found => found?,
            };
            let Some(scope) = found["deviceScope"].as_str() else { return Ok(None) };
            if self.known.len() == KEPT_MAX {
                self.known.clear();
            }
            self.known.insert(device.to_owned(), scope.to_owned());
        }
        Ok(self.known.get(device).map(String::as_str))
    }
}
