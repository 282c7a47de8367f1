//! Identities as lines, in an order in which they can be registered.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use ringhub_control_plane::identity_file::{device_line, module_line, parent};
use serde_json::Value;

use super::super::new_file::nameless;

/// Writes devices that have no parent as they come, then the edge devices below others, at last
/// all other devices below one. Only edge devices below others are kept in memory; the last wait in
/// a file.
pub(super) struct Lines<'a> {
    output: &'a mut dyn Write,
    exclude_keys: bool,
    edges: Vec<Edge>,
    leaves: BufWriter<File>,
    count: u64,
}

/// An edge device below another.
struct Edge {
    id: String,
    parent: String,
    lines: String,
}

impl<'a> Lines<'a> {
    /// `waiting` names a place for a file.
    pub(super) fn new(
        output: &'a mut dyn Write,
        waiting: &Path,
        exclude_keys: bool,
    ) -> io::Result<Self> {
        let leaves = BufWriter::new(nameless(waiting)?);
        Ok(Self { output, exclude_keys, edges: Vec::new(), leaves, count: 0 })
    }

    /// Identities so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Takes a device with its modules.
    pub(super) fn add(&mut self, mut device: Value) -> io::Result<()> {
        let id = device["deviceId"].as_str().unwrap_or_default().to_owned();
        let modules = match device["modules"].take() {
            Value::Array(modules) => modules,
            _ => Vec::new(),
        };
        self.count += 1 + modules.len() as u64;
        let parent = parent(&device, &id);
        let is_edge = device["capabilities"]["iotEdge"] == true;
        let mut lines = device_line(device, self.exclude_keys).to_string() + "\n";
        for module in modules {
            lines += &module_line(module, self.exclude_keys).to_string();
            lines.push('\n');
        }
        match parent {
            Some(parent) if is_edge => self.edges.push(Edge { id, parent, lines }),
            Some(_) => self.leaves.write_all(lines.as_bytes())?,
            None => self.output.write_all(lines.as_bytes())?,
        }
        Ok(())
    }

    /// Writes what has waited. Gives the number of identities.
    pub(super) fn finish(self) -> io::Result<u64> {
        for edge in parents_first(self.edges) {
            self.output.write_all(edge.lines.as_bytes())?;
        }
        let mut leaves = self.leaves.into_inner().map_err(io::IntoInnerError::into_error)?;
        leaves.rewind()?;
        io::copy(&mut leaves, self.output)?;
        self.output.flush()?;
        Ok(self.count)
    }
}

/// Sorts edge devices level by level.
fn parents_first(mut waiting: Vec<Edge>) -> Vec<Edge> {
    let mut sorted = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ids: HashSet<String> = waiting.iter().map(|edge| edge.id.clone()).collect();
        let (below, level): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|edge| ids.contains(&edge.parent));
        // The hub has no circles; should there be one, its devices come in any order.
        let is_circle = level.is_empty();
        sorted.extend(level);
        waiting = below;
        if is_circle {
            sorted.append(&mut waiting);
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edge_devices_come_after_those_above_them() {
        let edge = |id: &str, parent: &str| Edge {
            id: id.to_owned(),
            parent: parent.to_owned(),
            lines: String::new(),
        };
        let sorted = parents_first(vec![edge("a", "c"), edge("b", "top"), edge("c", "b")]);
        assert_eq!(sorted.iter().map(|edge| &*edge.id).collect::<String>(), "bca");
        assert_eq!(parents_first(vec![edge("a", "b"), edge("b", "a")]).len(), 2);
    }
}
