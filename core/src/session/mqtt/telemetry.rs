//! From a publish of a device to the D2C message that is stored.

use std::borrow::Cow;

use super::property_bag::{Encoded, Property, PropertyName, SystemProperty};
use super::publish::D2cPublish;
use crate::message::{D2cMessage, SystemProperties, parse_time};

/// The system properties of a publish, typed.
#[must_use]
pub fn system_properties<'p>(publish: &D2cPublish<'p>) -> SystemProperties<'p> {
    let mut system = SystemProperties::default();
    for property in publish.bag {
        if let PropertyName::System(name) = property.name {
            set_system(&mut system, name, value_of(property));
        }
    }
    system
}

/// Makes the message of a publish, whose [system properties](system_properties) are `system`: all
/// others as application properties; what the hub adds comes last, so that a device cannot forge
/// it.
///
/// Allocates only for texts with escapes. A system property that AMQP cannot carry in its place (a
/// content type outside ASCII, an expiry that is no ISO 8601 time) stays an application property
/// under the name it came with, so that nothing is lost and nothing refused.
///
/// Source: device-endpoints reference, "Device-to-cloud telemetry".
pub fn d2c_message<'p>(
    publish: &D2cPublish<'p>,
    system: &'p SystemProperties<'p>,
) -> D2cMessage<'p, impl Iterator<Item = (Cow<'p, str>, Cow<'p, str>)> + Clone + use<'p>> {
    let added = publish.added_properties();
    let added = added.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
    let application = publish.bag.iter().filter_map(application_property).chain(added);
    D2cMessage { system, amqp: None, application, body: publish.payload }
}

fn value_of(property: Property<'_>) -> Cow<'_, str> {
    property.value.map_or(Cow::Borrowed(""), Encoded::decode)
}

fn set_system<'p>(system: &mut SystemProperties<'p>, name: SystemProperty, value: Cow<'p, str>) {
    match name {
        SystemProperty::MessageId => system.message_id = Some(value),
        SystemProperty::CorrelationId => system.correlation_id = Some(value),
        SystemProperty::UserId => system.user_id = Some(value),
        SystemProperty::To => system.to = Some(value),
        SystemProperty::ContentType if value.is_ascii() => system.content_type = Some(value),
        SystemProperty::ContentEncoding if value.is_ascii() => {
            system.content_encoding = Some(value);
        }
        SystemProperty::AbsoluteExpiry => system.absolute_expiry = parse_time(&value),
        SystemProperty::Component => system.component = Some(value),
        SystemProperty::InterfaceId => system.interface_id = Some(value),
        _ => {}
    }
}

/// What stays an application property, and under which name a back end sees it.
fn application_property(property: Property<'_>) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let value = value_of(property);
    let name = match property.name {
        PropertyName::Application(name) => name.decode(),
        PropertyName::UnknownSystem(name) => Cow::Owned(format!("$.{}", name.decode())),
        PropertyName::System(name) => Cow::Borrowed(application_name(name, &value)?),
    };
    Some((name, value))
}

fn application_name(name: SystemProperty, value: &str) -> Option<&'static str> {
    match name {
        SystemProperty::CreationTime => Some("iothub-creation-time-utc"),
        SystemProperty::MessageSchema => Some("iothub-message-schema"),
        SystemProperty::OutputName => Some("iothub-outputname"),
        SystemProperty::DiagnosticId => Some("Diagnostic-Id"),
        SystemProperty::DiagnosticContext => Some("Correlation-Context"),
        SystemProperty::Ack => Some("iothub-ack"),
        SystemProperty::Operation => Some("iothub-operation"),
        SystemProperty::ConnectionDeviceId => Some("$.cdid"),
        SystemProperty::ConnectionModuleId => Some("$.cmid"),
        SystemProperty::ContentType => (!value.is_ascii()).then_some("$.ct"),
        SystemProperty::ContentEncoding => (!value.is_ascii()).then_some("$.ce"),
        SystemProperty::AbsoluteExpiry => parse_time(value).is_none().then_some("$.exp"),
        SystemProperty::MessageId
        | SystemProperty::CorrelationId
        | SystemProperty::UserId
        | SystemProperty::To
        | SystemProperty::Component
        | SystemProperty::InterfaceId => None,
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU16;

    use super::*;
    use crate::codec::mqtt::{Delivery, Publish};
    use crate::id::PacketId;
    use crate::time::UnixMillis;

    fn application(text: &str, dup: bool) -> Vec<String> {
        let publish = publish(text, dup);
        let system = system_properties(&publish);
        let message = d2c_message(&publish, &system);
        message.application.map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn publish(bag: &str, dup: bool) -> D2cPublish<'_> {
        let delivery = Delivery::AtLeastOnce { id: PacketId(NonZeroU16::MIN), dup };
        let publish = Publish { topic: "", delivery, retain: dup, payload: b"" };
        D2cPublish::new(&publish, bag).expect("a valid bag")
    }

    #[test]
    fn system_properties_are_typed_and_leave_the_rest_to_the_application() {
        let text = "%24.mid=m-1&%24.ct=application%2Fjson&%24.ce=utf-8&level=hot%20spot\
                    &$.exp=2026-12-01T10:00:00Z&$.cid=c&$.uid=u&$.sub=s&$.ifid=i&$.to=x";
        let expected = SystemProperties {
            message_id: Some("m-1".into()),
            correlation_id: Some("c".into()),
            user_id: Some("u".into()),
            to: Some("x".into()),
            content_type: Some("application/json".into()),
            content_encoding: Some("utf-8".into()),
            absolute_expiry: Some(UnixMillis::from_millis(1_796_119_200_000)),
            component: Some("s".into()),
            interface_id: Some("i".into()),
        };
        assert_eq!(system_properties(&publish(text, false)), expected);
        assert_eq!(application(text, false), ["level=hot spot"]);
    }

    #[test]
    fn what_amqp_cannot_carry_stays_an_application_property() {
        assert_eq!(
            application("$.ct=%C3%A4&$.exp=soon&$.xyz=1&$.ctime=t", false),
            ["$.ct=ä", "$.exp=soon", "$.xyz=1", "iothub-creation-time-utc=t"]
        );
    }

    #[test]
    fn what_the_hub_adds_comes_last() {
        assert_eq!(
            application("mqtt-dup=no", true),
            ["mqtt-dup=no", "mqtt-dup=true", "mqtt-retain=true"]
        );
    }
}
