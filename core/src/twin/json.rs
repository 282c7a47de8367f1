//! Values as JSON without spaces. A text without escapes, as most are, is copied at once.

use core::fmt::Write as _;

use serde_json::Number;

use super::patch_value::PatchValue;

/// Writes a value, names of objects in order.
pub(super) fn write(value: &PatchValue<'_>, out: &mut String) {
    match value {
        PatchValue::Null => out.push_str("null"),
        PatchValue::Bool(true) => out.push_str("true"),
        PatchValue::Bool(false) => out.push_str("false"),
        PatchValue::Number(number) => write_number(number, out),
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

/// Writes a number; whole ones, as most are, without the detours of formatting.
fn write_number(number: &Number, out: &mut String) {
    let magnitude = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
    let Some(mut rest) = magnitude else {
        return write!(out, "{number}").expect("a string takes all");
    };
    // 2^64 has 20 digits.
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] += (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number.as_i64().is_some_and(i64::is_negative) {
        out.push('-');
    }
    out.push_str(str::from_utf8(&digits[start..]).expect("digits are ASCII"));
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
        members.insert(
            "rest".into(),
            json!({"t": true, "f": false, "i": i64::MIN, "u": u64::MAX, "z": 0}),
        );
        let expected = serde_json::to_string(&members).expect("it is JSON");
        let tree = Tree::of(&members.clone().into(), Stamp::default());
        assert_eq!(tree.json(), expected);
        let names: Vec<_> = tree.members().map(|member| member.name().into_owned()).collect();
        assert_eq!(names, members.keys().cloned().collect::<Vec<_>>());
        assert_eq!(tree.merged(&members.into(), Stamp::default()), tree, "names are found");
        assert_eq!(Tree::new().json(), "{}");
    }
}
