//! What a section takes of memory, for caches that have a bound.

use serde_json::Value;

use super::node::{Content, Members, Node};

/// Places in a node of the map of a JSON object. Its nodes are half full at least, but for the
/// first.
const MAP_PLACES: usize = 11;

/// Memory behind members.
pub(super) fn members(members: &Members) -> usize {
    let inner = members.iter().map(|(name, node)| name.len() + content(&node.content));
    map::<Node>(members.len()) + inner.sum::<usize>()
}

fn content(content: &Content) -> usize {
    match content {
        Content::Leaf(leaf) => value(leaf),
        Content::Object(inner) => members(inner),
    }
}

fn value(leaf: &Value) -> usize {
    match leaf {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => {
            items.len() * size_of::<Value>() + items.iter().map(value).sum::<usize>()
        }
        Value::Object(members) => {
            let inner = members.iter().map(|(name, item)| name.len() + value(item));
            map::<Value>(members.len()) + inner.sum::<usize>()
        }
    }
}

/// The map itself.
fn map<T>(len: usize) -> usize {
    let places = if len == 0 { 0 } else { MAP_PLACES.max(2 * len) };
    places * size_of::<(String, T)>()
}
