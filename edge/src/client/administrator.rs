//! The resource provider of a process on this machine, as its administrator uses it.

use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::rest::{Answer, Precondition, RestClient};
use super::target::{Target, read_admin_token};
use super::{ClientError, Refusal, Result, encode_segment};

/// Subscription of hubs that are made by the commands.
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// Resource group of hubs that are made by the commands.
const GROUP: &str = "ringhub";

/// Longest time for one request: the making of a hub writes its first segments.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the resource provider.
#[derive(Clone, Debug)]
pub struct Administrator {
    rest: RestClient,
}

impl Administrator {
    /// The provider of the process whose data is in `directory`; connects with the first request.
    ///
    /// # Errors
    /// [`ClientError`] when there is no hub, or the directory is another user's.
    pub fn local(directory: &Path) -> Result<Self> {
        let token = read_admin_token(directory)?;
        Ok(Self { rest: RestClient::for_administrators(&Target::local(directory)?, &token) })
    }

    /// All hubs of the process that are in the subscription of the commands.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn hubs(&self) -> Result<Value> {
        let path = format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Devices/IotHubs");
        self.rest.read(&path)
    }

    /// The hub of a name, or of a host name.
    ///
    /// # Errors
    /// [`ClientError`], which names those that there are.
    pub fn hub(&self, name: &str) -> Result<Value> {
        let mut hubs = self.hubs()?;
        let hubs = hubs["value"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let is_named = |hub: &Value| {
            [&hub["name"], &hub["properties"]["hostName"]]
                .iter()
                .any(|known| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(name)))
        };
        let known: Vec<_> = hubs.iter().filter_map(|hub| hub["name"].as_str()).collect();
        let known = known.join(", ");
        hubs.into_iter().find(is_named).ok_or_else(|| {
            let message = format!("there is no hub called {name}; there are: {known}");
            ClientError::Refused(Refusal { status: 404, code: "ResourceNotFound".into(), message })
        })
    }

    /// As [`hub`](Self::hub), for a command that is for a hub which somebody has named: the one of
    /// the configuration is called `configured`.
    ///
    /// # Errors
    /// [`ClientError::OtherHub`] if there is none, and as for [`hub`](Self::hub).
    pub fn named_hub(&self, name: &str, configured: &str) -> Result<Value> {
        self.hub(name).map_err(|error| match error {
            ClientError::Refused(refusal) if refusal.is_not_found() => {
                ClientError::OtherHub { named: name.to_owned(), found: configured.to_owned() }
            }
            error => error,
        })
    }

    /// The policies of a hub, with their keys.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn policies(&self, hub: &Value) -> Result<Vec<Value>> {
        let path = format!("{}/listkeys", hub["id"].as_str().unwrap_or_default());
        let mut answer = self.rest.send(Method::POST, &path, Precondition::Absent, None)?;
        Ok(answer["value"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Where a hub of this name is made.
    #[must_use]
    pub fn path_of(name: &str) -> String {
        let name = encode_segment(name);
        format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Devices/IotHubs/{name}"
        )
    }

    /// Makes or changes the hub at `path`, and gives its description.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn put(&self, path: &str, when: Precondition<'_>, body: &Value) -> Result<Value> {
        self.rest.send(Method::PUT, path, when, Some(body))
    }

    /// Deletes the hub at `path`. `is_done` of what is returned tells when all is gone.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn delete(&self, path: &str) -> Result<Answer> {
        let answer =
            self.rest.exchange(Method::DELETE, path, Precondition::Absent, None, PATIENCE)?;
        if answer.status > 299 { Err(answer.refusal().into()) } else { Ok(answer) }
    }

    /// Whether the operation that `answer` has begun is over.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn is_done(&self, answer: &Answer) -> Result<bool> {
        let location = answer.headers.get("location").and_then(|value| value.to_str().ok());
        // The address that it was asked at is known.
        let path = location.and_then(|url| url.split_once("://")?.1.split_once('/'));
        let Some((_, path)) = path else { return Ok(true) };
        let path = format!("/{}", path.split('?').next().unwrap_or_default());
        let answer =
            self.rest.exchange(Method::GET, &path, Precondition::Absent, None, PATIENCE)?;
        match answer.status {
            202 => Ok(false),
            200..=299 => Ok(true),
            _ => Err(answer.refusal().into()),
        }
    }
}
