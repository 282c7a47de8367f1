//! A strict reader of Prometheus's text format, version 0.0.4. It shares no code with the hub.

use std::collections::{BTreeMap, BTreeSet};

use super::http::Response;
use super::hub::Hub;
use super::{sas, tls};
use std::io::{Read, Write};

/// Labels of a sample with their values.
type Labels = BTreeMap<String, String>;

/// A page that was read and found to be well formed.
#[derive(Debug)]
pub(crate) struct Page {
    samples: BTreeMap<(String, Labels), f64>,
    /// Type of each family.
    pub(crate) families: BTreeMap<String, String>,
}

impl Page {
    /// Asks for the page with a token of `policy`.
    pub(crate) fn scrape(hub: &Hub) -> Self {
        let response = request(hub, "/metrics", Some("service"));
        assert_eq!(response.status, 200, "{response:?}");
        let head = response.head.to_ascii_lowercase();
        let expected = "content-type: text/plain; version=0.0.4; charset=utf-8";
        assert!(head.contains(expected), "{head}");
        Self::parse(&response.body)
    }

    /// Fails the test when a rule of the format is broken.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends, too");
        let mut page = Self { samples: BTreeMap::new(), families: BTreeMap::new() };
        let (mut family, mut helped) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').expect("a help has a text");
                assert!(!text.is_empty() && is_name(name), "{line}");
                name.clone_into(&mut helped);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a type has a name");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(name, helped, "help and type stand together");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                let before = page.families.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} comes twice");
                name.clone_into(&mut family);
            } else {
                page.take_sample(line, &family);
            }
        }
        page.check_histograms();
        page
    }

    fn take_sample(&mut self, line: &str, family: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        let (name, labels) = match series.split_once('{') {
            None => (series, Labels::new()),
            Some((name, labels)) => {
                let labels = labels.strip_suffix('}').expect("labels end with a brace");
                (name, read_labels(labels))
            }
        };
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("not of {family}: {line}"));
        let is_histogram = self.families[family] == "histogram";
        let suffixes: &[&str] = if is_histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{line}");
        let before = self.samples.insert((name.to_owned(), labels), value);
        assert_eq!(before, None, "twice: {line}");
    }

    /// Buckets grow up to the last, which is the count.
    fn check_histograms(&self) {
        for family in self.families.iter().filter(|(_, kind)| *kind == "histogram") {
            let name = format!("{}_bucket", family.0);
            let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for ((found, labels), value) in &self.samples {
                if *found == name {
                    let mut labels = labels.clone();
                    let end = labels.remove("le").expect("a bucket has an end");
                    let end = if end == "+Inf" { f64::INFINITY } else { end.parse().unwrap() };
                    series.entry(labels).or_default().push((end, *value));
                }
            }
            for (labels, mut buckets) in series {
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{name}{labels:?}: {buckets:?}");
                let (end, count) = *buckets.last().unwrap();
                let expected = self.samples[&(format!("{}_count", family.0), labels)];
                assert!(end.is_infinite() && (count - expected).abs() < 0.5, "{name}");
            }
        }
    }

    /// Sum of all samples of `name` that have `labels`; fails when there is none.
    #[track_caller]
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |found: &Labels| {
            labels.iter().all(|(key, value)| found.get(*key).is_some_and(|is| is == value))
        };
        let samples = self.samples.iter().filter(|((found, of), _)| found == name && has(of));
        let values: Vec<f64> = samples.map(|(_, value)| *value).collect();
        assert!(!values.is_empty(), "no {name} with {labels:?}");
        values.iter().sum()
    }

    /// Values of a label over all samples of a family.
    pub(crate) fn values_of(&self, name: &str, label: &str) -> BTreeSet<String> {
        let of_name = self.samples.keys().filter(|(found, _)| found == name);
        of_name.filter_map(|(_, labels)| labels.get(label).cloned()).collect()
    }

    /// Samples without the label `hub`.
    pub(crate) fn without_hub(&self) -> BTreeSet<String> {
        let missing = self.samples.keys().filter(|(_, labels)| !labels.contains_key("hub"));
        missing.map(|(name, _)| name.clone()).collect()
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn read_labels(mut text: &str) -> Labels {
    let mut labels = Labels::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect("a label has a value");
        assert!(is_name(name), "label {name}");
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().expect("a value ends") {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().expect("something is escaped").1 {
                    'n' => '\n',
                    c @ ('"' | '\\') => c,
                    c => panic!("\\{c} is no escape"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert_eq!(labels.insert(name.to_owned(), value), None, "label {name} comes twice");
        text = &rest[end + 1..];
        if let Some(next) = text.strip_prefix(',') {
            assert!(!next.is_empty(), "a comma is followed by a label");
            text = next;
        } else {
            assert!(text.is_empty(), "between labels stands a comma: {text}");
        }
    }
    labels
}

/// One GET with a token of `policy`, or without any.
pub(crate) fn request(hub: &Hub, path: &str, policy: Option<&str>) -> Response {
    let host = hub.address.host();
    let authorization = policy.map_or_else(String::new, |policy| {
        let token = sas::token(&host, &hub.policy_key(policy), Some(policy));
        format!("Authorization: {token}\r\n")
    });
    let mut stream = tls::connect(hub, hub.address.https_port).expect("the hub listens");
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the hub reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the hub answers and closes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends");
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    Response { status: status.expect("a status"), head: head.to_owned(), body: body.to_owned() }
}
