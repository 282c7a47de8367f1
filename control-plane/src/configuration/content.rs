//! What a configuration writes.

use std::collections::BTreeMap;

use ringhub_core::id::ModuleId;
use ringhub_core::limits::CONFIGURATION_MODULES_MAX;
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::{Mode, Part, ServiceChange, Twin};
use serde_json::{Map, Value};

use super::ConfigurationError;
use super::error::ContentProblem;
use super::overlay::{Overlay, Setting};
use super::path::DesiredPath;

/// The module that runs all others of an edge device.
const EDGE_AGENT: &str = "$edgeAgent";

/// What a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Device,
    Module,
    /// Modules of edge devices.
    Edge,
}

/// Names of the members of content.
///
/// Source: control-plane reference, "Object" of configurations.
const KINDS: [(&str, Kind); 3] = [
    ("deviceContent", Kind::Device),
    ("moduleContent", Kind::Module),
    ("modulesContent", Kind::Edge),
];

/// Content that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    kind: Kind,
    /// As it was given.
    json: Map<String, Value>,
    /// For the device or module that is targeted.
    own: Vec<Setting>,
    /// For modules of the edge device that is targeted.
    modules: BTreeMap<ModuleId, Vec<Setting>>,
}

impl Content {
    /// Reads content.
    ///
    /// # Errors
    /// [`ConfigurationError::Content`].
    pub(crate) fn parse(value: &Value) -> Result<Self, ConfigurationError> {
        let content = Self::read(value)?;
        let settings = content.modules.values().chain([&content.own]);
        settings.into_iter().try_for_each(|settings| check(settings))?;
        Ok(content)
    }

    /// As [`parse`](Self::parse), for content that was checked before it was stored.
    pub(crate) fn read(value: &Value) -> Result<Self, ContentProblem> {
        let object = value.as_object().ok_or_else(|| no_object("content"))?;
        let found = KINDS.iter().filter_map(|&(name, kind)| {
            let (_, value) = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            (!value.is_null()).then_some((name, kind, value))
        });
        let mut found: Vec<_> = found.collect();
        if found.len() > 1 {
            // Tools send the kinds that they do not use as empty objects.
            found.retain(|(_, _, value)| value.as_object().is_none_or(|map| !map.is_empty()));
        }
        let [(name, kind, value)] = *found else { return Err(ContentProblem::Kind) };
        let members = value.as_object().ok_or_else(|| no_object(name))?;
        let json = Map::from_iter([(name.to_owned(), value.clone())]);
        let (mut own, mut modules) = (Vec::new(), BTreeMap::new());
        if kind == Kind::Edge {
            for (id, members) in members {
                let members = members.as_object().ok_or_else(|| no_object(id))?;
                let module = ModuleId::parse(id).map_err(|_| ContentProblem::Module(id.clone()))?;
                modules.insert(module, settings(members)?);
            }
        } else {
            own = settings(members)?;
        }
        if modules.len() > CONFIGURATION_MODULES_MAX {
            return Err(ContentProblem::TooManyModules);
        }
        Ok(Self { kind, json, own, modules })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// As it was given.
    pub(crate) fn json(&self) -> &Map<String, Value> {
        &self.json
    }

    pub(super) fn own(&self) -> &[Setting] {
        &self.own
    }

    pub(super) fn modules(&self) -> &BTreeMap<ModuleId, Vec<Setting>> {
        &self.modules
    }

    /// Whether it says all of what an edge device runs. One that does not is a layer, which needs
    /// one below it that does.
    ///
    /// Source: control-plane reference, "Object" of configurations.
    pub(super) fn is_base(&self) -> bool {
        let agent = self.modules.iter().find(|(id, _)| id.as_str() == EDGE_AGENT);
        agent.is_some_and(|(_, settings)| settings.iter().any(|(path, _)| path.is_root()))
    }

    /// Whether an edge device with this content has the module.
    pub(super) fn lists(&self, id: &ModuleId) -> bool {
        let is_run = |agent: &[Setting]| {
            let mut overlay = Overlay::default();
            agent.iter().for_each(|setting| overlay.lay(0, setting));
            let desired = overlay.patch(&Map::new(), &[]);
            desired.get("modules").is_some_and(|modules| modules.get(id.as_str()).is_some())
        };
        let agent = self.modules.iter().find(|(module, _)| module.as_str() == EDGE_AGENT);
        self.modules.contains_key(id) || agent.is_some_and(|(_, settings)| is_run(settings))
    }
}

fn no_object(name: &str) -> ContentProblem {
    ContentProblem::NoObject(name.to_owned())
}

fn settings(members: &Map<String, Value>) -> Result<Vec<Setting>, ContentProblem> {
    let mut settings = Vec::with_capacity(members.len());
    for (name, value) in members {
        let path = DesiredPath::parse(name)?;
        if path.is_root() && !value.is_object() {
            return Err(no_object(name));
        }
        settings.push((path, without_nulls(value.clone())));
    }
    // What is above comes first, so that what is below is laid over it.
    settings.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(settings)
}

/// A value without the members that would only be removed.
fn without_nulls(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let kept = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
}

/// Checks by the rules of twins what an identity without desired properties would get.
fn check(settings: &[Setting]) -> Result<(), ContentProblem> {
    let mut overlay = Overlay::default();
    settings.iter().for_each(|setting| overlay.lay(0, setting));
    let desired = Part::Given(overlay.patch(&Map::new(), &[]));
    let change = ServiceChange { mode: Mode::Merge, tags: Part::Absent, desired };
    let twin = Twin::new(UnixMillis::from_millis(0));
    let applied = twin.apply(change, UnixMillis::from_millis(0));
    applied.map(drop).map_err(|error| ContentProblem::Twin(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(content: Value) -> ContentProblem {
        match Content::parse(&content) {
            Err(ConfigurationError::Content(problem)) => problem,
            other => panic!("{content} is taken: {other:?}"),
        }
    }

    #[test]
    fn content_is_of_one_kind_and_its_keys_are_paths() {
        let device = json!({"deviceContent": {"properties.desired.fan": {"on": true}}});
        assert_eq!(Content::parse(&device).map(|content| content.kind()), Ok(Kind::Device));
        let beside = json!({"ModuleContent": {"properties.desired.x": 1}, "deviceContent": null,
            "modulesContent": {}});
        assert_eq!(Content::parse(&beside).map(|content| content.kind()), Ok(Kind::Module));
        for none in [json!({}), json!({"deviceContent": null}), json!({"other": {}})] {
            assert_eq!(problem(none), ContentProblem::Kind);
        }
        let both = json!({"deviceContent": {"properties.desired.a": 1},
            "moduleContent": {"properties.desired.a": 1}});
        assert_eq!(problem(both), ContentProblem::Kind);
        assert_eq!(problem(json!(1)), no_object("content"));
        assert_eq!(problem(json!({"deviceContent": [1]})), no_object("deviceContent"));
        let tags = json!({"deviceContent": {"tags.a": 1}});
        assert_eq!(problem(tags), ContentProblem::Path("tags.a".to_owned()));
        let root = json!({"deviceContent": {"properties.desired": 1}});
        assert_eq!(problem(root), no_object("properties.desired"));
    }

    #[test]
    fn content_keeps_the_rules_of_twins() {
        for bad in [json!({"a b": 1}), json!([null]), json!("x".repeat(5000)), json!(1u64 << 60)] {
            let found = problem(json!({"deviceContent": {"properties.desired.a": bad}}));
            assert!(matches!(found, ContentProblem::Twin(_)), "{found}");
        }
        let texts: Vec<_> = (0..9).map(|_| "x".repeat(4000)).collect();
        let found = problem(json!({"deviceContent": {"properties.desired.a": texts}}));
        assert!(matches!(found, ContentProblem::Twin(_)), "{found}");
    }

    #[test]
    fn modules_are_named_and_few() {
        let found = problem(json!({"modulesContent": {"a b": {"properties.desired": {}}}}));
        assert_eq!(found, ContentProblem::Module("a b".to_owned()));
        assert_eq!(problem(json!({"modulesContent": {"m": 1}})), no_object("m"));
        let many: Map<_, _> = (0..51).map(|n| (format!("m{n}"), json!({}))).collect();
        assert_eq!(problem(json!({"modulesContent": many})), ContentProblem::TooManyModules);
    }

    #[test]
    fn a_base_says_all_that_the_agent_runs() {
        let base = json!({"modulesContent": {"$edgeAgent": {"properties.desired": {
            "modules": {"filter": {}}}}, "camera": {"properties.desired": {}}}});
        let base = Content::parse(&base).expect("good content");
        assert!(base.is_base());
        let lists = |id| base.lists(&ModuleId::parse(id).expect("an id"));
        assert_eq!(["filter", "camera", "$edgeAgent", "x"].map(lists), [true, true, true, false]);
        let layer = json!({"modulesContent": {"$edgeAgent": {
            "properties.desired.modules.x": {}}}});
        assert!(!Content::parse(&layer).expect("good content").is_base());
    }
}
