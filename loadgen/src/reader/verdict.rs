//! What a reading is worth.

use std::time::Duration;

use super::account::Account;
use super::engine::End;
use super::fault::Fault;
use crate::verdict::{BUSY_MAX, BUSY_TIME_MIN_S, Verdict, is_late};

/// What must hold beside that everything comes once and in order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Thresholds {
    /// 99th percentile of the time from enqueued to received.
    pub(super) lag_p99_max: Option<Duration>,
    /// Events by which a partition may be ahead.
    pub(super) lag_events_max: Option<u64>,
}

/// Judges what was read in `elapsed`.
pub(super) fn judge(
    account: &Account,
    end: &End,
    watch_fault: Option<&Fault>,
    elapsed: Duration,
    thresholds: Thresholds,
) -> Verdict {
    let mut verdict = Verdict::default();
    let failed = &mut verdict.failed;
    match end {
        End::Complete | End::Interrupted => {}
        End::Stalled => failed.push(format!(
            "{} partitions have not caught up, and nothing came for as long as --timeout",
            account.to_catch_up
        )),
        End::Lost(fault) => failed.push(format!("after {} events: {fault}", account.events)),
    }
    if let (Some(fault), false) = (watch_fault, matches!(end, End::Lost(_))) {
        failed.push(format!("how far partitions are ahead is not known to the end: {fault}"));
    }
    for (count, what) in [
        (account.missing(), "sequence numbers were passed over"),
        (account.disordered(), "events came out of order, or twice"),
    ] {
        if count > 0 {
            failed.push(format!("{count} {what}"));
        }
    }
    judge_devices(account, failed);
    judge_lag(account, thresholds, failed);
    judge_self(account, elapsed, &mut verdict.invalid);
    verdict
}

fn judge_devices(account: &Account, failed: &mut Vec<String>) {
    let Some(devices) = &account.devices else { return };
    for (count, what) in [
        (devices.missing, "numbers of devices were passed over"),
        (devices.disordered, "messages of devices came out of order, or twice"),
        (devices.unnumbered, "messages have no device or no number"),
    ] {
        if count > 0 {
            failed.push(format!(
                "{count} {what}; only one run of `telemetry --numbered` may be read"
            ));
        }
    }
}

fn judge_lag(account: &Account, thresholds: Thresholds, failed: &mut Vec<String>) {
    if let Some(limit) = thresholds.lag_p99_max {
        let (limit_ms, p99_ms) = (limit.as_secs_f64() * 1e3, account.lag.at_ms(0.99));
        if account.lag.is_empty() {
            failed.push("nothing came that was enqueued meanwhile, so no lag is known".to_owned());
        } else if p99_ms > limit_ms {
            failed.push(format!(
                "time from enqueued to received, p99: {p99_ms:.1} ms, and {limit_ms:.1} ms may be"
            ));
        }
    }
    let behind = account.behind_max();
    if let Some(limit) = thresholds.lag_events_max.filter(|limit| behind > *limit) {
        failed.push(format!("a partition was {behind} events ahead, and {limit} may be"));
    }
}

fn judge_self(account: &Account, elapsed: Duration, invalid: &mut Vec<String>) {
    let elapsed_s = elapsed.as_secs_f64();
    let busy = busy(account, elapsed);
    if elapsed_s >= BUSY_TIME_MIN_S && busy >= BUSY_MAX {
        invalid.push(format!(
            "this reader never waited for the hub ({:.0} % busy), so it was the slower one: give \
             it a processor of its own, or share the partitions among several with --partitions",
            busy * 100.0
        ));
    }
    if is_late(&account.delay, &account.lag) {
        invalid.push(format!(
            "this reader was late itself: what had arrived waited for it up to {:.1} ms (p99); \
             give it a processor of its own",
            account.delay.at_ms(0.99)
        ));
    }
}

/// Part of the time in which there was something to do.
pub(super) fn busy(account: &Account, elapsed: Duration) -> f64 {
    let elapsed_s = elapsed.as_secs_f64();
    if elapsed_s > 0.0 { (1.0 - account.idle.as_secs_f64() / elapsed_s).max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use ringhub_edge::client::management::Position;
    use ringhub_edge::client::start::Start;

    use super::super::devices::Devices;
    use super::super::partition::Partition;
    use super::*;

    const SECONDS: Duration = Duration::from_secs(10);

    fn account(numbers: &[i64]) -> Account {
        let position = Position { begin: 0, last: 9, last_enqueued_ms: 0 };
        let partition = Partition::new("0".to_owned(), position, Start::Earliest);
        let mut account = Account::new(vec![partition], false);
        numbers.iter().for_each(|number| account.handle_event(0, *number, b""));
        account.partitions[0].handle_position(Position { last: 50, ..position });
        account.lag.record(Duration::from_millis(80));
        account.idle = SECONDS / 2;
        account
    }

    fn failed(account: &Account, end: &End, thresholds: Thresholds) -> String {
        judge(account, end, None, SECONDS, thresholds).failed.join("\n")
    }

    #[test]
    fn everything_once_and_in_order_is_clean() {
        let whole = account(&[0, 1, 2]);
        let thresholds =
            Thresholds { lag_p99_max: Some(Duration::from_millis(81)), lag_events_max: Some(48) };
        assert_eq!(judge(&whole, &End::Complete, None, SECONDS, thresholds), Verdict::default());
    }

    #[test]
    fn what_is_missing_doubled_or_late_is_said() {
        let (none, bad) = (Thresholds::default(), account(&[0, 3, 3]));
        let text = failed(&bad, &End::Complete, none);
        assert!(text.contains("2 sequence numbers") && text.contains("1 events came"), "{text}");
        let lost = failed(&account(&[0]), &End::Lost(Fault::Lost), none);
        assert!(lost.starts_with("after 1 events: the hub ended"), "{lost}");
        assert!(failed(&account(&[0]), &End::Stalled, none).contains("1 partitions"));
        let tight =
            Thresholds { lag_p99_max: Some(Duration::from_millis(79)), lag_events_max: Some(47) };
        let text = failed(&account(&[0, 1, 2]), &End::Complete, tight);
        assert!(text.contains("p99: 80.") && text.contains("48 events ahead"), "{text}");
        let mut unnumbered = Account { devices: Some(Devices::default()), ..account(&[]) };
        unnumbered.handle_event(0, 0, b"");
        let text = failed(&unnumbered, &End::Complete, none);
        assert!(text.starts_with("1 messages have no device"), "{text}");
        let silent = Account::default();
        assert!(failed(&silent, &End::Complete, tight).contains("no lag is known"));
    }

    #[test]
    fn the_reader_tells_on_itself() {
        let invalid = |account: &Account| {
            judge(account, &End::Complete, None, SECONDS, Thresholds::default()).invalid.join("\n")
        };
        let mut busy = account(&[0]);
        busy.idle = Duration::from_millis(100);
        assert!(invalid(&busy).contains("99 % busy"), "{}", invalid(&busy));
        let mut late = account(&[0]);
        late.delay.record(Duration::from_millis(60));
        assert!(invalid(&late).contains("60."), "{}", invalid(&late));
    }
}
