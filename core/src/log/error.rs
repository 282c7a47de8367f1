//! What is wrong with the bytes of a log.

use super::{CommitNumber, FilePosition, SegmentNumber};

/// Why bytes are not what the log should hold. Names of files are added by the driver, which knows
/// them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The file does not begin as it should.
    #[error("the file does not begin with the magic of a {0}")]
    Magic(&'static str),
    /// The file was written by a version of the program that this one does not know.
    #[error("format version {found} is unknown, this program reads {known}: start the newer one")]
    Version {
        /// What the file says.
        found: u32,
        /// What this program knows.
        known: u32,
    },
    /// A checksum does not match, or a length leads outside.
    #[error("the {what} at byte {at} is damaged")]
    Damaged {
        /// Part of the file.
        what: &'static str,
        /// Where it begins.
        at: u64,
    },
    /// The file belongs to another log or another place in it.
    #[error("the file belongs to {0}")]
    Foreign(&'static str),
    /// A commit that was acknowledged cannot be read, though later ones can.
    #[error(
        "commit {} at byte {} of segment {} was durable and is damaged: restore the file from a copy, or move this and \
         all later segments out of the directory to go on without them",
        commit.0, at.0, segment.0
    )]
    LostCommit {
        /// Segment that is damaged.
        segment: SegmentNumber,
        /// First commit that cannot be read.
        commit: CommitNumber,
        /// Where it should begin.
        at: FilePosition,
    },
    /// Segments that follow one another do not fit.
    #[error(
        "segment {} does not continue the one before it: a segment file is missing or from elsewhere; restore it, or \
         move this and all later segments out of the directory to go on without them",
        .0.0
    )]
    Gap(SegmentNumber),
}
