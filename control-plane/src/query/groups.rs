//! Groups of documents and what is computed of them.
//!
//! Groups come in the order of a hash of what they are grouped by: a place among them that a page
//! ends at is as good on the next page, whatever the values are and however long.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use ringhub_core::limits::{QUERY_GROUP_BYTES_MAX, QUERY_GROUPS_MAX};

use super::document::Document;
use super::execution::QueryFailure;
use super::syntax::{Aggregate, GroupColumn, Groups};
use super::value::Values as _;

/// Largest magnitude below which every whole number is a double.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Names a group: a hash of its values.
pub(super) type GroupKey = [u8; 32];

/// All groups so far.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    groups: BTreeMap<GroupKey, Group>,
    bytes: usize,
    /// The values of the document at hand.
    values: Vec<u8>,
}

#[derive(Debug)]
struct Group {
    /// JSON of the values that it is grouped by.
    values: Vec<Option<Box<str>>>,
    totals: Vec<Total>,
}

/// What an aggregate is so far.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    /// Documents, or numbers among their values.
    count: u64,
    sum: f64,
    least: f64,
    greatest: f64,
}

impl Grouping {
    /// Takes a document into its group.
    pub(super) fn add(
        &mut self,
        groups: &Groups,
        document: &Document<'_>,
    ) -> Result<(), QueryFailure> {
        let key = self.key(groups, document)?;
        if !self.groups.contains_key(&key) {
            self.begin(key, groups, document)?;
        }
        let Some(group) = self.groups.get_mut(&key) else { return Ok(()) };
        for (aggregate, total) in groups.aggregates.iter().zip(&mut group.totals) {
            match aggregate.path() {
                None => total.count += 1,
                Some(path) => {
                    if let Some(number) = document.value(path)?.as_number() {
                        total.add(number);
                    }
                }
            }
        }
        Ok(())
    }

    /// Sets what counting all documents without looking at them gave.
    pub(super) fn set_count(&mut self, groups: &Groups, count: u64) {
        let totals = vec![Total { count, ..Total::default() }; groups.aggregates.len()];
        self.groups.insert(empty_key(), Group { values: Vec::new(), totals });
    }

    /// What is grouped by, in a form in which equal values are the same bytes.
    fn key(&mut self, groups: &Groups, document: &Document<'_>) -> Result<GroupKey, QueryFailure> {
        self.values.clear();
        for path in &groups.by {
            document.value(path)?.put_bytes(&mut self.values);
        }
        Ok(hash(&self.values))
    }

    fn begin(
        &mut self,
        key: GroupKey,
        groups: &Groups,
        document: &Document<'_>,
    ) -> Result<(), QueryFailure> {
        let json = |path| Ok(document.json(path)?.map(Box::<str>::from));
        let values = groups.by.iter().map(json).collect::<Result<Vec<_>, QueryFailure>>()?;
        self.bytes += values.iter().flatten().map(|value| value.len()).sum::<usize>();
        if self.groups.len() == QUERY_GROUPS_MAX {
            return Err(QueryFailure::Groups);
        }
        if self.bytes > QUERY_GROUP_BYTES_MAX {
            return Err(QueryFailure::GroupBytes);
        }
        let totals = vec![Total::default(); groups.aggregates.len()];
        self.groups.insert(key, Group { values, totals });
        Ok(())
    }

    /// The groups behind one, in order, each as a row. Without GROUP BY there always is one.
    pub(super) fn rows(
        &mut self,
        groups: &Groups,
        after: Option<GroupKey>,
    ) -> impl Iterator<Item = (GroupKey, String)> {
        if groups.by.is_empty() && self.groups.is_empty() {
            self.set_count(groups, 0);
        }
        let behind = self.groups.iter().filter(move |(key, _)| after.is_none_or(|k| k < **key));
        behind.map(|(key, group)| (*key, group.row(groups)))
    }
}

impl Group {
    fn row(&self, groups: &Groups) -> String {
        let mut row = Row::new();
        for column in &groups.columns {
            match column.value {
                GroupColumn::Key(index) => {
                    row.add(&column.key, self.values.get(index).and_then(Option::as_deref));
                }
                GroupColumn::Aggregate(index) => {
                    let total = self.totals[index].json(&groups.aggregates[index]);
                    row.add(&column.key, total.as_deref());
                }
            }
        }
        row.end()
    }
}

impl Total {
    fn add(&mut self, number: f64) {
        let is_first = self.count == 0;
        self.least = if is_first { number } else { self.least.min(number) };
        self.greatest = if is_first { number } else { self.greatest.max(number) };
        self.sum += number;
        self.count += 1;
    }

    /// `None` when there was no number, and when a double cannot hold it.
    fn json(&self, aggregate: &Aggregate) -> Option<String> {
        let number = match aggregate {
            Aggregate::Count => return Some(self.count.to_string()),
            _ if self.count == 0 => return None,
            Aggregate::Average(_) => self.sum / self.count as f64,
            Aggregate::Sum(_) => self.sum,
            Aggregate::Minimum(_) => self.least,
            Aggregate::Maximum(_) => self.greatest,
        };
        number_json(number)
    }
}

/// A number as JSON: a whole one as such.
fn number_json(number: f64) -> Option<String> {
    if number.fract() == 0.0 && number.abs() < WHOLE_MAX {
        return Some((number as i64).to_string());
    }
    serde_json::Number::from_f64(number).map(|number| number.to_string())
}

fn empty_key() -> GroupKey {
    hash(b"")
}

fn hash(bytes: &[u8]) -> GroupKey {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// An object in JSON that grows member by member.
#[derive(Debug)]
pub(super) struct Row(String);

impl Row {
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// Adds a member; nothing when it has no value.
    pub(super) fn add(&mut self, key: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(key);
        self.0.push(':');
        self.0.push_str(value);
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
