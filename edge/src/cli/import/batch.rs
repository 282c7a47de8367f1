//! Lines of an import file, and the requests that they are gathered into.

use std::collections::HashSet;

use ringhub_core::limits::BULK_ITEMS_MAX;
use serde_json::{Value, json};

use super::super::edge_scope::{parent, set_parent};
use super::{LINE_BYTES_MAX, Mode};

/// Bytes of a request, well below what the hub takes.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// How an answer names an item.
pub(super) type ItemName = (String, Option<String>);

/// One line, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Counted from one.
    pub(super) number: u64,
    pub(super) name: ItemName,
    pub(super) item: Value,
    bytes: usize,
}

impl Line {
    /// Reads a line; what it does not say itself is `mode`.
    pub(super) fn parse(text: &[u8], number: u64, mode: Mode) -> Result<Self, String> {
        if text.len() as u64 > LINE_BYTES_MAX {
            return Err(format!("is longer than {LINE_BYTES_MAX} bytes"));
        }
        let mut item: Value =
            serde_json::from_slice(text).map_err(|error| format!("is not JSON: {error}"))?;
        let members = item.as_object_mut().ok_or("is not a JSON object")?;
        if let Some(id) = members.remove("deviceId") {
            members.entry("id").or_insert(id);
        }
        members.entry("importMode").or_insert_with(|| json!(mode.name()));
        let text = |name| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("`{name}` is not a text")),
        };
        let id = text("id")?.ok_or("has no `id`")?;
        let name = (id, text("moduleId")?.filter(|id| !id.is_empty()));
        let bytes = item.to_string().len();
        Ok(Self { number, name, item, bytes })
    }
}

impl Line {
    pub(super) fn device(&self) -> &str {
        &self.name.0
    }

    /// The edge device that it is to be below.
    pub(super) fn parent(&self) -> Option<String> {
        parent(&self.item, self.device())
    }

    /// Puts it below the edge device that has this scope; `None` leaves it to the hub to refuse it.
    pub(super) fn put_below(&mut self, scope: Option<&str>) {
        if let Some(scope) = scope {
            set_parent(&mut self.item, scope);
        }
    }
}

/// Lines for one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<Line>,
    names: HashSet<ItemName>,
    bytes: usize,
}

impl Batch {
    /// Whether `line` may be added: a request holds each identity once.
    pub(super) fn takes(&self, line: &Line) -> bool {
        self.lines.len() < BULK_ITEMS_MAX
            && self.bytes + line.bytes <= BATCH_BYTES_MAX
            && !self.names.contains(&line.name)
    }

    pub(super) fn push(&mut self, line: Line) {
        self.bytes += line.bytes;
        self.names.insert(line.name.clone());
        self.lines.push(line);
    }

    pub(super) fn touches(&self, device: &str) -> bool {
        self.lines.iter().any(|line| line.device() == device)
    }

    pub(super) fn devices(&self) -> HashSet<String> {
        self.lines.iter().map(|line| line.device().to_owned()).collect()
    }

    pub(super) fn first_line(&self) -> Option<u64> {
        self.lines.first().map(|line| line.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, number: u64) -> Line {
        Line::parse(text.as_bytes(), number, Mode::CreateOrUpdate).unwrap()
    }

    #[test]
    fn a_line_gets_the_mode_unless_it_has_one() {
        assert_eq!(line(r#"{"id":"a"}"#, 1).item["importMode"], "createOrUpdate");
        assert_eq!(line(r#"{"id":"a","importMode":"delete"}"#, 1).item["importMode"], "delete");
        let listed = line(r#"{"deviceId":"a","moduleId":null,"status":"enabled"}"#, 1);
        assert_eq!((listed.item["id"].as_str(), listed.name.1), (Some("a"), None));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        for (text, expected) in [
            ("{", "is not JSON: EOF"),
            ("[]", "is not a JSON object"),
            ("{}", "has no `id`"),
            (r#"{"id":5}"#, "`id` is not a text"),
        ] {
            let error = Line::parse(text.as_bytes(), 1, Mode::Create).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_request_holds_a_hundred_and_each_identity_once() {
        let mut batch = Batch::default();
        for number in 0..100 {
            let line = line(&format!(r#"{{"id":"d{number}"}}"#), number);
            assert!(batch.takes(&line));
            batch.push(line);
        }
        assert!(!batch.takes(&line(r#"{"id":"x"}"#, 100)), "full");
        let mut batch = Batch::default();
        batch.push(line(r#"{"id":"a"}"#, 7));
        assert!(!batch.takes(&line(r#"{"id":"a"}"#, 8)), "twice");
        assert!(batch.takes(&line(r#"{"id":"a","moduleId":"m"}"#, 8)));
        assert_eq!(batch.first_line(), Some(7));
    }
}
