//! Drives the exchanges of one HTTP connection: requests to the control plane, handshakes to a
//! WebSocket.

mod blob;
mod device;
mod own;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ringhub_control_plane::api::{PROPERTY_PREFIX, Reply, Request as ApiRequest, Response};
use ringhub_control_plane::blob::{is_blob_path, is_streamed};
use ringhub_core::auth::CertificateChain;
use ringhub_core::codec::websocket::Protocol as Carried;
use ringhub_core::id::SeatId;
use ringhub_core::position::{Committed, Ticket};
use ringhub_core::session::http::{Event, HttpExchange, Request};
use ringhub_core::time::Timestamp;
use tracing::debug;

use self::blob::BlobExchange;
use self::device::{Receiving, Sending};
use self::own::Own;
use crate::shard::mailbox::Mail;
use crate::shard::{Close, HubServices, Protocol, ShardContext, ShardCounters};

type Context<'a> = ShardContext<'a, HubServices>;

/// One HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct HttpDriver {
    exchange: HttpExchange,
    upgraded_to: Option<Carried>,
    /// The messages of the request that awaits its answer.
    sending: Option<Box<Sending>>,
    /// The request for a message that waits for its time.
    receiving: Option<Box<Receiving>>,
    /// The blob of the request that comes, or that is being answered.
    blob: Option<BlobExchange>,
    /// What the handshake proved, for the requests of devices; a WebSocket takes it along.
    certificate: Option<Box<CertificateChain>>,
}

impl HttpDriver {
    pub(super) fn new(
        services: &HubServices,
        certificate: Option<Box<CertificateChain>>,
        now: Timestamp,
    ) -> Self {
        let exchange = HttpExchange::new(services.hub.http, now).streaming(is_streamed);
        let (upgraded_to, sending, receiving, blob) = (None, None, None, None);
        Self { exchange, upgraded_to, sending, receiving, blob, certificate }
    }

    /// The chain of the handshake, for what the connection carries from now on.
    pub(super) fn take_certificate(&mut self) -> Option<Box<CertificateChain>> {
        self.certificate.take()
    }

    /// What the connection carries from now on, once its handshake was accepted.
    pub(super) fn take_upgrade(&mut self) -> Option<Carried> {
        self.upgraded_to.take()
    }

    fn on_event(&mut self, event: Event, cx: &mut Context<'_>) {
        match event {
            Event::Request(request) => self.on_request(&request, cx),
            Event::Head(request, length) => self.on_blob_head(&request, length, cx),
            Event::Upgrade(upgrade) => {
                self.exchange.accept_upgrade();
                self.upgraded_to = Some(upgrade.protocol);
            }
            Event::Refused(error) => {
                self.blob = None;
                count_status(error.status(), cx.counters());
                let (hub, connection) = (cx.services.any_hub_name(), cx.connection);
                debug!(hub, %connection, reason = %error, "HTTP request refused");
            }
        }
    }

    fn on_request(&mut self, request: &Request, cx: &mut Context<'_>) {
        let Some(api) = api_request(request) else {
            let status = StatusCode::NOT_IMPLEMENTED;
            let (headers, body) = (HeaderMap::new(), Bytes::new());
            return self.respond(&Response { status, headers, body }, cx);
        };
        if is_blob_path(&api.path_and_query) {
            return self.on_blob_request(api, cx);
        }
        match cx.services.control.admit_device(&api, self.certificate.as_deref()) {
            None => self.on_api_request(api, cx),
            Some(Ok(device)) => self.on_device_request(device, request, &api, cx),
            Some(Err(refusal)) => self.respond(&refusal, cx),
        }
    }

    fn on_api_request(&mut self, request: ApiRequest, cx: &Context<'_>) {
        let reply = reply(cx);
        match Own::of(&request.path_and_query) {
            None => {
                let certificate = self.certificate.as_deref();
                cx.services.control.submit_certified(request, certificate, reply);
            }
            Some(own) => {
                if let Some(response) = own.answer(request, reply, cx) {
                    self.respond(&response, cx);
                }
            }
        }
    }

    fn respond(&mut self, response: &Response, cx: &Context<'_>) {
        count_status(response.status, cx.counters());
        let at = (cx.now, cx.wall);
        self.exchange.respond(response.status, &response.headers, &response.body, at);
    }

    /// Ends the connection when the machine has nothing more to do on it.
    fn end_if_closing(&self) -> Result<(), Close> {
        if self.exchange.is_closing() { Err(Close::Finished) } else { Ok(()) }
    }
}

impl Protocol for HttpDriver {
    type Services = HubServices;

    fn handle_bytes(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Close> {
        let mut consumed = 0;
        loop {
            let used = self.exchange.handle_bytes(&input[consumed..], cx.now, cx.wall);
            consumed += used;
            let event = self.exchange.poll_event();
            let has_come_on = used > 0 || event.is_some();
            if let Some(event) = event {
                self.on_event(event, cx);
            }
            self.feed_blob();
            if !has_come_on {
                break;
            }
        }
        self.end_if_closing()?;
        Ok(consumed)
    }

    fn handle_committed(
        &mut self,
        _: SeatId,
        upto: Committed<Ticket>,
        cx: &mut Context<'_>,
    ) -> Result<(), Close> {
        self.on_committed(upto, cx);
        self.end_if_closing()
    }

    fn handle_mail(&mut self, mail: Mail, cx: &mut Context<'_>) -> Result<(), Close> {
        match mail {
            Mail::Exchange { response, .. } => self.respond(&response, cx),
            Mail::C2dDone { outcome, .. } => self.on_settled(outcome, cx),
            Mail::Blob { news, .. } => self.on_blob_news(news, cx),
            _ => {}
        }
        self.end_if_closing()
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        if self.retry_at().is_some_and(|at| at <= cx.now) {
            self.go_on_sending(cx);
        }
        self.go_on_receiving(cx);
        self.exchange.handle_timeout(cx.now, cx.wall);
        while let Some(event) = self.exchange.poll_event() {
            self.on_event(event, cx);
        }
        self.end_if_closing()
    }

    /// The registry does not need the log.
    fn handle_log_failed(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        self.on_log_failed(cx);
        self.end_if_closing()
    }

    fn handle_closed(&mut self, _: Close, cx: &mut Context<'_>) {
        self.stop_sending(cx);
        self.receiving = None;
        self.blob = None;
        self.exchange.shut_down();
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let receiving = self.receiving.as_ref().map(|asked| asked.until);
        [self.exchange.poll_timeout(), self.retry_at(), receiving].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self, out: &mut BytesMut) -> bool {
        let has_more = self.exchange.poll_transmit(out);
        self.ask_for_piece();
        has_more
    }

    fn can_read(&self, _: &HubServices) -> bool {
        self.exchange.wants_input()
    }
}

/// The request as the control plane reads it; `None` when its method is none.
fn api_request(request: &Request) -> Option<ApiRequest> {
    Some(ApiRequest {
        method: Method::from_bytes(request.method().as_bytes()).ok()?,
        path_and_query: request.path_and_query().to_owned(),
        headers: headers_of(request),
        properties: properties_of(request),
        body: request.body.clone(),
    })
}

/// The way of an answer back to the connection.
fn reply(cx: &Context<'_>) -> Reply {
    let (connection, mailboxes) = (cx.connection, cx.services.mailboxes.clone());
    Box::new(move |response| {
        mailboxes.post(connection.shard, Mail::Exchange { connection, response });
    })
}

fn count_status(status: StatusCode, counters: &ShardCounters) {
    let counter = match status.as_u16() {
        200..300 => &counters.http_2xx,
        300..400 => &counters.http_3xx,
        401 => &counters.http_401,
        429 => &counters.http_429,
        400..500 => &counters.http_4xx,
        _ => &counters.http_5xx,
    };
    counter.add(1);
}

/// Headers that become properties of a message, whose names keep their case.
fn properties_of(request: &Request) -> Vec<(String, String)> {
    let is_property = |name: &str| {
        let start = name.get(..PROPERTY_PREFIX.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(PROPERTY_PREFIX))
    };
    let properties = request.headers().filter(|(name, _)| is_property(name));
    properties.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Headers as the control plane looks them up; what the `http` types do not take has no meaning for
/// it.
fn headers_of(request: &Request) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    headers
}
