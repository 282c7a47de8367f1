//! Values as JSON without spaces. A text without escapes, as most are, is copied at once.

use core::fmt::Write as _;

use super::patch_value::PatchValue;

/// Writes a value, names of objects in order.
pub(super) fn write(value: &PatchValue<'_>, out: &mut String) {
    match value {
        PatchValue::Null => out.push_str("null"),
        PatchValue::Bool(true) => out.push_str("true"),
        PatchValue::Bool(false) => out.push_str("false"),
        PatchValue::Number(number) => write!(out, "{number}").expect("a string takes all"),
        PatchValue::Text(text) => drop(write_text(text, out)),
        PatchValue::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(item, out);
            }
            out.push(']');
        }
        PatchValue::Object(members) => {
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write_text(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// Writes a text; tells whether it needs escapes.
pub(super) fn write_text(text: &str, out: &mut String) -> bool {
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
    !is_plain
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::super::stamp::Stamp;
    use super::super::tree::Tree;

    #[test]
    fn everything_is_written_as_serde_writes_it() {
        let odd: String =
            (0..=0xff_u8).map(char::from).chain("日本\u{2028}\u{ffff}".chars()).collect();
        let mut members = Map::new();
        for (index, character) in odd.chars().enumerate() {
            members.insert(format!("{character}name"), json!(format!("text{character}")));
            members.insert(format!("n{index}"), json!(index as f64 * 1e17 / 7.0));
        }
        members.insert(odd.clone(), json!({"in": {odd.clone(): {}}, "": [1, {"a": odd}, [], {}]}));
        members.insert("rest".into(), json!({"t": true, "f": false, "i": i64::MIN, "u": u64::MAX}));
        let expected = serde_json::to_string(&members).expect("it is JSON");
        let tree = Tree::of(&members.clone().into(), Stamp::default());
        assert_eq!(tree.json(), expected);
        let names: Vec<_> = tree.members().map(|member| member.name().into_owned()).collect();
        assert_eq!(names, members.keys().cloned().collect::<Vec<_>>());
        assert_eq!(tree.merged(&members.into(), Stamp::default()), tree, "names are found");
        assert_eq!(Tree::new().json(), "{}");
    }
}
