//! A scenario as it is written, with the line of each key.

use std::borrow::Cow;

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use super::error::{Place, ScenarioError};
use super::keys::{SECTIONS, Section};

/// Key of the description, outside of all sections.
const ABOUT: &str = "about";

/// What a scenario says.
#[derive(Debug)]
pub(super) struct Document {
    /// Name of the scenario or of its file.
    pub(super) origin: String,
    /// What it is for, in a line.
    pub(super) about: String,
    /// Sections that are there, with or without keys.
    pub(super) sections: Vec<&'static str>,
    pub(super) entries: Vec<Entry>,
}

/// One key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    /// What it is called among the arguments.
    pub(super) argument: &'static str,
    pub(super) value: Value,
    pub(super) place: Place,
}

impl Entry {
    /// As people speak of it.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    pub(super) fn refuse(&self, problem: String) -> ScenarioError {
        ScenarioError::Invalid { place: self.place.clone(), problem }
    }
}

impl Document {
    /// Reads `text`, which comes from `origin`.
    pub(super) fn parse(origin: &str, text: &str) -> Result<Self, ScenarioError> {
        let file = File { origin, text };
        let table = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            file.refuse(offset, error.message().to_owned())
        })?;
        let mut document = Self {
            origin: origin.to_owned(),
            about: String::new(),
            sections: Vec::new(),
            entries: Vec::new(),
        };
        for (name, content) in table.get_ref() {
            if name.get_ref() == ABOUT {
                document.about = file.about(content)?;
                continue;
            }
            let section = file.section(name)?;
            let Some(keys) = content.get_ref().as_table() else {
                let problem = format!("`{0}` is a section: write [{0}]", section.name);
                return Err(file.refuse(name.span().start, problem));
            };
            document.sections.push(section.name);
            for (key, value) in keys {
                document.entries.push(file.entry(section, key, value)?);
            }
        }
        document.entries.sort_by_key(|entry| entry.place.line);
        Ok(document)
    }
}

struct File<'a> {
    origin: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Place { origin: self.origin.to_owned(), line }
    }

    fn refuse(&self, offset: usize, problem: String) -> ScenarioError {
        ScenarioError::Invalid { place: self.place(offset), problem }
    }

    fn about(&self, content: &Spanned<DeValue<'_>>) -> Result<String, ScenarioError> {
        let text = content.get_ref().as_str().map(ToOwned::to_owned);
        let problem = "`about` is a text: say in a line what the scenario is for";
        text.ok_or_else(|| self.refuse(content.span().start, problem.to_owned()))
    }

    fn section(&self, name: &Spanned<Cow<'_, str>>) -> Result<&'static Section, ScenarioError> {
        let found = SECTIONS.iter().find(|section| section.name == name.get_ref());
        found.ok_or_else(|| {
            let known = list(SECTIONS.iter().map(|section| section.name));
            let problem =
                format!("unknown section or key `{}`: there are about, {known}", name.get_ref());
            self.refuse(name.span().start, problem)
        })
    }

    fn entry(
        &self,
        section: &Section,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Entry, ScenarioError> {
        let known = section.keys.iter().find(|(name, _)| name == key.get_ref());
        let &(name, argument) = known.ok_or_else(|| {
            let known = list(section.keys.iter().map(|(name, _)| *name));
            let problem =
                format!("unknown key `{}` in [{}]: there are {known}", key.get_ref(), section.name);
            self.refuse(key.span().start, problem)
        })?;
        let parsed = Value::deserialize(ValueDeserializer::from(value.clone()));
        let refused =
            |error: toml::de::Error| self.refuse(value.span().start, error.message().to_owned());
        Ok(Entry {
            section: section.name,
            key: name,
            argument,
            value: parsed.map_err(refused)?,
            place: self.place(key.span().start),
        })
    }
}

/// Names, one after the other.
pub(super) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_know_their_lines() {
        let text = "about = \"x\"\n\n[hold]\nduration = \"1s\"\n[connections]\ncount = 3\n";
        let document = Document::parse("f.toml", text).unwrap();
        assert_eq!((document.about.as_str(), document.entries.len()), ("x", 2));
        let [hold, count] = &document.entries[..] else { panic!("{document:?}") };
        assert_eq!((hold.name(), hold.argument), ("hold.duration".to_owned(), "hold"));
        assert_eq!((count.place.to_string(), count.argument), ("f.toml:6".into(), "connections"));
    }

    #[test]
    fn what_nobody_knows_is_refused_with_what_is_known() {
        for (text, line, remedy) in [
            ("[hold]\ntime = 1", 2, "unknown key `time` in [hold]: there are duration"),
            ("\n[holds]", 2, "`holds`: there are about, connections, hold,"),
            ("hold = 3", 1, "write [hold]"),
            ("about = 3", 1, "is a text"),
            ("[hold]\nduration = ", 2, ""),
            ("[hold]\n\n[hold]", 3, "duplicate key"),
        ] {
            let error = Document::parse("f", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("f:{line}: ")), "{error}");
            assert!(error.contains(remedy), "{error}");
        }
    }
}
