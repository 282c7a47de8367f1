//! One line of a file that is imported.

use ringhub_core::codec::json_text;
use ringhub_core::limits::IDENTITY_LINE_BYTES_MAX;
use serde_json::{Map, Value, json};

use super::ImportMode;

/// A line that names an identity; whether the rest of it makes sense is for the registry.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportLine {
    /// The device, or that of the module.
    pub device: String,
    /// The module; `None` is the device itself.
    pub module: Option<String>,
    /// The item of a bulk request that says the same.
    pub item: Value,
}

/// Why a line names no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    /// It has more than [`IDENTITY_LINE_BYTES_MAX`] bytes.
    #[error("is longer than {IDENTITY_LINE_BYTES_MAX} bytes")]
    TooLong,
    /// It is not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// It is not JSON; what the parser says.
    #[error("is not JSON: {0}")]
    NotJson(String),
    /// It is JSON of another kind.
    #[error("is not a JSON object")]
    NotAnObject,
    /// It has no id.
    #[error("has no `id`")]
    NoId,
    /// A member that must be one is no text.
    #[error("`{0}` is not a text")]
    NotText(&'static str),
}

impl ImportLine {
    /// Reads a line; what it does not say itself is `mode`. `None` for a line without anything on
    /// it. `deviceId` stands for `id`, as lists of devices have it; a byte order mark is passed
    /// over.
    ///
    /// # Errors
    /// [`InvalidLine`] when it names no identity.
    pub fn parse(text: &[u8], mode: ImportMode) -> Result<Option<Self>, InvalidLine> {
        let text = json_text::trim(text);
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > IDENTITY_LINE_BYTES_MAX {
            return Err(InvalidLine::TooLong);
        }
        let text = str::from_utf8(text).map_err(|_| InvalidLine::NotUtf8)?;
        let parsed = serde_json::from_str(&json_text::clamp_integers(text));
        let mut item: Value = parsed.map_err(|error| InvalidLine::NotJson(error.to_string()))?;
        let members = item.as_object_mut().ok_or(InvalidLine::NotAnObject)?;
        if member(members, "id").is_none()
            && let Some(id) = member(members, "deviceId").cloned()
        {
            members.insert("id".to_owned(), id);
        }
        if member(members, "importMode").is_none() {
            members.insert("importMode".to_owned(), json!(mode.name()));
        }
        let device = text_of(members, "id")?.ok_or(InvalidLine::NoId)?;
        let module = text_of(members, "moduleId")?.filter(|id| !id.is_empty());
        Ok(Some(Self { device, module, item }))
    }
}

/// Names compare without case, and `null` counts as absent.
fn member<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    let (_, value) = members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value).filter(|value| !value.is_null())
}

fn text_of(
    members: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, InvalidLine> {
    match member(members, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(InvalidLine::NotText(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> ImportLine {
        let parsed = ImportLine::parse(text.as_bytes(), ImportMode::CreateOrUpdate);
        parsed.expect("a good line").expect("a line with something on it")
    }

    #[test]
    fn a_line_gets_the_mode_unless_it_has_one() {
        assert_eq!(line(r#"{"id":"a"}"#).item["importMode"], "createOrUpdate");
        assert_eq!(line(r#"{"id":"a","importMode":null}"#).item["importMode"], "createOrUpdate");
        assert_eq!(line(r#"{"id":"a","importMode":"delete"}"#).item["importMode"], "delete");
        assert_eq!(line(r#"{"id":"a","ImportMode":"delete"}"#).item.get("importMode"), None);
        let listed = line(r#"{"deviceId":"a","moduleId":null,"status":"enabled"}"#);
        assert_eq!((listed.item["id"].as_str(), listed.module), (Some("a"), None));
        let module = line("\u{feff}{\"id\":\"a\",\"moduleId\":\"m\"}\r");
        assert_eq!((module.device.as_str(), module.module.as_deref()), ("a", Some("m")));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        let long = format!(r#"{{"id":"a","x":"{}"}}"#, "x".repeat(IDENTITY_LINE_BYTES_MAX));
        for (text, expected) in [
            ("{".as_bytes(), "is not JSON: EOF"),
            (b"[]", "is not a JSON object"),
            (b"{}", "has no `id`"),
            (br#"{"id":null}"#, "has no `id`"),
            (br#"{"id":5}"#, "`id` is not a text"),
            (br#"{"id":"a","moduleId":[]}"#, "`moduleId` is not a text"),
            (b"{\"id\":\"\xff\"}", "is not UTF-8"),
            (long.as_bytes(), "is longer than 1048576 bytes"),
        ] {
            let refused = ImportLine::parse(text, ImportMode::Create).expect_err("a bad line");
            assert!(refused.to_string().starts_with(expected), "{refused}");
        }
        for nothing in [&b""[..], b" \t\r", b"\xef\xbb\xbf", b"\0"] {
            assert_eq!(ImportLine::parse(nothing, ImportMode::Create), Ok(None));
        }
    }
}
