//! The report as one page that needs nothing else: no script, no font, no network.

mod chart;
mod reader;

use std::fmt::Write as _;

use chart::{Chart, Scale, Series};
pub(crate) use reader::reader_page;

use crate::latency::{Brief, Latency};
use crate::report::Report;
use crate::timeline::Point;
use crate::verdict::Verdict;

const STYLE: &str = include_str!("style.css");
const MIB: f64 = 1_048_576.0;
/// Writes the page.
pub(crate) fn page(report: &Report) -> String {
    let verdict = report.verdict();
    document(&report.command, verdict, &report.to_string(), &charts(report), NOTES)
}

/// What every page has: the command, how it went, the report as text, plots and notes.
fn document(command: &str, verdict: &Verdict, text: &str, charts: &[Chart], notes: &str) -> String {
    let mut html = String::from("<!doctype html>\n<html lang=en><meta charset=utf-8>");
    html.push_str("<meta name=viewport content=\"width=device-width\">");
    let _ = write!(html, "<title>ringhub-loadgen</title><style>{STYLE}</style>\n<main>");
    html.push_str("<h1>ringhub-loadgen</h1>\n");
    let _ = writeln!(html, "<pre class=command>{}</pre>", escape(command));
    write_verdict(&mut html, verdict);
    let _ = writeln!(html, "<pre>{}</pre>", escape(text));
    for chart in charts {
        html.push_str(&chart.to_html());
    }
    html.push_str(notes);
    html.push_str("</main></html>\n");
    html
}

const NOTES: &str = "\
<h2>How to read it</h2>
<ul>
<li>In an open loop latency counts from the time at which a connection or message was due, so that a
server that stalls pays for everything that it kept waiting.</li>
<li>The own delay is how late this program was itself; a run in which it matters is called
invalid.</li>
<li>Points over time are a second apart, and each is about that second alone. A run of more than an
hour has fewer of its older seconds: a point there is about all since the one before, with the worst
percentiles of those.</li>
</ul>
";

fn write_verdict(html: &mut String, verdict: &Verdict) {
    let (class, word) = match (verdict.failed.is_empty(), verdict.invalid.is_empty()) {
        (false, _) => ("bad", "Failed"),
        (true, false) => ("doubtful", "Invalid"),
        (true, true) => ("good", "Passed"),
    };
    let reasons = verdict.failed.iter().chain(&verdict.invalid);
    let reasons: Vec<String> = reasons.map(|reason| escape(reason)).collect();
    let _ = writeln!(html, "<p class=\"verdict {class}\"><b>{word}</b> {}</p>", reasons.join("; "));
}

fn charts(report: &Report) -> Vec<Chart> {
    let (tally, points) = (report.tally(), report.timeline());
    let telemetry = &tally.telemetry;
    let (connected, acknowledged) = (tally.protocol.connected(), tally.protocol.acknowledged());
    let distribution = |name, latency: &Latency| Series { name, points: latency.distribution() };
    vec![
        by_percentile(
            "Latency by percentile",
            vec![
                distribution(acknowledged, &telemetry.latency),
                distribution(connected, &tally.connect),
                distribution("the same of those who came back", &tally.reconnect),
                distribution("own delay in sending", &telemetry.lag),
                distribution("own delay in connecting", &tally.connect_lag),
            ],
        ),
        by_percentile(
            "Conversation by percentile",
            vec![
                distribution("method to its answer", &tally.talk.methods.latency),
                distribution("patch to its response", &tally.talk.patches.latency),
                distribution("message to accepted", &tally.talk.sends.latency),
                distribution("accepted message to its device", &tally.talk.messages.latency),
            ],
        ),
        over_time(
            "Messages per second",
            "per second",
            Scale::Linear,
            vec![
                line("sent", points, at, |point| positive(point.sent_per_s)),
                line("acknowledged", points, at, |point| positive(point.acknowledged_per_s)),
            ],
        ),
        over_time(
            "Time to the acknowledgement",
            "ms",
            Scale::Logarithmic,
            latencies(points, at, |p| p.puback),
        ),
        over_time(
            "Connections per second",
            "per second",
            Scale::Linear,
            vec![
                line("accepted", points, at, |point| positive(point.accepted_per_s)),
                line("failed or lost", points, at, |point| positive(point.failed_per_s)),
            ],
        ),
        over_time(
            "Time to connect",
            "ms",
            Scale::Logarithmic,
            latencies(points, at, |p| p.connect),
        ),
        over_time(
            "Cores that the server uses",
            "cores",
            Scale::Linear,
            vec![line("server", points, at, |point| point.server_cores)],
        ),
        memory(points),
    ]
}

/// The slope is the memory of one connection.
fn memory(points: &[Point]) -> Chart {
    let ramp = points.windows(2).take_while(|pair| pair[1].open > pair[0].open);
    let found =
        ramp.filter_map(|pair| Some((pair[1].open as f64, pair[1].server_bytes? as f64 / MIB)));
    Chart {
        title: "Memory of the server by connections",
        x_label: "connections",
        x_scale: Scale::Linear,
        y_label: "MiB",
        y_scale: Scale::Linear,
        series: vec![Series { name: "resident", points: found.collect() }],
    }
}

fn by_percentile(title: &'static str, series: Vec<Series>) -> Chart {
    Chart {
        title,
        x_label: "part of all",
        x_scale: Scale::Percentile,
        y_label: "ms",
        y_scale: Scale::Logarithmic,
        series,
    }
}

fn at(point: &Point) -> f64 {
    point.at_s
}

fn over_time(
    title: &'static str,
    y_label: &'static str,
    y_scale: Scale,
    series: Vec<Series>,
) -> Chart {
    Chart { title, x_label: "seconds", x_scale: Scale::Linear, y_label, y_scale, series }
}

/// A line with a gap where there is no value; none at all when it never has one.
fn line<P>(
    name: &'static str,
    points: &[P],
    at: impl Fn(&P) -> f64,
    value: impl Fn(&P) -> Option<f64>,
) -> Series {
    let found = |point: &P| Some((at(point), value(point)?));
    Series { name, points: points.iter().filter_map(found).collect() }
}

fn latencies<P>(
    points: &[P],
    at: impl Fn(&P) -> f64,
    of: impl Fn(&P) -> Option<Brief>,
) -> Vec<Series> {
    vec![
        line("p50", points, &at, |point| of(point).map(|brief| brief.p50_ms)),
        line("p99", points, &at, |point| of(point).map(|brief| brief.p99_ms)),
        line("max", points, &at, |point| of(point).map(|brief| brief.max_ms)),
    ]
}

/// A rate, unless there was nothing.
fn positive(rate: f64) -> Option<f64> {
    (rate > 0.0).then_some(rate)
}

/// Text that HTML takes for text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
