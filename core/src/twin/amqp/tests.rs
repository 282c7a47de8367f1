//! Requests as device SDKs send them, and answers as they check them.

use hex_literal::hex;

use super::*;
use crate::codec::amqp::primitive::write_null;
use crate::codec::amqp::section::Body;

fn request(
    id: Option<MessageId<'_>>,
    pairs: &[(&str, Option<&str>)],
    body: Option<&[u8]>,
) -> BytesMut {
    let mut out = BytesMut::new();
    let start = begin_map_section(&mut out, MapSection::MessageAnnotations);
    for (name, value) in pairs {
        write_symbol(&mut out, name);
        match value {
            Some(value) => write_str(&mut out, value),
            None => write_null(&mut out),
        }
    }
    end_map_section(&mut out, start, u32::try_from(2 * pairs.len()).unwrap());
    Properties { correlation_id: id, ..Properties::default() }.encode(&mut out);
    if let Some(body) = body {
        write_data(&mut out, body);
    }
    out
}

#[test]
fn every_sdks_requests_are_read() {
    let node = MessageId::Str("00112233-4455-6677-8899-aabbccddeeff");
    let java = MessageId::Uuid([7; 16]);
    let reported = ("resource", Some("/properties/reported"));
    let notify = ("resource", Some("/notifications/twin/properties/desired"));
    let report = |version, patch| TwinOperation::Report { version, patch };
    for (id, pairs, body, operation) in [
        (node, &[("operation", Some("GET"))][..], Some(&b" "[..]), TwinOperation::Get),
        (MessageId::Str("Get1f"), &[("operation", Some("GET"))], None, TwinOperation::Get),
        (
            java,
            &[("operation", Some("PATCH")), reported, ("version", None)],
            Some(br#"{"fan":3}"#),
            report(None, Cow::Borrowed(&br#"{"fan":3}"#[..])),
        ),
        (
            node,
            &[("operation", Some("PATCH")), reported, ("version", Some("12"))],
            Some(b"{}"),
            report(Some(12), Cow::Borrowed(b"{}")),
        ),
        (node, &[("operation", Some("PUT")), notify], Some(b" "), TwinOperation::Subscribe),
        (node, &[("operation", Some("DELETE")), notify], None, TwinOperation::Unsubscribe),
    ] {
        let bytes = request(Some(id), pairs, body);
        let expected = TwinRequest { correlation_id: id, operation };
        assert_eq!(TwinRequest::decode(&bytes), Ok(expected), "{pairs:?}");
    }
}

#[test]
fn versions_may_be_of_any_integer_type() {
    for version in
        [&hex!("54 07")[..], &hex!("55 07"), &hex!("52 07"), &hex!("80 0000000000000007")]
    {
        let mut bytes = BytesMut::new();
        let start = begin_map_section(&mut bytes, MapSection::MessageAnnotations);
        write_symbol(&mut bytes, "operation");
        write_symbol(&mut bytes, "PATCH");
        write_symbol(&mut bytes, "resource");
        write_str(&mut bytes, "/properties/reported/");
        write_symbol(&mut bytes, "version");
        bytes.extend_from_slice(version);
        end_map_section(&mut bytes, start, 6);
        let id = Some(MessageId::Ulong(1));
        Properties { correlation_id: id, ..Properties::default() }.encode(&mut bytes);
        let patch = Cow::Borrowed(&b""[..]);
        let expected = TwinOperation::Report { version: Some(7), patch };
        assert_eq!(TwinRequest::decode(&bytes).unwrap().operation, expected);
    }
}

#[test]
fn what_is_no_request_is_told_why() {
    let id = Some(MessageId::Str("x"));
    let long = "x".repeat(AMQP_CORRELATION_ID_BYTES_MAX + 1);
    let get = &[("operation", Some("GET"))][..];
    for (bytes, error) in [
        (request(None, get, None), InvalidTwinRequest::CorrelationId),
        (request(Some(MessageId::Str("")), get, None), InvalidTwinRequest::CorrelationId),
        (request(Some(MessageId::Str(&long)), get, None), InvalidTwinRequest::CorrelationId),
        (request(id, &[], None), InvalidTwinRequest::Operation),
        (request(id, &[("operation", Some("POST"))], None), InvalidTwinRequest::Operation),
        (request(id, &[("operation", Some("PATCH"))], None), InvalidTwinRequest::Operation),
        (
            request(id, &[("operation", Some("PUT")), ("resource", Some(REPORTED))], None),
            InvalidTwinRequest::Operation,
        ),
        (
            request(
                id,
                &[
                    ("operation", Some("PATCH")),
                    ("resource", Some(REPORTED)),
                    ("version", Some("-1")),
                ],
                None,
            ),
            InvalidTwinRequest::Version,
        ),
        (BytesMut::from(&b"\x00"[..]), DecodeError::UnexpectedEnd.into()),
    ] {
        assert_eq!(TwinRequest::decode(&bytes), Err(error));
        assert_eq!(error.error().condition, "com.microsoft:argument-error");
    }
}

#[test]
fn answers_repeat_the_id_and_have_the_types_that_clients_check() {
    let id = MessageId::Ulong(9);
    let mut out = BytesMut::new();
    let done = TwinResponse { correlation_id: id, status: 200, version: Some(8), body: b"" };
    done.encode(&mut out);
    let expected = hex!(
        "005372 c119 04 a306 737461747573 71000000c8 a307 76657273696f6e 5508"
        "005373 c00f 0d 4040404040 5309 40404040404040"
    );
    assert_eq!(out[..], expected);

    out.clear();
    let twin = br#"{"desired":{},"reported":{}}"#;
    let read = TwinResponse { correlation_id: id, status: 200, version: None, body: twin };
    read.encode(&mut out);
    let message = Message::decode(&out).unwrap();
    assert_eq!(message.properties.correlation_id, Some(id));
    let annotations = message.message_annotations.unwrap();
    assert_eq!((annotations.value("status"), annotations.count()), (Some(Value::Int(200)), 2));
    assert_eq!(message.body, Body::Data(twin));
}

#[test]
fn notifications_have_a_version_and_no_correlation_id() {
    let mut out = BytesMut::new();
    write_desired(&mut out, 5, br#"{"fan":1,"$version":5}"#);
    let message = Message::decode(&out).unwrap();
    assert_eq!(message.properties, Properties::default());
    let annotations = message.message_annotations.unwrap();
    assert_eq!(annotations.value("version"), Some(Value::Long(5)));
    assert_eq!(annotations.value("resource"), Some(Value::Str("/properties/desired")));
    assert_eq!(message.body, Body::Data(br#"{"fan":1,"$version":5}"#));
}

#[test]
fn a_client_and_the_hub_understand_each_other() {
    let patch = Cow::Borrowed(&b"{}"[..]);
    for operation in [
        TwinOperation::Get,
        TwinOperation::Report { version: None, patch: patch.clone() },
        TwinOperation::Report { version: Some(3), patch },
        TwinOperation::Subscribe,
        TwinOperation::Unsubscribe,
    ] {
        let request = TwinRequest { correlation_id: MessageId::Str("r"), operation };
        let mut out = BytesMut::new();
        request.encode(&mut out);
        assert_eq!(TwinRequest::decode(&out), Ok(request));
    }
    let (correlation_id, status) = (MessageId::Uuid([1; 16]), 404);
    let mut out = BytesMut::new();
    TwinResponse { correlation_id, status, version: Some(2), body: b"{}" }.encode(&mut out);
    let body = Cow::Borrowed(&b"{}"[..]);
    let expected = TwinNews::Answer { correlation_id, status, version: Some(2), body };
    assert_eq!(TwinNews::decode(&out), Some(expected));
    out.clear();
    write_desired(&mut out, 4, b"{}");
    let patch = Cow::Borrowed(&b"{}"[..]);
    assert_eq!(TwinNews::decode(&out), Some(TwinNews::Desired { version: 4, patch }));
    assert_eq!(TwinNews::decode(b""), None);
}
