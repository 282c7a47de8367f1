//! Fleets and queries from a seed.

use serde_json::{Map, Value, json};

use super::oracle::{Selection, Step, Tree};

/// Numbers that look random, the same for the same seed (splitmix64).
#[derive(Debug)]
pub(super) struct Dice(u64);

/// Names that documents have, and queries ask for.
const NAMES: [&str; 9] = ["a", "b", "site", "Site", "it's", "q\"q", "é/ü", "x-y", "]["];
const TEXTS: [&str; 8] = ["", "A1", "a1", "x'y", "\"\\", "日本", "3", "d1"];
const NUMBERS: [&str; 9] = ["0", "1", "-1", "3", "2.5", "1e3", "1e-3", "4503599627370495", "1.0"];
const COMPARISONS: [&str; 7] = ["=", "!=", "<>", "<", "<=", ">", ">="];
const OF_ONE: [&str; 12] = [
    "IS_DEFINED",
    "IS_NULL",
    "IS_BOOL",
    "IS_NUMBER",
    "IS_STRING",
    "IS_ARRAY",
    "IS_OBJECT",
    "IS_PRIMITIVE",
    "LENGTH",
    "LOWER",
    "ABS",
    "FLOOR",
];
const REPORTED: [&str; 2] = ["properties", "reported"];
const OF_TWO: [&str; 4] = ["STARTSWITH", "ENDSWITH", "CONTAINS", "ARRAY_CONTAINS"];
/// Members at the top, in odd cases.
const MEMBERS: [&str; 16] = [
    "deviceId",
    "DEVICEID",
    "moduleId",
    "status",
    "statusReason",
    "statusUpdatedTime",
    "connectionState",
    "lastactivitytime",
    "cloudToDeviceMessageCount",
    "authenticationType",
    "version",
    "etag",
    "deviceEtag",
    "modelId",
    "deviceScope",
    "nothing",
];
const AGGREGATES: [&str; 5] = ["COUNT", "AVG", "SUM", "MIN", "MAX"];

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A patch of tags and desired properties.
    pub(super) fn twin(&mut self) -> Value {
        let mut twin = json!({});
        if self.below(4) > 0 {
            twin["tags"] = self.object(3);
        }
        if self.below(3) > 0 {
            twin["properties"] = json!({"desired": self.object(3)});
        }
        twin
    }

    pub(super) fn object(&mut self, depth: usize) -> Value {
        let mut members = Map::new();
        for _ in 0..self.below(6) {
            members.insert(self.one(&NAMES).to_owned(), self.value(depth));
        }
        Value::Object(members)
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth > 0 { 7 } else { 4 }) {
            0 => json!(self.below(2) == 0),
            1 | 2 => self.number(),
            3 => json!(self.one(&TEXTS)),
            4 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => self.object(depth - 1),
        }
    }

    fn number(&mut self) -> Value {
        serde_json::from_str(self.one(&NUMBERS)).expect("numbers are JSON")
    }

    fn constant(&mut self) -> Option<Value> {
        Some(match self.below(9) {
            0 => return None,
            1 => Value::Null,
            2 => json!(self.below(2) == 0),
            3..=5 => self.number(),
            _ => json!(self.one(&TEXTS)),
        })
    }

    pub(super) fn path(&mut self) -> Vec<Step> {
        let name = |name: &str| Step::Name(name.to_owned());
        let mut steps = match self.below(10) {
            0..=2 => return vec![name(self.one(&MEMBERS))],
            3 => return vec![name("capabilities"), name("iotEdge")],
            4 => vec![name("x509Thumbprint"), name("primaryThumbprint")],
            5..=7 => vec![name("tags")],
            8 => vec![name("properties"), name("desired")],
            _ => vec![name("properties"), name("reported")],
        };
        if steps[0] == name("properties") && self.below(5) == 0 {
            let special = ["$version", "$metadata"];
            steps.push(name(self.one(&special)));
            if steps[2] == name("$metadata") && self.below(2) == 0 {
                steps.push(name(self.one(&["$lastUpdated", "$lastUpdatedVersion", "a", "site"])));
            }
            return steps;
        }
        for _ in 0..self.below(4) {
            let index = self.below(5) == 0;
            steps.push(if index { Step::Index(self.below(3)) } else { name(self.one(&NAMES)) });
        }
        steps
    }

    /// The path of a tag, a desired or a reported property.
    pub(super) fn stored_path(&mut self) -> Vec<Step> {
        let mut words = self.one(&[&["tags"][..], &["properties", "desired"], &REPORTED]).to_vec();
        words.push(self.one(&NAMES));
        words.into_iter().map(|word| Step::Name(word.to_owned())).collect()
    }

    /// A condition that wants one of a few values at a path.
    pub(super) fn wanted(&mut self, path: Vec<Step>) -> Tree {
        let path = Box::new(Tree::Path(path));
        if self.below(2) == 0 {
            return Tree::Compare(path, "=", Box::new(Tree::Constant(self.constant())));
        }
        Tree::In(path, false, (0..=self.below(3)).map(|_| self.constant()).collect())
    }

    /// A condition that names devices.
    pub(super) fn named(&mut self) -> Tree {
        let path = Box::new(Tree::Path(vec![Step::Name("deviceId".to_owned())]));
        let id = |dice: &mut Self| Some(json!(format!("d{}", dice.below(18))));
        match self.below(4) {
            0 => Tree::Compare(path, "=", Box::new(Tree::Constant(id(self)))),
            1 => Tree::Compare(Box::new(Tree::Constant(id(self))), "=", path),
            2 => {
                let other = self.named();
                Tree::Or(Box::new(Tree::In(path, false, vec![id(self)])), Box::new(other))
            }
            _ => {
                let list = (0..=self.below(4)).map(|_| match self.below(4) {
                    0 => self.constant(),
                    _ => id(self),
                });
                Tree::In(path, false, list.collect())
            }
        }
    }

    pub(super) fn tree(&mut self, depth: usize) -> Tree {
        let leaf = depth == 0;
        let inner = |dice: &mut Self| Box::new(dice.tree(depth.saturating_sub(1)));
        match self.below(if leaf { 2 } else { 12 }) {
            0 => Tree::Constant(self.constant()),
            1 => Tree::Path(self.path()),
            2 => Tree::Not(inner(self)),
            3 => Tree::And(inner(self), inner(self)),
            4 => Tree::Or(inner(self), inner(self)),
            5 | 6 => self.comparison(),
            7 => {
                let list = (0..=self.below(3)).map(|_| self.constant()).collect();
                Tree::In(Box::new(Tree::Path(self.path())), self.below(2) == 0, list)
            }
            8 => Tree::Minus(inner(self)),
            9 => Tree::Arithmetic(inner(self), self.one(&['+', '-', '*', '/', '%']), inner(self)),
            10 => Tree::Call(self.one(&OF_ONE), vec![*inner(self)]),
            _ => Tree::Call(self.one(&OF_TWO), vec![*inner(self), *inner(self)]),
        }
    }

    /// One that is likely to hold for some documents: of a path with something of its kind, or of
    /// the id of the device.
    fn comparison(&mut self) -> Tree {
        let sign = self.one(&COMPARISONS);
        let path = |steps| Box::new(Tree::Path(steps));
        match self.below(4) {
            0 => {
                let id = json!(format!("d{}", self.below(12)));
                let device = path(vec![Step::Name("deviceId".to_owned())]);
                Tree::Compare(device, sign, Box::new(Tree::Constant(Some(id))))
            }
            1 => Tree::Compare(path(self.path()), sign, path(self.path())),
            _ => {
                let constant = Box::new(Tree::Constant(self.constant()));
                Tree::Compare(path(self.path()), sign, constant)
            }
        }
    }

    /// How many documents there are, said twice.
    pub(super) fn plain_count(&mut self) -> Selection {
        let count = |index: usize| (format!("n{index}"), "COUNT", self.path());
        Selection::Groups(Vec::new(), (0..2).map(count).collect())
    }

    pub(super) fn selection(&mut self) -> Selection {
        let alias = |index: usize| format!("c{index}");
        match self.below(6) {
            0 => Selection::Star,
            1..=3 => {
                let count = 1 + self.below(3);
                Selection::Columns((0..count).map(|index| (alias(index), self.path())).collect())
            }
            _ => {
                let by = self.below(3);
                let by: Vec<_> = (0..by).map(|index| (alias(index), self.path())).collect();
                let least = usize::from(by.is_empty());
                let aggregates = (0..least + self.below(3))
                    .map(|index| (format!("n{index}"), self.one(&AGGREGATES), self.path()));
                let aggregates = aggregates.collect();
                Selection::Groups(by, aggregates)
            }
        }
    }
}

/// The text of a path.
pub(super) fn path_text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let dot = if text.is_empty() { "" } else { "." };
        text += &match step {
            Step::Index(index) => format!("[{index}]"),
            Step::Name(name) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'$') => {
                format!("{dot}{name}")
            }
            // Both ways to quote a name.
            Step::Name(name) if name.contains('é') => {
                format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))
            }
            Step::Name(name) => format!("{dot}[[{name}]]"),
        };
    }
    text
}

pub(super) fn constant_text(constant: Option<&Value>) -> String {
    match constant {
        None => "undefined".to_owned(),
        Some(Value::String(text)) => {
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
        }
        Some(other) => other.to_string(),
    }
}

/// The text of an expression, with parentheses around all that has parts.
pub(super) fn tree_text(tree: &Tree) -> String {
    match tree {
        Tree::Constant(constant) => constant_text(constant.as_ref()),
        Tree::Path(steps) => path_text(steps),
        Tree::Not(inner) => format!("(NOT {})", tree_text(inner)),
        Tree::And(left, right) => format!("({} AND {})", tree_text(left), tree_text(right)),
        Tree::Or(left, right) => format!("({} OR {})", tree_text(left), tree_text(right)),
        Tree::Compare(left, sign, right) => {
            format!("({} {sign} {})", tree_text(left), tree_text(right))
        }
        Tree::In(value, is_negated, list) => {
            let list: Vec<_> = list.iter().map(|item| constant_text(item.as_ref())).collect();
            let word = if *is_negated { "NIN" } else { "IN" };
            format!("({} {word} [{}])", tree_text(value), list.join(", "))
        }
        Tree::Minus(inner) => format!("(- {})", tree_text(inner)),
        Tree::Arithmetic(left, sign, right) => {
            format!("({} {sign} {})", tree_text(left), tree_text(right))
        }
        Tree::Call(function, arguments) => {
            let arguments: Vec<_> = arguments.iter().map(tree_text).collect();
            format!("{function}({})", arguments.join(", "))
        }
    }
}

/// The text of the columns, and of what they are grouped by.
pub(super) fn selection_text(selection: &Selection) -> (String, String) {
    let column = |(alias, path): &(String, Vec<Step>)| format!("{} AS {alias}", path_text(path));
    match selection {
        Selection::Star => ("*".to_owned(), String::new()),
        Selection::Columns(columns) => {
            (columns.iter().map(column).collect::<Vec<_>>().join(", "), String::new())
        }
        Selection::Groups(by, aggregates) => {
            let aggregate = |(alias, name, path): &(String, &str, Vec<Step>)| {
                let path = if *name == "COUNT" { String::new() } else { path_text(path) };
                format!("{name}({path}) AS {alias}")
            };
            let columns: Vec<_> =
                by.iter().map(column).chain(aggregates.iter().map(aggregate)).collect();
            let paths: Vec<_> = by.iter().map(|(_, path)| path_text(path)).collect();
            let group = if by.is_empty() { "" } else { " GROUP BY " };
            (columns.join(", "), [group, &paths.join(", ")].concat())
        }
    }
}
