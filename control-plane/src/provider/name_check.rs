//! Whether a hub can have a name.

use http::StatusCode;
use serde_json::json;

use super::name::HubName;
use super::{Provider, ProviderError};
use crate::api::{Members, Response, parse_body};

impl Provider<'_> {
    /// Answers `{"name":"x"}`. The reason is filled in either case, as by the original.
    ///
    /// Source: control-plane reference, "Operations".
    pub(super) fn check_name(&self, body: &[u8]) -> Result<Response, ProviderError> {
        let body = parse_body(body)?;
        let name = Members::of(&body)?.filled("name")?;
        let name = name.ok_or_else(|| ProviderError::member("name", "is missing"))?;
        let (is_free, reason, message) = match HubName::parse(name) {
            Err(why) => (false, "Invalid", Some(why.to_string())),
            Ok(name) if self.is_taken(&name) => {
                let text = format!("IotHub name '{name}' is not available: a hub has it");
                (false, "AlreadyExists", Some(text))
            }
            Ok(_) => (true, "Invalid", None),
        };
        let answer = json!({ "nameAvailable": is_free, "reason": reason, "message": message });
        Ok(Response::json(StatusCode::OK, &answer))
    }

    /// Names are unique in the process, whatever subscription they are in.
    pub(super) fn is_taken(&self, name: &HubName) -> bool {
        self.all().any(|found| found.resource.name.eq_ignore_ascii_case(name.as_str()))
    }
}
