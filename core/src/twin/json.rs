//! Properties as the JSON that is stored, and that devices get as it is. Every report writes its
//! whole section, so that a text without escapes, as most are, is copied at once.

use core::fmt::Write as _;

use serde_json::Value;

use super::node::{Content, Members};

/// Room for the properties of most twins.
const CAPACITY: usize = 256;

/// Members as an object without spaces.
pub(super) fn encode(members: &Members) -> String {
    let mut out = String::with_capacity(CAPACITY);
    write_members(members, &mut out);
    out
}

fn write_members(members: &Members, out: &mut String) {
    out.push('{');
    for (index, (name, node)) in members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(name, out);
        out.push(':');
        match &node.content {
            Content::Object(inner) => write_members(inner, out),
            Content::Leaf(leaf) => write_leaf(leaf, out),
        }
    }
    out.push('}');
}

fn write_leaf(leaf: &Value, out: &mut String) {
    match leaf {
        Value::String(text) => write_text(text, out),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write!(out, "{number}").expect("a string takes all"),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            write!(out, "{leaf}").expect("a string takes all");
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    // Looks at all bytes, so that it can do so many at a time.
    let is_plain = text
        .bytes()
        .fold(true, |is_plain, byte| is_plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'));
    if is_plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::to_string(text).expect("every text is JSON"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::super::node::new_members;
    use super::super::stamp::Stamp;
    use super::*;

    #[test]
    fn everything_is_written_as_serde_writes_it() {
        let odd: String =
            (0..=0xff_u8).map(char::from).chain("日本\u{2028}\u{ffff}".chars()).collect();
        let mut members = Map::new();
        for (index, character) in odd.chars().enumerate() {
            members.insert(format!("{character}name"), json!(format!("text{character}")));
            members.insert(format!("n{index}"), json!(index as f64 * 1e17 / 7.0));
        }
        members.insert(odd.clone(), json!({"in": {odd.clone(): {}}, "": [null, {"a": odd}, []]}));
        members.insert("rest".into(), json!({"t": true, "f": false, "i": i64::MIN, "u": u64::MAX}));
        let expected = serde_json::to_string(&members).expect("it is JSON");
        assert_eq!(encode(&new_members(members, Stamp::default())), expected);
        assert_eq!(encode(&Members::new()), "{}");
    }
}
