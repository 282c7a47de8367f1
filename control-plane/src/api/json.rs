//! Reading and writing of JSON as the clients expect it.

use ringhub_core::time::UnixMillis;
use serde_json::{Map, Value};

use super::ApiError;
use crate::registry::RegistryError;

/// What the clients read as "never".
const NEVER: &str = "0001-01-01T00:00:00";

/// Members of an object. Names compare without case, `null` counts as absent, unknown members are
/// passed over.
///
/// Source: control-plane reference, "JSON, timestamps, enum case".
#[derive(Clone, Copy, Debug)]
pub(super) struct Members<'v>(&'v Map<String, Value>);

impl<'v> Members<'v> {
    pub(super) fn of(value: &'v Value) -> Result<Self, ApiError> {
        let object = value.as_object();
        Ok(Self(object.ok_or(RegistryError::Argument("a JSON object is needed here"))?))
    }

    pub(super) fn get(self, name: &str) -> Option<&'v Value> {
        let (_, value) = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        if value.is_null() { None } else { Some(value) }
    }

    pub(super) fn text(self, name: &str) -> Result<Option<&'v str>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(RegistryError::Argument("a member that must be text is not").into()),
        }
    }

    pub(super) fn flag(self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(RegistryError::Argument("a member must be true or false").into()),
        }
    }

    pub(super) fn object(self, name: &str) -> Result<Option<Self>, ApiError> {
        self.get(name).map(Members::of).transpose()
    }
}

/// Parses the body of a request.
pub(super) fn parse(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Err(RegistryError::BodyMissing.into());
    }
    let value = serde_json::from_slice(body);
    Ok(value.map_err(|_| RegistryError::Argument("the body is not JSON"))?)
}

/// A time as identities show it: UTC, with as many digits of the fraction as are not zero.
pub(super) fn time_text(time: Option<UnixMillis>) -> String {
    time.and_then(UnixMillis::to_iso8601).unwrap_or_else(|| NEVER.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_trailing_zeros_and_never_is_the_year_one() {
        for (millis, expected) in [
            (None, NEVER),
            (Some(0), "1970-01-01T00:00:00Z"),
            (Some(1_594_966_346_840), "2020-07-17T06:12:26.84Z"),
            (Some(1_594_966_346_001), "2020-07-17T06:12:26.001Z"),
            (Some(i64::MAX), NEVER),
        ] {
            assert_eq!(time_text(millis.map(UnixMillis::from_millis)), expected);
        }
    }

    #[test]
    fn member_names_compare_without_case_and_null_is_absent() {
        let value = parse(br#"{"ETag":"x","status":null,"n":1}"#).expect("valid JSON");
        let members = Members::of(&value).expect("an object");
        assert_eq!(members.text("eTag"), Ok(Some("x")));
        assert_eq!(members.text("status"), Ok(None));
        assert!(members.text("n").is_err());
        assert!(members.flag("n").is_err());
    }
}
