//! The storage account that a hub has of its own, for tools that read uploads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::HOST;
use serde_json::json;

use super::request::Context;
use super::{Answer, Api, ApiError, Response};
use crate::blob::ACCOUNT;

impl Api {
    /// Name, key, address and use of the account, under the name by which the hub was called.
    pub(super) fn storage_keys(&self, context: &Context) -> Result<Answer, ApiError> {
        let host = context.request.headers.get(HOST).and_then(|host| host.to_str().ok());
        let endpoint = format!("https://{}/{ACCOUNT}", host.unwrap_or_default());
        let key = STANDARD.encode(self.blobs.account_key(context.hub));
        let settings = self.directory.hub(context.hub).map(|hub| hub.file_upload());
        let settings = settings.ok_or(ApiError::HubNotFound)?;
        let body = json!({
            "accountName": ACCOUNT,
            "accountKey": key,
            "blobEndpoint": endpoint,
            "connectionString": format!(
                "DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={key};\
                 BlobEndpoint={endpoint};"
            ),
            "container": settings.container.as_str(),
            "usedBytes": self.blobs.used_bytes(context.hub),
            "quotaBytes": settings.quota_bytes,
        });
        Ok(Answer::Ready(Response::json(StatusCode::OK, &body)))
    }
}
