//! What the benchmarks share: comparison of two ways to do the same thing.

/// Prints medians and spread of interleaved pairs of measurements, and of their ratios.
pub fn report(ours: &str, yardstick: &str, pairs: &[(f64, f64)]) {
    let line = |name: &str, values: Vec<f64>| {
        let (low, median, high) = quartiles(values);
        println!("{name:>24}  median {median:9.2}  quartiles {low:9.2} to {high:9.2}");
    };
    println!("{} interleaved pairs", pairs.len());
    line(ours, pairs.iter().map(|pair| pair.0).collect());
    line(yardstick, pairs.iter().map(|pair| pair.1).collect());
    line("ratio", pairs.iter().map(|pair| pair.0 / pair.1).collect());
}

/// Prints what a number is to be at most, and whether it is.
pub fn judge(value: f64, most: f64, unit: &str) {
    let verdict = if value <= most { "met" } else { "MISSED" };
    println!("{:>24}  at most {most:.1} {unit}: {value:.2}, {verdict}", "target");
}

/// First quartile, median and third quartile.
#[must_use]
pub fn quartiles(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |part: usize| values.get((values.len().max(1) - 1) * part / 4).copied();
    let [low, median, high] = [1, 2, 3].map(|part| at(part).unwrap_or(f64::NAN));
    (low, median, high)
}
