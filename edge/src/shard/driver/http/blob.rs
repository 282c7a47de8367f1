//! Requests about blobs: bodies to the threads of the store and back, piece by piece.
//!
//! ```text
//! socket ─▶ piece ─▶ thread of the store ─ Taken ─▶ credit: at most two pieces are on their way
//! thread of the store ─ Piece ─▶ socket, empty ─▶ the next is asked for
//! ```

use ringhub_control_plane::api::Request as ApiRequest;
use ringhub_control_plane::blob::{BlobNews, BlobRequest, BlobSink, StorageError, Transfer};
use ringhub_core::codec::http::BodyLength;
use ringhub_core::limits::{BLOB_PIECE_BYTES, BLOB_WINDOW_BYTES};
use ringhub_core::session::http::Request;

use super::{Context, HttpDriver, api_request, count_status};
use crate::shard::mailbox::Mail;

/// What a connection sends or receives.
#[derive(Debug)]
pub(super) struct BlobExchange {
    transfer: Transfer,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The body comes.
    Receiving,
    /// The store makes durable what has come, or looks for what is asked for.
    AwaitingStore,
    /// The answer leaves; the next piece of it was asked for, or is to be.
    Sending { is_asked: bool },
}

impl HttpDriver {
    /// Lets a request in whose body is the bytes of a blob.
    pub(super) fn on_blob_head(&mut self, request: &Request, length: BodyLength, cx: &Context<'_>) {
        match begin_upload(request, length, cx) {
            Ok(transfer) => {
                self.blob = Some(BlobExchange { transfer, state: State::Receiving });
                self.exchange.accept_body(BLOB_WINDOW_BYTES, cx.now);
            }
            Err(error) => self.respond(&error.response(), cx),
        }
    }

    /// Answers a request about blobs whose body is there.
    pub(super) fn on_blob_request(&mut self, request: ApiRequest, cx: &Context<'_>) {
        let control = &cx.services.control;
        let run = |request: BlobRequest| control.blobs().run(request, sink(cx));
        match control.admit_blob_request(request).and_then(run) {
            Ok(transfer) => {
                let state = State::AwaitingStore;
                self.blob = transfer.map(|transfer| BlobExchange { transfer, state });
            }
            Err(error) => self.respond(&error.response(), cx),
        }
    }

    /// Hands on what has come of a body.
    pub(super) fn feed_blob(&mut self) {
        let Some(BlobExchange { transfer, state: state @ State::Receiving }) = &mut self.blob
        else {
            return;
        };
        while let Some(piece) = self.exchange.poll_body(BLOB_PIECE_BYTES) {
            transfer.write(piece);
        }
        if !self.exchange.is_streaming() {
            *state = State::AwaitingStore;
            transfer.finish();
        }
    }

    /// The store has got on.
    pub(super) fn on_blob_news(&mut self, news: BlobNews, cx: &Context<'_>) {
        match news {
            BlobNews::Taken(bytes) => self.exchange.grant_credit(bytes, cx.now),
            BlobNews::Done(response) => {
                self.blob = None;
                self.respond(&response, cx);
            }
            BlobNews::Found(response, length) => {
                count_status(response.status, cx.counters());
                let (status, at) = (response.status, (cx.now, cx.wall));
                self.exchange.begin_answer(status, &response.headers, length, at);
                self.go_on_sending_blob();
            }
            BlobNews::Piece(bytes) => {
                self.exchange.push_answer(&bytes, cx.now);
                self.go_on_sending_blob();
            }
            BlobNews::Broken => {
                self.blob = None;
                self.exchange.break_off();
            }
        }
    }

    /// Asks for the next piece of an answer once the last one is on its way to the client.
    pub(super) fn ask_for_piece(&mut self) {
        if let Some(BlobExchange { transfer, state: State::Sending { is_asked } }) = &mut self.blob
            && !*is_asked
            && self.exchange.wants_answer()
        {
            *is_asked = true;
            transfer.read();
        }
    }

    fn go_on_sending_blob(&mut self) {
        if !self.exchange.is_answering() {
            self.blob = None;
        } else if let Some(blob) = &mut self.blob {
            blob.state = State::Sending { is_asked: false };
        }
    }
}

fn begin_upload(
    request: &Request,
    length: BodyLength,
    cx: &Context<'_>,
) -> Result<Transfer, StorageError> {
    let control = &cx.services.control;
    let request = api_request(request).ok_or(StorageError::Unsupported)?;
    let request = control.admit_blob_request(request)?;
    let BodyLength::Known(length) = length else { return Err(StorageError::Length) };
    control.blobs().receive(request, length, sink(cx))
}

fn sink(cx: &Context<'_>) -> BlobSink {
    let (connection, mailboxes) = (cx.connection, cx.services.mailboxes.clone());
    BlobSink::new(move |news| {
        mailboxes.post(connection.shard, Mail::Blob { connection, news });
    })
}
