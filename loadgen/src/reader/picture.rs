//! The picture of a reading.

use std::time::Duration;

use ringhub_edge::picture::{bytes, count, table};

use super::account::Account;
use super::timeline::Point;
use crate::view::{Process, clock, ms, processes, spark};

/// Draws what stands at the last of `points`.
pub(super) fn picture(elapsed: Duration, account: &Account, points: &[Point]) -> String {
    let Some(now) = points.last() else { return clock(elapsed) };
    let mut text = clock(elapsed) + &events(account, now);
    text += &processes(own_and_server(now));
    text += &spark("events/s", points.iter().map(|point| point.events_per_s));
    text
}

fn events(account: &Account, now: &Point) -> String {
    let header =
        ["EVENTS   ", "PER S", "BYTES/S", "AHEAD", "MISSING", "DISORDER", "LAG P50", "P99"];
    let row = vec![
        count(account.events as f64),
        count(now.events_per_s),
        bytes(now.bytes_per_s),
        count(now.behind as f64),
        count(account.missing() as f64),
        count(account.disordered() as f64),
        ms(now.lag.map(|lag| lag.p50_ms)),
        ms(now.lag.map(|lag| lag.p99_ms)),
    ];
    table(&[header.map(ToOwned::to_owned).to_vec(), row])
}

fn own_and_server(now: &Point) -> impl Iterator<Item = Process> {
    let (cores, bytes, delay) = (now.own_cores, now.own_bytes, now.delay);
    let own = Process { name: "reader", cores, bytes, delay };
    own.beside_server(now.server_bytes, now.server_cores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Brief;

    #[test]
    fn a_reading_shows_rates_lag_and_both_processes() {
        let account = Account { events: 123_456, ..Account::default() };
        let now = Point {
            at_s: 3.0,
            took_s: 1.0,
            events_per_s: 40_000.0,
            bytes_per_s: 20_000_000.0,
            lag: Some(Brief { p50_ms: 1.0, p99_ms: 12.0, max_ms: 30.0 }),
            delay: Some(Brief { p50_ms: 0.1, p99_ms: 0.75, max_ms: 1.0 }),
            behind: 77,
            own_cores: 0.3,
            own_bytes: 8 << 20,
            server_cores: Some(0.9),
            server_bytes: Some(96 << 20),
        };
        let expected = "\
00:00:03
EVENTS      PER S   BYTES/S  AHEAD  MISSING  DISORDER  LAG P50       P99
123.5 k    40.0 k  19.1 MiB     77        0         0  1.00 ms  12.00 ms
PROCESS   CPU    MEMORY  DELAY P99
reader   30 %   8.0 MiB   750.0 µs
server   90 %  96.0 MiB          -
events/s  █  40.0 k at most in 1 s
";
        assert_eq!(picture(Duration::from_secs(3), &account, &[now]), expected);
    }
}
