//! A page of numbers as `ringhub top` reads it.

use std::collections::BTreeMap;
use std::time::Instant;

/// One page, and when it came.
#[derive(Clone, Debug)]
pub(super) struct Scrape {
    pub(super) at: Instant,
    samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Buckets of one histogram: end and number of values up to it.
pub(super) type Buckets = Vec<(f64, f64)>;

impl Scrape {
    /// Reads a page; lines that are no samples are passed over.
    pub(super) fn read(page: &str, at: Instant) -> Self {
        Self { at, samples: page.lines().filter_map(read_sample).collect() }
    }

    /// Sum of the samples of `name` with these labels; 0 without any.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name, labels).fold(0.0, |sum, sample| sum + sample.value)
    }

    /// Values of `label` over the samples of `name`, numbers in their order.
    pub(super) fn values_of(&self, name: &str, label: &str) -> Vec<String> {
        let found = self.of(name, &[]).filter_map(|sample| sample.labels.get(label).cloned());
        let mut values: Vec<String> = found.collect();
        values.sort_by_key(|value| (value.parse::<u32>().unwrap_or(u32::MAX), value.clone()));
        values.dedup();
        values
    }

    /// Buckets of a histogram, summed over those with these labels.
    pub(super) fn buckets(&self, name: &str, labels: &[(&str, &str)]) -> Buckets {
        let mut buckets = Buckets::new();
        for sample in self.of(&format!("{name}_bucket"), labels) {
            let end = sample.labels.get("le").and_then(|end| end.parse().ok());
            let end = end.unwrap_or(f64::INFINITY);
            match buckets.iter_mut().find(|(other, _)| *other == end) {
                Some((_, count)) => *count += sample.value,
                None => buckets.push((end, sample.value)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }

    fn of<'s>(&'s self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &'s Sample> {
        self.samples.iter().filter(move |sample| {
            let has = |(key, value): &(&str, &str)| {
                sample.labels.get(*key).is_some_and(|found| found == value)
            };
            sample.name == name && labels.iter().all(has)
        })
    }
}

/// The value below which `part` of the values lie, as far as the buckets tell; `None` without any.
pub(super) fn quantile(buckets: &Buckets, part: f64) -> Option<f64> {
    let total = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let wanted = total * part;
    let (mut start, mut below) = (0.0, 0.0);
    for (end, count) in buckets {
        if *count >= wanted && *count > below {
            let inside = (wanted - below) / (count - below);
            return Some(if end.is_finite() { start + (end - start) * inside } else { start });
        }
        (start, below) = (*end, *count);
    }
    None
}

/// What came between two readings of one histogram.
pub(super) fn between(earlier: &Buckets, later: &Buckets) -> Buckets {
    let before =
        |end: f64| earlier.iter().find(|(other, _)| *other == end).map_or(0.0, |(_, count)| *count);
    later.iter().map(|(end, count)| (*end, (count - before(*end)).max(0.0))).collect()
}

/// Values of labels of the hub hold no quotation mark.
fn read_sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}')?.split("\",").filter_map(|pair| {
        let (key, value) = pair.split_once("=\"")?;
        Some((key.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some(Sample { name: name.to_owned(), labels: labels.collect(), value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let page = "# TYPE t histogram\nt_bucket{hub=\"h\",s=\"a\",le=\"1\"} 10\n\
            t_bucket{hub=\"h\",s=\"a\",le=\"2\"} 30\nt_bucket{hub=\"h\",s=\"a\",le=\"+Inf\"} 30\n";
        let scrape = Scrape::read(page, Instant::now());
        let buckets = scrape.buckets("t", &[("s", "a")]);
        assert_eq!(buckets, [(1.0, 10.0), (2.0, 30.0), (f64::INFINITY, 30.0)]);
        assert_eq!(quantile(&buckets, 0.5), Some(1.25));
        assert_eq!(quantile(&between(&buckets, &buckets), 0.5), None);
        assert_eq!(scrape.values_of("t_bucket", "s"), ["a"]);
        assert_eq!(format!("{:.0}", scrape.sum("absent", &[])), "0");
    }
}
