//! Refusals of the resource provider.

use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::name::InvalidHubName;
use super::resource::ResourcePath;
use crate::api::{ApiError, Code, Response, code, random_guid};
use crate::hub::HubError;
use crate::registry::RegistryError;

/// Why a request to the resource provider is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("Authentication failed. The 'Authorization' header is missing.")]
    TokenMissing,
    #[error("Authentication failed. The 'Authorization' header is provided in an invalid format.")]
    TokenForm,
    #[error(
        "The access token is invalid: it is not that of the administrators of this process, which \
         `ringhub admin-token show` prints on its machine."
    )]
    Token,
    #[error("The api-version query parameter (?api-version=) is required for all requests.")]
    ApiVersionMissing,
    #[error("The api-version '{named}' is invalid. The supported versions are '{known}'.")]
    ApiVersion { named: String, known: String },
    #[error("The path names no resource of Microsoft.Devices.")]
    Path,
    #[error("The resource takes {0}.")]
    Method(&'static str),
    #[error(
        "The provided subscription identifier '{0}' is malformed or invalid: it is a GUID such as \
         00000000-0000-0000-0000-000000000000."
    )]
    Subscription(String),
    #[error(
        "The provided resource group name '{0}' has these invalid characters or length: it has 1 \
         to 90 letters, digits and -_.() and does not end with a full stop."
    )]
    Group(String),
    #[error("{0}")]
    Name(#[from] InvalidHubName),
    /// There is no hub of this name in this place.
    #[error(
        "The Resource 'Microsoft.Devices/IotHubs/{}' under resource group '{}' was not found. For \
         more details please go to https://aka.ms/ARMResourceNotFoundFix",
        .0.name, .0.group
    )]
    HubNotFound(Box<ResourcePath>),
    #[error("The request content exceeds the maximum size.")]
    ContentTooLarge,
    #[error("The operation is not known: its hub is gone.")]
    OperationNotFound,
    #[error("IotHub name '{0}' is not available: a hub of this process has it")]
    NameTaken(String),
    /// The key of the configuration file that decides instead.
    #[error(
        "{member} of this hub is decided by its configuration: change {key} there, and restart"
    )]
    Configured { member: &'static str, key: &'static str },
    #[error("the hub of the configuration cannot be deleted: it goes with its data directory")]
    ConfiguredHub,
    /// Why a hub is not made, changed or deleted.
    #[error("{text}")]
    Life { text: String, code: Code },
    /// A member of the body that cannot be.
    #[error("{member}: {rule}")]
    Member { member: String, rule: String },
    /// Who reaches the machine reaches its hubs; there is nothing private in between.
    #[error("the hub has no private link '{0}', and can have none")]
    NoPrivateLink(String),
    /// What the hub itself refuses.
    #[error(transparent)]
    Hub(#[from] ApiError),
}

impl From<RegistryError> for ProviderError {
    fn from(error: RegistryError) -> Self {
        Self::Hub(error.into())
    }
}

impl From<HubError> for ProviderError {
    fn from(error: HubError) -> Self {
        let code = match &error {
            HubError::NotFound | HubError::PolicyNotFound => code(404_000, "GenericNotFound"),
            HubError::Name(_)
            | HubError::Range { .. }
            | HubError::Policy
            | HubError::TooManyPolicies => code(400_004, "ArgumentInvalid"),
            HubError::TooManyHubs => code(403_002, "IotHubQuotaExceeded"),
            HubError::NameTaken(_) | HubError::BeingDeleted(_) | HubError::Configured(_) => {
                code(409_000, "GenericConflict")
            }
            HubError::Parts(_) | HubError::Storage => code(500_001, "ServerError"),
            HubError::DiskFull | HubError::Failed => code(503_001, "ServiceUnavailable"),
            HubError::Busy | HubError::Starting => code(503_005, "ServerBusy"),
        };
        Self::Life { text: error.to_string(), code }
    }
}

impl ProviderError {
    /// A member of the body that cannot be.
    pub(super) fn member(member: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Member { member: member.into(), rule: rule.into() }
    }

    /// The answer that tells a client about this error.
    ///
    /// Source: control-plane reference, "Errors".
    pub(crate) fn response(&self) -> Response {
        let mut response = match self.front_door() {
            Some((status, name)) => {
                let body = json!({ "error": { "code": name, "message": self.to_string() } });
                Response::json(status, &body)
            }
            None => provider_response(self.code(), &self.to_string()),
        };
        let headers = &mut response.headers;
        match self {
            Self::TokenMissing | Self::TokenForm | Self::Token => {
                let challenge = "Bearer error=\"invalid_token\"";
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Method(allowed) => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            Self::Hub(error) => {
                if let Some(after) = error.retry_after() {
                    headers.insert(RETRY_AFTER, after);
                }
            }
            _ => {}
        }
        response
    }

    /// Status and name of what Azure Resource Manager answers before any provider.
    fn front_door(&self) -> Option<(StatusCode, &'static str)> {
        Some(match self {
            Self::TokenMissing => (StatusCode::UNAUTHORIZED, "AuthenticationFailed"),
            Self::TokenForm => (StatusCode::UNAUTHORIZED, "AuthenticationFailedInvalidHeader"),
            Self::Token => (StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken"),
            Self::ApiVersionMissing => (StatusCode::BAD_REQUEST, "MissingApiVersionParameter"),
            Self::ApiVersion { .. } => (StatusCode::BAD_REQUEST, "InvalidApiVersionParameter"),
            Self::Path => (StatusCode::NOT_FOUND, "InvalidResourceType"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "HttpMethodNotAllowed"),
            Self::Subscription(_) => (StatusCode::BAD_REQUEST, "InvalidSubscriptionId"),
            Self::Group(_) => (StatusCode::BAD_REQUEST, "InvalidResourceGroup"),
            Self::HubNotFound(_) => (StatusCode::NOT_FOUND, "ResourceNotFound"),
            Self::ContentTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestContentTooLarge"),
            _ => return None,
        })
    }

    /// Number and name of what the provider itself answers.
    fn code(&self) -> Code {
        match self {
            Self::Configured { .. } | Self::ConfiguredHub | Self::NameTaken(_) => {
                code(409_000, "GenericConflict")
            }
            Self::Life { code, .. } => *code,
            Self::NoPrivateLink(_) => code(404_000, "GenericNotFound"),
            Self::Hub(error) => error.code(),
            _ => code(400_004, "ArgumentInvalid"),
        }
    }
}

/// An error as the provider for IoT hubs writes it: its code is a number.
fn provider_response(code: Code, text: &str) -> Response {
    let status = code.status();
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    let time = OffsetDateTime::now_utc().format(format).unwrap_or_default();
    let (number, guid) = (code.number, random_guid());
    let message = format!(
        "{}. If you contact a support representative please include this correlation identifier: \
         {guid}, timestamp: {time}, errorcode: IH{number}.",
        text.trim_end_matches('.')
    );
    let name = status.canonical_reason().unwrap_or_default().replace(' ', "");
    let body: Value = json!({ "code": number, "httpStatusCode": name, "message": message });
    Response::json(status, &body)
}
