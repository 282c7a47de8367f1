//! Bodies that come in pieces, and answers that leave so.

use super::*;
use crate::codec::http::BodyLength;

const HEAD: &str = "PUT /blobs/a HTTP/1.1\r\nHost: hub\r\n";

fn streaming() -> Driver {
    let mut driver = Driver::new();
    driver.exchange = driver.exchange.streaming(|head| head.method == "PUT");
    driver
}

fn offered(driver: &mut Driver, headers: &str) -> BodyLength {
    match driver.receive(format!("{HEAD}{headers}\r\n").as_bytes()) {
        Some(Event::Head(request, length)) => {
            assert_eq!(request.path(), "/blobs/a");
            length
        }
        other => panic!("expected a head, got {other:?}"),
    }
}

#[test]
fn a_body_of_any_length_comes_as_far_as_there_is_credit() {
    let mut driver = streaming();
    assert_eq!(offered(&mut driver, "Content-Length: 1000\r\n"), BodyLength::Known(1000));
    assert_eq!(driver.receive(&[7; 10]), None);
    assert_eq!(driver.leftover.len(), 10, "nothing is taken before the request is let in");
    let now = driver.now;
    driver.exchange.accept_body(100, now);
    driver.receive(&[7; 50]);
    assert_eq!(driver.exchange.poll_body(64), None, "more is to come");
    driver.receive(&[7; 940]);
    assert_eq!(driver.leftover.len(), 900);
    assert!(!driver.exchange.wants_input());
    assert_eq!(driver.exchange.poll_body(256).map(|piece| piece.len()), Some(100));
    driver.wait(3600);
    assert!(driver.exchange.is_streaming(), "the hub made the client wait");
    let now = driver.now;
    driver.exchange.grant_credit(2000, now);
    driver.receive(b"GET / HTTP/1.1\r\n");
    assert!(!driver.exchange.is_streaming());
    assert_eq!(driver.exchange.poll_body(4096).map(|piece| piece.len()), Some(900));
    assert_eq!(driver.leftover, b"GET / HTTP/1.1\r\n", "the next request stays");
    assert!(driver.respond(StatusCode::CREATED, b"").contains("201"));
    assert!(!driver.exchange.is_closing());
}

#[test]
fn the_body_is_asked_for_once_the_request_is_let_in() {
    let mut driver = streaming();
    offered(&mut driver, "Content-Length: 4\r\nExpect: 100-continue\r\n");
    assert_eq!(driver.sent(), "");
    let now = driver.now;
    driver.exchange.accept_body(100, now);
    assert!(driver.sent().starts_with("HTTP/1.1 100 Continue"));
    let mut refused = streaming();
    offered(&mut refused, "Content-Length: 4\r\nExpect: 100-continue\r\n");
    let answer = refused.respond(StatusCode::FORBIDDEN, b"no");
    assert!(answer.contains("403") && answer.contains("Connection: close"), "{answer}");
    assert!(refused.exchange.is_closing());
}

#[test]
fn an_answer_before_the_end_of_the_body_closes_the_connection() {
    let mut driver = streaming();
    assert_eq!(offered(&mut driver, "Transfer-Encoding: chunked\r\n"), BodyLength::Chunked);
    driver.respond(StatusCode::LENGTH_REQUIRED, b"");
    assert!(driver.exchange.is_closing());
    let mut slow = streaming();
    offered(&mut slow, "Content-Length: 100\r\n");
    let now = slow.now;
    slow.exchange.accept_body(100, now);
    slow.wait(59);
    slow.receive(b"x");
    slow.wait(59);
    assert!(slow.exchange.is_streaming(), "every piece has its time");
    slow.wait(2);
    assert!(slow.sent().contains("408"));
    assert!(slow.exchange.is_closing());
}

#[test]
fn a_body_without_bytes_is_complete_at_once() {
    let mut driver = streaming();
    assert_eq!(offered(&mut driver, ""), BodyLength::Known(0));
    let now = driver.now;
    driver.exchange.accept_body(100, now);
    assert!(!driver.exchange.is_streaming());
    assert!(driver.respond(StatusCode::CREATED, b"").contains("201"));
}

#[test]
fn an_answer_leaves_in_pieces_and_the_next_request_follows() {
    let mut driver = streaming();
    driver.request(b"GET /a HTTP/1.1\r\nHost: hub\r\n\r\n");
    let at = (driver.now, WALL);
    assert!(driver.exchange.begin_answer(StatusCode::OK, &HeaderMap::new(), 6, at));
    assert!(!driver.exchange.wants_answer(), "the head waits to be sent");
    assert!(driver.sent().contains("Content-Length: 6\r\n"));
    assert!(driver.exchange.wants_answer());
    driver.exchange.push_answer(b"abc", at.0);
    assert_eq!(driver.sent(), "abc");
    driver.exchange.push_answer(b"defgh", at.0);
    assert_eq!(driver.sent(), "def", "no more than was promised");
    assert!(!driver.exchange.is_answering());
    driver.request(b"HEAD /a HTTP/1.1\r\nHost: hub\r\n\r\n");
    assert!(driver.exchange.begin_answer(StatusCode::OK, &HeaderMap::new(), 6, at));
    assert!(driver.sent().ends_with("Content-Length: 6\r\n\r\n"));
    driver.request(b"GET /b HTTP/1.1\r\nHost: hub\r\n\r\n");
}
