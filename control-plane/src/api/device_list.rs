//! Lists of devices: one of at most a thousand, as the original has it, or page by page.
//!
//! Pages are ringhub's own, for who asks with the headers that queries use. Devices come in the
//! order of their ids, each page by its place in the index: what is registered or removed meanwhile
//! makes no other device come twice or not at all.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue, StatusCode};
use ringhub_core::id::{DeviceId, HubId};
use ringhub_core::limits::DEVICE_LIST_MAX;
use serde_json::Value;

use super::devices::device_json;
use super::modules::module_json;
use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::registry::{Device, Module, RegistryError};
use crate::store::Store as _;

pub(super) const PAGE_SIZE: HeaderName = HeaderName::from_static("x-ms-max-item-count");
pub(super) const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation");

/// First bytes of a token: another list has others.
const TOKEN_KIND: &str = "devices:";

/// Devices of one answer.
struct Page {
    devices: Vec<Device>,
    /// Modules of these devices, if they were asked for.
    modules: Option<Vec<Module>>,
    has_more: bool,
}

impl Api {
    /// Source: control-plane reference, "List, statistics, purge" and "Paging headers".
    pub(super) fn list_devices(&self, context: &Context) -> Result<Answer, ApiError> {
        let headers = &context.request.headers;
        let is_paged = headers.contains_key(PAGE_SIZE) || headers.contains_key(CONTINUATION);
        let page = if is_paged { self.page(context) } else { self.first_devices(context) }?;
        let token = page.devices.last().filter(|_| page.has_more).map(token);
        let body = self.page_json(context.hub, page);
        let mut response = Response::json(StatusCode::OK, &body);
        if let Some(token) = token.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers.insert(CONTINUATION, token);
        }
        Ok(Answer::Ready(response))
    }

    /// What is listed when nothing is said of pages: there is no next one.
    fn first_devices(&self, context: &Context) -> Result<Page, ApiError> {
        let limit = count(context.parameter("top").as_deref());
        let devices =
            self.store.devices(context.hub, "", limit).map_err(|error| self.unreadable(&error))?;
        Ok(Page { devices, modules: None, has_more: false })
    }

    fn page(&self, context: &Context) -> Result<Page, ApiError> {
        let header = |name| context.request.headers.get(name).map(HeaderValue::as_bytes);
        let after = header(CONTINUATION).map(place).transpose()?;
        let after = after.as_ref().map_or("", DeviceId::as_str);
        let limit = count(header(PAGE_SIZE).and_then(|text| std::str::from_utf8(text).ok()));
        // One more than is shown tells whether there is another page.
        let devices = self.store.devices(context.hub, after, limit + 1);
        let mut devices = devices.map_err(|error| self.unreadable(&error))?;
        let has_more = devices.len() > limit;
        devices.truncate(limit);
        let mut page = Page { devices, modules: None, has_more };
        if includes_modules(context)? {
            self.add_modules(context.hub, &mut page)?;
        }
        Ok(page)
    }

    /// Adds the modules of the page, and ends it sooner when they are too many.
    fn add_modules(&self, hub: HubId, page: &mut Page) -> Result<(), ApiError> {
        let [Some(first), Some(last)] = [page.devices.first(), page.devices.last()] else {
            page.modules = Some(Vec::new());
            return Ok(());
        };
        let range = first.id.as_str()..=last.id.as_str();
        let modules = self.store.modules_of(hub, range, DEVICE_LIST_MAX);
        let mut modules = modules.map_err(|error| self.unreadable(&error))?;
        if modules.len() == DEVICE_LIST_MAX
            && let Some(cut) = modules.last().map(|module| module.device.clone())
        {
            // The last device may have more modules; the page is full with the devices before it.
            modules.retain(|module| module.device != cut);
            page.devices.retain(|device| device.id.as_str() < cut.as_str());
            page.has_more = true;
        }
        page.modules = Some(modules);
        Ok(())
    }

    fn page_json(&self, hub: HubId, page: Page) -> Vec<Value> {
        let device = |device: &Device| device_json(&self.directory, hub, device);
        let Some(modules) = page.modules else { return page.devices.iter().map(device).collect() };
        let mut by_device: HashMap<_, Vec<Value>> = HashMap::new();
        for module in &modules {
            let json = module_json(&self.directory, hub, module);
            by_device.entry(module.device.as_str()).or_default().push(json);
        }
        let mut with_modules = |listed: &Device| {
            let mut json = device(listed);
            json["modules"] = by_device.remove(listed.id.as_str()).unwrap_or_default().into();
            json
        };
        page.devices.iter().map(&mut with_modules).collect()
    }
}

/// How many to list; what is no sensible number means as many as there may be.
fn count(text: Option<&str>) -> usize {
    let number = text.and_then(|text| text.parse().ok());
    number.filter(|number| (1..=DEVICE_LIST_MAX).contains(number)).unwrap_or(DEVICE_LIST_MAX)
}

fn includes_modules(context: &Context) -> Result<bool, ApiError> {
    match context.parameter("include").as_deref() {
        None => Ok(false),
        Some("modules") => Ok(true),
        Some(_) => Err(RegistryError::Argument("a list of devices can include modules").into()),
    }
}

/// Names the place after `device`.
fn token(device: &Device) -> String {
    URL_SAFE_NO_PAD.encode(format!("{TOKEN_KIND}{}", device.id))
}

/// The device that a token names; it need not exist any more.
fn place(token: &[u8]) -> Result<DeviceId, ApiError> {
    const MALFORMED: RegistryError =
        RegistryError::Argument("the continuation token is not one of this list");
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or(MALFORMED)?;
    let id = text.strip_prefix(TOKEN_KIND).ok_or(MALFORMED)?;
    Ok(DeviceId::parse(id).map_err(|_| MALFORMED)?)
}
