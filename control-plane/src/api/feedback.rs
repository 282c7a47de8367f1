//! Feedback on messages to devices, for back ends that have no AMQP.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use ringhub_core::c2d::{LockToken, Verdict};
use ringhub_core::id::HubId;

use super::device_bound::no_content;
use super::request::Context;
use super::{Answer, Api, ApiError, Reply, Response};
use crate::c2d::{C2dRefusal, FEEDBACK_CONTENT_TYPE, feedback_json};

impl Api {
    /// The next batch, or 204. The tag of the answer is the lock token, and a verdict on it is
    /// owed: without one the batch comes again when the time of the lock is over.
    ///
    /// Source: control-plane reference, "C2D feedback over HTTPS".
    pub(super) fn next_feedback(&self, context: &Context) -> Result<Answer, ApiError> {
        let Some(batch) = self.c2d(context.hub)?.lock_feedback_now() else {
            return Ok(Answer::Ready(Response::empty(StatusCode::NO_CONTENT)));
        };
        let body = feedback_json(&batch.records);
        let mut response = Response::json_text(StatusCode::OK, body);
        let kind = HeaderValue::from_static(FEEDBACK_CONTENT_TYPE);
        response.headers.insert(CONTENT_TYPE, kind);
        Ok(Answer::Ready(response.with_etag(&batch.token.to_string())))
    }

    pub(super) fn settle_feedback(
        &self,
        hub: HubId,
        token: LockToken,
        verdict: Verdict,
        reply: Reply,
    ) {
        let c2d = match self.c2d(hub) {
            Ok(c2d) => c2d,
            Err(error) => return reply(error.response()),
        };
        c2d.settle_feedback(token, verdict, Box::new(|settled| reply(no_content(settled))));
        // An abandoned batch is there again for those who wait on a link.
        c2d.take_waiting().into_iter().for_each(|waiting| self.shards.feedback_ready(waiting));
    }
}

/// The verdict of a request that names a lock token.
pub(super) fn verdict(lock: &str, verdict: Verdict) -> Result<Answer, ApiError> {
    let token = LockToken::parse(lock.trim_matches('"')).ok_or(C2dRefusal::LockLost)?;
    Ok(Answer::Settle(token, verdict))
}
