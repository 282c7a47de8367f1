//! Requests of threads of this process: answered as those of clients are, without a connection.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use ringhub_core::limits::BLOB_PIECE_BYTES;
use ringhub_core::storage::StorageQuery;

use super::operation::{Operation, Target, is_blob_path};
use super::{BlobNews, BlobRequest, BlobService, BlobSink, StorageError, Transfer, access};
use crate::api::{Request, Response};
use crate::directory::Hub;

/// Longest time for one step of the store.
const STEP_TIME_MAX: Duration = Duration::from_mins(1);

/// The store has not answered in time, or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silence;

impl BlobService {
    /// Whether an address is one of the account of this hub: its signature was made with the key
    /// that only this process has.
    pub(crate) fn has_signed(&self, hub: &Hub, path_and_query: &str) -> bool {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let (key, query) = (self.account_key(hub.id), StorageQuery::parse(query));
        is_blob_path(path)
            && Target::of(path).is_ok_and(|target| access::is_signed_with(&key, &target, &query))
    }

    /// Answers a request. Blocks, so no shard may call it; what is asked for and longer than
    /// `body_bytes_max` is cut.
    ///
    /// # Errors
    /// [`Silence`].
    pub(crate) fn answer(
        &self,
        hub: &Hub,
        request: Request,
        body_bytes_max: u64,
    ) -> Result<Response, Silence> {
        let body = request.body.clone();
        // At most the answer and one piece are in it: the next step follows upon what is heard.
        let (sender, heard) = flume::unbounded();
        let sink = BlobSink::new(move |news| drop(sender.send(news)));
        let begun = self.admit(hub, request).and_then(|request| self.begin(request, sink));
        match begun {
            Ok((transfer, is_upload)) => {
                let exchange = Exchange { heard, transfer };
                if is_upload { exchange.send(body) } else { exchange.receive(body_bytes_max) }
            }
            Err(error) => Ok(error.response()),
        }
    }

    /// Gives the transfer, if there is one, and whether it is one of bytes to the store.
    fn begin(
        &self,
        request: BlobRequest,
        sink: BlobSink,
    ) -> Result<(Option<Transfer>, bool), StorageError> {
        if matches!(request.operation, Operation::PutBlob | Operation::PutBlock(_)) {
            let length = request.body().len() as u64;
            return Ok((Some(self.receive(request, length, sink)?), true));
        }
        Ok((self.run(request, sink)?, false))
    }
}

/// A request under way.
struct Exchange {
    heard: flume::Receiver<BlobNews>,
    transfer: Option<Transfer>,
}

impl Exchange {
    fn next(&self) -> Result<BlobNews, Silence> {
        self.heard.recv_timeout(STEP_TIME_MAX).map_err(|_| Silence)
    }

    /// Hands over a body, piece by piece.
    fn send(self, mut body: Bytes) -> Result<Response, Silence> {
        let transfer = self.transfer.as_ref().ok_or(Silence)?;
        while !body.is_empty() {
            transfer.write(body.split_to(BLOB_PIECE_BYTES.min(body.len())));
            match self.next()? {
                BlobNews::Taken(_) => {}
                BlobNews::Done(refusal) => return Ok(refusal),
                _ => return Err(Silence),
            }
        }
        transfer.finish();
        match self.next()? {
            BlobNews::Done(response) => Ok(response),
            _ => Err(Silence),
        }
    }

    /// Collects an answer.
    fn receive(self, body_bytes_max: u64) -> Result<Response, Silence> {
        let (mut response, length) = match self.next()? {
            BlobNews::Done(response) => return Ok(response),
            BlobNews::Found(response, length) => (response, length),
            _ => return Err(Silence),
        };
        response.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        // Without one, only the head was asked for.
        if let Some(transfer) = &self.transfer {
            let mut body = Vec::new();
            while (body.len() as u64) < length.min(body_bytes_max) {
                transfer.read();
                match self.next()? {
                    BlobNews::Piece(piece) => body.extend_from_slice(&piece),
                    _ => return Err(Silence),
                }
            }
            response.body = body.into();
        }
        Ok(response)
    }
}
