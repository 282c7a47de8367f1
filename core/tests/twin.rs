//! Twins under a seeded simulation: several back ends and a device change one twin, with and
//! without conditions, well and badly. A naive model beside it says what each change must lead to.

mod random;

use std::collections::BTreeMap;

use random::Random;
use ringhub_core::limits::{TWIN_DESIRED_BYTES_MAX, TWIN_REPORTED_BYTES_MAX, TWIN_TAGS_BYTES_MAX};
use ringhub_core::time::UnixMillis;
use ringhub_core::twin::{
    Mode, ReportedPatch, Section, ServiceChange, Tags, Twin, TwinError, TwinProblem,
    device_document,
};
use serde_json::{Map, Value, json};

const SEEDS: u64 = 200;
const STEPS: u64 = 60;

impl Random {
    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 | 1 => Value::Null,
            2 => json!(self.below(2) == 0),
            3 => json!(self.below(1 << 40) as i64 - (1 << 39)),
            4 => json!(self.below(1 << 50) as f64 / 1e7 + 0.1),
            5 => json!("text ü\n\"".repeat(self.below(4) as usize)),
            6 => json!([1, {"deep": [true, "x"]}, self.below(9)]),
            _ => Value::Object(self.members(depth - 1)),
        }
    }

    fn members(&mut self, depth: u64) -> Map<String, Value> {
        (0..self.below(4)).map(|_| (self.name(), self.value(depth))).collect()
    }

    fn name(&mut self) -> String {
        format!("k{}", self.below(6))
    }

    /// A member that no section may have.
    fn fault(&mut self) -> Value {
        let deep = (0..12).fold(json!(1), |inner, _| json!({"d": inner}));
        let faults = [
            json!({"a.b": 1}),
            json!({"a": "x".repeat(4097)}),
            json!({"a": 1_u64 << 53}),
            json!({"a": [null]}),
            deep,
            json!({"": 1}),
        ];
        faults[self.below(faults.len() as u64) as usize].clone()
    }
}

/// What the twin must be, kept as plain JSON and times of leaves.
struct Model {
    tags: Value,
    desired: Value,
    reported: Value,
    /// When each path last changed, and the version of desired properties then.
    desired_times: BTreeMap<String, (i64, u64)>,
    versions: [u64; 3],
}

/// RFC 7396, section 2, word for word.
fn merge_patch(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = match target {
        Value::Object(target) => target,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let before = target.remove(name).unwrap_or_default();
            target.insert(name.clone(), merge_patch(before, value));
        }
    }
    Value::Object(target)
}

/// Notes the time of everything that a patch names, and forgets what is no more.
fn touch(
    times: &mut BTreeMap<String, (i64, u64)>,
    path: &str,
    patch: &Value,
    stamp: (i64, u64),
    after: &Value,
) {
    times.insert(path.to_owned(), stamp);
    if let Value::Object(members) = patch {
        for (name, value) in members {
            touch(times, &format!("{path}/{name}"), value, stamp, after);
        }
    }
    if path.is_empty() {
        times.retain(|path, _| path.is_empty() || after.pointer(path).is_some());
        // An object that a scalar or array has replaced leaves nothing of itself behind.
        let leaves: Vec<String> = times
            .keys()
            .filter(|p| !after.pointer(p).is_some_and(Value::is_object))
            .cloned()
            .collect();
        times.retain(|path, _| !leaves.iter().any(|leaf| path.starts_with(&format!("{leaf}/"))));
    }
}

fn view(section: &Section) -> Value {
    serde_json::to_value(section.view()).expect("a section is JSON")
}

/// Splits a section as back ends see it into properties, metadata and version.
fn split(section: &Section) -> (Value, Value, u64) {
    let Value::Object(mut members) = view(section) else { panic!("a section is an object") };
    let metadata = members.remove("$metadata").expect("a section has metadata");
    let version = members.remove("$version").and_then(|v| v.as_u64()).expect("and a version");
    (Value::Object(members), metadata, version)
}

/// Metadata have a node for each node of the properties, and no other.
fn assert_mirrors(properties: &Value, metadata: &Value, is_desired: bool, seed: u64) {
    let Value::Object(mirror) = metadata else { panic!("metadata are objects: {metadata}") };
    let own: Vec<_> = mirror.keys().filter(|key| !key.starts_with('$')).collect();
    let expected: Vec<_> =
        properties.as_object().map(|members| members.keys().collect()).unwrap_or_default();
    assert_eq!(own, expected, "seed {seed}");
    assert!(mirror["$lastUpdated"].is_string(), "seed {seed}");
    assert!(is_desired || !mirror.contains_key("$lastUpdatedVersion"), "seed {seed}");
    for name in own {
        assert_mirrors(&properties[name], &mirror[name], is_desired, seed);
    }
}

fn stored(section: &Section) -> Section {
    let (properties, stamps) = (section.properties(), section.stamps());
    let stored = Section::decode(section.version(), properties, &stamps);
    stored.expect("what was encoded decodes")
}

/// As the store does it: nothing survives but what was encoded.
fn through_the_store(twin: &Twin) -> Twin {
    Twin {
        etag: twin.etag,
        tags: Tags::decode(twin.tags.encode()).expect("what was encoded decodes"),
        desired: stored(&twin.desired),
        reported: stored(&twin.reported),
    }
}

fn assert_agrees(twin: &Twin, model: &Model, seed: u64) {
    assert_eq!(serde_json::to_value(&twin.tags).unwrap(), model.tags, "seed {seed}");
    let (desired, metadata, version) = split(&twin.desired);
    assert_eq!((&desired, version), (&model.desired, model.versions[1]), "seed {seed}");
    assert_mirrors(&desired, &metadata, true, seed);
    for (path, (millis, version)) in &model.desired_times {
        let node = metadata.pointer(path).unwrap_or_else(|| panic!("seed {seed}: no {path}"));
        let time = UnixMillis::from_millis(*millis).to_iso8601();
        assert_eq!(node["$lastUpdated"].as_str(), time.as_deref(), "seed {seed} {path}");
        let shown = node.get("$lastUpdatedVersion").and_then(Value::as_u64).unwrap_or(0);
        assert_eq!(shown, *version, "seed {seed} {path}");
    }
    let (reported, metadata, version) = split(&twin.reported);
    assert_eq!((&reported, version), (&model.reported, model.versions[2]), "seed {seed}");
    assert_mirrors(&reported, &metadata, false, seed);
    assert_eq!(twin.etag.0, model.versions[0], "seed {seed}");
    assert_eq!(twin.version(), model.versions[0] + model.versions[2], "seed {seed}");
    assert_eq!(through_the_store(twin), *twin, "seed {seed}: a change keeps the index");
    let document = device_document(
        (twin.desired.properties(), twin.desired.version()),
        (twin.reported.properties(), twin.reported.version()),
    );
    let document: Value = serde_json::from_slice(&document).expect("devices read JSON");
    let mut expected = json!({"desired": model.desired, "reported": model.reported});
    expected["desired"]["$version"] = model.versions[1].into();
    expected["reported"]["$version"] = model.versions[2].into();
    assert_eq!(document, expected, "seed {seed}");
}

/// One change by a back end; the model follows when the twin accepts it.
fn service_step(twin: &mut Twin, model: &mut Model, random: &mut Random, now: i64, seed: u64) {
    let mode = if random.below(4) == 0 { Mode::Replace } else { Mode::Merge };
    let is_bad = random.below(5) == 0;
    let mut desired = Value::Object(random.members(3));
    if is_bad {
        desired["k"] = random.fault();
    }
    let has_tags = random.below(2) == 0;
    let mut tags = Value::Object(random.members(2));
    if mode == Mode::Replace && random.below(4) > 0 {
        [&mut desired, &mut tags].into_iter().for_each(drop_nulls);
    }
    let is_bad =
        is_bad || mode == Mode::Replace && (has_null(&desired) || has_tags && has_null(&tags));
    let mut body = json!({"properties": {"desired": desired, "reported": {"x": 1}}, "etag": "?"});
    if has_tags {
        body["tags"] = tags.clone();
    }
    let change = ServiceChange::parse(mode, body.to_string().as_bytes()).expect("objects");
    let applied = through_the_store(twin).apply(change, UnixMillis::from_millis(now));
    assert_eq!(applied.is_err(), is_bad, "seed {seed}: {body}");
    let Ok(applied) = applied else { return };
    let version = model.versions[1] + 1;
    let told = applied.desired.expect("the device hears of a change");
    assert!(told.version > twin.desired.version(), "seed {seed}: versions rise");
    let mut expected = desired.clone();
    expected["$version"] = version.into();
    assert_eq!(serde_json::from_slice::<Value>(&told.patch).unwrap(), expected, "seed {seed}");
    if mode == Mode::Replace {
        model.desired = json!({});
        model.desired_times.clear();
    }
    model.desired = merge_patch(model.desired.take(), &desired);
    touch(&mut model.desired_times, "", &desired, (now, version), &model.desired);
    if has_tags {
        let before = if mode == Mode::Replace { json!({}) } else { model.tags.take() };
        model.tags = merge_patch(before, &tags);
    }
    model.versions[0] += 1;
    model.versions[1] = version;
    *twin = applied.twin;
}

fn has_null(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(|members| members.values().any(has_null))
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, value| !value.is_null());
        members.values_mut().for_each(drop_nulls);
    }
}

fn device_step(twin: &mut Twin, model: &mut Model, random: &mut Random, now: i64, seed: u64) {
    let is_bad = random.below(5) == 0;
    let mut patch = Value::Object(random.members(3));
    if is_bad {
        patch["k"] = random.fault();
    }
    let text = patch.to_string();
    let parsed = ReportedPatch::parse(text.as_bytes()).expect("an object");
    let before = twin.reported.clone();
    let outcome = twin.reported.report(&parsed, UnixMillis::from_millis(now));
    assert_eq!(outcome.is_err(), is_bad, "seed {seed}: {patch}");
    if is_bad {
        assert_eq!(twin.reported, before, "seed {seed}: {patch}");
    } else {
        model.reported = merge_patch(model.reported.take(), &patch);
        model.versions[2] += 1;
    }
}

#[test]
fn any_sequence_of_changes_leads_where_the_model_says() {
    for seed in 1..=SEEDS {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut twin = Twin::new(UnixMillis::from_millis(1_700_000_000_000));
        let mut model = Model {
            tags: json!({}),
            desired: json!({}),
            reported: json!({}),
            desired_times: BTreeMap::from([(String::new(), (1_700_000_000_000, 0))]),
            versions: [1, 1, 1],
        };
        assert_eq!(twin.version(), 2);
        for step in 0..STEPS {
            let now = 1_700_000_000_000 + step as i64 * 1_234;
            if random.below(2) == 0 {
                service_step(&mut twin, &mut model, &mut random, now, seed);
            } else {
                device_step(&mut twin, &mut model, &mut random, now, seed);
            }
            assert_agrees(&twin, &model, seed);
        }
    }
}

fn report(mut section: Section, patch: &Value) -> Result<Section, TwinError> {
    let patch = patch.to_string();
    section.report(&ReportedPatch::parse(patch.as_bytes())?, UnixMillis::EPOCH)?;
    Ok(section)
}

#[test]
fn sections_are_full_at_their_limits_and_not_before() {
    let text = |bytes: usize| "x".repeat(bytes);
    let mut section = Section::new(UnixMillis::EPOCH);
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        section = report(section, &json!({name: text(4096)})).expect("within the limit");
    }
    let rest = TWIN_REPORTED_BYTES_MAX - 7 * 4097;
    // Two names of one byte, a number of eight, and the text.
    let last = |name: &str, bytes| json!({"h": {name: 1, "i": text(bytes)}});
    assert!(report(section.clone(), &last("n", rest - 11)).is_ok());
    let error = report(section.clone(), &last("nn", rest - 11)).expect_err("one byte too many");
    assert_eq!(error.problem(), TwinProblem::SectionSize(TWIN_REPORTED_BYTES_MAX));
    assert_eq!(error.path(), "properties.reported");
    let smaller = report(section, &json!({"a": null, "z": text(4096)}));
    assert!(smaller.is_ok(), "what is removed makes room");

    let tags = json!({"tags": {"a": text(4096), "b": text(4096)}}).to_string();
    let change = ServiceChange::parse(Mode::Merge, tags.as_bytes()).expect("objects");
    let error = Twin::new(UnixMillis::EPOCH).apply(change, UnixMillis::EPOCH).expect_err("full");
    assert_eq!(error.problem(), TwinProblem::SectionSize(TWIN_TAGS_BYTES_MAX));
    assert_eq!(error.path(), "tags");
}

/// Limits leave out control characters and empty values; there is an end to them all the same.
#[test]
fn what_limits_do_not_count_is_not_free() {
    let mut section = Section::new(UnixMillis::EPOCH);
    let mut refused = None;
    for number in 0..100 {
        let patch = json!({format!("k{number}"): "\n".repeat(4096)});
        match report(section.clone(), &patch) {
            Ok(larger) => section = larger,
            Err(error) => refused = refused.or_else(|| Some((number, error.problem()))),
        }
    }
    let (number, problem) = refused.expect("a section does not grow for ever");
    assert_eq!(problem, TwinProblem::SectionSize(TWIN_REPORTED_BYTES_MAX));
    assert!((16..40).contains(&number), "{number} texts of line feeds");
    let empties = Value::Array(vec![json!({}); 40_000]);
    assert!(report(Section::new(UnixMillis::EPOCH), &json!({"a": empties})).is_err());
}

#[test]
fn a_desired_patch_may_not_be_larger_than_its_section() {
    let nulls: Map<String, Value> =
        (0..5000).map(|number| (format!("name{number}"), Value::Null)).collect();
    let body = json!({"properties": {"desired": nulls}}).to_string();
    let change = ServiceChange::parse(Mode::Merge, body.as_bytes()).expect("objects");
    let error = Twin::new(UnixMillis::EPOCH).apply(change, UnixMillis::EPOCH).expect_err("large");
    assert_eq!(error.problem(), TwinProblem::SectionSize(TWIN_DESIRED_BYTES_MAX));
    assert_eq!(error.path(), "properties.desired");
}

#[test]
fn bodies_that_are_no_patches_are_refused_with_the_place() {
    let service = |body: &str| {
        let error = ServiceChange::parse(Mode::Merge, body.as_bytes()).expect_err(body);
        (error.path(), error.problem())
    };
    let place = |path: &str, problem| (path.to_owned(), problem);
    assert_eq!(service("{"), place("body", TwinProblem::NotJson));
    assert_eq!(service(&"[".repeat(500)), place("body", TwinProblem::NotJson));
    assert_eq!(service("[]"), place("body", TwinProblem::NotAnObject));
    assert_eq!(service(r#"{"tags":1}"#), place("tags", TwinProblem::NotAnObject));
    assert_eq!(service(r#"{"properties":1}"#), place("properties", TwinProblem::NotAnObject));
    let desired = place("properties.desired", TwinProblem::NotAnObject);
    assert_eq!(service(r#"{"Properties":{"Desired":[]}}"#), desired);
    for payload in ["", " ", "null", "1", "[{}]", "{\"a\":1}x", "{}\0{}"] {
        assert!(ReportedPatch::parse(payload.as_bytes()).is_err(), "{payload}");
    }
    assert!(ReportedPatch::parse(b"{\"a\":\"\xff\"}").is_err());
}

#[test]
fn numbers_are_bounded_by_how_they_are_written() {
    let body = |number: &str| format!(r#"{{"properties":{{"desired":{{"a":{{"n":{number}}}}}}}}}"#);
    for (number, stored) in [
        ("6.02214076e23", "6.02214076e+23"),
        ("1e308", "1e+308"),
        ("10000000000000000.0", "1e+16"),
        ("4503599627370495", "4503599627370495"),
    ] {
        let change = ServiceChange::parse(Mode::Merge, body(number).as_bytes()).expect("objects");
        let twin = Twin::new(UnixMillis::EPOCH).apply(change, UnixMillis::EPOCH).expect(number);
        assert_eq!(twin.twin.desired.properties(), format!(r#"{{"a":{{"n":{stored}}}}}"#));
        let patch = format!(r#"{{"n":{number}}}"#);
        let patch = ReportedPatch::parse(patch.as_bytes()).expect("an object");
        let mut reported = Section::new(UnixMillis::EPOCH);
        reported.report(&patch, UnixMillis::EPOCH).expect(number);
        assert_eq!(reported.properties(), format!(r#"{{"n":{stored}}}"#));
    }
    for number in ["4503599627370496", "10000000000000000000", "-123456789012345678901234567890"] {
        let change = ServiceChange::parse(Mode::Merge, body(number).as_bytes()).expect("objects");
        let error = Twin::new(UnixMillis::EPOCH).apply(change, UnixMillis::EPOCH);
        let error = error.expect_err(number);
        assert_eq!(error.problem(), TwinProblem::NumberRange, "{number}");
        assert_eq!(error.path(), "properties.desired.a.n");
        let patch = format!(r#"{{"n":{number}}}"#);
        let patch = ReportedPatch::parse(patch.as_bytes()).expect("an object");
        let error = Section::new(UnixMillis::EPOCH).report(&patch, UnixMillis::EPOCH);
        assert_eq!(error.expect_err(number).path(), "properties.reported.n");
    }
}

#[test]
fn a_replacement_holds_no_null() {
    for (body, name) in [
        (r#"{"tags":{"my-tag":null}}"#, "my-tag"),
        (r#"{"tags":{"a":{"b":{"inner":null}}}}"#, "inner"),
        (r#"{"properties":{"desired":{"x":1,"y":null}}}"#, "y"),
        (r#"{"properties":{"desired":{"x":{"z":null}}}}"#, "z"),
    ] {
        let apply = |mode| {
            let change = ServiceChange::parse(mode, body.as_bytes()).expect("objects");
            Twin::new(UnixMillis::EPOCH).apply(change, UnixMillis::EPOCH)
        };
        apply(Mode::Merge).expect("null removes");
        let text = format!("Value of Property or Tag cannot be null. Error in Property/Tag {name}");
        assert_eq!(apply(Mode::Replace).expect_err(body).to_string(), text);
    }
}

#[test]
fn marks_and_nuls_around_a_patch_are_no_part_of_it() {
    let sent = b"\xef\xbb\xbf{\"tags\":{\"a\":1}}\0";
    let change = ServiceChange::parse(Mode::Merge, sent).expect("an object");
    let twin = Twin::new(UnixMillis::EPOCH).apply(change, UnixMillis::EPOCH).expect("good");
    assert_eq!(twin.twin.tags.encode(), r#"{"a":1}"#);
    let patch = ReportedPatch::parse(b"\xef\xbb\xbf{\"n\":1}\0\0").expect("an object");
    let mut reported = Section::new(UnixMillis::EPOCH);
    reported.report(&patch, UnixMillis::EPOCH).expect("good");
    assert_eq!(reported.properties(), r#"{"n":1}"#);
}

#[test]
fn the_examples_of_the_reference_hold() {
    let patch = |twin: Twin, mode, body: &str| {
        let change = ServiceChange::parse(mode, body.as_bytes()).expect("objects");
        twin.apply(change, UnixMillis::from_millis(1_000)).expect("no rule is broken")
    };
    let twin = Twin::new(UnixMillis::EPOCH);
    assert_eq!(twin.etag.text(), "AAAAAAAAAAE=");
    let fresh = json!({"$metadata": {"$lastUpdated": "1970-01-01T00:00:00Z"}, "$version": 1});
    assert_eq!(view(&twin.desired), fresh);
    let body = r#"{"properties":{"desired":{"a":{"x":1,"y":2},"b":true,"$version":4}}}"#;
    let twin = patch(twin, Mode::Merge, body).twin;
    let body = r#"{"properties":{"desired":{"a":{"x":null,"z":[1]},"b":"on"}}}"#;
    let applied = patch(twin, Mode::Merge, body);
    let at =
        |version| json!({"$lastUpdated": "1970-01-01T00:00:01Z", "$lastUpdatedVersion": version});
    let mut metadata = at(3);
    metadata["a"] = at(3);
    metadata["a"]["y"] = at(2);
    metadata["a"]["z"] = at(3);
    metadata["b"] = at(3);
    let expected =
        json!({"a": {"y": 2, "z": [1]}, "b": "on", "$metadata": metadata, "$version": 3});
    assert_eq!(view(&applied.twin.desired), expected);
    assert_eq!(applied.twin.etag.text(), "AAAAAAAAAAM=");

    let tagged = patch(applied.twin, Mode::Merge, r#"{"tags":{"site":"A1"}}"#);
    assert_eq!((tagged.desired, tagged.twin.desired.version()), (None, 3));
    let cleared = patch(tagged.twin, Mode::Merge, r#"{"tags":null,"properties":{"desired":null}}"#);
    assert!(cleared.twin.tags.is_empty());
    let told: Value = serde_json::from_slice(&cleared.desired.expect("told").patch).unwrap();
    assert_eq!(told, json!({"a": null, "b": null, "$version": 4}));
    let replaced = patch(cleared.twin, Mode::Replace, r#"{"properties":{"desired":{"c":1}}}"#);
    assert_eq!(replaced.twin.desired.version(), 5);
    assert_eq!(replaced.twin.desired.properties(), r#"{"c":1}"#);
}

#[test]
fn damaged_sections_are_seen() {
    let section = report(Section::new(UnixMillis::EPOCH), &json!({"a": {"b": 1}})).unwrap();
    let (properties, stamps) = (section.properties(), section.stamps());
    let decode = |properties: &str, stamps: &[u8]| Section::decode(2, properties, stamps).is_ok();
    assert!(decode(properties, &stamps));
    assert!(!decode(properties, &stamps[1..]) || stamps.len() == 1);
    assert!(!decode(properties, &[&stamps[..], &[0, 0]].concat()));
    assert!(!decode("{\"a\":1}", &stamps));
    assert!(!decode("[]", &stamps[..2]));
    assert!(!decode("{", &stamps));
    assert!(Tags::decode("1").is_err());
}
