//! Generated queries over generated fleets: the engine answers what the plain evaluator does.

use std::env;

use bytes::Bytes;
use ringhub_core::id::{DeviceId, HubId, Identity};
use ringhub_core::time::UnixMillis;
use serde_json::{Value, json};

use super::super::{Plan, Query};
use super::fleet::Asker;
use super::generate::{Dice, path_text, selection_text, tree_text};
use super::oracle::{self, Selection, Step, Tree};
use crate::ControlPlane;
use crate::directory::{AuthScope, GenerationId, Grant, Proof};
use crate::store::TwinKeys;
use crate::tests::{TempDir, open};
use crate::twin::TwinReply;

/// Queries that are compared, unless the variable says another number.
const COMPARISONS: usize = 4_000;
const COMPARISONS_VARIABLE: &str = "RINGHUB_QUERY_COMPARISONS";
/// Queries over one fleet.
const PER_FLEET: usize = 2_000;
const SEED: u64 = 20_261_130;

#[test]
fn the_engine_answers_what_the_plain_evaluator_does() {
    let wanted = env::var(COMPARISONS_VARIABLE).ok().and_then(|text| text.parse().ok());
    let wanted = wanted.unwrap_or(COMPARISONS);
    let (mut ways, mut differences) = (Ways::default(), Vec::new());
    while ways.compared < wanted {
        let mut dice = Dice::new(SEED + ways.compared as u64);
        let dir = TempDir::new();
        let control = open(&dir);
        let fleet = Fleet::new(&control, &mut dice);
        for _ in 0..PER_FLEET.min(wanted - ways.compared) {
            ways.compared += 1;
            differences.extend(fleet.compare(&mut dice, &mut ways).err());
        }
        control.shutdown();
    }
    let Ways { compared, with_rows, indexed, named, counted } = ways;
    println!(
        "{compared} comparisons, {with_rows} with rows, {indexed} by an index, {named} by ids of \
         devices, {counted} counted without a look at documents, {} differences",
        differences.len()
    );
    differences.truncate(10);
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    assert!(indexed > wanted / 10, "few queries use an index: {indexed} of {compared}");
    assert!(named > wanted / 10, "few queries name devices: {named} of {compared}");
    assert!(counted > wanted / 100, "few queries only count: {counted} of {compared}");
    assert!(with_rows > wanted / 10, "most queries take nothing: {with_rows} of {compared}");
}

/// How many queries were answered in which way.
#[derive(Default)]
struct Ways {
    compared: usize,
    with_rows: usize,
    indexed: usize,
    /// Devices were looked up by their ids.
    named: usize,
    /// No document was looked at.
    counted: usize,
}

/// Documents as they are read by their ids, in order.
struct Fleet<'c> {
    asker: Asker<'c>,
    /// Collections and paths that have an index.
    indexes: Vec<(&'static str, Vec<Step>)>,
    devices: Vec<Value>,
    modules: Vec<Value>,
}

impl<'c> Fleet<'c> {
    fn new(control: &'c ControlPlane, dice: &mut Dice) -> Self {
        let asker = Asker::new(control);
        let (mut devices, mut modules) = (Vec::new(), Vec::new());
        let mut indexes = Vec::new();
        // Some are there before the twins, the others have to be built.
        make_indexes(&asker, dice, &mut indexes);
        for number in 0..8 + dice.below(8) {
            let id = format!("d{number}");
            let status = ["enabled", "disabled"][dice.below(2)];
            let edge = json!({"iotEdge": dice.below(3) == 0});
            let identity = json!({"deviceId": id, "status": status, "capabilities": edge});
            asker.identity(&format!("/devices/{id}"), &identity);
            let path = format!("/twins/{id}");
            if dice.below(4) > 0 {
                asker.change(&path, &dice.twin());
            }
            if dice.below(2) == 0 {
                report(control, &asker, &id, &dice.object(3));
            }
            devices.push(path);
            for module in ["A", "b"].into_iter().take(dice.below(3)) {
                asker.module(&id, module, &dice.twin());
                modules.push(format!("/twins/{id}/modules/{module}"));
            }
            if edge["iotEdge"] == true {
                modules
                    .extend(["$edgeAgent", "$edgeHub"].map(|m| format!("/twins/{id}/modules/{m}")));
            }
        }
        make_indexes(&asker, dice, &mut indexes);
        for path in devices.iter().chain(&modules) {
            if dice.below(4) == 0 {
                asker.change(path, &dice.twin());
            }
        }
        let read = |paths: Vec<String>| {
            let mut documents: Vec<_> = paths.iter().map(|path| asker.read(path)).collect();
            let key = |document: &Value| {
                let text = |name| document[name].as_str().unwrap_or_default().to_owned();
                (text("deviceId"), text("moduleId"))
            };
            documents.sort_by_key(key);
            documents
        };
        Self { devices: read(devices), modules: read(modules), indexes, asker }
    }

    /// Asks one query of both, and notes the way; what differs, if they do not agree.
    fn compare(&self, dice: &mut Dice, ways: &mut Ways) -> Result<(), String> {
        let mut selection = dice.selection();
        let depth = 1 + dice.below(4);
        let mut condition = (dice.below(8) > 0).then(|| dice.tree(depth));
        let (mut from, mut documents) = match dice.below(3) {
            0 => ("devices.modules", &self.modules),
            _ => ("devices", &self.devices),
        };
        let narrow = match dice.below(16) {
            0 => {
                (selection, condition) = (dice.plain_count(), None);
                None
            }
            1..5 => {
                let (of, path) = self.indexes[dice.below(self.indexes.len())].clone();
                let all = if of == "devices" { &self.devices } else { &self.modules };
                (from, documents) = (of, all);
                ways.indexed += 1;
                Some(dice.wanted(path))
            }
            5..9 => Some(dice.named()),
            _ => None,
        };
        if let Some(narrow) = narrow {
            condition = Some(match condition {
                Some(condition) => Tree::And(Box::new(narrow), Box::new(condition)),
                None => narrow,
            });
        }
        let (columns, groups) = selection_text(&selection);
        let text = condition.as_ref().map(|tree| format!(" WHERE {}", tree_text(tree)));
        let text = text.unwrap_or_default();
        let query = format!("SELECT {columns} FROM {from}{text}{groups}");
        let plan = Plan::new(Query::parse(&query).expect("it is a query"));
        ways.named += usize::from(matches!(plan.keys, TwinKeys::Devices(_)));
        ways.counted += usize::from(plan.is_plain_count());
        let found = self.asker.rows_by(&query, 1 + dice.below(12));
        let expected = oracle::rows(&selection, condition.as_ref(), documents);
        let [mut found, mut expected] =
            [&found, &expected].map(|rows| rows.iter().map(oracle::normal).collect::<Vec<_>>());
        if matches!(selection, Selection::Groups(..)) {
            found.sort_by_key(Value::to_string);
            expected.sort_by_key(Value::to_string);
        }
        if found == expected {
            ways.with_rows += usize::from(!found.is_empty());
            return Ok(());
        }
        Err(format!("{query}\nfound {}\nexpected {}", json!(found), json!(expected)))
    }
}

fn make_indexes(asker: &Asker<'_>, dice: &mut Dice, indexes: &mut Vec<(&'static str, Vec<Step>)>) {
    for _ in 0..6 {
        let path = dice.stored_path();
        let from = ["devices", "devices.modules"][dice.below(2)];
        asker.index(&format!("n{}", indexes.len()), &path_text(&path), from);
        indexes.push((from, path));
    }
}

/// Reports as the device does.
fn report(control: &ControlPlane, asker: &Asker<'_>, id: &str, patch: &Value) {
    let generation = asker.read(&format!("/devices/{id}"))["generationId"].clone();
    let generation = generation.as_str().and_then(|text| text.parse().ok());
    let grant = Grant {
        hub: HubId(0),
        identity: Identity { device: DeviceId::parse(id).expect("valid"), module: None },
        generation: GenerationId(generation.expect("a number")),
        expires: UnixMillis::from_millis(i64::MAX),
        scope: AuthScope::Device,
        proof: Proof::Token,
        edition: 0,
    };
    let (sender, receiver) = flume::bounded(1);
    let patch = Bytes::from(patch.to_string());
    control.report_twin(&grant, None, patch, Box::new(move |reply| drop(sender.send(reply))));
    let reply = receiver.recv().expect("every request is answered");
    assert!(matches!(reply, TwinReply::Reported(_)), "every report is taken: {reply:?}");
}
