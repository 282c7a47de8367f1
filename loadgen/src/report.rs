//! The result, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::html;
use crate::latency::Latency;
use crate::observer::{Observer, ServerCost};
use crate::outcome::{Cost, End, Outcome};
use crate::output::Findings;
use crate::tally::Tally;
use crate::timeline::{Point, Timeline};
use crate::verdict::{Thresholds, Verdict};

pub(crate) const MIB: f64 = 1_048_576.0;
/// Options whose values nobody is to see.
const SECRETS: [&str; 2] = ["--key", "--service-key"];

/// Result of a run.
#[derive(Debug)]
pub struct Report {
    tally: Tally,
    end: End,
    /// Of each process of this program.
    costs: Vec<Cost>,
    server: Option<ServerCost>,
    /// Length of the measured part, where messages were sent.
    measured: Option<Duration>,
    verdict: Verdict,
    timeline: Timeline,
    /// Arguments of this program, without keys.
    pub(crate) command: String,
}

impl Report {
    /// Adds up what the processes have come to.
    pub(crate) fn new(
        outcomes: Vec<Outcome>,
        observer: &mut Observer,
        measured: Option<Duration>,
        thresholds: Thresholds,
    ) -> Self {
        let (mut tally, mut end, mut costs) = (Tally::default(), End::Complete, Vec::new());
        for outcome in outcomes {
            tally.add(&outcome.tally);
            end = end.max(outcome.end);
            costs.push(outcome.cost);
        }
        tally.talk.add(&observer.take_talk());
        let verdict = Verdict::of(&tally, end, &costs, thresholds);
        let (server, timeline) = (observer.server_cost(), observer.take_timeline());
        let command = command(std::env::args());
        Self { tally, end, costs, server, measured, verdict, timeline, command }
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn timeline(&self) -> &[Point] {
        self.timeline.points()
    }

    /// What it is worth.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    fn elapsed_s(&self) -> f64 {
        let elapsed = self.costs.iter().map(|cost| cost.ramp.elapsed_s + cost.steady.elapsed_s);
        elapsed.fold(0.0, f64::max)
    }

    fn cpu_s(&self) -> f64 {
        self.costs.iter().map(|cost| cost.ramp.cpu_s + cost.steady.cpu_s).sum()
    }

    fn resident_bytes(&self) -> u64 {
        self.costs.iter().map(|cost| cost.resident_bytes).sum()
    }

    /// Messages per second: acknowledged, or sent with QoS 0.
    fn throughput(&self) -> Option<f64> {
        let telemetry = &self.tally.telemetry;
        let count = match telemetry.is_acknowledged {
            true => telemetry.acknowledged_meanwhile,
            false => telemetry.sent,
        };
        let measured_s = self.measured?.as_secs_f64();
        (self.end == End::Complete && measured_s > 0.0).then(|| count as f64 / measured_s)
    }

    /// Processor time of the server per message in microseconds, acknowledging and all; nothing if
    /// connections or requests have a part in it.
    fn server_us_per_message(&self) -> Option<f64> {
        let sent = self.tally.telemetry.sent_in_all;
        (sent > 0 && self.tally.turns.due == 0 && self.tally.talk.is_empty()).then_some(())?;
        self.server.map(|server| server.steady.cpu_s * 1e6 / sent as f64)
    }

    /// Devices that came back per second of the load.
    fn returns_per_second(&self) -> Option<f64> {
        let elapsed_s = self.costs.iter().map(|cost| cost.steady.elapsed_s).fold(0.0, f64::max);
        (elapsed_s > 0.0).then(|| self.tally.reconnect.count() as f64 / elapsed_s)
    }

    /// Processor time of the server per device that came back, in microseconds; nothing if messages
    /// have a part in it.
    fn server_us_per_return(&self) -> Option<f64> {
        let back = self.tally.reconnect.count();
        (back > 0 && self.tally.telemetry.sent_in_all == 0).then_some(())?;
        self.server.map(|server| server.steady.cpu_s * 1e6 / back as f64)
    }

    /// Memory of the server per connection; nothing if it took what earlier ones had left.
    fn server_bytes_per_connection(&self) -> Option<f64> {
        let server = self.server?;
        let grown = server.bytes_connected.saturating_sub(server.bytes_before);
        let open = self.tally.open;
        (open > 0 && grown > 0).then(|| grown as f64 / open as f64)
    }

    fn telemetry_json(&self) -> Option<Value> {
        self.measured?;
        let telemetry = &self.tally.telemetry;
        Some(json!({
            "due": telemetry.due,
            "sent": telemetry.sent,
            "sent_in_all": telemetry.sent_in_all,
            "acknowledged": telemetry.acknowledged,
            "per_second": self.throughput(),
            "latency_ms": percentiles(&telemetry.latency),
            "lag_ms": percentiles(&telemetry.lag),
            "server_us_per_message": self.server_us_per_message(),
        }))
    }

    fn storm_json(&self) -> Option<Value> {
        let tally = &self.tally;
        (tally.turns.due == 0 && !tally.reconnect.is_empty()).then(|| {
            json!({
                "back": tally.reconnect.count(),
                "resumed": tally.resumed,
                "all_back_s": tally.all_back.as_secs_f64(),
                "latency_ms": percentiles(&tally.reconnect),
                "lag_ms": percentiles(&tally.reconnect_lag),
                "server_us_per_connection": self.server_us_per_return(),
            })
        })
    }

    fn churn_json(&self) -> Option<Value> {
        let tally = &self.tally;
        (tally.turns.due > 0).then(|| {
            json!({
                "due": tally.turns.due,
                "missed": tally.turns.missed,
                "back": tally.reconnect.count(),
                "back_per_second": self.returns_per_second(),
                "latency_ms": percentiles(&tally.reconnect),
                "lag_ms": percentiles(&tally.reconnect_lag),
                "server_us_per_connection": self.server_us_per_return(),
            })
        })
    }

    fn write_telemetry(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let telemetry = &self.tally.telemetry;
        if self.measured.is_none() {
            return Ok(());
        }
        if telemetry.due > 0 {
            writeln!(f, "messages due     {:>12}", telemetry.due)?;
        }
        writeln!(f, "  sent           {:>12}", telemetry.sent)?;
        if telemetry.is_acknowledged {
            writeln!(f, "  acknowledged   {:>12}", telemetry.acknowledged)?;
        }
        if let Some(throughput) = self.throughput() {
            writeln!(f, "  per second     {throughput:>12.0}")?;
        }
        let since = if telemetry.due > 0 { "due" } else { "sent" };
        let what = self.tally.protocol.acknowledged();
        write_latency(f, &format!("{what}, from the time each was {since}"), &telemetry.latency)?;
        write_latency(f, "own delay in sending", &telemetry.lag)
    }

    fn write_storm(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        if tally.reconnect.is_empty() || tally.turns.due > 0 {
            return Ok(());
        }
        writeln!(f, "came back        {:>12}", tally.reconnect.count())?;
        writeln!(f, "  with tickets   {:>12}", tally.resumed)?;
        writeln!(f, "  the last after {:>12.2} s", tally.all_back.as_secs_f64())?;
        if let Some(us) = self.server_us_per_return() {
            writeln!(f, "  server CPU     {us:>12.0} us each")?;
        }
        let connected = tally.protocol.connected();
        let what = format!("{connected} in the storm, from the time each was due");
        write_latency(f, &what, &tally.reconnect)
    }

    fn write_churn(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        if tally.turns.due == 0 {
            return Ok(());
        }
        writeln!(f, "were to leave    {:>12}", tally.turns.due)?;
        if tally.turns.missed > 0 {
            writeln!(f, "  could not      {:>12}", tally.turns.missed)?;
        }
        writeln!(f, "  came back      {:>12}", tally.reconnect.count())?;
        if let Some(rate) = self.returns_per_second() {
            writeln!(f, "  per second     {rate:>12.1}")?;
        }
        if let Some(us) = self.server_us_per_return() {
            writeln!(f, "  server CPU     {us:>12.0} us each")?;
        }
        let what = format!("{} of those who came back", tally.protocol.connected());
        write_latency(f, &what, &tally.reconnect)
    }

    fn write_costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "elapsed          {:>12.1} s", self.elapsed_s())?;
        writeln!(f, "own CPU          {:>12.2} s", self.cpu_s())?;
        writeln!(f, "own memory       {:>12.1} MiB", self.resident_bytes() as f64 / MIB)?;
        let Some(server) = self.server else { return Ok(()) };
        writeln!(f, "server CPU       {:>12.2} s", server.ramp.cpu_s + server.steady.cpu_s)?;
        if let Some(us) = self.server_us_per_message() {
            writeln!(f, "  per message    {us:>12.2} us")?;
        }
        writeln!(f, "server memory    {:>12.1} MiB", server.bytes_after as f64 / MIB)?;
        if let Some(bytes) = self.server_bytes_per_connection() {
            writeln!(f, "  per connection {bytes:>12.0} B")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        if self.end == End::Interrupted {
            writeln!(f, "interrupted: what was measured until then")?;
        }
        writeln!(f, "attempted        {:>12}", tally.attempted)?;
        writeln!(f, "accepted         {:>12}", tally.accepted)?;
        writeln!(f, "failed           {:>12}", tally.failed())?;
        for (reason, count) in &tally.failures {
            writeln!(f, "  {count:>8}  {reason}")?;
        }
        if tally.under_way() > 0 {
            writeln!(f, "unfinished       {:>12}", tally.under_way())?;
        }
        writeln!(f, "pings answered   {:>12}", tally.pings_answered)?;
        let what = format!("{}, from the time each was due", tally.protocol.connected());
        write_latency(f, &what, &tally.connect)?;
        self.write_telemetry(f)?;
        self.write_storm(f)?;
        self.write_churn(f)?;
        write!(f, "{}", tally.talk)?;
        self.write_costs(f)?;
        self.verdict.write(f)
    }
}

impl Findings for Report {
    fn to_json(&self) -> Value {
        let Self { tally, verdict, .. } = self;
        let busiest = self.costs.iter().map(|cost| cost.steady.busy()).fold(0.0, f64::max);
        json!({
            "protocol": tally.protocol.name(),
            "interrupted": self.end == End::Interrupted,
            "valid": verdict.is_valid(),
            "invalid_because": verdict.invalid,
            "clean": verdict.is_clean(),
            "failed_because": verdict.failed,
            "elapsed_s": self.elapsed_s(),
            "attempted": tally.attempted,
            "accepted": tally.accepted,
            "open": tally.open,
            "failed": tally.failed(),
            "unfinished": tally.under_way(),
            "failures": tally.failures,
            "pings_answered": tally.pings_answered,
            "connect_latency_ms": percentiles(&tally.connect),
            "connect_lag_ms": percentiles(&tally.connect_lag),
            "telemetry": self.telemetry_json(),
            "storm": self.storm_json(),
            "churn": self.churn_json(),
            "conversation": tally.talk.to_json(),
            "cpu_s": self.cpu_s(),
            "busiest_worker": busiest,
            "workers": self.costs.len(),
            "resident_bytes": self.resident_bytes(),
            "server": self.server.map(ServerCost::to_json),
            "server_bytes_per_connection": self.server_bytes_per_connection(),
        })
    }

    fn latencies(&self) -> Vec<(&'static str, &Latency)> {
        let (tally, telemetry) = (&self.tally, &self.tally.telemetry);
        let mut latencies = vec![
            ("connect", &tally.connect),
            ("connect-lag", &tally.connect_lag),
            ("reconnect", &tally.reconnect),
            ("reconnect-lag", &tally.reconnect_lag),
            ("puback", &telemetry.latency),
            ("send-lag", &telemetry.lag),
        ];
        let exchanges = tally.talk.exchanges().into_iter();
        latencies.extend(exchanges.map(|(name, _, exchange)| (name, &exchange.latency)));
        latencies
    }

    fn to_page(&self) -> String {
        html::page(self)
    }
}

/// The arguments as they were typed, but for the keys.
pub(crate) fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["ringhub-loadgen".to_owned()];
    for word in arguments.skip(1) {
        let hides = words.last().is_some_and(|before| SECRETS.contains(&before.as_str()));
        let secret = SECRETS
            .iter()
            .find(|secret| word.strip_prefix(**secret).is_some_and(|rest| rest.starts_with('=')));
        let word = secret.map(|secret| format!("{secret}=…")).unwrap_or(word);
        words.push(if hides { "…".to_owned() } else { word });
    }
    words.join(" ")
}

pub(crate) fn percentiles(latency: &Latency) -> Option<Map<String, Value>> {
    let pairs = latency.percentiles_ms().map(|(name, ms)| (name.to_owned(), ms.into()));
    (!latency.is_empty()).then(|| pairs.collect())
}

pub(crate) fn write_latency(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    latency: &Latency,
) -> fmt::Result {
    if latency.is_empty() {
        return Ok(());
    }
    writeln!(f, "{what}")?;
    for (name, ms) in latency.percentiles_ms() {
        writeln!(f, "  {name:<14} {ms:>12.2} ms")?;
    }
    Ok(())
}

/// One line about a run under way.
pub(crate) fn progress(elapsed: Duration, tally: &Tally) -> String {
    let telemetry = &tally.telemetry;
    let mut line = format!(
        "{:>5} s  attempted {}  open {}  under way {}  failed {}  {} p99 {:.1} ms",
        elapsed.as_secs(),
        tally.attempted,
        tally.open,
        tally.under_way(),
        tally.failed(),
        tally.protocol.connected(),
        tally.connect.at_ms(0.99),
    );
    if telemetry.sent_in_all > 0 {
        let (sent, p99) = (telemetry.sent_in_all, telemetry.latency.at_ms(0.99));
        let what = tally.protocol.acknowledged();
        line.push_str(&format!("  sent {sent}  {what} p99 {p99:.1} ms"));
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::failure::Failure;
    use crate::outcome::Spent;
    use crate::storm::Wave;
    use crate::view::View;

    fn report(end: End) -> Report {
        let wave = Wave { start: Instant::now(), is_return: false };
        let mut tally = Tally { attempted: 3, ..Tally::default() };
        tally.accept(&wave, Duration::from_millis(10));
        tally.refuse(&Failure::Timeout);
        let ramp = Spent { cpu_s: 1.0, elapsed_s: 2.0 };
        let cost = Cost { ramp, resident_bytes: 1 << 20, ..Cost::default() };
        let other = Outcome { cost, ..Outcome::default() };
        let outcomes = vec![Outcome { tally, end, cost }, other];
        let mut observer = Observer::new(None, View::Quiet).expect("no process is named");
        Report::new(outcomes, &mut observer, None, Thresholds::default())
    }

    #[test]
    fn the_table_names_reasons_and_what_is_unfinished() {
        let text = report(End::Interrupted).to_string();
        for line in ["interrupted", "1  not connected in time", "unfinished", "p99.9", "2.0 MiB"] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(!report(End::Complete).verdict.is_clean());
    }

    #[test]
    fn json_has_the_same_numbers() {
        let json = report(End::Complete).to_json();
        assert_eq!(json["failures"]["not connected in time"], 1);
        assert_eq!(json["unfinished"], 1);
        assert_eq!(json["resident_bytes"], 2 << 20);
        assert_eq!((json["cpu_s"].as_f64(), json["elapsed_s"].as_f64()), (Some(2.0), Some(2.0)));
        assert!((json["connect_latency_ms"]["p50"].as_f64().unwrap() - 10.0).abs() < 0.1);
    }

    #[test]
    fn an_interruption_of_one_is_one_of_all() {
        assert!(report(End::Interrupted).to_json()["interrupted"].as_bool().unwrap());
        assert!(!report(End::GaveUp).to_json()["interrupted"].as_bool().unwrap());
    }

    #[test]
    fn the_page_says_how_it_went_and_keeps_the_key() {
        let mut report = report(End::Complete);
        let words =
            ["x", "connect", "--key", "c2VjcmV0", "--service-key=c2VjcmV0", "--host", "<h>"];
        report.command = command(words.map(ToOwned::to_owned).into_iter());
        let page = html::page(&report);
        for part in
            ["--key … --service-key=… --host &lt;h&gt;", "<b>Failed</b>", "Latency by percentile"]
        {
            assert!(page.contains(part), "{part} in\n{page}");
        }
        assert!(!page.contains("c2VjcmV0"));
        assert!(!page.contains("Time to the acknowledgement"), "nothing was published");
    }
}
