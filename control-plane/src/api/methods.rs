//! Direct methods.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use ringhub_core::codec::json_text;
use ringhub_core::limits::METHOD_PAYLOAD_BYTES_MAX;
use ringhub_core::method::{Invocation, Patience, Target, check_method_name};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::{Code, DeviceError, code};
use super::front::Front;
use super::json::Members;
use super::route::Resource;
use super::{ApiError, Context, Reply, Response};
use crate::method::{MethodAnswer, MethodError};
use crate::registry::RegistryError;

const RESPONSE_SECS: RangeInclusive<u64> = 5..=300;
const RESPONSE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const CONNECT_SECS: RangeInclusive<u64> = 0..=300;

/// How much earlier than asked the hub gives up on an answer: clients close their socket at the
/// same time, and the error has to reach them before.
///
/// Source: control-plane reference, "Direct methods".
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

impl MethodError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Registry(error) => error.code(),
            Self::Disabled => code(403_012, "DeviceDisabled"),
            Self::TargetFull => code(403_800, "DeviceMaximumInflightMethodExceeded"),
            Self::NotOnline(_) => code(404_103, "DeviceNotOnline"),
            Self::ConnectionClosed => code(404_104, "DeviceConnectionClosedRemotely"),
            Self::TooLarge => code(413_001, "MessageTooLarge"),
            Self::Throttled => code(429_001, "ThrottlingException"),
            Self::BadAnswer => code(502_000, "InvalidResponseWhileProxying"),
            Self::TimedOut => code(504_101, "GatewayTimeout"),
        }
    }

    /// The answer that tells a client about this error.
    fn response(&self) -> Response {
        let waited = match *self {
            Self::NotOnline(waited) => Some(clock_text(waited)),
            _ => None,
        };
        DeviceError { code: self.code(), text: &self.to_string(), timeout: waited }.response()
    }
}

/// What the caller of a method gets.
fn outcome_response(outcome: Result<MethodAnswer, MethodError>) -> Response {
    match outcome {
        Ok(answer) => Response::json_text(StatusCode::OK, answer.to_json()),
        Err(error) => error.response(),
    }
}

impl Context {
    /// Whether it is a method call, which goes to its device without a worker.
    pub(crate) fn is_method(&self) -> bool {
        matches!(self.resource, Resource::Methods(_))
    }

    /// The answer that refuses it, in the shape of its resource.
    pub(crate) fn refusal(&self, why: RegistryError) -> Response {
        if self.is_method() { MethodError::from(why).response() } else { self.refuse()(why.into()) }
    }
}

impl Front {
    /// Sends a [method call](Context::is_method) on its way. A refusal reaches the device's callers
    /// in the shape of all that concerns devices. Costs the reading of the body.
    pub(crate) fn invoke_method(&self, context: Context, reply: Reply) {
        let Context { hub, resource: Resource::Methods(identity), request, .. } = context else {
            return reply(ApiError::NotFound.response());
        };
        let target = Target { hub, identity };
        match self.methods.check_target(&target).and_then(|()| Call::parse(&request.body)) {
            Ok(Call { invocation, patience }) => {
                let done = Box::new(|outcome| reply(outcome_response(outcome)));
                self.methods.invoke(target, invocation, patience, done);
            }
            Err(error) => reply(error.response()),
        }
    }
}

/// What the body of a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) invocation: Invocation,
    pub(crate) patience: Patience,
}

impl Call {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, MethodError> {
        let body = json_text::trim(body);
        if body.is_empty() {
            return Err(RegistryError::BodyMissing.into());
        }
        let mut written: BTreeMap<String, &RawValue> =
            serde_json::from_slice(body).map_err(|_| argument("no JSON object"))?;
        let payload = take_payload(&mut written);
        if payload.len() > METHOD_PAYLOAD_BYTES_MAX {
            return Err(MethodError::TooLarge);
        }
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let read = |(name, text): (String, &RawValue)| {
            serde_json::from_str(text.get()).ok().map(|value: Value| (name, value))
        };
        let members: Map<String, Value> = written.into_iter().filter_map(read).collect();
        let members = Members::from(&members);
        let seconds = |name, range| members.whole(name, range).map(|n| n.map(Duration::from_secs));
        let response = match seconds("responseTimeoutInSeconds", RESPONSE_SECS)? {
            None => seconds("timeoutInSeconds", RESPONSE_SECS)?,
            given => given,
        };
        let connect = seconds("connectTimeoutInSeconds", CONNECT_SECS)?;
        Ok(Self {
            invocation: Invocation { name: method_name(members)?.into(), payload },
            patience: Patience {
                connect: connect.unwrap_or_default(),
                response: response.unwrap_or(RESPONSE_TIMEOUT_DEFAULT) - ANSWER_MARGIN,
            },
        })
    }
}

/// The payload as it was written; empty when there is none or it is null: the device then gets no
/// bytes.
///
/// Source: device-endpoints reference, "Direct methods".
fn take_payload<'b>(written: &mut BTreeMap<String, &'b RawValue>) -> &'b str {
    let name = written.keys().find(|name| name.eq_ignore_ascii_case("payload")).cloned();
    let payload = name.and_then(|name| written.remove(&name)).map_or("", RawValue::get);
    if payload == "null" { "" } else { payload }
}

fn method_name(members: Members<'_>) -> Result<&str, MethodError> {
    let name = members.text("methodName")?.ok_or(RegistryError::BodyMissing)?;
    check_method_name(name)
        .map_err(|_| argument("methodName is too long or holds a character that it may not"))?;
    Ok(name)
}

fn argument(text: &'static str) -> MethodError {
    RegistryError::Argument(text).into()
}

/// A duration as `hh:mm:ss`.
fn clock_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Call, u32> {
        Call::parse(body.as_bytes()).map_err(|error| error.code().number)
    }

    #[test]
    fn members_have_defaults_and_any_case() {
        let call = parse(r#"{"METHODNAME":"reboot"}"#).expect("a name is enough");
        assert_eq!((&*call.invocation.name, &*call.invocation.payload), ("reboot", &b""[..]));
        let patience = |connect, response| Patience {
            connect: Duration::from_secs(connect),
            response: Duration::from_secs(response) - ANSWER_MARGIN,
        };
        assert_eq!(call.patience, patience(0, 30));
        let call = parse(
            r#"{"methodName":"r","responseTimeoutInSeconds":300,"connectTimeoutInSeconds":7,
                "payload":{"delay" : 123456789012345678901234567890}, "unknown":1}"#,
        );
        let call = call.expect("all members are good");
        let payload = br#"{"delay" : 123456789012345678901234567890}"#;
        assert_eq!(&*call.invocation.payload, payload, "payloads pass through as they are");
        assert_eq!(call.patience, patience(7, 300));
        for body in [
            r#"{"methodName":"x","responseTimeoutInSeconds":"40","connectTimeoutInSeconds":"30"}"#,
            r#"{"methodName":"x","responseTimeoutInSeconds":40.0,"connectTimeoutInSeconds":30.0}"#,
        ] {
            assert_eq!(parse(body).expect(body).patience, patience(30, 40), "{body}");
        }
        let marked = "\u{feff}{\"methodName\":\"x\",\"payload\":null}\0";
        let call = parse(marked).expect("marks are skipped");
        assert!(call.invocation.payload.is_empty(), "null is no payload");
    }

    #[test]
    fn refusals_have_the_codes_of_the_reference() {
        let large = format!(r#"{{"methodName":"r","payload":"{}"}}"#, "x".repeat(128 * 1024));
        for (body, code) in [
            ("", 400_005),
            ("{", 400_004),
            ("[]", 400_004),
            ("{}", 400_005),
            (r#"{"methodName":null}"#, 400_005),
            (r#"{"methodName":7}"#, 400_004),
            (r#"{"methodName":""}"#, 400_004),
            (r#"{"methodName":"a b"}"#, 400_004),
            (r#"{"methodName":"a","responseTimeoutInSeconds":4}"#, 400_004),
            (r#"{"methodName":"a","responseTimeoutInSeconds":301}"#, 400_004),
            (r#"{"methodName":"a","responseTimeoutInSeconds":"soon"}"#, 400_004),
            (r#"{"methodName":"a","connectTimeoutInSeconds":-1}"#, 400_004),
            (r#"{"methodName":"a","connectTimeoutInSeconds":301}"#, 400_004),
            (&large, 413_001),
        ] {
            assert_eq!(parse(body).map(drop), Err(code), "{body:.80}");
        }
        let largest = format!(r#"{{"methodName":"r","payload":"{}"}}"#, "x".repeat(128 * 1024 - 2));
        assert!(parse(&largest).is_ok());
    }

    #[test]
    fn durations_are_written_as_on_a_clock() {
        for (seconds, text) in [(0, "00:00:00"), (59, "00:00:59"), (300, "00:05:00")] {
            assert_eq!(clock_text(Duration::from_secs(seconds)), text);
        }
    }
}
