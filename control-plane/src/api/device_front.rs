//! The routes of devices: who asks for what.
//!
//! Source: device-endpoints reference, "HTTPS device API".

use std::ops::RangeInclusive;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;
use ringhub_core::auth::CertificateChain;
use ringhub_core::c2d::{HttpForm, LockToken, Verdict};
use ringhub_core::limits::{C2D_LOCK_TIME, C2D_LOCK_TIME_MAX, C2D_LOCK_TIME_MIN};
use ringhub_core::quota::QuotaRefusal;

use super::request::{check_version, find_hub, parameter, unauthorized};
use super::route::Routes;
use super::{ApiError, Request, Response};
use crate::c2d::{C2dRefusal, Delivery};
use crate::clock;
use crate::directory::{AuthFailure, Credential, Directory, Grant, Hub, IdentityRef};
use crate::registry::RegistryError;

const LOCK_TIME: &str = "iothub-messagelocktimeout";

/// A request of a device or module that was let in.
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    /// Who asks.
    pub grant: Grant,
    /// What for.
    pub operation: DeviceOperation,
}

/// What a device asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceOperation {
    /// Store one message or an array of them.
    Send,
    /// Give the next message, locked for a time.
    Receive(Duration),
    /// End or return a message. A text that is no token names a lock that nobody has.
    Settle(Option<LockToken>, Verdict),
    /// Begin the upload of the file that the path names, or the body.
    StartUpload(Option<String>),
    /// End the upload that the path names, or the body.
    FinishUpload(Option<String>),
}

/// Why a request that was let in is refused after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceRefusal {
    /// Something is malformed; the text says what.
    Argument(&'static str),
    /// Properties and body have too many bytes.
    MessageTooLarge,
    /// The array is of a kind that the hub does not know.
    MediaType,
    /// The message is not the sender's to settle any more.
    LockLost,
    /// The identity was deleted, disabled or replaced meanwhile.
    Gone(AuthFailure),
    /// There is no room on the disk.
    DiskFull,
    /// The store takes no changes until the hub is restarted.
    Failed,
    /// The store could not do it, or a commit log has failed.
    Storage,
    /// Too many requests wait.
    Busy,
    /// The hub has used up what it may.
    Quota(QuotaRefusal),
}

impl From<C2dRefusal> for DeviceRefusal {
    fn from(refusal: C2dRefusal) -> Self {
        match refusal {
            C2dRefusal::LockLost => Self::LockLost,
            C2dRefusal::DeviceNotFound => Self::Gone(AuthFailure::UnknownDevice),
            C2dRefusal::ModuleNotFound => Self::Gone(AuthFailure::UnknownModule),
            C2dRefusal::Busy | C2dRefusal::QueueFull | C2dRefusal::OutOfMemory => Self::Busy,
            C2dRefusal::DiskFull => Self::DiskFull,
            C2dRefusal::Failed => Self::Failed,
            C2dRefusal::Storage => Self::Storage,
            C2dRefusal::Quota(why) => Self::Quota(why),
        }
    }
}

impl DeviceRefusal {
    /// The answer that tells the device.
    #[must_use]
    pub fn response(self) -> Response {
        let error = match self {
            Self::Argument(text) => RegistryError::Argument(text).into(),
            Self::MessageTooLarge => ApiError::MessageTooLarge,
            Self::MediaType => ApiError::MediaType,
            Self::LockLost => ApiError::LockLost,
            Self::Gone(why) => refusal(why),
            Self::DiskFull => RegistryError::DiskFull.into(),
            Self::Failed => RegistryError::Failed.into(),
            Self::Storage => RegistryError::Storage.into(),
            Self::Busy => ApiError::Busy,
            Self::Quota(why) => RegistryError::from(why).into(),
        };
        error.response()
    }
}

/// The answer to what succeeded and has nothing to say.
#[must_use]
pub fn done() -> Response {
    Response::empty(StatusCode::NO_CONTENT)
}

/// The answer that hands a message to its device; `None` for bytes that are no kept message.
#[must_use]
pub fn delivery_response(delivery: &Delivery) -> Option<Response> {
    let form = HttpForm::of(&delivery.content).ok()?;
    let mut response = Response::empty(StatusCode::OK).with_etag(&delivery.token.to_string());
    let mut set = |name: &str, value: String| {
        let name = http::HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            response.headers.append(name, value);
        }
    };
    set("iothub-sequencenumber", delivery.sequence_number.to_string());
    set("iothub-enqueuedtime", delivery.enqueued.to_iso8601().unwrap_or_default());
    set("iothub-deliverycount", delivery.delivery_count.to_string());
    for (name, value) in form.headers {
        set(&name, value);
    }
    response.body = bytes::Bytes::copy_from_slice(form.payload);
    Some(response)
}

/// Reads a request; `None` when its path is no route of devices, in whichever reading names
/// something first. `certificate` is that of the handshake.
///
/// Checks path, host, verb, version, authorization and parameters, in this order. Costs the check
/// of a token, or of a chain of certificates.
pub(crate) fn admit(
    request: &Request,
    certificate: Option<&CertificateChain>,
    directory: &Directory,
    routes: &Routes,
) -> Option<Result<DeviceRequest, ApiError>> {
    let (method, path) = (&request.method, request.path());
    if let Some(route) = Route::of(path, method) {
        return Some(route.admit(request, certificate, directory));
    }
    let reading = routes.other_reading(method, path, |path| Route::of(path, method).is_some())?;
    Some(Route::of(&reading, method)?.admit(request, certificate, directory))
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node<'p> {
    Events,
    DeviceBound,
    Lock(&'p str),
    Abandon(&'p str),
    Files,
    /// A file by its name, which may have slashes.
    File(&'p str),
    /// The ends of uploads, or of the one that is named.
    Uploads(Option<&'p str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route<'p> {
    device: &'p str,
    module: Option<&'p str>,
    node: Node<'p>,
}

impl<'p> Route<'p> {
    /// Words of the path match in any case; ids stay as they came. A message that is sent to the
    /// queue of a device is a back end's.
    fn of(path: &'p str, method: &Method) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let is = |text: &str, word: &str| text.eq_ignore_ascii_case(word);
        let (device, module, rest) = match *segments.as_slice() {
            [devices, device, modules, module, ref rest @ ..]
                if is(devices, "devices") && is(modules, "modules") =>
            {
                (device, Some(module), rest)
            }
            [devices, device, ref rest @ ..] if is(devices, "devices") => (device, None, rest),
            _ => return None,
        };
        let node = match *rest {
            [messages, events] if is(messages, "messages") && is(events, "events") => Node::Events,
            [messages, bound, ref rest @ ..]
                if is(messages, "messages") && is(bound, "devicebound") =>
            {
                match *rest {
                    [] if *method != Method::POST => Node::DeviceBound,
                    [etag] => Node::Lock(etag),
                    [etag, abandon] if is(abandon, "abandon") => Node::Abandon(etag),
                    _ => return None,
                }
            }
            // Modules upload nothing.
            [files, ref rest @ ..] if is(files, "files") && module.is_none() => match *rest {
                [] => Node::Files,
                [done] if is(done, "notifications") => Node::Uploads(None),
                [done, id] if is(done, "notifications") => Node::Uploads(Some(id)),
                _ => Node::File(&path[path.len() - rest.join("/").len()..]),
            },
            _ => return None,
        };
        Some(Self { device, module, node })
    }

    fn admit(
        self,
        request: &Request,
        certificate: Option<&CertificateChain>,
        directory: &Directory,
    ) -> Result<DeviceRequest, ApiError> {
        let hub = find_hub(&request.headers, directory)?;
        let operation = match (self.node, request.method.as_str()) {
            (Node::Events, "POST") => DeviceOperation::Send,
            (Node::DeviceBound, "GET") => DeviceOperation::Receive(C2D_LOCK_TIME),
            (Node::Lock(etag), "DELETE") => {
                let is_rejected = has_parameter(request.query(), "reject");
                let verdict = if is_rejected { Verdict::Reject } else { Verdict::Complete };
                DeviceOperation::Settle(token(etag), verdict)
            }
            (Node::Abandon(etag), "POST") => DeviceOperation::Settle(token(etag), Verdict::Abandon),
            (Node::Files, "POST") => DeviceOperation::StartUpload(None),
            (Node::File(name), "GET") => DeviceOperation::StartUpload(Some(decoded(name)?)),
            (Node::Uploads(id), "POST") => {
                DeviceOperation::FinishUpload(id.map(decoded).transpose()?)
            }
            _ => return Err(ApiError::MethodNotAllowed),
        };
        check_version(request)?;
        let grant = self.authenticate(&hub, request, certificate, directory)?;
        let operation = match operation {
            DeviceOperation::Receive(_) => DeviceOperation::Receive(lock_time(request)?),
            other => other,
        };
        Ok(DeviceRequest { grant, operation })
    }

    fn authenticate(
        self,
        hub: &Hub,
        request: &Request,
        certificate: Option<&CertificateChain>,
        directory: &Directory,
    ) -> Result<Grant, ApiError> {
        let token = request.headers.get(AUTHORIZATION).map(HeaderValue::to_str).transpose();
        let token = token.map_err(|_| unauthorized("Unauthorized"))?;
        if token.is_none() && certificate.is_none() {
            return Err(unauthorized("Authorization header missing"));
        }
        let device = decoded(self.device)?;
        let module = self.module.map(decoded).transpose()?;
        let name = IdentityRef { device: &device, module: module.as_deref() };
        let credential = Credential { token, certificate };
        directory.authenticate(hub.id, name, credential, clock::now()).map_err(|reason| {
            let (hub, device, module) = (&hub.host_name, name.device, name.module);
            tracing::info!(hub, device, module, %reason, "request of a device refused");
            refusal(reason)
        })
    }
}

fn decoded(id: &str) -> Result<String, ApiError> {
    let text = percent_decode_str(id).decode_utf8();
    Ok(text.map_err(|_| RegistryError::Argument("the path is not UTF-8"))?.into_owned())
}

/// A token as it stands in a path: bare, or in quotes, which may be encoded.
fn token(etag: &str) -> Option<LockToken> {
    let text = percent_decode_str(etag).decode_utf8().ok()?;
    LockToken::parse(text.trim_matches('"'))
}

/// Whether a parameter is there, with a value or without.
fn has_parameter(query: &str, name: &str) -> bool {
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.into_iter().any(|found| found.eq_ignore_ascii_case(name))
}

fn lock_time(request: &Request) -> Result<Duration, ApiError> {
    const RANGE: RangeInclusive<Duration> = C2D_LOCK_TIME_MIN..=C2D_LOCK_TIME_MAX;
    let header = request.headers.get(LOCK_TIME).map(|value| value.to_str().unwrap_or_default());
    let asked = header.map(ToOwned::to_owned).or_else(|| parameter(request.query(), LOCK_TIME));
    let Some(text) = asked else { return Ok(C2D_LOCK_TIME) };
    let time = text.trim().parse().map(Duration::from_secs);
    let time = time.ok().filter(|time| RANGE.contains(time));
    Ok(time.ok_or(RegistryError::Argument("the lock timeout is 1 to 300 seconds"))?)
}

fn refusal(why: AuthFailure) -> ApiError {
    match why {
        AuthFailure::UnknownHub => ApiError::HubNotFound,
        AuthFailure::UnknownDevice => RegistryError::DeviceNotFound.into(),
        AuthFailure::UnknownModule => RegistryError::ModuleNotFound.into(),
        AuthFailure::Disabled => ApiError::DeviceDisabled,
        _ => unauthorized("Unauthorized"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route<'p>(method: &str, path: &'p str) -> Option<Route<'p>> {
        Route::of(path, &Method::from_bytes(method.as_bytes()).expect("a method"))
    }

    #[test]
    fn words_match_in_any_case_and_other_paths_are_not_of_devices() {
        let found = |node| Some(Route { device: "Pump%201", module: None, node });
        for (method, path, node) in [
            ("POST", "/devices/Pump%201/messages/events", Node::Events),
            ("GET", "/Devices/Pump%201/Messages/Events/", Node::Events),
            ("GET", "/devices/Pump%201/messages/deviceBound", Node::DeviceBound),
            ("DELETE", "/devices/Pump%201/messages/DEVICEBOUND/%22x%22", Node::Lock("%22x%22")),
            ("POST", "/devices/Pump%201/messages/devicebound/x/Abandon", Node::Abandon("x")),
            ("POST", "/devices/Pump%201/files/", Node::Files),
            ("GET", "/devices/Pump%201/Files/logs/a.txt", Node::File("logs/a.txt")),
            ("POST", "/devices/Pump%201/files/notifications", Node::Uploads(None)),
            ("POST", "/devices/Pump%201/files/Notifications/MjA%3D", Node::Uploads(Some("MjA%3D"))),
        ] {
            assert_eq!(route(method, path), found(node), "{method} {path}");
        }
        let of_module = route("POST", "/devices/d/modules/m/messages/events");
        assert_eq!(of_module.map(|route| (route.device, route.module)), Some(("d", Some("m"))));
        for path in [
            "/devices/d",
            "/devices/d/modules/m/files",
            "/devices/d/modules/m",
            "/devices/d/messages",
            "/devices/d/messages/devicebound",
            "/devices/d/messages/devicebound/x/y",
            "/twins/d/messages/events",
        ] {
            assert_eq!(route("POST", path), None, "{path}");
        }
    }

    #[test]
    fn tokens_may_be_quoted_and_reject_needs_no_value() {
        let text = "7b0c6f9e-0a51-4f5e-9d2c-3a1f0c2b9e10";
        let expected = LockToken::parse(text);
        assert!(expected.is_some());
        for etag in [text, &format!("%22{text}%22"), &format!("\"{text}\""), &text.to_uppercase()] {
            assert_eq!(token(etag), expected, "{etag}");
        }
        for etag in ["", "x", "7b0c6f9e", "7b0c6f9e-0a51-4f5e-9d2c-3a1f0c2b9e1é"] {
            assert_eq!(token(etag), None, "{etag}");
        }
        for query in ["reject", "reject&api-version=1", "api-version=1&Reject=true", "&reject"] {
            assert!(has_parameter(query, "reject"), "{query}");
        }
        assert!(!has_parameter("api-version=reject", "reject"));
    }
}
