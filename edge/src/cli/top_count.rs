//! `--top`, for lists that begin with the first thousand.

use clap::Args;

/// How many things of a list are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub(super) struct Top {
    /// How many at most; -1 for all
    #[arg(long, value_name = "N", default_value = "1000", allow_negative_numbers = true,
        value_parser = top)]
    top: u64,
    /// All of them, printed as they come
    #[arg(long, conflicts_with = "top")]
    all: bool,
}

impl Top {
    /// The bound; the largest number where there is none.
    pub(super) fn count(self) -> u64 {
        if self.all { u64::MAX } else { self.top }
    }
}

/// Reads a number of things, at least one; -1 stands for all, as in the Azure CLI.
pub(super) fn top(text: &str) -> Result<u64, String> {
    match text.parse::<i64>() {
        Ok(-1) => Ok(u64::MAX),
        Ok(count @ 1..) => Ok(count.unsigned_abs()),
        _ => Err(format!("is not 1 to {}, or -1 for all", i64::MAX)),
    }
}
