//! The picture of devices at work.

use std::time::Duration;

use ringhub_edge::picture::{count, table};

use super::{Process, clock, ms, processes, spark};
use crate::tally::Tally;
use crate::timeline::Point;

/// Draws what stands at the last of `points`, of all workers together.
pub(crate) fn picture(elapsed: Duration, tally: &Tally, points: &[Point]) -> String {
    let Some(now) = points.last() else { return clock(elapsed) };
    let mut text = clock(elapsed) + &connections(tally, now);
    let has_load = tally.telemetry.sent_in_all > 0;
    if has_load {
        text += &messages(tally, now);
    }
    text += &processes(own_and_server(now));
    text += &match (has_load, tally.telemetry.is_acknowledged) {
        (true, true) => spark(
            &format!("{}/s", tally.protocol.acknowledged()),
            points.iter().map(|point| point.acknowledged_per_s),
        ),
        (true, false) => spark("sent/s", points.iter().map(|point| point.sent_per_s)),
        (false, _) => spark(
            &format!("{}/s", tally.protocol.connected()),
            points.iter().map(|point| point.accepted_per_s),
        ),
    };
    text
}

fn connections(tally: &Tally, now: &Point) -> String {
    let per_second = format!("{}/S", tally.protocol.connected().to_uppercase());
    let header = ["CONNECTIONS", "OPEN", "UNDER WAY", "FAILED", &per_second, "P50", "P99"];
    let row = vec![
        String::new(),
        count(tally.open as f64),
        count(tally.under_way() as f64),
        count(tally.failed() as f64),
        count(now.accepted_per_s),
        ms(now.connect.map(|connect| connect.p50_ms)),
        ms(now.connect.map(|connect| connect.p99_ms)),
    ];
    table(&[header.map(ToOwned::to_owned).to_vec(), row])
}

fn messages(tally: &Tally, now: &Point) -> String {
    let telemetry = &tally.telemetry;
    let per_second = format!("{}/S", tally.protocol.acknowledged().to_uppercase());
    let header = ["MESSAGES   ", "IN FLIGHT", "SENT/S", &per_second, "P50", "P99"];
    let of_acknowledged =
        |text: String| if telemetry.is_acknowledged { text } else { "-".to_owned() };
    let row = vec![
        String::new(),
        of_acknowledged(count(telemetry.in_flight() as f64)),
        count(now.sent_per_s),
        of_acknowledged(count(now.acknowledged_per_s)),
        ms(now.puback.map(|puback| puback.p50_ms)),
        ms(now.puback.map(|puback| puback.p99_ms)),
    ];
    table(&[header.map(ToOwned::to_owned).to_vec(), row])
}

fn own_and_server(now: &Point) -> impl Iterator<Item = Process> {
    let (cores, bytes, delay) = (now.own_cores, now.own_bytes, now.delay);
    let own = Process { name: "generator", cores, bytes, delay };
    own.beside_server(now.server_bytes, now.server_cores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Brief;

    const MIB: u64 = 1 << 20;

    fn point() -> Point {
        Point {
            at_s: 12.0,
            took_s: 1.0,
            open: 1000,
            accepted_per_s: 25.0,
            failed_per_s: 0.0,
            sent_per_s: 5000.0,
            acknowledged_per_s: 4990.0,
            connect: Some(Brief { p50_ms: 1.5, p99_ms: 20.0, max_ms: 30.0 }),
            puback: Some(Brief { p50_ms: 0.9, p99_ms: 8.25, max_ms: 30.0 }),
            delay: Some(Brief { p50_ms: 0.01, p99_ms: 0.25, max_ms: 1.0 }),
            own_cores: 0.45,
            own_bytes: 30 * MIB,
            server_bytes: Some(110 * MIB),
            server_cores: Some(0.8),
        }
    }

    fn tally() -> Tally {
        let (attempted, accepted, refused, open) = (1010, 1000, 3, 1000);
        Tally { attempted, accepted, refused, open, ..Tally::default() }
    }

    #[test]
    fn a_load_shows_connections_messages_and_both_processes() {
        let mut tally = tally();
        let telemetry = &mut tally.telemetry;
        (telemetry.is_acknowledged, telemetry.sent_in_all) = (true, 60_000);
        telemetry.acknowledged_in_all = 59_990;
        let expected = "\
00:00:12
CONNECTIONS  OPEN  UNDER WAY  FAILED  CONNACK/S      P50       P99
             1000          7       3         25  1.50 ms  20.00 ms
MESSAGES     IN FLIGHT  SENT/S  PUBACK/S       P50      P99
                    10    5000      4990  900.0 µs  8.25 ms
PROCESS     CPU     MEMORY  DELAY P99
generator  45 %   30.0 MiB   250.0 µs
server     80 %  110.0 MiB          -
PUBACK/s  ▁█  4990 at most in 2 s
";
        let first = Point { acknowledged_per_s: 100.0, ..point() };
        let text = picture(Duration::from_secs(12), &tally, &[first, point()]);
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_not_there_is_not_shown() {
        let (connect, puback, delay) = (None, None, None);
        let (server_bytes, server_cores) = (None, None);
        let idle = Point { connect, puback, delay, server_bytes, server_cores, ..point() };
        let expected = "\
00:00:01
CONNECTIONS  OPEN  UNDER WAY  FAILED  CONNACK/S  P50  P99
             1000          7       3         25    -    -
PROCESS     CPU    MEMORY  DELAY P99
generator  45 %  30.0 MiB          -
CONNACK/s  █  25 at most in 1 s
";
        assert_eq!(picture(Duration::from_secs(1), &tally(), &[idle]), expected);
        assert_eq!(picture(Duration::ZERO, &tally(), &[]), "00:00:00\n");
    }
}
