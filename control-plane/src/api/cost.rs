//! What requests use of the quotas of their hub.
//!
//! Source: control-plane reference, "Rates" and "Daily message quota".

use http::Method;
use ringhub_core::quota::{HubQuota, OperationClass};
use serde::de::IgnoredAny;

use super::Context;
use super::route::Resource;
use crate::quota::{AnswerCost, Cost};

impl Context {
    /// What the request uses; `None` for what has no limit: policies, certificates, consumer
    /// groups, indexes, feedback and numbers.
    ///
    /// Costs a look over the body for a bulk request, of which each item counts.
    pub(crate) fn cost(&self, quota: &HubQuota) -> Option<Cost> {
        use OperationClass as Class;
        let messages = || u64::from(quota.messages_of(self.request.body.len()));
        Some(match &self.resource {
            Resource::Devices if self.request.method == Method::POST => {
                let units = items(&self.request.body);
                Cost { class: Class::IdentityRegistry, units, messages: 0 }
            }
            Resource::Devices
            | Resource::KeyRegeneration
            | Resource::Device(_)
            | Resource::Commands(_)
            | Resource::Modules(_)
            | Resource::Module(..)
            | Resource::DeviceStatistics
            | Resource::ServiceStatistics => Cost::one(Class::IdentityRegistry, 0),
            Resource::Query => Cost::one(Class::Queries, 1),
            Resource::Methods(_) => {
                let messages = messages();
                Cost { class: Class::DirectMethods, units: messages, messages }
            }
            Resource::Twin(_) if self.request.method == Method::GET => {
                Cost::one(Class::TwinReads, 1)
            }
            Resource::Twin(_) => Cost::one(Class::TwinUpdates, messages()),
            Resource::DeviceBound(_) => Cost::one(Class::C2dSends, messages()),
            Resource::Jobs
            | Resource::Job(_)
            | Resource::JobCancel(_)
            | Resource::RegistryJobs
            | Resource::RegistryJobCreate
            | Resource::RegistryJob(_) => Cost::one(Class::Jobs, 0),
            Resource::Configurations
            | Resource::Configuration(_)
            | Resource::ConfigurationQueries => Cost::one(Class::Configurations, 0),
            Resource::ConfigurationContent(_) => Cost::one(Class::Configurations, 1),
            Resource::Notices(_)
            | Resource::NoticeLock(..)
            | Resource::NoticeAbandon(..)
            | Resource::Policies
            | Resource::PolicyKeys(_)
            | Resource::StorageKeys
            | Resource::Certificates
            | Resource::Certificate(_)
            | Resource::VerificationCode(_)
            | Resource::Verification(_)
            | Resource::ConsumerGroups
            | Resource::ConsumerGroup(_)
            | Resource::QueryIndexes
            | Resource::QueryIndex(_)
            | Resource::Metrics
            | Resource::NotBuilt(..) => return None,
        })
    }

    /// What its answer uses.
    pub(crate) fn answer_cost(&self) -> AnswerCost {
        match &self.resource {
            Resource::Methods(_) => AnswerCost::Whole,
            Resource::Query => AnswerCost::Rest,
            Resource::Twin(_) if self.request.method == Method::GET => AnswerCost::Rest,
            _ => AnswerCost::Nothing,
        }
    }
}

/// Items of a bulk request; one for a body that is no list, which its handler refuses.
fn items(body: &[u8]) -> u64 {
    let items = serde_json::from_slice::<Vec<IgnoredAny>>(body);
    items.map_or(1, |items| items.len().max(1) as u64)
}
