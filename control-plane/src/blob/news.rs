//! What the threads of the store tell the connection that waits.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::api::Response;

/// One step of a request about blobs.
#[derive(Clone, Debug)]
pub enum BlobNews {
    /// So many bytes of the body need no memory any more.
    Taken(usize),
    /// The answer, as a whole; nothing follows.
    Done(Response),
    /// The head of an answer whose body of so many bytes is to be asked for.
    Found(Response, u64),
    /// The next bytes of that body.
    Piece(Bytes),
    /// That body cannot be completed; nothing follows.
    Broken,
}

/// Takes news, from a thread of the store or at once from that of the caller; must not block.
#[derive(Clone)]
pub struct BlobSink(Arc<dyn Fn(BlobNews) + Send + Sync>);

impl BlobSink {
    /// Hands news to `take`.
    pub fn new(take: impl Fn(BlobNews) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    pub(super) fn tell(&self, news: BlobNews) {
        (self.0)(news);
    }
}

impl fmt::Debug for BlobSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobSink")
    }
}
