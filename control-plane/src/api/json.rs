//! Reading and writing of JSON as the clients expect it.

use std::ops::RangeInclusive;

use ringhub_core::codec::json_text;
use ringhub_core::time::UnixMillis;
use serde_json::{Map, Value};
use time::format_description::well_known::Iso8601;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::registry::RegistryError;

/// What the clients read as "never".
const NEVER: &str = "0001-01-01T00:00:00";

/// Members of an object. Names compare without case, `null` counts as absent, unknown members are
/// passed over.
///
/// Source: control-plane reference, "JSON, timestamps, enum case".
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members<'v>(&'v Map<String, Value>);

impl<'v> Members<'v> {
    pub(crate) fn of(value: &'v Value) -> Result<Self, RegistryError> {
        let object = value.as_object();
        object.map(Self).ok_or(RegistryError::Argument("a JSON object is needed here"))
    }

    pub(crate) fn get(self, name: &str) -> Option<&'v Value> {
        let (_, value) = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        if value.is_null() { None } else { Some(value) }
    }

    pub(crate) fn text(self, name: &'static str) -> Result<Option<&'v str>, RegistryError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(refused(name, "text")),
        }
    }

    /// A text in which nothing stands counts as absent: tools send their empty fields along.
    pub(crate) fn filled(self, name: &'static str) -> Result<Option<&'v str>, RegistryError> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// Truth, also as text; an empty text counts as absent.
    pub(crate) fn flag(self, name: &'static str) -> Result<Option<bool>, RegistryError> {
        let is = |text: &str, word| text.trim().eq_ignore_ascii_case(word);
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if is(text, "") => Ok(None),
            Some(Value::String(text)) if is(text, "true") => Ok(Some(true)),
            Some(Value::String(text)) if is(text, "false") => Ok(Some(false)),
            Some(_) => Err(refused(name, "true or false")),
        }
    }

    /// A whole number, also as text and as `30.0`; an empty text counts as absent.
    pub(crate) fn whole(
        self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, RegistryError> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => whole_of(text.trim()),
            Some(Value::Number(number)) => whole_of(&number.to_string()),
            Some(_) => None,
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (least, most) = range.into_inner();
                Err(refused(name, &format!("a whole number from {least} to {most}")))
            }
        }
    }

    pub(crate) fn object(self, name: &'static str) -> Result<Option<Self>, RegistryError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        Self::of(value).map(Some).map_err(|_| refused(name, "an object"))
    }
}

impl<'v> From<&'v Map<String, Value>> for Members<'v> {
    fn from(members: &'v Map<String, Value>) -> Self {
        Self(members)
    }
}

fn refused(name: &'static str, rule: &str) -> RegistryError {
    RegistryError::Member { name, rule: rule.to_owned() }
}

fn whole_of(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        if number.fract() == 0.0 { format!("{number:.0}").parse().ok() } else { None }
    })
}

/// Parses the body of a request.
pub(crate) fn parse(body: &[u8]) -> Result<Value, RegistryError> {
    const NO_JSON: RegistryError = RegistryError::Argument("the body is not JSON");
    let body = json_text::trim(body);
    if body.is_empty() {
        return Err(RegistryError::BodyMissing);
    }
    let text = std::str::from_utf8(body).map_err(|_| NO_JSON)?;
    serde_json::from_str(&json_text::clamp_integers(text)).map_err(|_| NO_JSON)
}

/// Reads a time; one without zone is UTC. `name` is what it is called in a refusal.
pub(super) fn time_of(name: &'static str, text: &str) -> Result<UnixMillis, RegistryError> {
    let zoned = OffsetDateTime::parse(text, &Iso8601::DEFAULT);
    let time = zoned.or_else(|_| {
        PrimitiveDateTime::parse(text, &Iso8601::DEFAULT).map(PrimitiveDateTime::assume_utc)
    });
    let millis =
        time.ok().and_then(|time| (time.unix_timestamp_nanos() / 1_000_000).try_into().ok());
    let millis = millis.ok_or_else(|| refused(name, "a time as ISO 8601 writes it"))?;
    Ok(UnixMillis::from_millis(millis))
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
        let refused = members.text("n").expect_err("a number is no text");
        assert_eq!(refused.to_string(), "n must be text");
        let refused = members.flag("n").expect_err("a number is no truth");
        assert_eq!(refused.to_string(), "n must be true or false");
    }

    #[test]
    fn numbers_and_truth_may_come_as_text() {
        let whole = |json: &str| {
            let value = parse(format!(r#"{{"seconds":{json}}}"#).as_bytes()).expect("valid JSON");
            Members::of(&value).and_then(|members| members.whole("seconds", 5..=300))
        };
        for thirty in ["30", "30.0", "3e1", r#""30""#, r#"" 30 ""#, r#""30.0""#, r#""030""#] {
            assert_eq!(whole(thirty), Ok(Some(30)), "{thirty}");
        }
        for absent in ["null", "\"\""] {
            assert_eq!(whole(absent), Ok(None), "{absent}");
        }
        for bad in ["4", "301", "30.5", "-30", "1e300", "true", "[30]", r#""thirty""#, r#""NaN""#] {
            let refused = whole(bad).expect_err(bad);
            assert_eq!(refused.to_string(), "seconds must be a whole number from 5 to 300");
        }
        let flag = |json: &str| {
            let value = parse(format!(r#"{{"iotEdge":{json}}}"#).as_bytes()).expect("valid JSON");
            Members::of(&value).and_then(|members| members.flag("iotEdge"))
        };
        for (json, expected) in [
            ("true", Some(true)),
            ("\"true\"", Some(true)),
            ("\"False\"", Some(false)),
            ("\"\"", None),
        ] {
            assert_eq!(flag(json), Ok(expected), "{json}");
        }
        assert!(flag("\"yes\"").is_err());
    }

    #[test]
    fn marks_and_nuls_around_a_body_are_no_part_of_it() {
        assert_eq!(parse(b"\xef\xbb\xbf[]\0"), Ok(Value::Array(Vec::new())));
        assert_eq!(parse(b"\0"), Err(RegistryError::BodyMissing));
    }
}
