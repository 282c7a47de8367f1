//! The moments of a run, as many as have room: a long run is told in larger steps.

/// Moments that are kept; a second apart, an hour.
const KEPT_MAX: usize = 3600;
/// The newest moments, which always stand for themselves: at least what a view shows.
const APART: usize = 60;

/// What stood at one moment, and what came since the moment before.
pub(crate) trait Moment: Copy {
    /// Both as one: what stood at `later`, and what came until then since before this one.
    fn until(self, later: Self) -> Self;
}

/// Moments in their order. When there is no more room, all but the newest are put together by twos:
/// nothing is left out, and what is long ago has the larger steps.
#[derive(Debug)]
pub(crate) struct History<M> {
    moments: Vec<M>,
}

impl<M> Default for History<M> {
    fn default() -> Self {
        Self { moments: Vec::new() }
    }
}

impl<M: Moment> History<M> {
    pub(crate) fn push(&mut self, moment: M) {
        if self.moments.len() >= KEPT_MAX {
            let newest = self.moments.split_off(KEPT_MAX - APART);
            let pairs = self.moments.chunks(2);
            self.moments = pairs.filter_map(|pair| pair.iter().copied().reduce(M::until)).collect();
            self.moments.extend(newest);
        }
        self.moments.push(moment);
    }

    pub(crate) fn moments(&self) -> &[M] {
        &self.moments
    }
}

/// Rates of two moments over the time of both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Together {
    before_s: f64,
    later_s: f64,
}

impl Together {
    /// Of a moment that took so long, and of one after it that took so long.
    pub(crate) fn new(before_s: f64, later_s: f64) -> Self {
        Self { before_s, later_s }
    }

    /// The time of both.
    pub(crate) fn took_s(self) -> f64 {
        self.before_s + self.later_s
    }

    pub(crate) fn rate(self, before: f64, later: f64) -> f64 {
        (before * self.before_s + later * self.later_s) / self.took_s()
    }

    /// As [`rate`](Self::rate), of what is not known of every moment.
    pub(crate) fn known_rate(self, before: Option<f64>, later: Option<f64>) -> Option<f64> {
        let both = before.zip(later).map(|(before, later)| self.rate(before, later));
        both.or(later).or(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much came, and the greatest of it.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Came {
        count: u64,
        greatest: u64,
    }

    impl Moment for Came {
        fn until(self, later: Self) -> Self {
            let greatest = self.greatest.max(later.greatest);
            Self { count: self.count + later.count, greatest }
        }
    }

    #[test]
    fn a_history_is_bounded_and_leaves_nothing_out() {
        let mut history = History::default();
        let seconds = 10 * KEPT_MAX as u64;
        for second in 0..seconds {
            history.push(Came { count: 1, greatest: second });
            assert!(history.moments().len() <= KEPT_MAX);
        }
        let moments = history.moments();
        assert_eq!(moments.iter().map(|came| came.count).sum::<u64>(), seconds);
        assert!(moments.windows(2).all(|pair| pair[0].greatest < pair[1].greatest));
        let newest = moments.iter().rev().zip(0..APART as u64);
        for (came, ago) in newest {
            assert_eq!(*came, Came { count: 1, greatest: seconds - 1 - ago });
        }
    }

    #[test]
    fn rates_count_for_as_long_as_they_held() {
        let together = Together::new(3.0, 1.0);
        assert_eq!((together.took_s(), together.rate(8.0, 4.0)), (4.0, 7.0));
        assert_eq!(together.known_rate(None, Some(4.0)), Some(4.0));
        assert_eq!(together.known_rate(None, None), None);
    }
}
