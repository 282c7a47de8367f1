//! How many rows a query has, without the rows.

use std::time::Duration;

use ringhub_core::id::HubId;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::execution::{Execution, Page, QueryFailure, Sources};
use super::plan::Plan;
use super::syntax::{Aggregate, Column, GroupColumn, Groups, Query, Select};

/// A count that is under way.
#[derive(Debug)]
pub(crate) struct Counting {
    hub: HubId,
    plan: Plan,
    execution: Execution,
    top: Option<u64>,
    /// Whether the number comes as the value of one row; otherwise rows are counted.
    is_aggregate: bool,
    rows: u64,
}

impl Counting {
    pub(crate) fn new(hub: HubId, mut query: Query) -> Self {
        let is_aggregate = !matches!(query.select, Select::Groups(_));
        let top = query.top;
        if is_aggregate {
            let column = Column { key: "\"n\"".to_owned(), value: GroupColumn::Aggregate(0) };
            let (aggregates, columns) = (vec![Aggregate::Count], vec![column]);
            query.select = Select::Groups(Groups { by: Vec::new(), aggregates, columns });
            query.top = None;
        }
        let plan = Plan::new(query);
        let execution = Execution::new(hub, plan.clone(), usize::MAX, None);
        Self { hub, plan, execution, top, is_aggregate, rows: 0 }
    }

    /// Works for a time; a number is the end.
    ///
    /// Blocks on the disk and on stripes of the directory, as [`Execution::work`] does.
    pub(crate) fn work(
        &mut self,
        sources: Sources<'_>,
        turn: Duration,
    ) -> Result<Option<u64>, QueryFailure> {
        let Some(Page { body, next }) = self.execution.work(sources, turn)? else {
            return Ok(None);
        };
        if self.is_aggregate {
            let rows: Value = serde_json::from_str(&body).unwrap_or_default();
            let count = rows.pointer("/0/n").and_then(Value::as_u64).unwrap_or_default();
            return Ok(Some(count.min(self.top.unwrap_or(u64::MAX))));
        }
        let rows: Vec<IgnoredAny> = serde_json::from_str(&body).unwrap_or_default();
        self.rows += rows.len() as u64;
        if next.is_none() {
            return Ok(Some(self.rows));
        }
        self.execution = Execution::new(self.hub, self.plan.clone(), usize::MAX, next);
        Ok(None)
    }
}
