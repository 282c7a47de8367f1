//! Metrics of configurations: queries whose rows are counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ringhub_core::id::HubId;
use ringhub_core::limits::CONFIGURATION_METRICS_TIME_MAX;

use super::{Configuration, Kind};
use crate::query::{Counting, Query, QueryFailure, Sources};
use crate::store::StoreError;

/// Queries of the metrics that every configuration has, by their names.
///
/// Source: control-plane reference, "Object" of configurations and "Queries the tools rely on".
pub(crate) fn system_metrics(configuration: &Configuration) -> BTreeMap<String, String> {
    let applied = format!("configurations.[[{}]].status = 'Applied'", configuration.id);
    let mut metrics = BTreeMap::from([("targetedCount", configuration.target.query())]);
    match configuration.kind() {
        Kind::Device => {
            metrics.insert("appliedCount", format!("select deviceId from devices where {applied}"));
        }
        Kind::Module => {
            let query = format!("select moduleId from devices.modules where {applied}");
            metrics.insert("appliedCount", query);
        }
        Kind::Edge => {
            let applied = format!(
                "select deviceId from devices.modules where moduleId = '$edgeAgent' and {applied}"
            );
            let reported = "properties.desired.$version = properties.reported.lastDesiredVersion \
                            and properties.reported.lastDesiredStatus.code";
            for (name, comparison) in
                [("reportedSuccessfulCount", "= 200"), ("reportedFailedCount", "!= 200")]
            {
                metrics.insert(name, format!("{applied} and {reported} {comparison}"));
            }
            metrics.insert("appliedCount", applied);
        }
    }
    metrics.into_iter().map(|(name, query)| (name.to_owned(), query)).collect()
}

/// Numbers by the names of metrics.
pub(crate) type Results = BTreeMap<String, u64>;

/// A configuration with the numbers that were found so far.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) configuration: Configuration,
    pub(crate) system: Results,
    pub(crate) own: Results,
}

/// A metric that is not counted yet.
#[derive(Debug)]
struct Pending {
    index: usize,
    is_system: bool,
    name: String,
    counting: Counting,
}

/// The metrics of some configurations, counted one after the other.
#[derive(Debug)]
pub(crate) struct MetricCounts {
    counted: Vec<Counted>,
    pending: VecDeque<Pending>,
    spent: Duration,
}

impl MetricCounts {
    pub(crate) fn new(hub: HubId, configurations: Vec<Configuration>) -> Self {
        let mut pending = VecDeque::new();
        for (index, configuration) in configurations.iter().enumerate() {
            let system = system_metrics(configuration);
            let all = [(true, &system), (false, &configuration.metrics)];
            let all = all.into_iter().flat_map(|(is_system, metrics)| {
                metrics.iter().map(move |(name, query)| (is_system, name, query))
            });
            for (is_system, name, query) in all {
                if let Ok(query) = Query::parse(query) {
                    let (name, counting) = (name.clone(), Counting::new(hub, query));
                    pending.push_back(Pending { index, is_system, name, counting });
                }
            }
        }
        let empty = |configuration| {
            let (system, own) = (Results::new(), Results::new());
            Counted { configuration, system, own }
        };
        let counted = configurations.into_iter().map(empty).collect();
        Self { counted, pending, spent: Duration::ZERO }
    }

    /// Works for a time; the configurations are the end. Those metrics have no number that cannot
    /// be counted, or for which the time was not enough.
    ///
    /// Blocks on the disk and on stripes of the directory; costs some microseconds more than
    /// `turn`, or as long as one document takes.
    pub(crate) fn work(
        &mut self,
        sources: Sources<'_>,
        turn: Duration,
    ) -> Result<Option<Vec<Counted>>, StoreError> {
        let began = Instant::now();
        while let Some(pending) = self.pending.front_mut()
            && self.spent + began.elapsed() < CONFIGURATION_METRICS_TIME_MAX
        {
            let Some(left) = turn.checked_sub(began.elapsed()) else {
                self.spent += began.elapsed();
                return Ok(None);
            };
            let number = match pending.counting.work(sources, left) {
                Ok(None) => continue,
                Ok(Some(number)) => Some(number),
                Err(QueryFailure::Store(error)) => return Err(error),
                Err(_) => None,
            };
            let Some(Pending { index, is_system, name, .. }) = self.pending.pop_front() else {
                continue;
            };
            if let (Some(number), Some(counted)) = (number, self.counted.get_mut(index)) {
                let results = if is_system { &mut counted.system } else { &mut counted.own };
                results.insert(name, number);
            }
        }
        Ok(Some(std::mem::take(&mut self.counted)))
    }
}
