//! Names of methods.

use crate::limits::METHOD_NAME_LEN_MAX;

/// Why a text is not the name of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMethodName {
    /// Empty, or longer than [`METHOD_NAME_LEN_MAX`].
    #[error("a method name has 1 to {METHOD_NAME_LEN_MAX} characters, this one has {0}")]
    Length(usize),
    /// A character outside the permitted set.
    #[error("a method name holds a character that is not permitted")]
    Character,
}

/// Checks the rules for method names: printable US-ASCII without the separators of topics and
/// headers. `+` and `#` are refused too, because no MQTT topic may hold them [MQTT-3.3.2-2].
///
/// # Errors
/// [`InvalidMethodName`] for a wrong length or character.
///
/// Source: control-plane reference, "Direct methods".
pub fn check_method_name(name: &str) -> Result<(), InvalidMethodName> {
    if name.is_empty() || name.len() > METHOD_NAME_LEN_MAX {
        return Err(InvalidMethodName::Length(name.chars().count()));
    }
    let permitted = |b: u8| b.is_ascii_graphic() && !b"$()<>@,;:\\\"/[]?={}+#".contains(&b);
    if name.bytes().all(permitted) { Ok(()) } else { Err(InvalidMethodName::Character) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable_and_free_of_separators() {
        let component_command = ["c".repeat(64), "d".repeat(64)].join("*");
        for good in ["reboot", "a.b-c_d*e", "x", "!%&'|~^`", &component_command] {
            assert_eq!(check_method_name(good), Ok(()), "{good}");
        }
        for bad in ["a b", "a\tb", "a/b", "a?b", "$a", "a#", "+", "a{b}", "ä", "a\u{7f}", "a\0"] {
            assert_eq!(check_method_name(bad), Err(InvalidMethodName::Character), "{bad}");
        }
        assert_eq!(check_method_name(""), Err(InvalidMethodName::Length(0)));
        assert_eq!(check_method_name(&"n".repeat(130)), Err(InvalidMethodName::Length(130)));
    }
}
