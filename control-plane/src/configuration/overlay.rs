//! What several configurations together want of the desired properties of one identity.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::path::DesiredPath;

/// A value and its place.
pub(crate) type Setting = (DesiredPath, Value);

/// Values at places of which none lies within another. Configurations are laid over each other from
/// the lowest to the highest.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Overlay {
    values: BTreeMap<DesiredPath, Value>,
    /// Whose settings can still be seen, by numbers that the caller gives.
    owners: Vec<(usize, DesiredPath)>,
}

impl Overlay {
    /// Lays one setting over all others: it takes the place of what lies there and below.
    pub(super) fn lay(&mut self, owner: usize, (path, value): &Setting) {
        self.values.retain(|other, _| !other.is_within(path));
        self.owners.retain(|(_, other)| !other.is_within(path));
        self.owners.push((owner, path.clone()));
        let above = self.values.iter_mut().find(|(other, _)| path.is_within(other));
        match above {
            Some((ancestor, there)) => path.set_within(ancestor, there, value),
            None => {
                self.values.insert(path.clone(), value.clone());
            }
        }
    }

    /// Whether something of this owner is not covered by others.
    pub(super) fn shows(&self, owner: usize) -> bool {
        self.owners.iter().any(|(other, _)| *other == owner)
    }

    /// The places that it sets.
    pub(super) fn paths(&self) -> Vec<DesiredPath> {
        self.values.keys().cloned().collect()
    }

    /// All settings.
    pub(super) fn into_settings(self) -> Vec<Setting> {
        self.values.into_iter().collect()
    }

    /// The patch that brings `desired`, in which configurations have set `written` before, to what
    /// is wanted now; empty when that is so already.
    pub(super) fn patch(
        &self,
        desired: &Map<String, Value>,
        written: &[DesiredPath],
    ) -> Map<String, Value> {
        let mut wanted = desired.clone();
        written.iter().for_each(|path| path.remove(&mut wanted));
        self.values.iter().for_each(|(path, value)| path.set(&mut wanted, value));
        difference(desired, &wanted)
    }
}

/// The merge patch from one object to another.
///
/// Source: RFC 7396.
fn difference(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
    let gone = from.keys().filter(|name| !to.contains_key(*name));
    let mut patch: Map<String, Value> = gone.map(|name| (name.clone(), Value::Null)).collect();
    for (name, value) in to {
        match (from.get(name), value) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(name.clone(), Value::Object(difference(old, new)));
            }
            (_, new) => {
                patch.insert(name.clone(), new.clone());
            }
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn setting(path: &str, value: Value) -> Setting {
        let path = match path {
            "" => "properties.desired".to_owned(),
            path => format!("properties.desired.{path}"),
        };
        (DesiredPath::parse(&path).expect("a path"), value)
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    fn patch(overlay: &Overlay, desired: Value, written: &[DesiredPath]) -> Value {
        Value::Object(overlay.patch(&object(desired), written))
    }

    #[test]
    fn the_one_laid_last_wins_its_place_and_what_is_below() {
        let mut overlay = Overlay::default();
        overlay.lay(0, &setting("a", json!({"x": 1, "y": 1})));
        overlay.lay(1, &setting("b", json!(1)));
        overlay.lay(2, &setting("a.x", json!(2)));
        assert!((0..3).all(|owner| overlay.shows(owner)));
        let made = patch(&overlay, json!({}), &[]);
        assert_eq!(made, json!({"a": {"x": 2, "y": 1}, "b": 1}));
        overlay.lay(3, &setting("a", json!({"z": 3})));
        assert_eq!([0, 1, 2, 3].map(|owner| overlay.shows(owner)), [false, true, false, true]);
        assert_eq!(patch(&overlay, json!({}), &[]), json!({"a": {"z": 3}, "b": 1}));
        overlay.lay(4, &setting("", json!({"all": true})));
        assert_eq!(patch(&overlay, json!({"b": 1}), &[]), json!({"all": true, "b": null}));
    }

    #[test]
    fn a_patch_takes_away_what_was_written_and_is_not_wanted_any_more() {
        let mut overlay = Overlay::default();
        overlay.lay(0, &setting("a.b", json!(1)));
        let written = overlay.paths();
        let desired = json!({"a": {"b": 1, "own": 2}, "c": 3});
        assert_eq!(patch(&overlay, desired.clone(), &written), json!({}));
        let none = Overlay::default();
        assert_eq!(patch(&none, desired, &written), json!({"a": {"b": null}}));
        assert_eq!(patch(&none, json!({"a": {"b": 1}}), &written), json!({"a": null}));
        let mut other = Overlay::default();
        other.lay(0, &setting("a", json!({"c": {}})));
        assert_eq!(
            patch(&other, json!({"a": {"b": 1, "c": {"d": 1}}}), &written),
            json!({"a": {"b": null, "c": {"d": null}}})
        );
    }

    #[test]
    fn a_value_that_somebody_changed_is_set_again_and_null_removes() {
        let mut overlay = Overlay::default();
        overlay.lay(0, &setting("a", json!({"x": 1})));
        overlay.lay(0, &setting("gone", Value::Null));
        let desired = json!({"a": {"x": 2, "y": [1]}, "gone": 1, "kept": 1});
        assert_eq!(patch(&overlay, desired, &[]), json!({"a": {"x": 1, "y": null}, "gone": null}));
    }
}
