//! `--edge-enabled`.

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

/// Whether edge devices are meant; the word alone means that they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct EdgeEnabled {
    /// Whether it is, or they are to be, edge devices
    #[arg(long, visible_alias = "ee", value_name = "BOOL", num_args = 0..=1,
        default_missing_value = "true", action = ArgAction::Set,
        value_parser = BoolishValueParser::new())]
    pub(super) edge_enabled: Option<bool>,
}

impl EdgeEnabled {
    /// Whether it was said that edge devices are meant.
    pub(super) fn is_wanted(self) -> bool {
        self.edge_enabled == Some(true)
    }
}
