//! Operations that may last: how far they are, told from what there is.
//!
//! An id says which hub is made or deleted, and nothing is kept: so an answer is as true after a
//! restart as before.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HOST, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use ringhub_core::id::HubId;
use serde_json::{Value, json};

use super::{Provider, ProviderError};
use crate::api::{Request, Response, parameter, random_guid};

const ASYNC_OPERATION: HeaderName = HeaderName::from_static("azure-asyncoperation");

/// Seconds between two looks of a client: most operations are done at the first one.
const RETRY_AFTER_SECS: u64 = 1;

/// What is done to a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// It is made or changed.
    Put,
    Delete,
}

/// An operation, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) verb: Verb,
    pub(super) hub: HubId,
}

impl Operation {
    /// The id, which clients take as it is.
    fn id(self, region: &str) -> String {
        let Self { verb, hub: HubId(hub) } = self;
        let verb = match verb {
            Verb::Put => "put",
            Verb::Delete => "delete",
        };
        let guid = random_guid();
        let text = format!("id=os_ih_{guid};region={region};verb={verb};hub={hub}");
        URL_SAFE_NO_PAD.encode(text)
    }

    fn parse(id: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
        let member = |name: &str| {
            let mut members = text.split(';').filter_map(|part| part.split_once('='));
            members.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let verb = match member("verb")? {
            "put" => Verb::Put,
            "delete" => Verb::Delete,
            _ => return None,
        };
        Some(Self { verb, hub: HubId(member("hub")?.parse().ok()?) })
    }

    /// Adds the headers by which clients follow the operation.
    ///
    /// Source: control-plane reference, "Long-running operations".
    pub(super) fn announce(
        self,
        response: &mut Response,
        request: &Request,
        subscription: &str,
        location: &str,
    ) {
        let region = location.replace(' ', "").to_ascii_lowercase();
        let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or_default();
        let version = parameter(request.query(), "api-version").unwrap_or_default();
        let id = self.id(&region);
        let url = format!(
            "https://{host}/subscriptions/{subscription}/providers/Microsoft.Devices/locations/\
             {region}/operationResults/{id}?api-version={version}&operationSource=other"
        );
        let headers = &mut response.headers;
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
        if let Ok(value) = HeaderValue::try_from(format!("{url}&asyncinfo")) {
            headers.insert(ASYNC_OPERATION, value);
        }
        if self.verb == Verb::Delete
            && let Ok(value) = HeaderValue::try_from(url)
        {
            headers.insert(LOCATION, value);
        }
    }
}

impl Provider<'_> {
    /// Answers in one of two forms: with a status in the body if `asyncinfo` is asked for, else by
    /// the status code.
    pub(super) fn operation_result(
        &self,
        id: &str,
        request: &Request,
    ) -> Result<Response, ProviderError> {
        let operation = Operation::parse(id).ok_or(ProviderError::OperationNotFound)?;
        let is_running = self.is_running(operation)?;
        let with_status = request.query().split('&').any(|pair| {
            pair.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("asyncinfo"))
        });
        let mut response = match (with_status, is_running) {
            (true, true) => Response::json(StatusCode::OK, &json!({ "status": "Running" })),
            (true, false) => Response::json(StatusCode::OK, &json!({ "status": "Succeeded" })),
            (false, true) => Response::json(StatusCode::ACCEPTED, &Value::Null),
            (false, false) => Response::empty(StatusCode::NO_CONTENT),
        };
        if is_running {
            response.headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
        }
        Ok(response)
    }

    /// What is made is there when the request is answered; what is deleted goes afterwards.
    fn is_running(&self, operation: Operation) -> Result<bool, ProviderError> {
        let is_there = self.api.directory().hub(operation.hub).is_some();
        match operation.verb {
            Verb::Put if is_there => Ok(false),
            Verb::Put => Err(ProviderError::OperationNotFound),
            Verb::Delete => {
                let deleting = self.state.hubs.deleting();
                Ok(is_there || deleting.iter().any(|(hub, _)| *hub == operation.hub))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_which_hub_and_what_is_done_to_it() {
        for verb in [Verb::Put, Verb::Delete] {
            let operation = Operation { verb, hub: HubId(7) };
            let id = operation.id("eastus");
            assert_eq!(Operation::parse(&id), Some(operation));
            assert_ne!(operation.id("eastus"), id, "each is another one");
        }
        let id = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for bad in ["", "!", &id("verb=put"), &id("verb=x;hub=1"), &id("verb=put;hub=-1")] {
            assert_eq!(Operation::parse(bad), None, "{bad}");
        }
    }
}
