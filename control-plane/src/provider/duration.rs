//! Spans of time as properties write them: `PT1H`, `P1DT30M`.

use std::time::Duration;

/// Seconds of each unit, in the order in which a span may have them.
const DATE_UNITS: [(char, u64); 2] = [('W', 7 * 86_400), ('D', 86_400)];
const TIME_UNITS: [(char, u64); 3] = [('H', 3600), ('M', 60), ('S', 1)];

/// Reads a span of ISO 8601 in whole seconds; `None` for another text, and for one with years or
/// months, which have no length.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let rest = text.trim().strip_prefix(['P', 'p'])?;
    let (date, time) = match rest.split_once(['T', 't']) {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let seconds = sum(date, &DATE_UNITS)?.checked_add(sum(time, &TIME_UNITS)?)?;
    Some(Duration::from_secs(seconds))
}

fn sum(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut units = units.iter();
    let mut sum = 0_u64;
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, rest) = text.split_at(end);
        let letter = rest.chars().next()?;
        let (_, seconds) = units.find(|(unit, _)| unit.eq_ignore_ascii_case(&letter))?;
        // Some writers say 30.0 seconds.
        let whole = number.split_once('.').map_or(Some(number), |(whole, fraction)| {
            fraction.bytes().all(|b| b == b'0').then_some(whole)
        })?;
        sum = whole.parse::<u64>().ok()?.checked_mul(*seconds)?.checked_add(sum)?;
        text = &rest[letter.len_utf8()..];
    }
    Some(sum)
}

/// Writes a span as the real service does: the largest units that leave nothing over.
pub(super) fn text(span: Duration) -> String {
    let mut left = span.as_secs();
    let mut take = |seconds: u64, unit: char| {
        let count = left / seconds;
        left %= seconds;
        if count == 0 { String::new() } else { format!("{count}{unit}") }
    };
    let days = take(86_400, 'D');
    let time: String = TIME_UNITS.into_iter().map(|(unit, seconds)| take(seconds, unit)).collect();
    match (days.is_empty(), time.is_empty()) {
        (true, true) => "PT0S".to_owned(),
        (false, true) => format!("P{days}"),
        _ => format!("P{days}T{time}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_survive_the_way_through_their_text() {
        for (written, seconds, shown) in [
            ("PT1H", 3600, "PT1H"),
            ("PT60M", 3600, "PT1H"),
            ("P2D", 172_800, "P2D"),
            ("PT48H", 172_800, "P2D"),
            ("P1DT2H3M4S", 93_784, "P1DT2H3M4S"),
            ("pt1m30.000s", 90, "PT1M30S"),
            ("P1W", 604_800, "P7D"),
            ("PT0S", 0, "PT0S"),
        ] {
            let span = parse(written).expect(written);
            assert_eq!((span.as_secs(), text(span).as_str()), (seconds, shown), "{written}");
        }
        for bad in [
            "",
            "P",
            "PT",
            "1H",
            "PT1",
            "PTH",
            "PT1M1H",
            "P1H",
            "P1Y",
            "P1M",
            "PT1.5S",
            "PT-1S",
            "PT1S ago",
            "P1DT",
            "PT99999999999999999999S",
            "PT9999999999999999999H",
            "PTäS",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
