use super::*;
use crate::time::UnixMillis;

fn message(headers: &[(&str, &str)]) -> HttpMessage {
    let message = HttpMessage::from_headers(headers.iter().copied(), Bytes::from_static(b"21"));
    message.expect("it is small")
}

fn application(message: &HttpMessage) -> Vec<String> {
    let pairs = message.as_d2c().application;
    pairs.map(|(name, value)| format!("{name}={value}")).collect()
}

#[test]
fn headers_in_any_case_become_properties() {
    let message = message(&[
        ("Host", "hub"),
        ("IoTHub-MessageId", "m-1"),
        ("iothub-correlationid", "c"),
        ("IOTHUB-USERID", "u"),
        ("IoTHub-To", "/devices/d/messages/events"),
        ("iothub-expiry", "2026-12-01T10:00:00Z"),
        ("iothub-contenttype", "application/json"),
        ("Content-Type", "text/plain"),
        ("iothub-contentencoding", "utf-8"),
        ("iothub-interface-id", "i"),
        ("dt-subject", "s"),
        ("iothub-creationtimeutc", "t"),
        ("iothub-messageschema", "x"),
        ("iothub-app-Level", "hot spot"),
        ("iothub-app-", "nothing"),
        ("iothub-unknown", "nothing"),
    ]);
    let expected = SystemProperties {
        message_id: Some("m-1".into()),
        correlation_id: Some("c".into()),
        user_id: Some("u".into()),
        to: Some("/devices/d/messages/events".into()),
        content_type: Some("application/json".into()),
        content_encoding: Some("utf-8".into()),
        absolute_expiry: Some(UnixMillis::from_millis(1_796_119_200_000)),
        component: Some("s".into()),
        interface_id: Some("i".into()),
    };
    assert_eq!(*message.as_d2c().system, expected);
    let pairs = ["iothub-creation-time-utc=t", "iothub-message-schema=x", "Level=hot spot"];
    assert_eq!(application(&message), pairs);
    assert_eq!(message.as_d2c().body, b"21");
}

#[test]
fn plain_headers_count_where_nothing_more_exact_is_said() {
    let content_type = |value| message(&[("content-type", value)]).system.content_type;
    assert_eq!(content_type("application/json"), Some("application/json".into()));
    for plain in ["application/octet-stream", "Binary/Octet-Stream; x=y"] {
        assert_eq!(content_type(plain), None, "{plain}");
    }
    let encoding = message(&[("Content-Encoding", "gzip")]).system.content_encoding;
    assert_eq!(encoding, Some("gzip".into()));
}

#[test]
fn what_amqp_cannot_carry_stays_an_application_property() {
    let message = message(&[("iothub-expiry", "soon"), ("iothub-contenttype", "ä")]);
    assert_eq!(application(&message), ["iothub-expiry=soon", "iothub-contenttype=ä"]);
}

#[test]
fn arrays_keep_their_order_and_default_to_base64() {
    let text = r#"[
        {"body":"eyJ0Ijo4MX0=","properties":{"iothub-app-level":"hot","messageid":"m-1"}},
        {"body":"plain \u00e4","base64Encoded":false,"properties":null},
        {"body":"AAE","base64Encoded":true,"more":[1]}
    ]"#;
    let batch = HttpMessage::batch(text.as_bytes()).expect("three messages");
    let bodies: Vec<&[u8]> = batch.iter().map(|message| &*message.body).collect();
    assert_eq!(bodies, [&b"{\"t\":81}"[..], "plain ä".as_bytes(), &[0, 1]]);
    assert_eq!(batch[0].system.message_id, Some("m-1".into()));
    assert_eq!(application(&batch[0]), ["level=hot"]);
    assert_eq!(HttpMessage::batch(b"[]"), Ok(Vec::new()));
}

#[test]
fn one_bad_message_fails_all() {
    for (text, expected) in [
        ("", InvalidBatch::Json),
        ("{}", InvalidBatch::Json),
        ("[1]", InvalidBatch::Json),
        (r#"[{"body":"AA=="},{}]"#, InvalidBatch::Json),
        (r#"[{"body":"AA=="},{"body":7}]"#, InvalidBatch::Json),
        (r#"[{"body":"AA==","body":"AA=="}]"#, InvalidBatch::Json),
        (r#"[{"body":"AA=="}] x"#, InvalidBatch::Json),
        (r#"[{"body":"AA=="},{"body":"not base64"}]"#, InvalidBatch::Base64),
        (r#"[{"body":"AA==","properties":{"a":1}}]"#, InvalidBatch::Json),
    ] {
        assert_eq!(HttpMessage::batch(text.as_bytes()), Err(expected), "{text}");
    }
}

#[test]
fn sizes_are_bounded() {
    let array = |bytes: usize| {
        let text = format!(r#"[{{"base64Encoded":false,"body":"{}"}}]"#, "x".repeat(bytes - 35));
        HttpMessage::batch(text.as_bytes()).map(|batch| batch.len())
    };
    assert_eq!(array(D2C_MESSAGE_BYTES_MAX), Ok(1));
    let too_large = MessageTooLarge(D2C_MESSAGE_BYTES_MAX + 1);
    assert_eq!(array(D2C_MESSAGE_BYTES_MAX + 1), Err(too_large.into()));
    let body = Bytes::from(vec![b'x'; D2C_MESSAGE_BYTES_MAX - 1]);
    let with = |name| HttpMessage::from_headers([(name, "v")].into_iter(), body.clone());
    assert!(with("iothub-messageid").is_ok());
    assert_eq!(with("iothub-app-n"), Err(too_large));
}
