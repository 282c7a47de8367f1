//! What every request to the resource provider says: who asks, in which version, and for what.

use http::header::AUTHORIZATION;
use ringhub_core::limits::PROVIDER_BODY_BYTES_MAX;

use super::route::Route;
use super::{ProviderError, ProviderSettings, version};
use crate::api::{Request, parameter};

/// A request of an administrator that is let in.
#[derive(Clone, Debug)]
pub(crate) struct ProviderRequest {
    pub(super) route: Route,
    pub(super) request: Request,
}

impl ProviderRequest {
    /// Checks token, version, path and size, in this order. All of it is in memory, so that shards
    /// do so on their own threads.
    ///
    /// # Errors
    /// [`ProviderError`] for whoever may not ask, and for what nobody can ask for.
    pub(crate) fn parse(
        request: Request,
        settings: &ProviderSettings,
    ) -> Result<Self, ProviderError> {
        authorize(&request, settings)?;
        version::check(parameter(request.query(), "api-version").as_deref())?;
        let route = Route::of(request.path())?;
        if request.body.len() > PROVIDER_BODY_BYTES_MAX {
            return Err(ProviderError::ContentTooLarge);
        }
        Ok(Self { route, request })
    }
}

fn authorize(request: &Request, settings: &ProviderSettings) -> Result<(), ProviderError> {
    let header = request.headers.get(AUTHORIZATION).ok_or(ProviderError::TokenMissing)?;
    let token = header.as_bytes().split_at_checked(7);
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    let (_, token) = token.ok_or(ProviderError::TokenForm)?;
    let is_known = settings.token.as_ref().is_some_and(|known| known.is(token.trim_ascii()));
    if is_known { Ok(()) } else { Err(ProviderError::Token) }
}
