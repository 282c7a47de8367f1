//! PARTITION: one pinned glommio thread per executor, owning one commit log and the partitions assigned to it.

mod request;

pub use ringhub_core::position::Ticket;

pub use request::{
    PartitionDescription, PartitionReply, PartitionRequest, ReadRefused, ReaderId, ReplyBody,
    RequestBody,
};
