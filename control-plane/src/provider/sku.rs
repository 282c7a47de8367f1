//! Tiers of hubs and their units.

use ringhub_core::quota::TierUnits;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ProviderError;
use crate::api::Members;

/// What is said of a tier.
struct Tier {
    /// Name of the SKU.
    name: &'static str,
    /// Name of the tier.
    tier: &'static str,
    units_max: u64,
}

/// Source: control-plane reference, "IotHubDescription".
const TIERS: [Tier; 7] = [
    Tier { name: "F1", tier: "Free", units_max: 1 },
    Tier { name: "S1", tier: "Standard", units_max: 200 },
    Tier { name: "S2", tier: "Standard", units_max: 200 },
    Tier { name: "S3", tier: "Standard", units_max: 10 },
    Tier { name: "B1", tier: "Basic", units_max: 200 },
    Tier { name: "B2", tier: "Basic", units_max: 200 },
    Tier { name: "B3", tier: "Basic", units_max: 10 },
];

/// The tier of a hub and its number of units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sku {
    name: String,
    capacity: u64,
}

impl Default for Sku {
    fn default() -> Self {
        Self { name: "S1".to_owned(), capacity: 1 }
    }
}

impl Sku {
    /// Reads `{"name":"S1","capacity":1}`; the tier in it follows from the name and is passed over.
    ///
    /// # Errors
    /// [`ProviderError`] for a name that is none, and for units that the tier does not have.
    pub(super) fn parse(members: Members<'_>) -> Result<Self, ProviderError> {
        let name = members.text("name")?.unwrap_or_default();
        let Some(tier) = TIERS.iter().find(|tier| tier.name.eq_ignore_ascii_case(name)) else {
            let rule = format!("'{name}' must be one of F1, S1, S2, S3, B1, B2 and B3");
            return Err(ProviderError::member("sku.name", rule));
        };
        let units = members.whole("capacity", 0..=u64::MAX)?.unwrap_or(1);
        if !(1..=tier.units_max).contains(&units) {
            let rule = format!("{units} units: {} has 1 to {}", tier.name, tier.units_max);
            return Err(ProviderError::member("sku.capacity", rule));
        }
        Ok(Self { name: tier.name.to_owned(), capacity: units })
    }

    /// The tier as quotas know it.
    pub(super) fn tier_units(&self) -> Option<TierUnits> {
        TierUnits::new(&self.name, self.capacity).ok()
    }

    fn tier(&self) -> &'static Tier {
        TIERS.iter().find(|tier| tier.name == self.name).unwrap_or(&TIERS[1])
    }

    /// Whether a hub is free of charge; there is no way between those and the others.
    pub(super) fn is_free(&self) -> bool {
        self.tier().tier == "Free"
    }

    pub(super) fn json(&self) -> Value {
        let Tier { name, tier, .. } = self.tier();
        json!({ "name": name, "tier": tier, "capacity": self.capacity })
    }

    /// The SKUs that a hub of this one can have.
    pub(super) fn choices(&self) -> Vec<Value> {
        let same = TIERS.iter().filter(|tier| (tier.tier == "Free") == self.is_free());
        same.map(|tier| {
            let scale = if tier.units_max > 1 { "Manual" } else { "None" };
            json!({
                "resourceType": "Microsoft.Devices/IotHubs",
                "sku": { "name": tier.name, "tier": tier.tier },
                "capacity": {
                    "minimum": 1,
                    "maximum": tier.units_max,
                    "default": 1,
                    "scaleType": scale,
                },
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &Value) -> Result<Sku, ProviderError> {
        Sku::parse(Members::of(value)?)
    }

    #[test]
    fn tiers_have_the_units_of_the_reference() {
        let shown = |value| parse(&value).expect("a SKU").json();
        let s1 = json!({ "name": "S1", "tier": "Standard", "capacity": 1 });
        assert_eq!(shown(json!({ "name": "s1" })), s1);
        assert_eq!(shown(json!({ "name": "S1", "tier": "Free", "capacity": "1" })), s1);
        let b3 = parse(&json!({ "name": "B3", "capacity": 10 })).expect("a SKU");
        assert!(!b3.is_free() && b3.json()["capacity"] == 10);
        for (bad, said) in [
            (json!({}), "sku.name: '' must be one of"),
            (json!({ "name": "S4", "capacity": 1 }), "sku.name: 'S4' must be"),
            (json!({ "name": "S1", "capacity": 0 }), "sku.capacity: 0 units: S1 has 1 to 200"),
            (json!({ "name": "S3", "capacity": 11 }), "sku.capacity: 11 units: S3 has 1 to 10"),
            (json!({ "name": "F1", "capacity": 2 }), "sku.capacity: 2 units: F1 has 1 to 1"),
            (json!({ "name": "S1", "capacity": -1 }), "capacity must be a whole number"),
            (json!({ "name": 7 }), "name must be text"),
        ] {
            let refused = parse(&bad).expect_err("no SKU").to_string();
            assert!(refused.starts_with(said), "{refused}");
        }
    }
}
