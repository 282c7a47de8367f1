//! Which devices a worker has.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// Every `count`-th device, beginning with number `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Number of the worker, from 0.
    pub index: u32,
    /// Number of workers, not zero.
    pub count: u32,
}

impl Share {
    /// All devices.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Number among all devices of the `slot`-th one of this worker.
    pub(crate) const fn device(self, slot: u32) -> u32 {
        self.index + slot * self.count
    }

    /// How many those are.
    pub(crate) fn size(self, all: u32) -> u32 {
        all.saturating_sub(self.index).div_ceil(self.count)
    }
}

/// `INDEX/COUNT`, as the parent gives it to its workers.
impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, count) = text.split_once('/').ok_or("no `/` between index and count")?;
        let number = |part: &str| part.parse().map_err(|error: ParseIntError| error.to_string());
        let (index, count) = (number(index)?, number(count)?);
        if index < count { Ok(Self { index, count }) } else { Err("no such worker".to_owned()) }
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_has_one_worker() {
        for (all, count) in [(10, 3), (3, 3), (2, 4), (0, 2)] {
            let shares = (0..count).map(|index| Share { index, count });
            let mut devices: Vec<u32> = Vec::new();
            for share in shares {
                devices.extend((0..share.size(all)).map(|slot| share.device(slot)));
            }
            devices.sort_unstable();
            assert_eq!(devices, (0..all).collect::<Vec<_>>());
        }
    }

    #[test]
    fn reads_what_the_parent_writes() {
        let share = Share { index: 2, count: 6 };
        assert_eq!(share.to_string().parse(), Ok(share));
        for bad in ["", "1", "6/6", "a/2", "0/0"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }
}
