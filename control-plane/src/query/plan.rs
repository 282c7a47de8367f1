//! How a query is answered: which rows are looked up, and which of their columns are read.

use super::path::{Member, Path, Segment};
use super::syntax::{
    Aggregate, Collection, Comparison, Constant, Expression, Function, Groups, Query, Select,
};
use crate::query_index::{IndexStage, QueryIndex};
use crate::store::{ID_END, IndexedKeys, TwinColumns, TwinKeys};

/// A query with the way to its answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) query: Query,
    /// The twins that can match; the condition is asked of each.
    pub(crate) keys: TwinKeys,
    pub(crate) columns: TwinColumns,
    /// The jobs whose rows can match, by their ids in order; `None` for all.
    pub(crate) jobs: Option<Vec<String>>,
    /// Types of the jobs whose rows can match; `None` for all.
    pub(crate) job_types: Option<Vec<String>>,
}

impl Plan {
    pub(crate) fn new(query: Query) -> Self {
        let keys = query.condition.as_ref().map_or(TwinKeys::All, keys);
        let mut columns = TwinColumns::KEY;
        let mut read = |path: &Path| columns = columns.and(columns_of(path));
        if let Some(condition) = &query.condition {
            condition.visit_paths(&mut read);
        }
        match &query.select {
            Select::Star => columns = TwinColumns::ALL,
            Select::Columns(selected) => selected.iter().for_each(|column| read(&column.value)),
            Select::Groups(Groups { by, aggregates, .. }) => {
                by.iter().for_each(&mut read);
                aggregates.iter().filter_map(Aggregate::path).for_each(read);
            }
        }
        let of_job = |name| wanted(query.condition.as_ref()?, Member::OfJob(name));
        let (jobs, job_types) = (of_job("jobId"), of_job("jobType"));
        Self { query, keys, columns, jobs, job_types }
    }

    /// The twins that the first index names that the condition can be asked by; `None` when there
    /// is none, or ids say more.
    ///
    /// Costs a look at the condition for each index.
    pub(super) fn indexed(&self, indexes: &[QueryIndex]) -> Option<(String, TwinKeys)> {
        let condition = self.query.condition.as_ref()?;
        let between = match &self.keys {
            TwinKeys::All => (String::new(), ID_END.to_owned()),
            TwinKeys::Between(from, to) => (from.clone(), to.clone()),
            TwinKeys::Devices(_) | TwinKeys::Indexed(_) => return None,
        };
        let of_modules = match self.query.from {
            Collection::Devices => false,
            Collection::Modules => true,
            Collection::Jobs => return None,
        };
        let is_good = |index: &&QueryIndex| {
            (index.of_modules, index.stage) == (of_modules, IndexStage::Ready)
        };
        let mut good = indexes.iter().filter(is_good);
        let (index, keys) = good.find_map(|index| Some((index, index.path.keys(condition)?)))?;
        let keys = IndexedKeys { number: index.number, keys, between };
        Some((index.name.clone(), TwinKeys::Indexed(keys)))
    }

    /// Whether rows of jobs of this type can match.
    pub(super) fn takes_jobs_of(&self, kind: &str) -> bool {
        self.job_types.as_ref().is_none_or(|types| types.iter().any(|wanted| wanted == kind))
    }

    /// Value of `x-ms-item-type`.
    ///
    /// Source: control-plane reference, "Paging headers".
    pub(crate) fn item_type(&self) -> &'static str {
        match (&self.query.select, self.query.from) {
            (_, Collection::Jobs) => "DeviceJob",
            (Select::Star, _) => "Twin",
            (Select::Columns(_) | Select::Groups(_), _) => "Raw",
        }
    }

    /// Whether nothing has to be known of the twins but how many there are.
    pub(super) fn is_plain_count(&self) -> bool {
        let Select::Groups(Groups { by, aggregates, .. }) = &self.query.select else {
            return false;
        };
        let all_count = aggregates.iter().all(|aggregate| *aggregate == Aggregate::Count);
        self.query.condition.is_none() && by.is_empty() && all_count
    }
}

impl Aggregate {
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Count => None,
            Self::Average(path) | Self::Sum(path) | Self::Minimum(path) | Self::Maximum(path) => {
                Some(path)
            }
        }
    }
}

impl Expression {
    pub(super) fn visit_paths(&self, visit: &mut impl FnMut(&Path)) {
        match self {
            Self::Constant(_) | Self::Array(_) => {}
            Self::Path(path) => visit(path),
            Self::Not(inner) | Self::Negate(inner) | Self::In(inner, _) => inner.visit_paths(visit),
            Self::All(parts) | Self::Any(parts) | Self::Call(_, parts) => {
                parts.iter().for_each(|part| part.visit_paths(visit));
            }
            Self::Compare(left, _, right) => {
                left.visit_paths(visit);
                right.visit_paths(visit);
            }
            Self::Arithmetic(first, rest) => {
                first.visit_paths(visit);
                rest.iter().for_each(|(_, operand)| operand.visit_paths(visit));
            }
        }
    }
}

/// What has to be read for a path.
pub(super) fn columns_of(path: &Path) -> TwinColumns {
    let below = match path.rest.first() {
        Some(Segment::Name(name)) => Some(name.as_str()),
        _ => None,
    };
    let desired = TwinColumns::DESIRED.and(TwinColumns::DESIRED_VERSION);
    let reported = TwinColumns::REPORTED.and(TwinColumns::REPORTED_VERSION);
    let stamps = TwinColumns::DESIRED_STAMPS.and(TwinColumns::REPORTED_STAMPS);
    match (path.member, below) {
        (Member::DeviceId | Member::ModuleId | Member::OfJob(_) | Member::Unknown, _) => {
            TwinColumns::KEY
        }
        (Member::ConnectionState | Member::LastActivityTime | Member::ModelId, _) => {
            TwinColumns::KEY
        }
        (Member::Tags, _) => TwinColumns::TAGS,
        (Member::ETag, _) => TwinColumns::ETAG,
        (Member::Version, _) => TwinColumns::ETAG.and(TwinColumns::REPORTED_VERSION),
        (Member::Desired, Some("$version")) => TwinColumns::DESIRED_VERSION,
        (Member::Reported, Some("$version")) => TwinColumns::REPORTED_VERSION,
        (Member::Desired, Some("$metadata") | None) => desired.and(TwinColumns::DESIRED_STAMPS),
        (Member::Reported, Some("$metadata") | None) => reported.and(TwinColumns::REPORTED_STAMPS),
        (Member::Desired, Some(_)) => TwinColumns::DESIRED,
        (Member::Reported, Some(_)) => TwinColumns::REPORTED,
        (Member::Properties, _) => desired.and(reported).and(stamps),
        (
            Member::DeviceETag
            | Member::Status
            | Member::StatusReason
            | Member::StatusUpdateTime
            | Member::CloudToDeviceMessageCount
            | Member::AuthenticationType
            | Member::X509Thumbprint
            | Member::Capabilities
            | Member::DeviceScope
            | Member::ParentScopes,
            _,
        ) => TwinColumns::IDENTITY,
        (Member::Configurations, _) => TwinColumns::CONFIGURATIONS,
    }
}

/// The twins outside of which the condition is never true.
fn keys(condition: &Expression) -> TwinKeys {
    match condition {
        Expression::All(parts) => parts.iter().map(keys).fold(TwinKeys::All, TwinKeys::narrower),
        Expression::Any(parts) => {
            parts.iter().map(keys).reduce(TwinKeys::union).unwrap_or(TwinKeys::All)
        }
        Expression::In(value, list) if is_device_id(value) => {
            TwinKeys::devices(list.iter().filter_map(text))
        }
        Expression::Compare(left, comparison, right) => match (&**left, &**right) {
            (path, Expression::Constant(constant)) if is_device_id(path) => {
                compared(*comparison, constant)
            }
            (Expression::Constant(constant), path) if is_device_id(path) => {
                compared(comparison.swapped(), constant)
            }
            _ => TwinKeys::All,
        },
        Expression::Call(Function::StartsWith, arguments) => match arguments.as_slice() {
            [path, Expression::Constant(Constant::Text(start))] if is_device_id(path) => {
                TwinKeys::Between(start.clone(), [start, ID_END].concat())
            }
            _ => TwinKeys::All,
        },
        _ => TwinKeys::All,
    }
}

/// The texts in order that a member must be one of, or else the condition is never true; `None` if
/// it may be anything.
fn wanted(condition: &Expression, member: Member) -> Option<Vec<String>> {
    let is_it = |side: &Expression| matches!(side, Expression::Path(path) if path.is(member));
    let mut texts: Vec<String> = match condition {
        Expression::All(parts) => return parts.iter().find_map(|part| wanted(part, member)),
        Expression::Any(parts) => {
            let texts = parts.iter().map(|part| wanted(part, member));
            texts.collect::<Option<Vec<_>>>()?.concat()
        }
        Expression::In(value, list) if is_it(value) => {
            list.iter().filter_map(text).map(ToOwned::to_owned).collect()
        }
        Expression::Compare(left, Comparison::Equal, right) => match (&**left, &**right) {
            (side, Expression::Constant(found)) | (Expression::Constant(found), side)
                if is_it(side) =>
            {
                text(found).map(ToOwned::to_owned).into_iter().collect()
            }
            _ => return None,
        },
        _ => return None,
    };
    texts.sort_unstable();
    texts.dedup();
    Some(texts)
}

fn is_device_id(expression: &Expression) -> bool {
    matches!(expression, Expression::Path(path) if path.is(Member::DeviceId))
}

fn text(constant: &Constant) -> Option<&str> {
    match constant {
        Constant::Text(text) => Some(text),
        _ => None,
    }
}

/// The devices whose id compares so; none if it is compared with something else than a text.
fn compared(comparison: Comparison, constant: &Constant) -> TwinKeys {
    let Some(id) = text(constant) else { return TwinKeys::devices([].into_iter()) };
    match comparison {
        Comparison::Equal => TwinKeys::devices([id].into_iter()),
        Comparison::NotEqual => TwinKeys::All,
        Comparison::Less | Comparison::LessOrEqual => {
            TwinKeys::Between(String::new(), id.to_owned())
        }
        Comparison::Greater | Comparison::GreaterOrEqual => {
            TwinKeys::Between(id.to_owned(), ID_END.to_owned())
        }
    }
}

impl Comparison {
    /// The same with its sides exchanged.
    fn swapped(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}
