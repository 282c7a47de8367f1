//! Finds values in JSON text without reading the rest of it into anything.
//!
//! The text is what the store has written: valid, and without blanks. What is not so is treated as
//! if nothing were there; nothing here panics.

use std::borrow::Cow;

use super::path::Segment;

/// The value that `path` leads to below `json`.
pub(super) fn find<'j>(json: &'j str, path: &[Segment]) -> Option<&'j str> {
    path.iter().try_fold(json, |json, segment| match segment {
        Segment::Name(name) => member(json, name),
        Segment::Index(index) => items(json).nth(*index),
    })
}

/// The member of an object that has this name.
fn member<'j>(json: &'j str, name: &str) -> Option<&'j str> {
    let mut at = 1;
    if !json.starts_with('{') {
        return None;
    }
    while json.as_bytes().get(at) == Some(&b'"') {
        let end = skip_text(json, at)?;
        let key = json.get(at + 1..end - 1)?;
        if json.as_bytes().get(end) != Some(&b':') {
            return None;
        }
        let value_end = skip(json, end + 1)?;
        if key == name || (key.contains('\\') && text(json.get(at..end)?)? == name) {
            return json.get(end + 1..value_end);
        }
        at = value_end + usize::from(json.as_bytes().get(value_end) == Some(&b','));
    }
    None
}

/// The items of an array; none of anything else.
pub(super) fn items(json: &str) -> impl Iterator<Item = &str> {
    let mut at = if json.starts_with('[') { 1 } else { json.len() };
    std::iter::from_fn(move || {
        if matches!(json.as_bytes().get(at), None | Some(b']')) {
            return None;
        }
        let end = skip(json, at)?;
        let item = json.get(at..end)?;
        at = end + usize::from(json.as_bytes().get(end) == Some(&b','));
        // What stays where it is will never end.
        (!item.is_empty()).then_some(item)
    })
}

/// What a text in quotes says.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(json).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// The end of the value that begins at `at`.
fn skip(json: &str, at: usize) -> Option<usize> {
    let bytes = json.as_bytes();
    match bytes.get(at)? {
        b'"' => skip_text(json, at),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            let mut at = at;
            loop {
                match bytes.get(at)? {
                    b'"' => at = skip_text(json, at)? - 1,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' if depth == 1 => return Some(at + 1),
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
            }
        }
        _ => {
            let rest = &bytes[at..];
            let len = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']'));
            Some(at + len.unwrap_or(rest.len()))
        }
    }
}

/// The end of the text that begins at `at`, behind its quote.
fn skip_text(json: &str, at: usize) -> Option<usize> {
    let bytes = json.as_bytes();
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Segment> {
        let segment = |part: &str| match part.parse() {
            Ok(index) => Segment::Index(index),
            Err(_) => Segment::Name(part.to_owned()),
        };
        text.split('.').map(segment).collect()
    }

    #[test]
    fn values_are_found_where_they_stand() {
        let json =
            r#"{"a":{"b":[1,{"c":"x,}]\"y"},[]],"e":-1.5e3},"é\"q":{"":true},"n":null,"z":"\\"}"#;
        for (way, expected) in [
            ("a.b.0", Some("1")),
            ("a.b.1.c", Some(r#""x,}]\"y""#)),
            ("a.b.2", Some("[]")),
            ("a.b.3", None),
            ("a.b.2.0", None),
            ("a.e", Some("-1.5e3")),
            ("a.e.f", None),
            ("a.0", None),
            ("é\"q", Some(r#"{"":true}"#)),
            ("n", Some("null")),
            ("z", Some(r#""\\""#)),
            ("A", None),
        ] {
            assert_eq!(find(json, &path(way)), expected, "{way}");
        }
        assert_eq!(find(json, &[]), Some(json));
        assert_eq!(text(r#""x,}]\"y""#).as_deref(), Some("x,}]\"y"));
    }

    #[test]
    fn damaged_text_has_nothing_and_ends() {
        let json = r#"{"a":{"b":[1,{"c":"x\"y"},[]]},"d":"é"}"#;
        for end in (0..json.len()).filter(|end| json.is_char_boundary(*end)) {
            let cut = &json[..end];
            for way in ["a.b.1.c", "d", "a.b.0", "x"] {
                let _ = find(cut, &path(way));
            }
            assert!(items(cut).count() <= 1);
        }
        for odd in ["", "{", "[", "[,", "[,,]", "[1 2", "{\"a\"", "{\"a\":", "\"", "{\"a\":}"] {
            let _ = find(odd, &path("a"));
            assert!(items(odd).count() <= 2, "{odd}");
            let _ = text(odd);
        }
    }
}
