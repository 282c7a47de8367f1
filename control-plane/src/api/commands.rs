//! Messages that wait for a device.

use http::StatusCode;
use ringhub_core::id::DeviceId;
use serde_json::json;

use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::c2d::C2dChange;
use crate::registry::{Change, Outcome, RegistryError};

impl Api {
    /// Ends what waits for a device and is not in its hands.
    ///
    /// Source: control-plane reference, "List, statistics, purge".
    pub(super) fn purge_commands(
        &self,
        context: &Context,
        id: DeviceId,
    ) -> Result<Answer, ApiError> {
        let change = Change::C2d(C2dChange::Purge(context.hub, id.clone()));
        let map = move |outcome| match outcome {
            Outcome::Purged(count) => {
                let body = json!({
                    "totalMessagesPurged": count,
                    "deviceId": id.as_str(),
                    "moduleId": null,
                });
                Ok(Response::json(StatusCode::OK, &body))
            }
            _ => Err(RegistryError::Storage.into()),
        };
        Ok(Answer::After(change, Box::new(map)))
    }
}
