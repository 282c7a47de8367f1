//! What happens to a request on the thread of the shard that brings it.

use std::sync::Arc;

use ringhub_core::auth::CertificateChain;
use ringhub_core::id::HubId;

use super::request::Context;
use super::route::{Resource, Routes};
use super::{ApiError, DeviceRequest, Reply, Request, device_front};
use crate::directory::Directory;
use crate::method::Methods;
use crate::provider::{ProviderRequest, ProviderSettings, is_of_provider};

/// A request that was let in.
pub(crate) enum Passed {
    /// To a hub.
    Hub(Context),
    /// To the resource provider.
    Provider(ProviderRequest),
}

/// Checks every request, and sends method calls on their way.
///
/// All it looks at is in memory, so that shards pass on their own threads and a method call takes
/// no hop but the one to its device.
#[derive(Debug)]
pub(crate) struct Front {
    pub(super) directory: Arc<Directory>,
    pub(super) methods: Arc<Methods>,
    routes: Routes,
    provider: Arc<ProviderSettings>,
}

impl Front {
    pub(crate) fn new(
        directory: Arc<Directory>,
        methods: Arc<Methods>,
        provider: Arc<ProviderSettings>,
    ) -> Self {
        Self { directory, methods, routes: Routes::new(), provider }
    }

    /// Returns what may go on. Refusals are answered here and at once.
    ///
    /// `certificate` is that of the handshake. Costs the check of a token.
    pub(crate) fn pass(
        &self,
        request: Request,
        certificate: Option<&CertificateChain>,
        reply: Reply,
    ) -> Option<(Passed, Reply)> {
        if is_of_provider(request.path()) {
            return match ProviderRequest::parse(request, &self.provider) {
                Ok(request) => Some((Passed::Provider(request), reply)),
                Err(error) => {
                    reply(error.response());
                    None
                }
            };
        }
        let context = match Context::parse(request, certificate, &self.directory, &self.routes) {
            Ok(context) => context,
            Err(error) => {
                reply(error.response());
                return None;
            }
        };
        Some((Passed::Hub(context), reply))
    }

    /// Who asks for what on a route of devices, with the certificate of the handshake; `None` for
    /// other routes.
    pub(crate) fn admit_device(
        &self,
        request: &Request,
        certificate: Option<&CertificateChain>,
    ) -> Option<Result<DeviceRequest, ApiError>> {
        device_front::admit(request, certificate, &self.directory, &self.routes)
    }

    /// The hub whose numbers the sender of the request may see.
    pub(crate) fn allow_metrics(&self, request: Request) -> Result<HubId, ApiError> {
        let context = Context::parse(request, None, &self.directory, &self.routes)?;
        if context.resource == Resource::Metrics {
            Ok(context.hub)
        } else {
            Err(ApiError::NotFound)
        }
    }
}
