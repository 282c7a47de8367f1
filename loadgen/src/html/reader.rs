//! The page of a reading.

use super::chart::{Chart, Scale, Series};
use super::{MIB, document, latencies, line, over_time};
use crate::reader::{Point, ReaderReport};

const NOTES: &str = "\
<h2>How to read it</h2>
<ul>
<li>Lag is the time from the stamp that the hub puts on an event to its receipt, by the clock of the
machine: hub and reader must be on the same one. The stamp is in whole milliseconds.</li>
<li>The own delay is the longest time for which something that had arrived can have waited for this
program; a run in which it matters is called invalid.</li>
<li>Points over time are a second apart, and each is about that second alone. A run of more than an
hour has fewer of its older seconds: a point there is about all since the one before, with the worst
percentiles of those.</li>
</ul>
";

/// Writes the page.
pub(crate) fn reader_page(report: &ReaderReport, command: &str) -> String {
    document(command, report.verdict(), &report.to_string(), &charts(report), NOTES)
}

fn charts(report: &ReaderReport) -> Vec<Chart> {
    let points = report.timeline();
    let (lag, delay) = (report.lag().distribution(), report.delay().distribution());
    vec![
        Chart {
            title: "Lag by percentile",
            x_label: "part of all",
            x_scale: Scale::Percentile,
            y_label: "ms",
            y_scale: Scale::Logarithmic,
            series: vec![
                Series { name: "enqueued to received", points: lag },
                Series { name: "own delay", points: delay },
            ],
        },
        over_time(
            "Events per second",
            "per second",
            Scale::Linear,
            vec![line("received", points, at, |point| Some(point.events_per_s))],
        ),
        over_time(
            "Bytes of messages per second",
            "MiB",
            Scale::Linear,
            vec![line("received", points, at, |point| Some(point.bytes_per_s / MIB))],
        ),
        over_time(
            "Time from enqueued to received",
            "ms",
            Scale::Logarithmic,
            latencies(points, at, |point| point.lag),
        ),
        over_time(
            "Own delay",
            "ms",
            Scale::Logarithmic,
            latencies(points, at, |point| point.delay),
        ),
        over_time(
            "Events by which all partitions are ahead",
            "events",
            Scale::Linear,
            vec![line("ahead", points, at, |point| Some(point.behind as f64))],
        ),
        over_time(
            "Cores that are used",
            "cores",
            Scale::Linear,
            vec![
                line("server", points, at, |point| point.server_cores),
                line("reader", points, at, |point| Some(point.own_cores)),
            ],
        ),
        over_time(
            "Memory",
            "MiB",
            Scale::Linear,
            vec![
                line("server", points, at, |point| Some(point.server_bytes? as f64 / MIB)),
                line("reader", points, at, |point| Some(point.own_bytes as f64 / MIB)),
            ],
        ),
    ]
}

fn at(point: &Point) -> f64 {
    point.at_s
}
