//! What a scenario says, as words of the command line.

use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use toml::Value;

use super::document::{Document, Entry, list};
use super::error::ScenarioError;

/// The words of `document` for `command`, but for what `options` says instead. Each value is
/// checked by the argument that it is for.
pub(super) fn words(
    document: &Document,
    command: &Command,
    options: &[OsString],
) -> Result<Vec<OsString>, ScenarioError> {
    let mut words = Vec::new();
    for (index, entry) in document.entries.iter().enumerate() {
        let argument = argument_of(command, entry, document)?;
        let word = word(entry, argument)?;
        let rivals = rivals(command, entry.argument);
        let is_rival = |other: &&Entry| rivals.iter().any(|rival| rival == other.argument);
        if let Some(other) = document.entries[..index].iter().find(is_rival) {
            let (name, line, rival) = (entry.name(), other.place.line, other.name());
            let problem = format!("{name} and {rival} (line {line}) exclude each other: keep one");
            return Err(entry.refuse(problem));
        }
        let is_replaced = rivals.iter().chain([&entry.argument.to_owned()]).any(|name| {
            let argument = command.get_arguments().find(|argument| argument.get_id() == name);
            argument.is_some_and(|argument| options.iter().any(|given| gives(given, argument)))
        });
        words.extend(word.filter(|_| !is_replaced));
    }
    Ok(words)
}

fn argument_of<'c>(
    command: &'c Command,
    entry: &Entry,
    document: &Document,
) -> Result<&'c Arg, ScenarioError> {
    let found = command.get_arguments().find(|argument| argument.get_id() == entry.argument);
    found.ok_or_else(|| {
        let sections = list(document.sections.iter().copied());
        entry.refuse(format!("{} means nothing in a scenario of {sections}", entry.name()))
    })
}

/// The word for a value, if it takes one, checked by its argument alone.
fn word(entry: &Entry, argument: &Arg) -> Result<Option<OsString>, ScenarioError> {
    let meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let refuse = |problem: &str| {
        let (name, value) = (entry.name(), &entry.value);
        Err(entry.refuse(format!("{name} = {value}: {problem} ({meaning})")))
    };
    let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
    let option = argument.get_long().unwrap_or_default();
    let value = match (&entry.value, is_switch) {
        (Value::Boolean(is_on), true) => {
            return Ok(is_on.then(|| format!("--{option}").into()));
        }
        (_, true) => return refuse("write true or false"),
        (Value::String(text), false) => text.clone(),
        (Value::Integer(number), false) => number.to_string(),
        (Value::Float(number), false) => number.to_string(),
        (_, false) => return refuse("write a number, or a text such as \"30s\""),
    };
    let word = OsString::from(format!("--{option}={value}"));
    let alone = Command::new("value").no_binary_name(true).arg(argument.clone());
    match alone.try_get_matches_from([&word]) {
        Ok(_) => Ok(Some(word)),
        Err(error) => match std::error::Error::source(&error) {
            Some(why) if error.kind() == ErrorKind::ValueValidation => refuse(&why.to_string()),
            _ => refuse("no value for this"),
        },
    }
}

/// Arguments of which a command takes this one or another.
fn rivals(command: &Command, argument: &str) -> Vec<String> {
    let groups = command.get_groups().filter(|group| !(*group).clone().is_multiple());
    let members = groups.map(|group| group.get_args().map(ToString::to_string).collect::<Vec<_>>());
    let ours = members.filter(|members| members.iter().any(|member| member == argument));
    ours.flatten().filter(|member| member != argument).collect()
}

/// Whether a word of the user is the option of this argument.
fn gives(word: &OsStr, argument: &Arg) -> bool {
    let (Some(word), Some(option)) = (word.to_str(), argument.get_long()) else { return false };
    let rest = word.strip_prefix("--").and_then(|rest| rest.strip_prefix(option));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}
