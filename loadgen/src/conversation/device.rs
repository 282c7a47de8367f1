//! The part of a device: it subscribes, answers methods, and notes what it hears.

use ringhub_core::codec::mqtt::{Publish, Qos};
use ringhub_core::session::mqtt::{MqttClient, SendError};

const METHODS: &str = "$iothub/methods/POST/";
const PATCHES: &str = "$iothub/twin/res/";
/// What every method is answered with.
const ANSWER: &[u8] = b"{}";

/// What a device has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Its subscriptions stand.
    Subscribed,
    /// The hub has stored a patch, or says why not.
    Patched {
        /// Status of the response.
        status: u16,
        /// What [`topic_of_patch`] was given.
        tag: u64,
    },
    /// A message of this number, or of somebody else who used a number.
    Message(u64),
}

/// Subscribes to methods, responses and messages; [`Heard::Subscribed`] follows.
///
/// Source: device-endpoints reference, "SUBSCRIBE".
pub(crate) fn subscribe(mqtt: &mut MqttClient, name: &str) -> Result<(), SendError> {
    let messages = format!("devices/{name}/messages/devicebound/#");
    let filters = [
        ("$iothub/methods/POST/#", Qos::AtMostOnce),
        ("$iothub/twin/res/#", Qos::AtMostOnce),
        (messages.as_str(), Qos::AtLeastOnce),
    ];
    mqtt.subscribe(&filters).map(drop)
}

/// Where a patch of reported properties goes; `tag` comes back with the response.
pub(crate) fn topic_of_patch(tag: u64) -> String {
    format!("$iothub/twin/PATCH/properties/reported/?$rid={tag}")
}

/// Answers a method; of anything else it gives what there is to know.
pub(crate) fn handle(
    mqtt: &mut MqttClient,
    publish: &Publish<'_>,
) -> Result<Option<Heard>, SendError> {
    let topic = publish.topic;
    if let Some(call) = topic.strip_prefix(METHODS) {
        let rid = call.split_once("/?$rid=").map_or("", |(_, rid)| rid);
        let topic = format!("$iothub/methods/res/200/?$rid={rid}");
        mqtt.publish(&topic, ANSWER, Qos::AtMostOnce, 0)?;
        return Ok(None);
    }
    if let Some(response) = topic.strip_prefix(PATCHES) {
        return Ok(response_of(response));
    }
    let number = str::from_utf8(publish.payload).ok().and_then(|text| text.parse().ok());
    Ok(number.map(Heard::Message))
}

/// Reads `STATUS/?$rid=TAG&$version=…`.
fn response_of(response: &str) -> Option<Heard> {
    let (status, query) = response.split_once("/?")?;
    let tag = query.split('&').find_map(|pair| pair.strip_prefix("$rid="))?;
    Some(Heard::Patched { status: status.parse().ok()?, tag: tag.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_names_its_patch() {
        let patched = |status, tag| Some(Heard::Patched { status, tag });
        assert_eq!(response_of("204/?$rid=17&$version=3"), patched(204, 17));
        assert_eq!(response_of("429/?$rid=18"), patched(429, 18));
        for bad in ["204", "204/?$version=3", "x/?$rid=1", "204/?$rid=x"] {
            assert_eq!(response_of(bad), None);
        }
        assert!(topic_of_patch(17).ends_with("/?$rid=17"));
    }
}
