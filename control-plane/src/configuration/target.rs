//! Who a configuration is for.

use ringhub_core::id::HubId;
use ringhub_core::limits::QUERY_CHARS_MAX;

use super::{ConfigurationError, Kind};
use crate::directory::Directory;
use crate::query::{Condition, Sees};
use crate::store::{StoreError, StoredTwin, TwinColumns};
use crate::twin::TwinOwner;

/// Characters that queries of metrics have around the condition.
const AROUND_CHARS_MAX: usize = 128;

/// A target condition that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    text: String,
    kind: Kind,
    /// `None` takes nobody.
    taken: Option<Taken>,
}

#[derive(Clone, Debug, PartialEq)]
enum Taken {
    All,
    If(Condition),
}

impl Target {
    /// Reads a target condition; an empty one takes nobody, `*` all devices.
    ///
    /// # Errors
    /// [`ConfigurationError::Target`] with the place, or what such a condition may not look at.
    ///
    /// Source: control-plane reference, "Object" of configurations.
    pub(crate) fn parse(text: &str, kind: Kind) -> Result<Self, ConfigurationError> {
        let bad = |why: &str| Err(ConfigurationError::Target(why.to_owned()));
        if text.chars().count() > QUERY_CHARS_MAX - AROUND_CHARS_MAX {
            return bad("it is longer than a query may be");
        }
        let taken = match (text.trim(), kind) {
            ("", _) => None,
            ("*", Kind::Device | Kind::Edge) => Some(Taken::All),
            (text, _) => {
                let condition = Condition::parse(text)
                    .map_err(|error| ConfigurationError::Target(error.to_string()))?;
                match kind {
                    Kind::Module if !condition.is_of_modules() => {
                        return bad("for moduleContent it begins with FROM devices.modules WHERE");
                    }
                    Kind::Device | Kind::Edge if names_collection(text) => {
                        return bad("only for moduleContent it begins with FROM");
                    }
                    _ if condition.sees().fleeting => {
                        return bad(
                            "it can look at tags, at desired and reported properties and at the \
                             identity, but not at connectionState, lastActivityTime, \
                             cloudToDeviceMessageCount and configurations",
                        );
                    }
                    _ => Some(Taken::If(condition)),
                }
            }
        };
        Ok(Self { text: text.to_owned(), kind, taken })
    }

    /// Reads a condition of which nobody says what it is for.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn test(text: &str) -> Result<Self, ConfigurationError> {
        Self::parse(text, if names_collection(text) { Kind::Module } else { Kind::Device })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The query that finds whom it takes.
    ///
    /// Source: control-plane reference, "Object" of configurations.
    pub(super) fn query(&self) -> String {
        let text = self.text.trim();
        match (&self.taken, self.kind) {
            (None, Kind::Module) => "select moduleId from devices.modules where false".to_owned(),
            (None, _) => "select deviceId from devices where false".to_owned(),
            (Some(_), Kind::Module) => format!("select moduleId {text}"),
            (Some(Taken::All), Kind::Device) => "select deviceId from devices".to_owned(),
            (Some(Taken::All), _) => {
                "select deviceId from devices where capabilities.iotEdge = true".to_owned()
            }
            (Some(Taken::If(_)), Kind::Device) => {
                format!("select deviceId from devices where {text}")
            }
            (Some(Taken::If(_)), _) => {
                format!(
                    "select deviceId from devices where capabilities.iotEdge = true and ({text})"
                )
            }
        }
    }

    /// Whether it takes an identity, of which [its columns](Self::columns) must have been read.
    pub(super) fn takes(
        &self,
        hub: HubId,
        directory: &Directory,
        stored: &StoredTwin<'_>,
    ) -> Result<bool, StoreError> {
        let is_taken = match &self.taken {
            None => false,
            Some(Taken::All) => true,
            Some(Taken::If(condition)) => condition.takes(hub, directory, stored)?,
        };
        if self.kind != Kind::Edge || !is_taken {
            return Ok(is_taken);
        }
        Ok(matches!(stored.owner()?, TwinOwner::Device(device) if device.iot_edge))
    }

    /// What has to be read of an identity.
    pub(super) fn columns(&self) -> TwinColumns {
        let columns = match &self.taken {
            Some(Taken::If(condition)) => condition.columns(),
            _ => TwinColumns::KEY,
        };
        if self.kind == Kind::Edge { columns.and(TwinColumns::IDENTITY) } else { columns }
    }

    pub(super) fn sees(&self) -> Sees {
        match &self.taken {
            Some(Taken::If(condition)) => condition.sees(),
            _ => Sees::default(),
        }
    }
}

fn names_collection(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("from"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;

    fn refusal(text: &str, kind: Kind) -> String {
        match Target::parse(text, kind) {
            Err(ConfigurationError::Target(why)) => why,
            other => panic!("{text} is taken: {other:?}"),
        }
    }

    #[test]
    fn conditions_fit_what_the_configuration_is_for() {
        for (text, kind) in [
            ("*", Kind::Device),
            ("", Kind::Module),
            ("tags.a = 'b' OR deviceId IN ['x']", Kind::Edge),
            ("from devices.modules where moduleId = 'm'", Kind::Module),
        ] {
            let target = Target::parse(text, kind).expect(text);
            let query = Query::parse(&target.query());
            assert!(query.is_ok(), "{}: {query:?}", target.query());
        }
        assert!(refusal("*", Kind::Module).contains("line 1"), "{}", refusal("*", Kind::Module));
        assert!(refusal("tags.a = 1", Kind::Module).contains("FROM devices.modules"));
        assert!(refusal("from devices.modules", Kind::Edge).contains("moduleContent"));
    }

    #[test]
    fn a_bad_condition_is_told_with_its_place() {
        let why = refusal("tags.a = 1 GROUP BY tags.b", Kind::Device);
        assert!(why.contains("line 1, column 12"), "{why}");
        assert!(refusal("tags.a = ", Kind::Device).contains("column"));
        assert!(refusal(&"x".repeat(QUERY_CHARS_MAX), Kind::Device).contains("longer"));
        assert!(refusal("connectionState = 'Connected'", Kind::Device).contains("connectionState"));
    }

    #[test]
    fn what_nobody_says_is_for_devices_unless_it_begins_with_from() {
        assert!(Target::test("tags.a = 1").is_ok());
        assert!(Target::test(" From devices.modules WHERE tags.a = 1").is_ok());
        assert!(Target::test("tags.").is_err());
    }
}
