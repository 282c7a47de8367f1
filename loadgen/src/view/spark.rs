//! The last minute in one line.

use ringhub_edge::picture::count;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Moments that are shown, a second apart.
const MOMENTS: usize = 60;

/// A line of bars, as high as the values are in proportion to the greatest one; nothing is a blank.
pub(crate) fn spark(name: &str, values: impl DoubleEndedIterator<Item = f64>) -> String {
    let mut last: Vec<f64> = values.rev().take(MOMENTS).collect();
    last.reverse();
    let greatest = last.iter().copied().fold(0.0, f64::max);
    let bars: String = last.iter().map(|value| bar(*value, greatest)).collect();
    format!("{name}  {bars}  {} at most in {} s\n", count(greatest), last.len())
}

fn bar(value: f64, greatest: f64) -> char {
    if value <= 0.0 {
        return ' ';
    }
    // Between 0 and the number of bars; the cast cuts off what is behind the point.
    let step = (value / greatest * BARS.len() as f64).ceil() as usize;
    BARS[step.clamp(1, BARS.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_to_the_greatest_value() {
        let line = spark("x/s", [0.0, 1.0, 50.0, 100.0].into_iter());
        assert_eq!(line, "x/s   ▁▄█  100 at most in 4 s\n");
    }

    #[test]
    fn only_the_last_minute_counts() {
        let values = (0..100).map(|second| if second < 40 { 1e6 } else { 2.0 });
        let line = spark("x/s", values);
        assert_eq!(line.matches('█').count(), 60);
        assert!(line.ends_with("2 at most in 60 s\n"), "{line}");
        assert_eq!(spark("x/s", std::iter::empty()), "x/s    0 at most in 0 s\n");
    }
}
