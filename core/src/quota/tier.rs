//! Tiers of the service, with their limits.

use core::str::FromStr;

use super::{OperationClass, QuotaLimits, Rate};

/// A tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Free.
    F1,
    /// Basic, of three sizes.
    B1,
    /// Basic.
    B2,
    /// Basic.
    B3,
    /// Standard, of three sizes.
    S1,
    /// Standard.
    S2,
    /// Standard.
    S3,
}

/// A tier and how many units a hub has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierUnits {
    tier: Tier,
    units: u64,
}

/// No tier and units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tier is F1, or B1, B2, S1 or S2 with 1 to 200 units, or B3 or S3 with 1 to 10: \"S1 x 2\""
)]
pub struct InvalidTier;

/// Sizes of tiers: the columns of the table of rates.
#[derive(Clone, Copy)]
enum Size {
    One,
    Two,
    Three,
}

impl Tier {
    /// All of them.
    const ALL: [Self; 7] = [Self::F1, Self::B1, Self::B2, Self::B3, Self::S1, Self::S2, Self::S3];

    const fn name(self) -> &'static str {
        match self {
            Self::F1 => "F1",
            Self::B1 => "B1",
            Self::B2 => "B2",
            Self::B3 => "B3",
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
        }
    }

    const fn units_max(self) -> u64 {
        match self {
            Self::F1 => 1,
            Self::B3 | Self::S3 => 10,
            Self::B1 | Self::B2 | Self::S1 | Self::S2 => 200,
        }
    }

    const fn size(self) -> Size {
        match self {
            Self::F1 | Self::B1 | Self::S1 => Size::One,
            Self::B2 | Self::S2 => Size::Two,
            Self::B3 | Self::S3 => Size::Three,
        }
    }
}

impl TierUnits {
    /// So many units of the tier with this name, in any case.
    ///
    /// # Errors
    /// [`InvalidTier`]: there is no such tier, or it does not have so many units.
    pub fn new(name: &str, units: u64) -> Result<Self, InvalidTier> {
        let tier = Tier::ALL.into_iter().find(|tier| tier.name().eq_ignore_ascii_case(name));
        let tier = tier.filter(|tier| (1..=tier.units_max()).contains(&units));
        tier.map(|tier| Self { tier, units }).ok_or(InvalidTier)
    }

    /// The limits of a hub of this tier.
    ///
    /// Source: control-plane reference, "Rates" and "Daily message quota".
    #[must_use]
    pub fn limits(self) -> QuotaLimits {
        let mut rates = [None; OperationClass::COUNT];
        for class in OperationClass::ALL {
            rates[class as usize] = Some(self.rate(class));
        }
        QuotaLimits {
            rates,
            messages_per_day: Some(self.messages_per_day()),
            message_bytes: if self.tier == Tier::F1 { 512 } else { 4096 },
            is_basic: matches!(self.tier, Tier::B1 | Tier::B2 | Tier::B3),
            ..QuotaLimits::NONE
        }
    }

    fn messages_per_day(self) -> u64 {
        match (self.tier, self.tier.size()) {
            (Tier::F1, _) => 8_000,
            (_, Size::One) => self.units * 400_000,
            (_, Size::Two) => self.units * 6_000_000,
            (_, Size::Three) => self.units * 300_000_000,
        }
    }

    fn rate(self, class: OperationClass) -> Rate {
        let n = self.units;
        let by_size = |one, two, three| match self.tier.size() {
            Size::One => one,
            Size::Two => two,
            Size::Three => three,
        };
        match class {
            OperationClass::D2cSends | OperationClass::Connections => {
                Rate::per_second(by_size((12 * n).max(100), 120 * n, 6000 * n))
            }
            OperationClass::C2dReceives => {
                Rate::per_minute(by_size(1000 * n, 1000 * n, 50_000 * n))
            }
            // In steps of 4 KB: 160 KB, 480 KB and 24 MB.
            OperationClass::DirectMethods => Rate::per_second(by_size(40 * n, 120 * n, 6000 * n)),
            OperationClass::Queries => Rate::per_minute(by_size(20 * n, 20 * n, 1000 * n)),
            OperationClass::TwinReads => Rate::per_second(by_size(100, (10 * n).max(100), 500 * n)),
            OperationClass::TwinUpdates => Rate::per_second(by_size(50, (5 * n).max(50), 250 * n)),
            OperationClass::JobDevices => Rate::per_second(by_size(10, n.max(10), 50 * n)),
            OperationClass::Configurations => Rate::per_minute(20 * n),
            OperationClass::C2dSends
            | OperationClass::FileUploads
            | OperationClass::IdentityRegistry
            | OperationClass::Jobs => Rate::per_minute(by_size(100 * n, 100 * n, 5000 * n)),
        }
    }
}

impl FromStr for TierUnits {
    type Err = InvalidTier;

    /// Reads `S1 x 2`; `S1` alone is one unit.
    fn from_str(text: &str) -> Result<Self, InvalidTier> {
        match text.split_once(['x', 'X']) {
            None => Self::new(text.trim(), 1),
            Some((tier, units)) => {
                let units = units.trim().parse().map_err(|_| InvalidTier)?;
                Self::new(tier.trim(), units)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(tier: &str, class: OperationClass) -> Rate {
        let tier: TierUnits = tier.parse().expect("a tier");
        tier.limits().rates[class as usize].expect("every class has a rate")
    }

    #[test]
    fn tiers_have_the_rates_of_the_reference() {
        use OperationClass as Class;
        for (tier, class, expected) in [
            ("S1", Class::D2cSends, Rate::per_second(100)),
            ("S1 x 9", Class::D2cSends, Rate::per_second(108)),
            ("s2 x 2", Class::Connections, Rate::per_second(240)),
            ("S3x10", Class::D2cSends, Rate::per_second(60_000)),
            ("F1", Class::C2dSends, Rate::per_minute(100)),
            ("B3", Class::C2dReceives, Rate::per_minute(50_000)),
            ("S1 x 2", Class::DirectMethods, Rate::per_second(80)),
            ("S3", Class::Queries, Rate::per_minute(1000)),
            ("S2 x 20", Class::TwinReads, Rate::per_second(200)),
            ("S2 x 2", Class::TwinUpdates, Rate::per_second(50)),
            ("S3 x 2", Class::JobDevices, Rate::per_second(100)),
            ("S3 x 2", Class::Configurations, Rate::per_minute(40)),
            ("S3 x 2", Class::IdentityRegistry, Rate::per_minute(10_000)),
        ] {
            assert_eq!(rate(tier, class), expected, "{tier} {class:?}");
        }
        let limits = |tier: &str| tier.parse::<TierUnits>().expect("a tier").limits();
        let day = |tier| limits(tier).messages_per_day;
        assert_eq!([day("F1"), day("S1 x 2")], [Some(8_000), Some(800_000)]);
        assert_eq!([day("B2"), day("S3 x 10")], [Some(6_000_000), Some(3_000_000_000)]);
        assert_eq!([limits("F1").message_bytes, limits("S1").message_bytes], [512, 4096]);
        assert_eq!([limits("B1").is_basic, limits("F1").is_basic], [true, false]);
    }

    #[test]
    fn other_names_and_units_are_no_tier() {
        for text in ["", "S4", "S1 x", "S1 x 0", "S1 x 201", "S3 x 11", "F1 x 2", "x 2", "S1 * 2"] {
            assert_eq!(text.parse::<TierUnits>(), Err(InvalidTier), "{text}");
        }
    }
}
