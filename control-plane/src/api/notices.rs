//! What hubs tell back ends, for those that have no AMQP.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use ringhub_core::c2d::{LockToken, Verdict};
use ringhub_core::id::HubId;

use super::device_bound::no_content;
use super::request::Context;
use super::{Answer, Api, ApiError, Reply, Response};
use crate::c2d::{C2dRefusal, NoticeKind};

impl Api {
    /// The next notice, or 204. The tag of the answer is the lock token, and a verdict on it is
    /// owed: without one the notice comes again when the time of the lock is over.
    ///
    /// Source: control-plane reference, "C2D feedback over HTTPS"; service-endpoints reference,
    /// "File-upload notifications".
    pub(super) fn next_notice(
        &self,
        context: &Context,
        kind: NoticeKind,
    ) -> Result<Answer, ApiError> {
        let Some(notice) = self.c2d(context.hub)?.lock_notice_now(kind) else {
            return Ok(Answer::Ready(Response::empty(StatusCode::NO_CONTENT)));
        };
        let mut response = Response::json_text(StatusCode::OK, notice.body);
        let content_type = HeaderValue::from_static(kind.content_type());
        response.headers.insert(CONTENT_TYPE, content_type);
        Ok(Answer::Ready(response.with_etag(&notice.token.to_string())))
    }

    pub(super) fn settle_notice(
        &self,
        (hub, kind): (HubId, NoticeKind),
        token: LockToken,
        verdict: Verdict,
        reply: Reply,
    ) {
        let c2d = match self.c2d(hub) {
            Ok(c2d) => c2d,
            Err(error) => return reply(error.response()),
        };
        let answer = |settled: Result<(), C2dRefusal>| reply(no_content(settled));
        c2d.settle_notice(kind, token, verdict, Box::new(answer));
        // An abandoned notice is there again for those who wait on a link.
        c2d.take_waiting(kind).into_iter().for_each(|waiting| self.shards.notices_ready(waiting));
    }
}

/// The verdict of a request that names a lock token.
pub(super) fn verdict(kind: NoticeKind, lock: &str, verdict: Verdict) -> Result<Answer, ApiError> {
    let token = LockToken::parse(lock.trim_matches('"')).ok_or(C2dRefusal::LockLost)?;
    Ok(Answer::Settle(kind, token, verdict))
}
