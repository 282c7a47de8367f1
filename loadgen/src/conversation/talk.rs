//! What a conversation has come to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::latency::Latency;
use crate::report::{percentiles, write_latency};

/// One kind of request, from the measured part of the run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Exchange {
    /// Requests that were due.
    pub(crate) due: u64,
    /// Of these, answered as they should be.
    pub(crate) done: u64,
    /// Why others were not.
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) latency: Latency,
    /// From the time a request was due to the time at which this program got to it, where it did
    /// not wait for an answer before.
    pub(crate) lag: Latency,
}

/// All kinds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Talk {
    /// Methods: from due to the answer of REST.
    pub(crate) methods: Exchange,
    /// Patches of reported properties: from due to the response.
    pub(crate) patches: Exchange,
    /// Sends of messages to devices: from due to accepted.
    pub(crate) sends: Exchange,
    /// The same messages: from accepted to PUBLISH at the device.
    pub(crate) messages: Exchange,
}

impl Exchange {
    pub(crate) fn succeed(&mut self, latency: Duration) {
        self.done += 1;
        self.latency.record(latency);
    }

    pub(crate) fn fail(&mut self, reason: String) {
        *self.failures.entry(reason).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.done += other.done;
        for (reason, count) in &other.failures {
            *self.failures.entry(reason.clone()).or_default() += count;
        }
        self.latency.add(&other.latency);
        self.lag.add(&other.lag);
    }

    fn to_json(&self) -> Option<Value> {
        (self.due > 0).then(|| {
            json!({
                "due": self.due,
                "done": self.done,
                "failures": self.failures,
                "latency_ms": percentiles(&self.latency),
                "lag_ms": percentiles(&self.lag),
            })
        })
    }
}

impl Talk {
    pub(crate) fn add(&mut self, other: &Self) {
        self.methods.add(&other.methods);
        self.patches.add(&other.patches);
        self.sends.add(&other.sends);
        self.messages.add(&other.messages);
    }

    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.exchanges().iter().all(|(_, _, exchange)| exchange.due == 0)
    }

    /// Each kind, with its name for programs and for people.
    pub(crate) fn exchanges(&self) -> [(&'static str, &'static str, &Exchange); 4] {
        [
            ("method", "methods, from due to the answer", &self.methods),
            ("patch", "reported patches, from due to the response", &self.patches),
            ("c2d-accept", "messages to devices, from due to accepted", &self.sends),
            ("c2d", "messages to devices, from accepted to PUBLISH", &self.messages),
        ]
    }

    /// `None` where nothing was said.
    pub(crate) fn to_json(&self) -> Option<Value> {
        let exchanges = self.exchanges().into_iter();
        let pairs = exchanges
            .filter_map(|(name, _, exchange)| Some((name.replace('-', "_"), exchange.to_json()?)));
        let pairs: Map<String, Value> = pairs.collect();
        (!pairs.is_empty()).then_some(Value::Object(pairs))
    }
}

impl fmt::Display for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (_, what, exchange) in self.exchanges() {
            if exchange.due == 0 {
                continue;
            }
            writeln!(f, "{what}")?;
            writeln!(f, "  due            {:>12}", exchange.due)?;
            writeln!(f, "  done           {:>12}", exchange.done)?;
            for (reason, count) in &exchange.failures {
                writeln!(f, "  {count:>8}  {reason}")?;
            }
            write_latency(f, "  latency", &exchange.latency)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_and_back_end_add_up() {
        let mut one = Talk::default();
        one.methods.due = 2;
        one.methods.succeed(Duration::from_millis(4));
        one.methods.fail("404".to_owned());
        let mut sum = Talk::default();
        assert!(sum.is_empty() && sum.to_json().is_none());
        let text = serde_json::to_string(&one).unwrap();
        (0..2).for_each(|_| sum.add(&serde_json::from_str(&text).unwrap()));
        let json = sum.to_json().unwrap();
        assert_eq!(json["method"]["due"], 4);
        assert_eq!(json["method"]["failures"]["404"], 2);
        assert!(json.get("patch").is_none(), "no patch was due");
        let table = sum.to_string();
        assert!(table.contains("methods, from due") && table.contains("2  404"), "{table}");
    }
}
