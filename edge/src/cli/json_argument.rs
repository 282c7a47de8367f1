//! JSON on the command line: as text, or as the name of a file that holds it.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Reads JSON, from the file when there is one of this name or the text is `@FILE`.
///
/// # Errors
/// What is not right, as the end of a sentence.
pub(super) fn json_value(text: &str) -> Result<Value, String> {
    let file = text.strip_prefix('@').or_else(|| Path::new(text).is_file().then_some(text));
    if let Some(file) = file {
        let content = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        return serde_json::from_str(&content)
            .map_err(|error| format!("names {file}, which is not JSON: {error}"));
    }
    serde_json::from_str(text).map_err(|error| {
        format!(
            "is neither JSON nor the name of a file: {error}; quote it from the shell with '…', \
             and a text needs its own quotes: '\"text\"'"
        )
    })
}

/// As [`json_value`], and refuses what is no object.
///
/// # Errors
/// As for [`json_value`].
pub(super) fn json_object(text: &str) -> Result<Value, String> {
    let value = json_value(text)?;
    if value.is_object() { Ok(value) } else { Err("is not a JSON object".to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_files_and_what_is_neither() {
        assert_eq!(json_value("null"), Ok(Value::Null));
        assert_eq!(json_object(r#"{"a":1}"#), Ok(json!({ "a": 1 })));
        assert!(json_object("5").unwrap_err().contains("is not a JSON object"));
        assert!(json_value("text").unwrap_err().contains("neither JSON nor the name of a file"));
        let file = std::env::temp_dir().join(format!("ringhub-json-{}", std::process::id()));
        let name = file.to_str().unwrap();
        assert!(json_value(&format!("@{name}")).unwrap_err().contains(name));
        fs::write(&file, r#"{"b":2}"#).unwrap();
        for text in [name.to_owned(), format!("@{name}")] {
            assert_eq!(json_object(&text), Ok(json!({ "b": 2 })));
        }
        fs::write(&file, "{").unwrap();
        assert!(json_value(name).unwrap_err().contains("which is not JSON"));
        fs::remove_file(file).unwrap();
    }
}
