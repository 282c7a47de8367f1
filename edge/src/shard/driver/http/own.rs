//! What the process itself answers: its numbers and its health.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use ringhub_control_plane::StoreState;
use ringhub_control_plane::api::{Reply, Request, Response};
use ringhub_core::id::ExecutorId;

use super::Context;
use crate::partition::LogState;

/// A resource that is no part of the REST API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// The numbers, for holders of a token.
    Metrics,
    /// Whether the shard that took the connection runs; for everybody.
    Live,
    /// Whether telemetry and changes of the registry are taken; for everybody.
    Ready,
}

impl Own {
    /// The resource that a path and query names.
    pub(super) fn of(path_and_query: &str) -> Option<Self> {
        match path_and_query.split('?').next()? {
            "/metrics" => Some(Self::Metrics),
            "/health/live" => Some(Self::Live),
            "/health/ready" => Some(Self::Ready),
            _ => None,
        }
    }

    /// Answers at once, or says that `reply` will be called.
    pub(super) fn answer(
        self,
        request: Request,
        reply: Reply,
        cx: &Context<'_>,
    ) -> Option<Response> {
        if self == Self::Metrics {
            let services = &cx.services;
            return match services.control.allow_metrics(request) {
                Err(refusal) => Some(*refusal),
                Ok(hub) => {
                    services.inspector.request(hub, reply).err().map(|_| services.control.busy())
                }
            };
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Some(text(StatusCode::METHOD_NOT_ALLOWED, "use GET"));
        }
        Some(match (self, not_ready(cx)) {
            (Self::Ready, Some(reason)) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            _ => text(StatusCode::OK, "ok"),
        })
    }
}

/// Why telemetry or changes of the registry are not taken. Everybody may read it, so it tells
/// nothing else.
fn not_ready(cx: &Context<'_>) -> Option<&'static str> {
    let pipeline = &cx.services.pipeline;
    let mut states = (0..pipeline.executor_count()).map(|n| pipeline.state(ExecutorId(n)));
    let of_logs = states.find_map(|state| match state {
        LogState::Running => None,
        LogState::DiskFull => Some("the disk is full"),
        LogState::Failed => Some("a commit log has failed: restart the hub"),
    });
    of_logs.or_else(|| match cx.services.control.store_state() {
        StoreState::Running => None,
        StoreState::DiskFull => Some("the disk is full: changes of the registry are refused"),
        StoreState::Failed => Some("the registry has failed: restart the hub"),
    })
}

fn text(status: StatusCode, text: &'static str) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Response { status, headers, body: Bytes::from_static(text.as_bytes()) }
}
