//! `--set name.of.member=value`, as the generic update of the Azure CLI has it.

use std::str::FromStr;

use serde_json::{Map, Value};

/// A path into a document, and the value that is put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    path: Vec<String>,
    value: Value,
}

impl FromStr for Assignment {
    type Err = String;

    /// The value is JSON where it can be, else a text.
    fn from_str(text: &str) -> Result<Self, String> {
        let (path, value) = text.split_once('=').ok_or("is not name=value")?;
        let path: Vec<String> = path.split('.').map(ToOwned::to_owned).collect();
        if path.iter().any(|name| name.is_empty() || name.contains(['[', ']'])) {
            return Err("is not a path of names, such as capabilities.iotEdge=true".to_owned());
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        Ok(Self { path, value })
    }
}

impl Assignment {
    /// Puts the value in its place; what stands in the way is replaced by an object.
    pub(super) fn apply(&self, document: &mut Value) {
        let mut place = document;
        for name in &self.path {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[name.as_str()];
        }
        *place = self.value.clone();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_put_where_the_path_leads() {
        let mut document = json!({ "status": "enabled", "a": 5 });
        for text in ["status=disabled", "a.b=1", "tags.site=null", "x=y=z"] {
            text.parse::<Assignment>().unwrap().apply(&mut document);
        }
        let expected = json!({
            "status": "disabled", "a": { "b": 1 }, "tags": { "site": null }, "x": "y=z",
        });
        assert_eq!(document, expected);
        for text in ["status", "=1", "a..b=1", "a[0]=1"] {
            assert!(text.parse::<Assignment>().is_err(), "{text}");
        }
    }
}
