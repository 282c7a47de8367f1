//! Who may read a partition in a consumer group.
//!
//! Source: service-endpoints reference, "Epoch (exclusive) receivers".

use crate::limits::SHARED_READERS_MAX;

/// A reader that lost its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Displaced<R>(pub R);

/// Why a reader may not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimRefused {
    /// A reader with a higher epoch holds the partition.
    #[error("a reader with the higher epoch {holder} holds the partition")]
    LowerEpoch {
        /// Epoch of the holder.
        holder: i64,
    },
    /// A reader with an epoch holds the partition, and this one has none.
    #[error("a reader with epoch {holder} holds the partition")]
    EpochHeld {
        /// Epoch of the holder.
        holder: i64,
    },
    /// As many readers without epoch as may share it do.
    #[error("the partition has its {SHARED_READERS_MAX} readers in this consumer group")]
    TooManyReaders,
}

/// The readers of one partition in one consumer group: one with an epoch, or some without.
#[derive(Clone, Debug)]
pub struct Ownership<R> {
    epoch: Option<i64>,
    readers: Vec<R>,
}

impl<R> Default for Ownership<R> {
    fn default() -> Self {
        Self { epoch: None, readers: Vec::new() }
    }
}

impl<R: Copy + PartialEq> Ownership<R> {
    /// Lets `reader` in, or not. An equal epoch wins over the holder's.
    ///
    /// # Errors
    /// [`ClaimRefused`]: nothing has changed.
    pub fn claim(
        &mut self,
        reader: R,
        epoch: Option<i64>,
    ) -> Result<Vec<Displaced<R>>, ClaimRefused> {
        match (self.epoch, epoch) {
            (Some(holder), None) => Err(ClaimRefused::EpochHeld { holder }),
            (Some(holder), Some(epoch)) if epoch < holder => {
                Err(ClaimRefused::LowerEpoch { holder })
            }
            (None, None) if self.readers.len() >= SHARED_READERS_MAX => {
                Err(ClaimRefused::TooManyReaders)
            }
            (None, None) => {
                self.readers.push(reader);
                Ok(Vec::new())
            }
            (_, Some(_)) => {
                self.epoch = epoch;
                let displaced = std::mem::replace(&mut self.readers, vec![reader]);
                Ok(displaced.into_iter().map(Displaced).collect())
            }
        }
    }

    /// Takes a reader out that ended; one that was displaced is not here any more.
    pub fn release(&mut self, reader: R) {
        self.readers.retain(|other| *other != reader);
        if self.readers.is_empty() {
            self.epoch = None;
        }
    }

    /// True if nobody reads.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Claimed = Result<Vec<Displaced<usize>>, ClaimRefused>;

    fn held(epochs: &[Option<i64>]) -> Ownership<usize> {
        let mut ownership = Ownership::default();
        for (reader, epoch) in epochs.iter().enumerate() {
            ownership.claim(reader, *epoch).expect("set-up");
        }
        ownership
    }

    #[test]
    fn follows_the_table_of_the_reference() {
        let displaced = |readers: &[usize]| Ok(readers.iter().copied().map(Displaced).collect());
        let shared: &[Option<i64>] = &[None; 5];
        type Case<'a> = (&'a [Option<i64>], Option<i64>, Claimed);
        let cases: [Case<'_>; 9] = [
            (&[], None, displaced(&[])),
            (&shared[..4], None, displaced(&[])),
            (shared, None, Err(ClaimRefused::TooManyReaders)),
            (&[], Some(0), displaced(&[])),
            (shared, Some(0), displaced(&[0, 1, 2, 3, 4])),
            (&[Some(3)], Some(3), displaced(&[0])),
            (&[Some(3)], Some(4), displaced(&[0])),
            (&[Some(3)], Some(2), Err(ClaimRefused::LowerEpoch { holder: 3 })),
            (&[Some(3)], None, Err(ClaimRefused::EpochHeld { holder: 3 })),
        ];
        for (before, epoch, expected) in cases {
            assert_eq!(held(before).claim(9, epoch), expected, "{before:?}, then {epoch:?}");
        }
    }

    #[test]
    fn an_epoch_ends_with_its_reader() {
        let mut ownership = held(&[Some(7)]);
        ownership.release(0);
        assert!(ownership.is_empty());
        assert_eq!(ownership.claim(1, None), Ok(Vec::new()));
        let mut ownership = held(&[Some(7), Some(8)]);
        ownership.release(0);
        assert!(!ownership.is_empty(), "the displaced reader is not the holder");
    }
}
