//! A line chart as SVG text.

use std::fmt::Write as _;

use super::escape;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 276.0;
const LEFT: f64 = 70.0;
/// Half a label of the last tick hangs over.
const RIGHT: f64 = 30.0;
const BOTTOM: f64 = 40.0;
/// Height of letters, as the style has it.
const FONT_SIZE: f64 = 12.0;
const UNIT_BASELINE: f64 = 11.0;
/// The label of the topmost tick stands below the unit.
const TOP: f64 = UNIT_BASELINE + 1.5 * FONT_SIZE;
/// Lines of the grid, about.
const TICKS: f64 = 5.0;
/// Decades of a logarithmic axis at most, from the largest value down.
const DECADES_MAX: f64 = 7.0;

/// What an axis shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// Decades around the values; what is not positive is not shown.
    Logarithmic,
    /// Parts of a whole: 0, 90 %, 99 %, 99.9 % and so on at equal distances.
    Percentile,
}

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines over a common axis.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) x_label: &'static str,
    pub(super) x_scale: Scale,
    pub(super) y_label: &'static str,
    pub(super) y_scale: Scale,
    pub(super) series: Vec<Series>,
}

impl Chart {
    /// The chart with its heading and legend; nothing when there is nothing to show.
    pub(super) fn to_html(&self) -> String {
        let shown: Vec<&Series> = self.series.iter().filter(|s| !s.points.is_empty()).collect();
        if shown.is_empty() {
            return String::new();
        }
        let all = || shown.iter().flat_map(|series| &series.points);
        let x = Axis::new(self.x_scale, all().map(|point| point.0));
        let y = Axis::new(self.y_scale, all().map(|point| point.1));
        let mut html = format!("<figure><figcaption>{}</figcaption>", escape(self.title));
        let _ = write!(html, "<p class=legend>");
        for (number, series) in shown.iter().enumerate() {
            let _ = write!(html, "<span class=s{number}>{}</span>", escape(series.name));
        }
        let _ = write!(
            html,
            "</p><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{}\">",
            escape(self.title)
        );
        self.write_grid(&mut html, &x, &y);
        for (number, series) in shown.iter().enumerate() {
            let _ = write!(html, "<polyline class=s{number} points=\"");
            for &(at, value) in &series.points {
                if let (Some(x), Some(y)) = (x.place(at), y.place(value)) {
                    let _ = write!(html, "{:.1},{:.1} ", across(x), down(y));
                }
            }
            let _ = write!(html, "\"><title>{}</title></polyline>", escape(series.name));
        }
        html.push_str("</svg></figure>\n");
        html
    }

    fn write_grid(&self, html: &mut String, x: &Axis, y: &Axis) {
        for (place, label) in y.ticks() {
            let at = down(place);
            let _ = write!(
                html,
                "<line x1={LEFT} x2={} y1={at:.1} y2={at:.1} /><text class=y x={} y={:.1}>{label}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0
            );
        }
        for (place, label) in x.ticks() {
            let (at, y) = (across(place), HEIGHT - BOTTOM + 16.0);
            let _ = write!(html, "<text class=x x={at:.1} y={y}>{label}</text>");
        }
        let _ = write!(
            html,
            "<text class=x x={} y={}>{}</text><text class=unit x=4 y={UNIT_BASELINE}>{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 6.0,
            escape(self.x_label),
            escape(self.y_label)
        );
    }
}

fn across(place: f64) -> f64 {
    LEFT + place * (WIDTH - LEFT - RIGHT)
}

fn down(place: f64) -> f64 {
    HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
}

/// Brings values to places between 0 and 1.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Axis {
    fn new(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let project = |value: f64| scale.project(value);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter_map(project) {
            (low, high) = (low.min(value), high.max(value));
        }
        if !low.is_finite() {
            (low, high) = (0.0, 1.0);
        }
        match scale {
            Scale::Linear => Self { scale, low: 0.0, high: if high > 0.0 { high } else { 1.0 } },
            Scale::Logarithmic => {
                let high = if high.fract() == 0.0 { high } else { high.ceil() };
                let low = low.floor().max(high - DECADES_MAX);
                Self { scale, low, high: if high > low { high } else { low + 1.0 } }
            }
            Scale::Percentile => Self { scale, low: 0.0, high: high.max(1.0) },
        }
    }

    fn place(&self, value: f64) -> Option<f64> {
        let projected = self.scale.project(value)?;
        Some(((projected - self.low) / (self.high - self.low)).clamp(0.0, 1.0))
    }

    /// Places and labels of the grid.
    fn ticks(&self) -> Vec<(f64, String)> {
        let place = |projected: f64| (projected - self.low) / (self.high - self.low);
        let (first, last) = (self.low.ceil() as i32, self.high.floor() as i32);
        match self.scale {
            Scale::Linear => {
                let step = round_step(self.high / TICKS);
                let count = (self.high / step + 1e-9).floor() as u32;
                let values = (0..=count).map(|number| f64::from(number) * step);
                values.map(|value| (place(value), short(value))).collect()
            }
            Scale::Logarithmic => (first..=last)
                .map(|decade| (place(f64::from(decade)), short(10_f64.powi(decade))))
                .collect(),
            Scale::Percentile => (first..=last)
                .map(|nines| (place(f64::from(nines)), percentile_label(nines)))
                .collect(),
        }
    }
}

impl Scale {
    fn project(self, value: f64) -> Option<f64> {
        let projected = match self {
            Self::Linear => value,
            Self::Logarithmic => value.log10(),
            Self::Percentile => -(1.0 - value).log10(),
        };
        projected.is_finite().then_some(projected)
    }
}

/// The next of 1, 2, 5, 10 and so on.
fn round_step(at_least: f64) -> f64 {
    let decade = 10_f64.powf(at_least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    steps.into_iter().find(|step| *step >= at_least).unwrap_or(10.0 * decade)
}

fn percentile_label(nines: i32) -> String {
    match nines {
        0 => "0".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(usize::try_from(more - 2).unwrap_or(0))),
    }
}

/// A number as the axis shows it.
fn short(value: f64) -> String {
    let shown = |value: f64, unit: &str| {
        let text = format!("{value:.3}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match value {
        value if value >= 1e9 => shown(value / 1e9, " G"),
        value if value >= 1e6 => shown(value / 1e6, " M"),
        value if value >= 1e4 => shown(value / 1e3, " k"),
        value => shown(value, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(y_scale: Scale, points: &[(f64, f64)]) -> Chart {
        Chart {
            title: "A & B",
            x_label: "seconds",
            x_scale: Scale::Linear,
            y_label: "ms",
            y_scale,
            series: vec![Series { name: "p99", points: points.to_vec() }],
        }
    }

    #[test]
    fn lines_go_from_corner_to_corner() {
        let html = chart(Scale::Linear, &[(0.0, 0.0), (10.0, 50.0)]).to_html();
        assert!(html.contains("points=\"70.0,236.0 730.0,29.0 \""), "{html}");
        assert!(html.contains("A &amp; B") && html.contains(">50</text>"), "{html}");
    }

    #[test]
    fn the_unit_stands_above_the_topmost_tick() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let html = chart(scale, &[(0.0, 1.0), (1.0, 10_000.0)]).to_html();
            let label = html.find(">10 k</text>").expect("the topmost tick has a label");
            let (before, _) = html.split_at(label);
            let baseline = before.rsplit("y=").next().and_then(|y| y.parse::<f64>().ok());
            let below_unit = baseline.expect("it has a place") - UNIT_BASELINE;
            assert!(below_unit > FONT_SIZE, "{below_unit} in {html}");
        }
    }

    #[test]
    fn decades_are_at_equal_distances_and_zero_is_not_shown() {
        let html = chart(Scale::Logarithmic, &[(0.0, 0.0), (1.0, 1.0), (2.0, 100.0)]).to_html();
        assert!(html.contains("points=\"400.0,236.0 730.0,29.0 \""), "{html}");
        for label in [">1</text>", ">10</text>", ">100</text>"] {
            assert!(html.contains(label), "{label} in {html}");
        }
    }

    #[test]
    fn nines_are_at_equal_distances() {
        let axis = Axis::new(Scale::Percentile, [0.5, 0.9999].into_iter());
        let labels: Vec<String> = axis.ticks().into_iter().map(|tick| tick.1).collect();
        assert_eq!(labels, ["0", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert!((axis.place(0.99).unwrap() - 0.5).abs() < 1e-6);
        assert!(axis.place(1.0).is_none(), "all of it is infinitely far");
    }

    #[test]
    fn nothing_is_no_chart_and_steps_are_round() {
        assert_eq!(chart(Scale::Linear, &[]).to_html(), "");
        for (at_least, step) in [(0.3, 0.5), (7.0, 10.0), (1100.0, 2000.0)] {
            assert!((round_step(at_least) - step).abs() < 1e-9);
        }
        assert_eq!((short(0.05), short(12_500.0)), ("0.05".to_owned(), "12.5 k".to_owned()));
    }
}
