//! The hub's own histograms of a message's way, from its page of numbers.

use std::io::{self, ErrorKind, Read, Write};

use super::harness::{sas, tls};
use super::hub::Hub;

/// Stages in the order of the way.
const STAGES: [&str; 3] = ["c2d_store", "c2d_route", "c2d_deliver"];

/// Prints each stage: mean, and the ends of the buckets that hold the quantiles.
pub(crate) fn print(hub: &Hub) -> io::Result<()> {
    let page = page(hub)?;
    for stage in STAGES {
        let label = format!("stage=\"{stage}\"");
        let of_stage = |suffix: &str| {
            let name = format!("ringhub_stage_duration_seconds_{suffix}{{");
            let lines = page.lines().filter(move |line| line.starts_with(&name));
            lines.filter(|line| line.contains(&label)).collect::<Vec<_>>()
        };
        let value = |line: &str| line.rsplit_once(' ').and_then(|(_, value)| value.parse().ok());
        let single = |suffix| of_stage(suffix).first().and_then(|line| value(line)).unwrap_or(0.0);
        let (count, mean_us) = (single("count"), single("sum") * 1e6 / single("count"));
        let end_us = |quantile: f64| {
            let buckets = of_stage("bucket");
            let bucket = buckets.iter().find(|line| value(line) >= Some(quantile * count));
            let (_, end) = bucket?.split_once("le=\"")?;
            Some(end.split_once('"')?.0.parse::<f64>().ok()? * 1e6)
        };
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|quantile| end_us(quantile).unwrap_or(f64::NAN));
        println!(
            "{stage:>24}  {count} messages, mean {mean_us:.0} us, p50 at most {p50:.0}, \
             p90 {p90:.0}, p99 {p99:.0}"
        );
    }
    Ok(())
}

fn page(hub: &Hub) -> io::Result<String> {
    let host = hub.address.host();
    let token = sas::token(&host, &hub.policy_key("service"), Some("service"));
    let mut stream = tls::connect(hub, hub.address.https_port)?;
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n\
         Connection: close\r\n\r\n"
    )?;
    stream.flush()?;
    let mut page = String::new();
    match stream.read_to_string(&mut page) {
        Ok(_) => Ok(page),
        // A close without close_notify is fine here.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(page),
        Err(error) => Err(error),
    }
}
