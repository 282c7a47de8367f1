//! Spans of time as properties write them: `PT1H`, `P1DT30M`.

use std::time::Duration;

/// Seconds of each unit below a day.
const TIME_UNITS: [(char, u64); 3] = [('H', 3600), ('M', 60), ('S', 1)];

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
    fn spans_are_written_in_the_largest_units() {
        for (seconds, shown) in
            [(0, "PT0S"), (3600, "PT1H"), (172_800, "P2D"), (93_784, "P1DT2H3M4S")]
        {
            assert_eq!(text(Duration::from_secs(seconds)), shown);
        }
    }
}
