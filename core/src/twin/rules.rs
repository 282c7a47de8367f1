//! What names and values may be. Checked on every patch before anything is merged.
//!
//! Source: control-plane reference, "Limits" of twins.

use serde_json::Number;

use super::error::{TwinError, TwinProblem};
use super::patch_value::{PatchMembers, PatchValue};
use crate::limits::{
    TWIN_DEPTH_MAX, TWIN_INTEGER_MAX, TWIN_INTEGER_MIN, TWIN_KEY_BYTES_MAX, TWIN_STRING_BYTES_MAX,
};

/// Checks the members of a patch of a section.
pub(super) fn check(patch: &PatchMembers<'_>) -> Result<(), TwinError> {
    check_members(patch, 0, false)
}

/// Refuses nulls outside arrays: in content that takes the place of all, they delete nothing.
///
/// Source: control-plane reference, "PUT semantics".
pub(super) fn check_no_null(content: &PatchMembers<'_>) -> Result<(), TwinError> {
    for (name, value) in content.iter() {
        let checked = match value {
            PatchValue::Null => Err(TwinError::new(TwinProblem::Null)),
            PatchValue::Object(members) => check_no_null(members),
            _ => Ok(()),
        };
        checked.map_err(|error| error.within(name))?;
    }
    Ok(())
}

fn check_members(
    members: &PatchMembers<'_>,
    depth: usize,
    in_array: bool,
) -> Result<(), TwinError> {
    for (name, value) in members.iter() {
        check_name(name)
            .map_err(TwinError::new)
            .and_then(|()| check_value(value, depth + 1, in_array))
            .map_err(|error| error.within(name))?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), TwinProblem> {
    if name.is_empty() || name.len() > TWIN_KEY_BYTES_MAX {
        return Err(TwinProblem::KeyLength);
    }
    let is_forbidden = |c: char| match c {
        '.' | '$' | '#' => true,
        _ if c.is_ascii() => !c.is_ascii_graphic(),
        _ => c.is_control() || c.is_whitespace(),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.bytes().all(is_plain) {
        return Ok(());
    }
    if name.chars().any(is_forbidden) { Err(TwinProblem::KeyCharacter) } else { Ok(()) }
}

/// `depth` counts the objects and arrays from the section to this value, itself included if it is
/// one.
fn check_value(value: &PatchValue<'_>, depth: usize, in_array: bool) -> Result<(), TwinError> {
    let problem = match value {
        PatchValue::Null if in_array => TwinProblem::NullInArray,
        PatchValue::Null | PatchValue::Bool(_) => return Ok(()),
        PatchValue::Number(number) if is_in_range(number) => return Ok(()),
        PatchValue::Number(_) => TwinProblem::NumberRange,
        PatchValue::Text(text) if text.len() <= TWIN_STRING_BYTES_MAX => return Ok(()),
        PatchValue::Text(_) => TwinProblem::StringLength,
        PatchValue::Array(_) | PatchValue::Object(_) if depth > TWIN_DEPTH_MAX => {
            TwinProblem::TooDeep
        }
        PatchValue::Object(members) => return check_members(members, depth, in_array),
        PatchValue::Array(items) => return check_items(items, depth),
    };
    Err(TwinError::new(problem))
}

fn check_items(items: &[PatchValue<'_>], depth: usize) -> Result<(), TwinError> {
    for (index, item) in items.iter().enumerate() {
        check_value(item, depth + 1, true).map_err(|error| error.within(&index.to_string()))?;
    }
    Ok(())
}

/// The bound is for numbers that are written as integers; `1e20` is a fraction like `0.5`.
fn is_in_range(number: &Number) -> bool {
    let is_good = |whole| (TWIN_INTEGER_MIN..=TWIN_INTEGER_MAX).contains(&whole);
    number.is_f64() || number.as_i64().is_some_and(is_good)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn verdict(patch: Value) -> Result<(), (TwinProblem, String)> {
        let Value::Object(members) = patch else { panic!("the tests patch with objects") };
        check(&members.into()).map_err(|error| (error.problem(), error.path()))
    }

    fn nested(levels: usize, innermost: Value) -> Value {
        (0..levels).fold(innermost, |inner, _| json!({"a": inner}))
    }

    #[test]
    fn depth_counts_objects_and_arrays_below_the_section() {
        let deepest = ["a"; 11].join(".");
        assert_eq!(verdict(nested(TWIN_DEPTH_MAX + 1, json!(1))), Ok(()));
        let refused = Err((TwinProblem::TooDeep, deepest.clone()));
        assert_eq!(verdict(nested(TWIN_DEPTH_MAX + 1, json!({}))), refused);
        assert_eq!(verdict(nested(TWIN_DEPTH_MAX + 1, json!([]))), refused);
        assert_eq!(verdict(nested(TWIN_DEPTH_MAX + 1, json!(null))), Ok(()));
        let in_array = verdict(nested(TWIN_DEPTH_MAX, json!([[1]])));
        assert_eq!(in_array, Err((TwinProblem::TooDeep, format!("{}.0", ["a"; 10].join(".")))));
    }

    #[test]
    fn names_are_short_and_have_no_special_characters() {
        let longest = "ü".repeat(TWIN_KEY_BYTES_MAX / 2);
        assert_eq!(verdict(json!({longest.clone(): 1})), Ok(()));
        assert_eq!(verdict(json!({"a-b_c/d:e@f(g)": 1, "日本": 2})), Ok(()));
        let (problem, path) = verdict(json!({"x": {longest + "a": 1}})).unwrap_err();
        assert_eq!(problem, TwinProblem::KeyLength);
        assert!(path.starts_with("x.ü") && path.len() < 200, "{path}");
        assert_eq!(verdict(json!({"": 1})).unwrap_err().0, TwinProblem::KeyLength);
        for name in ["a.b", "$version", "a b", "#", "\u{7}", "\u{85}", "a\u{2003}b", "\t"] {
            for patch in [json!({name: 1}), json!({name: null}), json!({"a": [{name: 1}]})] {
                let (problem, _) = verdict(patch).unwrap_err();
                assert_eq!(problem, TwinProblem::KeyCharacter, "{name:?}");
            }
        }
    }

    #[test]
    fn values_have_bounds() {
        let good = json!({
            "text": "é".repeat(TWIN_STRING_BYTES_MAX / 2), "min": TWIN_INTEGER_MIN,
            "max": TWIN_INTEGER_MAX, "small": 1e-300, "fraction": -1234.5, "whole": 2.0,
            "large": 1e308, "mole": 6.02214076e23, "point": 10000000000000000.0,
            "list": [1, "a", {"b": [true]}], "gone": null, "empty": {}, "none": []
        });
        assert_eq!(verdict(good), Ok(()));
        let bad = [
            (json!("x".repeat(TWIN_STRING_BYTES_MAX + 1)), TwinProblem::StringLength, "a"),
            (json!(TWIN_INTEGER_MAX + 1), TwinProblem::NumberRange, "a"),
            (json!(TWIN_INTEGER_MIN - 1), TwinProblem::NumberRange, "a"),
            (json!(u64::MAX), TwinProblem::NumberRange, "a"),
            (json!([1, null]), TwinProblem::NullInArray, "a.1"),
            (json!([{"b": {"c": null}}]), TwinProblem::NullInArray, "a.0.b.c"),
        ];
        for (value, problem, path) in bad {
            assert_eq!(verdict(json!({"a": value})), Err((problem, path.to_owned())));
        }
    }
}
