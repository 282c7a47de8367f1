//! A back end that calls direct methods over REST.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ringhub_edge::client::{RestClient, encode_segment};
use serde_json::json;

use super::shared::{HOPELESS, Shared};
use super::talk::Talk;

/// Bounds of the time that a hub lets a device have for its answer.
const RESPONSE_TIMEOUT_S: (u64, u64) = (5, 300);
/// Time for everything but the device.
const MARGIN: Duration = Duration::from_secs(5);

/// Calls methods when they are due and nobody else does, until the load is over.
pub(super) fn call(shared: &Shared, rest: &RestClient, per_second: u32) -> Talk {
    let mut talk = Talk::default();
    let Some(start) = shared.wait_for_start() else { return talk };
    let mut failed_in_a_row = 0;
    while failed_in_a_row < HOPELESS {
        let number = shared.next_call.fetch_add(1, Ordering::Relaxed);
        let Some(due) = shared.due(number, per_second) else { break };
        let has_slept = shared.sleep_until(start + due);
        if shared.is_over() {
            break;
        }
        let is_measured = shared.load.is_measured(due);
        if is_measured {
            talk.methods.due += 1;
            if has_slept {
                talk.methods.lag.record(start.elapsed().saturating_sub(due));
            }
        }
        let result = invoke(shared, rest, shared.device(number));
        failed_in_a_row = if result.is_ok() { 0 } else { failed_in_a_row + 1 };
        match result {
            Ok(()) if is_measured => talk.methods.succeed(start.elapsed().saturating_sub(due)),
            Ok(()) => {}
            Err(reason) => talk.methods.fail(reason),
        }
    }
    talk
}

/// Source: control-plane reference, "Direct methods".
fn invoke(shared: &Shared, rest: &RestClient, device: &str) -> Result<(), String> {
    let (shortest, longest) = RESPONSE_TIMEOUT_S;
    let seconds = shared.patience.as_secs().clamp(shortest, longest);
    let body = json!({
        "methodName": "loadgen",
        "responseTimeoutInSeconds": seconds,
        "connectTimeoutInSeconds": 0,
        "payload": {},
    });
    let path = format!("/twins/{}/methods", encode_segment(device));
    let answer = rest.post_patiently(&path, &body, Duration::from_secs(seconds) + MARGIN);
    answer.map(drop).map_err(|error| error.to_string())
}
