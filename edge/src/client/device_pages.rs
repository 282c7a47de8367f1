//! All devices of a hub, page by page.

use ringhub_core::limits::DEVICE_LIST_MAX;
use serde_json::Value;

use super::{RestClient, Result};

/// The devices of a hub in the order of their ids, a page at a time; ends with the first error.
#[derive(Debug)]
pub struct DevicePages<'a> {
    rest: &'a RestClient,
    path: &'static str,
    /// Devices that are still wanted.
    wanted: u64,
    continuation: Option<String>,
    has_more: bool,
}

impl<'a> DevicePages<'a> {
    /// At most `count` devices.
    #[must_use]
    pub fn new(rest: &'a RestClient, count: u64) -> Self {
        Self { rest, path: "/devices", wanted: count, continuation: None, has_more: true }
    }

    /// All devices, each with its modules as the member `modules`.
    #[must_use]
    pub fn with_modules(rest: &'a RestClient) -> Self {
        Self { path: "/devices?include=modules", ..Self::new(rest, u64::MAX) }
    }

    /// Whether the hub has more devices than were given so far.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    fn read(&mut self) -> Result<Vec<Value>> {
        let size = usize::try_from(self.wanted).unwrap_or(usize::MAX).min(DEVICE_LIST_MAX);
        let (page, next) = self.rest.read_page(self.path, size, self.continuation.as_deref())?;
        self.wanted = self.wanted.saturating_sub(page.len() as u64);
        self.has_more = next.is_some();
        self.continuation = next;
        Ok(page)
    }
}

impl Iterator for DevicePages<'_> {
    type Item = Result<Vec<Value>>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.has_more || self.wanted == 0 {
            return None;
        }
        let page = self.read();
        self.has_more &= page.is_ok();
        Some(page)
    }
}
