//! Error answers: one table from refusal to number and name.

use std::fmt::Write as _;

use aws_lc_rs::rand;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};
use ringhub_core::c2d::Unacceptable;
use ringhub_core::limits::{DISK_FULL_RETRY, QUERY_CHARS_MAX};
use ringhub_core::quota::QuotaRefusal;
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;

use super::Response;
use crate::c2d::C2dRefusal;
use crate::certificate::CertificateError;
use crate::clock;
use crate::configuration::ConfigurationError;
use crate::file_upload::UploadError;
use crate::method::MethodError;
use crate::registry::RegistryError;
use crate::registry_job::InvalidContainer;
use crate::twin::{TwinRefusal, TwinRefusalReason};

const ERROR_CODE: HeaderName = HeaderName::from_static("iothub-errorcode");

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("{0}")]
    Unauthorized(String),
    #[error("No hub answers under this host name")]
    HubNotFound,
    #[error("No resource has this path")]
    NotFound,
    #[error("This hub does not have {0} yet")]
    NotBuilt(&'static str),
    /// A message to a device that cannot be queued.
    #[error(transparent)]
    Message(#[from] Unacceptable),
    /// A message that was not queued, or a verdict that was not taken.
    #[error(transparent)]
    C2d(#[from] C2dRefusal),
    #[error("A message to a device needs a body")]
    MessageMissing,
    #[error("The resource does not know this method")]
    MethodNotAllowed,
    #[error("The api-version is missing or unknown")]
    ApiVersion,
    #[error("The body is too large")]
    BodyTooLarge,
    #[error("The body must be application/json")]
    ContentType,
    #[error("The list holds more devices than one call may")]
    TooManyItems,
    #[error("DeviceDefinedMultipleTimes, device ID {0}")]
    DuplicateItem(String),
    #[error("policyKey is primaryKey, secondaryKey or both")]
    PolicyKey,
    /// The body of a job that cannot be understood.
    #[error("{0}")]
    JobBody(&'static str),
    #[error("The condition of a job has at most {QUERY_CHARS_MAX} characters")]
    JobCondition,
    /// A container that an import or export cannot use; the member that names it, and why.
    #[error("{0} {1}")]
    Container(&'static str, InvalidContainer),
    /// The method of a job that cannot be called.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// A query that is not understood, or is more work than one may be.
    #[error("{0}")]
    Query(String),
    #[error("Too many requests wait")]
    Busy,
    #[error("The device is disabled")]
    DeviceDisabled,
    #[error("The lock on the message is lost")]
    LockLost,
    #[error("A message has at most 262144 bytes with its properties")]
    MessageTooLarge,
    #[error("The hub does not know messages of this media type")]
    MediaType,
}

impl From<CertificateError> for ApiError {
    fn from(error: CertificateError) -> Self {
        Self::Registry(error.into())
    }
}

/// Number and name of an error; the status is the first three digits of the number.
///
/// Source: control-plane reference, "Full error-code table".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
}

impl Code {
    /// The first three digits.
    pub(crate) fn status(self) -> StatusCode {
        let status = StatusCode::from_u16(status_of(self.number)).ok();
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

pub(crate) const fn code(number: u32, name: &'static str) -> Code {
    Code { number, name }
}

fn code_of_configuration(why: &ConfigurationError) -> Code {
    match why {
        ConfigurationError::Id => code(400_004, "ArgumentInvalid"),
        ConfigurationError::NoEdgeDevice => code(400_003, "InvalidOperation"),
        ConfigurationError::Target(_) => code(400_401, "InvalidConfigurationTargetCondition"),
        ConfigurationError::Content(_) => code(400_402, "InvalidConfigurationContent"),
        ConfigurationError::ContentChanged => {
            code(400_403, "CannotModifyImmutableConfigurationContent")
        }
        ConfigurationError::Metric { .. } | ConfigurationError::TooManyMetrics => {
            code(400_404, "InvalidConfigurationCustomMetricsQuery")
        }
        ConfigurationError::NotFound => code(404_301, "ConfigurationNotFound"),
        ConfigurationError::Exists => code(409_401, "ConfigurationAlreadyExists"),
        ConfigurationError::TooMany => code(413_101, "ConfigurationCountLimitExceeded"),
    }
}

const fn code_of_quota(why: QuotaRefusal) -> Code {
    match why {
        QuotaRefusal::Throttled { .. } => code(429_001, "ThrottlingException"),
        QuotaRefusal::DailyQuota => code(403_002, "IotHubQuotaExceeded"),
        QuotaRefusal::Tier => code(403_010, "OperationNotAvailableInCurrentTier"),
    }
}

fn code_of_upload(why: &UploadError) -> Code {
    match why {
        UploadError::Name(_) => code(400_004, "ArgumentInvalid"),
        UploadError::NoStorage => code(400_014, "DefaultStorageEndpointNotConfigured"),
        UploadError::Unknown => code(400_015, "InvalidFileUploadCorrelationId"),
        UploadError::Expired => code(400_016, "ExpiredFileUploadCorrelationId"),
        UploadError::Status => code(400_019, "InvalidFileUploadCompletionStatus"),
        UploadError::Blob(_) => code(400_020, "InvalidStorageEndpointOrBlob"),
        UploadError::TooMany => code(403_006, "DeviceMaximumActiveFileUploadLimitExceeded"),
    }
}

impl RegistryError {
    /// Number and name of a refusal of the registry.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Argument(_)
            | Self::Member { .. }
            | Self::ConsumerGroup(_)
            | Self::Id(_)
            | Self::Key(_)
            | Self::Twin(_) => code(400_004, "ArgumentInvalid"),
            Self::Certificate(error) => code_of_certificate(*error),
            Self::Configuration(why) => code_of_configuration(why),
            Self::Upload(why) => code_of_upload(why),
            Self::Quota(why) => code_of_quota(*why),
            Self::BodyMissing => code(400_005, "ArgumentNull"),
            Self::DeviceScope => code(400_028, "InvalidDeviceScope"),
            Self::SystemModule => code(401_100, "SystemModuleModifyUnauthorizedAccess"),
            Self::HubNotFound => code(401_001, "IotHubNotFound"),
            Self::HubExists(_) | Self::HubBeingDeleted(_) => code(409_000, "GenericConflict"),
            Self::TooManyHubs | Self::TooManyPolicies => {
                code(413_000, "GenericRequestEntityTooLarge")
            }
            Self::PolicyNotFound | Self::ConsumerGroupNotFound | Self::QueryIndexNotFound => {
                code(404_000, "GenericNotFound")
            }
            Self::DeviceNotFound => code(404_001, "DeviceNotFound"),
            Self::ModuleNotFound => code(404_010, "ModuleNotFound"),
            Self::DeviceExists => code(409_001, "DeviceAlreadyExists"),
            Self::ModuleExists => code(409_301, "ModuleAlreadyExistsOnDevice"),
            Self::ETag | Self::TwinChanged => code(412_001, "PreconditionFailed"),
            Self::JobEnded => code(400_003, "InvalidOperation"),
            Self::JobNotFound => code(404_002, "JobNotFound"),
            Self::JobExists => code(409_104, "JobAlreadyExists"),
            Self::TooManyRegistryJobs => code(403_003, "JobQuotaExceeded"),
            Self::TooManyJobs => code(429_004, "ThrottlingMaxActiveJobCountExceeded"),
            Self::TooManyDevices => code(413_002, "TooManyDevices"),
            Self::TooManyModules => code(413_003, "TooManyModulesOnDevice"),
            Self::Storage => code(500_001, "ServerError"),
            Self::DiskFull | Self::Failed => code(503_001, "ServiceUnavailable"),
            Self::Busy => code(503_005, "ServerBusy"),
        }
    }
}

impl ApiError {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Registry(error) => error.code(),
            Self::Method(error) => error.code(),
            Self::JobBody(_) => code(400_000, "GenericBadRequest"),
            Self::Container(..) => code(400_008, "BlobContainerValidationError"),
            Self::JobCondition => code(412_001, "PreconditionFailed"),
            Self::Query(_) => code(400_004, "ArgumentInvalid"),
            Self::Message(why) => code_of_message(*why),
            Self::C2d(why) => code_of_c2d(*why),
            Self::MessageMissing => code(400_026, "NullMessage"),
            Self::ApiVersion => code(400_001, "InvalidProtocolVersion"),
            Self::DuplicateItem(_) => code(400_011, "DeviceDefinedMultipleTimes"),
            Self::PolicyKey => code(400_035, "InvalidPolicyKey"),
            Self::HubNotFound => code(401_001, "IotHubNotFound"),
            Self::Unauthorized(_) => code(401_002, "IotHubUnauthorizedAccess"),
            Self::NotFound => code(404_000, "GenericNotFound"),
            Self::MethodNotAllowed => code(405_000, "GenericMethodNotAllowed"),
            Self::BodyTooLarge => code(413_000, "GenericRequestEntityTooLarge"),
            Self::TooManyItems => code(413_002, "TooManyDevices"),
            Self::ContentType => code(415_000, "GenericUnsupportedMediaType"),
            Self::DeviceDisabled => code(403_012, "DeviceDisabled"),
            Self::LockLost => code(412_002, "DeviceMessageLockLost"),
            Self::MessageTooLarge => code(413_001, "MessageTooLarge"),
            Self::MediaType => code(415_101, "UnsupportedMediaType"),
            Self::NotBuilt(_) => code(501_000, "GenericNotImplemented"),
            Self::Busy => code(503_005, "ServerBusy"),
        }
    }

    /// The answer that tells a client about this error.
    ///
    /// Source: control-plane reference, "Error body", shape A.
    pub(crate) fn response(&self) -> Response {
        let code = self.code();
        let body = ErrorBody {
            message: format!("ErrorCode:{};{self}", code.name),
            exception_message: format!("Tracking ID:{}", tracking_id()),
        };
        let mut response = error_response(code, &body);
        if let Some(after) = self.retry_after() {
            response.headers.insert(RETRY_AFTER, after);
        }
        response
    }

    /// Seconds after which to try again what passes by itself once there is room.
    pub(crate) fn retry_after(&self) -> Option<HeaderValue> {
        let after = match self {
            Self::Registry(RegistryError::DiskFull) | Self::C2d(C2dRefusal::DiskFull) => {
                DISK_FULL_RETRY
            }
            Self::Registry(RegistryError::Quota(QuotaRefusal::Throttled { after })) => *after,
            _ => return None,
        };
        Some(HeaderValue::from(after.as_secs().max(1)))
    }
}

impl TwinRefusal {
    /// Status and body that tell a device why.
    ///
    /// Source: device-endpoints reference, "Twins", error payload.
    #[must_use]
    pub fn device_error(&self) -> (u16, Vec<u8>) {
        let number = match &self.0 {
            TwinRefusalReason::Registry(error) => error.code().number,
            TwinRefusalReason::TooManyWait => 429_005,
        };
        let body = json!({
            "errorCode": number,
            "trackingId": tracking_id(),
            "message": self.to_string(),
            "timestampUtc": clock::now().to_iso8601(),
        });
        (status_of(number), body.to_string().into_bytes())
    }
}

fn code_of_message(why: Unacceptable) -> Code {
    match why {
        Unacceptable::Expiry => code(403_009, "InvalidMessageExpiryTime"),
        Unacceptable::TooLarge => code(413_001, "MessageTooLarge"),
        Unacceptable::Malformed(_)
        | Unacceptable::To
        | Unacceptable::Ack
        | Unacceptable::MessageId
        | Unacceptable::NotText
        | Unacceptable::Property
        | Unacceptable::Body => code(400_004, "ArgumentInvalid"),
    }
}

const fn code_of_certificate(why: CertificateError) -> Code {
    match why {
        CertificateError::NoCode | CertificateError::CodeExpired => {
            code(400_003, "InvalidOperation")
        }
        CertificateError::Name
        | CertificateError::NoAuthority
        | CertificateError::Refused(_)
        | CertificateError::TooMany
        | CertificateError::ConditionMissing => code(400_004, "ArgumentInvalid"),
        CertificateError::NotFound => code(404_008, "CertificateNotFound"),
        CertificateError::Exists => code(409_000, "GenericConflict"),
        CertificateError::ETag => code(412_001, "PreconditionFailed"),
    }
}

fn code_of_c2d(why: C2dRefusal) -> Code {
    match why {
        C2dRefusal::DeviceNotFound => RegistryError::DeviceNotFound.code(),
        C2dRefusal::ModuleNotFound => RegistryError::ModuleNotFound.code(),
        C2dRefusal::QueueFull => code(403_004, "DeviceMaximumQueueDepthExceeded"),
        C2dRefusal::OutOfMemory => code(403_007, "DeviceMaximumQueueSizeExceeded"),
        C2dRefusal::LockLost => code(412_002, "DeviceMessageLockLost"),
        C2dRefusal::Busy => RegistryError::Busy.code(),
        C2dRefusal::DiskFull => RegistryError::DiskFull.code(),
        C2dRefusal::Failed => RegistryError::Failed.code(),
        C2dRefusal::Storage => RegistryError::Storage.code(),
        C2dRefusal::Quota(why) => code_of_quota(why),
    }
}

/// The first three digits of an error's number.
fn status_of(number: u32) -> u16 {
    u16::try_from(number / 1000).unwrap_or(500)
}

/// An error of a call that reaches a device.
pub(super) struct DeviceError<'a> {
    pub(super) code: Code,
    pub(super) text: &'a str,
    /// How long the device was waited for, as `hh:mm:ss`.
    pub(super) timeout: Option<String>,
}

impl DeviceError<'_> {
    /// The answer that tells a client about this error.
    ///
    /// Source: control-plane reference, "Error body", shape B.
    pub(super) fn response(self) -> Response {
        let message = DeviceMessage {
            error_code: self.code.number,
            tracking_id: tracking_id(),
            message: self.text,
            info: self.timeout.map(|timeout| Info { timeout }),
            timestamp: timestamp(),
        };
        // Numbers and texts can always be written.
        let message = serde_json::to_string(&message).unwrap_or_default();
        error_response(self.code, &ErrorBody { message, exception_message: String::new() })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceMessage<'a> {
    error_code: u32,
    tracking_id: String,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Info>,
    #[serde(rename = "timestampUtc")]
    timestamp: String,
}

#[derive(Serialize)]
struct Info {
    timeout: String,
}

/// Status and header follow from the code.
fn error_response(code: Code, body: &ErrorBody) -> Response {
    let mut response = Response::json(code.status(), body);
    response.headers.insert(ERROR_CODE, HeaderValue::from_static(code.name));
    response
}

#[derive(Serialize)]
struct ErrorBody {
    #[serde(rename = "Message")]
    message: String,
    #[serde(rename = "ExceptionMessage")]
    exception_message: String,
}

fn tracking_id() -> String {
    let format = format_description!("[month]/[day]/[year] [hour]:[minute]:[second]");
    let time = OffsetDateTime::now_utc().format(format).unwrap_or_default();
    format!("{}-G:0-TimeStamp:{time}", random_hex())
}

/// Now, with seven digits of the second.
fn timestamp() -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]Z");
    OffsetDateTime::now_utc().format(format).unwrap_or_default()
}

/// 32 hexadecimal digits that hardly come twice; nothing depends on it.
pub(crate) fn random_hex() -> String {
    let mut bytes = [0; 16];
    // Without random bytes the id is all zeros and everything else still works.
    let _ = rand::fill(&mut bytes);
    let mut text = String::with_capacity(32);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A GUID in lower case that hardly comes twice; nothing depends on it.
pub(crate) fn random_guid() -> String {
    let id = random_hex();
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
}
