//! What pictures on a terminal are made of: numbers as people read them, and tables.

/// Columns as wide as they need be, the first to the left and all others to the right. The first
/// row says how many there are.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    rows.iter().map(line).collect()
}

/// A number in three to four digits.
#[must_use]
pub fn count(value: f64) -> String {
    match value {
        1e7.. => format!("{:.1} M", value / 1e6),
        1e4.. => format!("{:.1} k", value / 1e3),
        _ => format!("{value:.0}"),
    }
}

/// A size in the unit that fits.
#[must_use]
pub fn bytes(value: f64) -> String {
    const KIB: f64 = 1024.0;
    let units = [(KIB * KIB * KIB, "GiB"), (KIB * KIB, "MiB"), (KIB, "KiB")];
    match units.into_iter().find(|(unit, _)| value >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", value / unit),
        None => format!("{value:.0} B"),
    }
}

/// A time of so many seconds in the unit that fits.
#[must_use]
pub fn duration(seconds: f64) -> String {
    match seconds {
        1.0.. => format!("{seconds:.2} s"),
        1e-3.. => format!("{:.2} ms", seconds * 1e3),
        1e-6.. => format!("{:.1} µs", seconds * 1e6),
        _ => format!("{:.0} ns", seconds * 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_unit_that_fits() {
        assert_eq!([count(9999.0), count(12_345.0), count(2e7)], ["9999", "12.3 k", "20.0 M"]);
        assert_eq!([bytes(12.0), bytes(1536.0)], ["12 B", "1.5 KiB"]);
        let times = [duration(2.5e-7), duration(3.2e-5), duration(0.0021), duration(1.5)];
        assert_eq!(times, ["250 ns", "32.0 µs", "2.10 ms", "1.50 s"]);
    }
}
