//! Lines of an import file, and the requests that they are gathered into.

use std::collections::HashSet;

use ringhub_control_plane::identity_file::{ImportLine, ImportMode, InvalidLine};
use ringhub_control_plane::identity_file::{parent, set_parent};
use ringhub_core::limits::BULK_ITEMS_MAX;
use serde_json::Value;

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
    /// Reads a line; what it does not say itself is `mode`. `None` when nothing is on it.
    pub(super) fn parse(
        text: &[u8],
        number: u64,
        mode: ImportMode,
    ) -> Result<Option<Self>, InvalidLine> {
        let Some(line) = ImportLine::parse(text, mode)? else { return Ok(None) };
        let ImportLine { device, module, item } = line;
        let bytes = item.to_string().len();
        Ok(Some(Self { number, name: (device, module), item, bytes }))
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
        Line::parse(text.as_bytes(), number, ImportMode::CreateOrUpdate).unwrap().unwrap()
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
