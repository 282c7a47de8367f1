use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::*;
use crate::limits::{HTTP_HEAD_BYTES_MAX, REQUEST_LINE_BYTES_MAX};
use crate::time::UnixMillis;

const TELEMETRY: &[u8] = include_bytes!("../../../samples/http/telemetry.bin");
const CHUNKED: &[u8] = include_bytes!("../../../samples/http/chunked.bin");

fn head_of(text: &str) -> RequestHead<'_> {
    decode_head(text.as_bytes()).unwrap().unwrap().0
}

#[test]
fn decodes_the_head_of_a_telemetry_request() {
    let (head, length) = decode_head(TELEMETRY).unwrap().unwrap();
    assert_eq!(head.method, "POST");
    assert_eq!(head.target, "/devices/cooler-7/messages/events?api-version=2021-04-12");
    assert_eq!(head.version, Version::Http11);
    assert_eq!(head.values("IOTHUB-APP-temperatureAlert").next(), Some("true"));
    assert_eq!(head.headers()[2].0, "iothub-app-temperatureAlert", "the spelling is kept");
    assert_eq!(head.body_length(), Ok(BodyLength::Known(20)));
    assert_eq!(&TELEMETRY[length..], br#"{"temperature":21.5}"#);
}

#[test]
fn asks_for_more_at_every_prefix_of_a_head() {
    let (_, length) = decode_head(TELEMETRY).unwrap().unwrap();
    for end in 0..length {
        assert!(decode_head(&TELEMETRY[..end]).unwrap().is_none(), "prefix of {end} bytes");
    }
}

#[test]
fn refuses_malformed_heads() {
    let cases: &[(&str, DecodeError)] = &[
        ("GET / HTTP/1.1\nHost: h\r\n\r\n", DecodeError::BareLineFeed),
        ("GET / HTTP/1.1\r\nHost: h\n\r\n", DecodeError::BareLineFeed),
        ("GET / HTTP/1.1\r\n\r\n", DecodeError::BadHost),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", DecodeError::BadHost),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", DecodeError::Malformed),
        ("GET / HTTP/1.1\r\n Host: h\r\n\r\n", DecodeError::Malformed),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", DecodeError::Malformed),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", DecodeError::Malformed),
        ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", DecodeError::Malformed),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", DecodeError::UnsupportedVersion),
        ("GET device HTTP/1.1\r\nHost: h\r\n\r\n", DecodeError::BadTarget),
        ("CONNECT hub:443 HTTP/1.1\r\nHost: h\r\n\r\n", DecodeError::BadTarget),
        ("\x10\x20", DecodeError::Malformed),
    ];
    for (input, error) in cases {
        let result = decode_head(input.as_bytes()).map(|head| head.is_some());
        assert_eq!(result, Err(*error), "{input:?}");
    }
    let latin1 = b"GET / HTTP/1.1\r\nHost: h\r\nX: \xE9\r\n\r\n";
    assert_eq!(decode_head(latin1).map(|_| ()), Err(DecodeError::HeaderNotUtf8));
}

#[test]
fn bounds_request_line_head_and_header_count() {
    let line = format!("GET /{}", "a".repeat(REQUEST_LINE_BYTES_MAX));
    assert_eq!(decode_head(line.as_bytes()).map(|_| ()), Err(DecodeError::RequestLineTooLong));
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "a".repeat(HTTP_HEAD_BYTES_MAX));
    assert_eq!(decode_head(head.as_bytes()).map(|_| ()), Err(DecodeError::HeadTooLarge));
    let with =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert!(decode_head(with(63).as_bytes()).unwrap().is_some());
    assert_eq!(decode_head(with(64).as_bytes()).map(|_| ()), Err(DecodeError::HeadTooLarge));
}

#[test]
fn refuses_every_ambiguous_body_length() {
    let cases: &[(&str, Result<BodyLength, DecodeError>)] = &[
        ("", Ok(BodyLength::Known(0))),
        ("Content-Length: 12\r\n", Ok(BodyLength::Known(12))),
        ("Transfer-Encoding: Chunked\r\n", Ok(BodyLength::Chunked)),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", Err(DecodeError::BadContentLength)),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", Err(DecodeError::BadContentLength)),
        ("Content-Length: 1, 1\r\n", Err(DecodeError::BadContentLength)),
        ("Content-Length: +1\r\n", Err(DecodeError::BadContentLength)),
        ("Content-Length: -1\r\n", Err(DecodeError::BadContentLength)),
        ("Content-Length: 0x10\r\n", Err(DecodeError::BadContentLength)),
        ("Content-Length: \r\n", Err(DecodeError::BadContentLength)),
        ("Content-Length: 18446744073709551616\r\n", Err(DecodeError::BadContentLength)),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", Err(DecodeError::AmbiguousLength)),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Err(DecodeError::AmbiguousLength),
        ),
        ("Transfer-Encoding: gzip, chunked\r\n", Err(DecodeError::UnsupportedTransferCoding)),
        ("Transfer-Encoding: xchunked\r\n", Err(DecodeError::UnsupportedTransferCoding)),
        ("Transfer-Encoding: identity\r\n", Err(DecodeError::UnsupportedTransferCoding)),
    ];
    for (headers, expected) in cases {
        let text = format!("POST / HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        assert_eq!(head_of(&text).body_length(), *expected, "{headers:?}");
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(head_of(old).body_length(), Err(DecodeError::AmbiguousLength));
}

#[test]
fn persistence_follows_version_and_connection_header() {
    let cases = [
        ("HTTP/1.1", "", Persistence::KeepAlive),
        ("HTTP/1.1", "Connection: foo, Close\r\n", Persistence::Close),
        ("HTTP/1.0", "", Persistence::Close),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", Persistence::KeepAliveStated),
    ];
    for (version, headers, expected) in cases {
        let text = format!("GET / {version}\r\nHost: h\r\n{headers}\r\n");
        assert_eq!(head_of(&text).persistence(), expected, "{version} {headers:?}");
    }
}

/// Decodes `input` in pieces of `size` bytes, as a driver with leftovers does.
fn decode_chunks(input: &[u8], size: usize) -> Result<(Vec<u8>, usize, bool), DecodeError> {
    let (mut decoder, mut body, mut start, mut end) = (ChunkedDecoder::new(), Vec::new(), 0, 0);
    loop {
        let step = decoder.decode(&input[start..end])?;
        body.extend_from_slice(step.data);
        start += step.consumed;
        if step.finished {
            return Ok((body, start, true));
        }
        if step.consumed == 0 {
            if end == input.len() {
                return Ok((body, start, false));
            }
            end = (end + size).min(input.len());
        }
    }
}

#[test]
fn chunks_decode_alike_whatever_the_pieces() {
    let (_, length) = decode_head(CHUNKED).unwrap().unwrap();
    let body = &CHUNKED[length..];
    for size in 1..=body.len() {
        let expected = (b"hello world, again".to_vec(), body.len(), true);
        assert_eq!(decode_chunks(body, size), Ok(expected), "pieces of {size}");
    }
    for end in 0..body.len() {
        let (_, _, finished) = decode_chunks(&body[..end], end.max(1)).unwrap();
        assert!(!finished, "prefix of {end} bytes");
    }
}

#[test]
fn refuses_malformed_chunks() {
    let long_line = format!("1;{}", "x".repeat(2000));
    let trailers = format!("0\r\n{}\r\n", "A: b\r\n".repeat(1000));
    let cases = [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5\nhello\r\n",
        "5\r\nhelloX\r\n",
        "5\r\nhello\n",
        "123456789\r\n",
        "\n",
        &long_line,
        &trailers,
    ];
    for input in cases {
        let result = decode_chunks(input.as_bytes(), input.len());
        assert_eq!(result, Err(DecodeError::BadChunk), "{input:?}");
    }
}

fn encode(status: StatusCode, headers: &HeaderMap, body: &[u8], omitted: bool) -> String {
    let mut out = BytesMut::new();
    let date = UnixMillis::from_millis(784_111_777_999);
    let head = ResponseHead { status, headers, date, persistence: Persistence::KeepAlive };
    encode_response(&head, body, omitted, &mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn an_answer_carries_date_and_length_once() {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("99"));
    let expected = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                    content-type: application/json\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(encode(StatusCode::OK, &headers, b"{}", false), format!("{expected}{{}}"));
    assert_eq!(encode(StatusCode::OK, &headers, b"{}", true), expected);
}

#[test]
fn no_content_has_neither_body_nor_type_nor_length() {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let expected = "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
    assert_eq!(encode(StatusCode::NO_CONTENT, &headers, b"{}", false), expected);
}

#[test]
fn dates_are_right_around_leap_days_and_epochs() {
    let cases = [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_709_251_199_000, "Thu, 29 Feb 2024 23:59:59 GMT"),
        (1_795_399_500_000, "Mon, 23 Nov 2026 02:05:00 GMT"),
        (4_107_542_400_000, "Mon, 01 Mar 2100 00:00:00 GMT"),
    ];
    for (millis, text) in cases {
        assert_eq!(HttpDate(UnixMillis::from_millis(millis)).to_string(), text);
    }
}
