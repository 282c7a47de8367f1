//! Counts of identities and connections.

use http::StatusCode;
use serde_json::json;

use super::request::Context;
use super::{Answer, Api, ApiError, Response};

impl Api {
    pub(super) fn device_statistics(&self, context: &Context) -> Result<Answer, ApiError> {
        let counts = self.directory.counts(context.hub);
        Ok(Answer::Ready(Response::json(
            StatusCode::OK,
            &json!({
                "totalDeviceCount": counts.devices,
                "enabledDeviceCount": counts.devices.saturating_sub(counts.disabled),
                "disabledDeviceCount": counts.disabled,
            }),
        )))
    }

    pub(super) fn service_statistics(&self, context: &Context) -> Result<Answer, ApiError> {
        let counts = self.directory.counts(context.hub);
        let body = json!({ "connectedDeviceCount": counts.connected });
        Ok(Answer::Ready(Response::json(StatusCode::OK, &body)))
    }
}
