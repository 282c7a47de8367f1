//! From what an operator says to the limits of a hub.

use super::{OperationClass, QuotaLimits, Rate, Shaping, TierUnits};

/// Which tier a hub is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Imitated {
    /// None: nothing is limited by itself.
    #[default]
    Nothing,
    /// This one, whatever the hub says of itself.
    Tier(TierUnits),
    /// That of its own SKU.
    Sku,
}

/// What holds for all hubs of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaPlan {
    /// Where limits come from.
    pub imitated: Imitated,
    /// Rates in the place of those, by the number of the class.
    pub rates: [Option<Rate>; OperationClass::COUNT],
    /// Messages of a day in the place of that.
    pub messages_per_day: Option<u64>,
    /// What becomes of operations that come too fast.
    pub shaping: Shaping,
}

impl QuotaPlan {
    /// Whether it may limit a hub.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.imitated == Imitated::Sku || self.limits(|| None).is_some()
    }

    /// The limits of a hub of this SKU; `None` when there are none.
    #[must_use]
    pub fn limits(&self, sku: impl FnOnce() -> Option<TierUnits>) -> Option<QuotaLimits> {
        let tier = match self.imitated {
            Imitated::Nothing => None,
            Imitated::Tier(tier) => Some(tier),
            Imitated::Sku => sku(),
        };
        let mut limits = tier.map_or(QuotaLimits::NONE, TierUnits::limits);
        limits.shaping = self.shaping;
        limits.messages_per_day = self.messages_per_day.or(limits.messages_per_day);
        for (rate, own) in limits.rates.iter_mut().zip(self.rates) {
            *rate = own.or(*rate);
        }
        limits.is_any().then_some(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_limits_stand_over_those_of_the_tier() {
        let tier = |text: &str| text.parse::<TierUnits>().ok();
        assert_eq!(QuotaPlan::default().limits(|| tier("S1")), None);
        let mut plan = QuotaPlan { imitated: Imitated::Sku, ..QuotaPlan::default() };
        assert_eq!(plan.limits(|| tier("S2")), tier("S2").map(TierUnits::limits));
        plan.messages_per_day = Some(7);
        plan.rates[OperationClass::Jobs as usize] = Some(Rate::per_second(3));
        let limits = plan.limits(|| tier("S2")).expect("there are limits");
        assert_eq!(limits.messages_per_day, Some(7));
        assert_eq!(limits.rates[OperationClass::Jobs as usize], Some(Rate::per_second(3)));
        let queries = limits.rates[OperationClass::Queries as usize];
        assert_eq!(queries, Some(Rate::per_minute(20)));
        plan.imitated = Imitated::Nothing;
        let limits = plan.limits(|| tier("S2")).expect("there are limits");
        assert_eq!(limits.rates.iter().flatten().count(), 1, "nothing else is limited");
    }
}
