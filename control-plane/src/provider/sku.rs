//! Tiers of hubs and their units.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
