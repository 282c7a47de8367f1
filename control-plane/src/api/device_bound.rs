//! Messages to devices, from back ends that have no AMQP.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use ringhub_core::c2d::DeviceMessage;
use ringhub_core::codec::amqp::primitive::write_str;
use ringhub_core::codec::amqp::section::{
    MapSection, MessageId, Properties, begin_map_section, end_map_section, write_data,
};
use ringhub_core::id::{HubId, Identity};
use ringhub_core::time::UnixMillis;

use super::json::time_of;
use super::request::Context;
use super::{Answer, Api, ApiError, PROPERTY_PREFIX, Reply, Response};
use crate::c2d::C2d;
use crate::clock;

const ACK: &str = "iothub-ack";
const EXPIRY: &str = "iothub-expiry";

impl Api {
    /// Reads a message from headers and body.
    ///
    /// Source: control-plane reference, "C2D feedback over HTTPS"; device-endpoints reference,
    /// "Telemetry", headers that become properties.
    pub(super) fn device_bound(
        &self,
        context: &Context,
        identity: &Identity,
    ) -> Result<Answer, ApiError> {
        let request = &context.request;
        if request.body.is_empty() {
            return Err(ApiError::MessageMissing);
        }
        let c2d = self.c2d(context.hub)?;
        let sections = sections(identity, &request.headers, &request.properties, &request.body)?;
        let message = DeviceMessage::read(&sections, clock::now(), c2d.default_ttl())?;
        Ok(Answer::Send(message))
    }

    pub(super) fn send_to_device(&self, hub: HubId, message: DeviceMessage, reply: Reply) {
        match self.c2d(hub) {
            Ok(c2d) => c2d.enqueue(message, Box::new(|sent| reply(no_content(sent)))),
            Err(error) => reply(error.response()),
        }
    }

    pub(super) fn c2d(&self, hub: HubId) -> Result<C2d<'_>, ApiError> {
        let queues = self.directory.c2d(hub).ok_or(ApiError::HubNotFound)?;
        Ok(C2d { hub, queues, directory: &self.directory, writes: &self.writes })
    }
}

/// 204, or why not.
pub(super) fn no_content(done: Result<(), impl Into<ApiError>>) -> Response {
    match done {
        Ok(()) => Response::empty(StatusCode::NO_CONTENT),
        Err(why) => why.into().response(),
    }
}

/// The message as a sender over AMQP would write it.
fn sections(
    to: &Identity,
    headers: &HeaderMap,
    application: &[(String, String)],
    body: &Bytes,
) -> Result<BytesMut, ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let either = |name: &str, standard| text(name).or_else(|| headers.get(standard)?.to_str().ok());
    let path = queue_path(to);
    let expiry = text(EXPIRY).filter(|text| !text.is_empty());
    let expiry = expiry.map(|text| time_of(EXPIRY, text)).transpose()?;
    let properties = Properties {
        message_id: text("iothub-messageid").map(MessageId::Str),
        user_id: text("iothub-userid").map(str::as_bytes),
        to: Some(&path),
        correlation_id: text("iothub-correlationid").map(MessageId::Str),
        content_type: either("iothub-contenttype", CONTENT_TYPE),
        content_encoding: either("iothub-contentencoding", CONTENT_ENCODING),
        absolute_expiry_time: expiry.map(UnixMillis::as_millis),
        ..Properties::default()
    };
    let mut out = BytesMut::new();
    properties.encode(&mut out);
    let own = application.iter().filter_map(|(name, value)| {
        // The prefix is ASCII in any case, so the rest is text.
        Some((name.get(PROPERTY_PREFIX.len()..)?, &**value))
    });
    let ack = text(ACK).filter(|level| !level.is_empty()).map(|level| (ACK, level));
    let start = begin_map_section(&mut out, MapSection::ApplicationProperties);
    let mut elements = 0;
    for (name, value) in own.filter(|(name, _)| !name.is_empty()).chain(ack) {
        write_str(&mut out, name);
        write_str(&mut out, value);
        elements += 2;
    }
    end_map_section(&mut out, start, elements);
    write_data(&mut out, body);
    Ok(out)
}

/// Ids are encoded, because whoever reads the path decodes them.
fn queue_path(Identity { device, module }: &Identity) -> String {
    let encoded = |id: &str| id.replace('%', "%25");
    let module = module.as_ref().map(|id| format!("/modules/{}", encoded(id.as_str())));
    let device = encoded(device.as_str());
    format!("/devices/{device}{}/messages/deviceBound", module.unwrap_or_default())
}
