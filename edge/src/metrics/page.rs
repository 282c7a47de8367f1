//! The text format of Prometheus, version 0.0.4.
//!
//! Source: prometheus.io, "Exposition formats", text-based format.

use std::fmt::{Display, Write};

use ringhub_core::meter::Snapshot;

/// Content type of a page.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Nanoseconds of a second.
const NANOS: f64 = 1e9;

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of the process on.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A page while it is written. Writing to a text cannot fail.
#[derive(Debug)]
pub struct Page {
    text: String,
    /// The label that every sample of the hub carries.
    hub: String,
}

impl Page {
    /// An empty page of the hub that is called `hub`.
    #[must_use]
    pub fn new(hub: &str) -> Self {
        Self { text: String::new(), hub: hub.to_owned() }
    }

    /// Begins a family. Its samples follow before any other family begins.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        self.begin(name, kind.name(), help);
        Family { page: self, name }
    }

    /// A family with one sample and no label but that of the hub.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// A family that is the whole process's, without any label; the names are those that every
    /// Prometheus client uses.
    pub fn of_process(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Display) {
        self.begin(name, kind.name(), help);
        let _ = writeln!(self.text, "{name} {value}");
    }

    /// Begins a family of histograms.
    pub(super) fn histograms(
        &mut self,
        name: &'static str,
        scale: Scale,
        help: &str,
    ) -> Histograms<'_> {
        self.begin(name, "histogram", help);
        Histograms { page: self, name, scale }
    }

    /// The whole text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &[(&str, &dyn Display)],
        value: impl Display,
    ) {
        let hub = std::mem::take(&mut self.hub);
        self.sample_of(&hub, name, suffix, labels, value);
        self.hub = hub;
    }

    fn sample_of(
        &mut self,
        hub: &str,
        name: &str,
        suffix: &str,
        labels: &[(&str, &dyn Display)],
        value: impl Display,
    ) {
        let _ = write!(self.text, "{name}{suffix}{{hub=\"{}\"", Escaped(hub));
        for (label, text) in labels {
            let _ = write!(self.text, ",{label}=\"{}\"", Escaped(text));
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}

/// The samples of one family.
#[derive(Debug)]
pub struct Family<'p> {
    page: &'p mut Page,
    name: &'static str,
}

impl Family<'_> {
    /// Writes a sample; the label `hub` stands before `labels`.
    pub fn sample(&mut self, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.page.sample(self.name, "", labels, value);
    }

    /// Writes a sample of the hub that is called `hub`, whichever the page is of.
    pub fn sample_of(&mut self, hub: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.page.sample_of(hub, self.name, "", labels, value);
    }
}

/// What the values of histograms are, and which buckets are shown of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// Values of a unit.
    unit: f64,
    /// First and last bucket that is shown.
    from: usize,
    to: usize,
    /// Buckets that are shown as one.
    step: usize,
}

impl Scale {
    /// Two buckets for each doubling from 128 ns to 17 s.
    pub(super) const LATENCY: Self = Self { unit: NANOS, from: 63, to: 496, step: 8 };
    /// One bucket for each doubling from 1 µs to 1 s.
    pub(super) const TURN: Self = Self { unit: NANOS, from: 111, to: 432, step: 16 };
    /// One bucket for each doubling from 4 KiB to 16 MiB.
    pub(super) const BYTES: Self = Self { unit: 1.0, from: 143, to: 336, step: 16 };
}

/// The histograms of one family.
#[derive(Debug)]
pub(super) struct Histograms<'p> {
    page: &'p mut Page,
    name: &'static str,
    scale: Scale,
}

impl Histograms<'_> {
    pub(super) fn histogram(&mut self, labels: &[(&str, &dyn Display)], snapshot: &Snapshot) {
        let Self { page, name, scale } = self;
        for (end, count) in snapshot.cumulative(scale.from, scale.to, scale.step) {
            let end = end as f64 / scale.unit;
            let labels = [labels, &[("le", &end as &dyn Display)]].concat();
            page.sample(name, "_bucket", &labels, count);
        }
        let count = snapshot.count();
        let labels_inf = [labels, &[("le", &"+Inf" as &dyn Display)]].concat();
        page.sample(name, "_bucket", &labels_inf, count);
        page.sample(name, "_sum", labels, snapshot.sum as f64 / scale.unit);
        page.sample(name, "_count", labels, count);
    }
}

/// Nanoseconds as seconds.
pub(super) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / NANOS
}

/// A label's value with what would end it escaped.
struct Escaped<T>(T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        struct Filter<'a, 'f>(&'a mut std::fmt::Formatter<'f>);
        impl Write for Filter<'_, '_> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                text.chars().try_for_each(|c| match c {
                    '\\' => self.0.write_str("\\\\"),
                    '"' => self.0.write_str("\\\""),
                    '\n' => self.0.write_str("\\n"),
                    c => self.0.write_char(c),
                })
            }
        }
        write!(Filter(f), "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use ringhub_core::meter::Histogram;

    use super::*;

    #[test]
    fn a_family_is_its_help_its_type_and_its_samples() {
        let mut page = Page::new("h\"1");
        let mut family = page.family("ringhub_x_total", Kind::Counter, "What it is.");
        family.sample(&[("shard", &3), ("reason", &"a\\b\n")], 7_u64);
        family.sample(&[], 0.5);
        let expected = "# HELP ringhub_x_total What it is.\n# TYPE ringhub_x_total counter\n\
             ringhub_x_total{hub=\"h\\\"1\",shard=\"3\",reason=\"a\\\\b\\n\"} 7\n\
             ringhub_x_total{hub=\"h\\\"1\"} 0.5\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn buckets_count_everything_up_to_their_end() {
        let histogram = Histogram::default();
        for nanos in [1, 1024, 1025, 1 << 40] {
            histogram.record(nanos, 1);
        }
        let mut snapshot = Snapshot::default();
        histogram.add_to(&mut snapshot);
        let mut page = Page::new("h");
        page.histograms("t_seconds", Scale::TURN, "T.").histogram(&[], &snapshot);
        let text = page.into_text();
        for line in [
            "t_seconds_bucket{hub=\"h\",le=\"0.000001024\"} 2",
            "t_seconds_bucket{hub=\"h\",le=\"0.000002048\"} 3",
            "t_seconds_bucket{hub=\"h\",le=\"1.073741824\"} 3",
            "t_seconds_bucket{hub=\"h\",le=\"+Inf\"} 4",
            "t_seconds_count{hub=\"h\"} 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
        }
    }

    #[test]
    fn scales_begin_and_end_at_doublings() {
        let ends = |scale: Scale| {
            let snapshot = Snapshot::default();
            let ends: Vec<u64> =
                snapshot.cumulative(scale.from, scale.to, scale.step).map(|(end, _)| end).collect();
            (ends[0], ends[ends.len() - 1])
        };
        assert_eq!(ends(Scale::LATENCY), (128, 1 << 34));
        assert_eq!(ends(Scale::TURN), (1024, 1 << 30));
        assert_eq!(ends(Scale::BYTES), (4096, 1 << 24));
    }
}
