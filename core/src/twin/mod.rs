//! Twins of devices and modules: tags, desired and reported properties, and the rules by which they
//! change.
//!
//! ```text
//!  back end ── merge or replace ──▶ tags, desired ── what changed ──▶ device
//!  device ─── merge ─────────────▶ reported
//! ```
//!
//! A section is JSON with an index of it, in which every value has the time, and for desired
//! properties the version, of its last change: `$metadata` is a view of that index, so that it
//! cannot differ from the properties in shape. Time is an argument. A change that is refused leaves
//! nothing behind, because it consumes what it changes.
//!
//! Source: control-plane reference, "Twins"; device-endpoints reference, "Twins".

mod amqp;
mod document;
mod error;
mod json;
mod patch;
mod patch_value;
mod rules;
mod section;
mod size;
mod stamp;
mod tree;
mod view;

pub use amqp::{
    InvalidTwinRequest, TwinNews, TwinOperation, TwinRequest, TwinResponse, write_desired,
};
pub use document::{Applied, DesiredChange, Mode, Tags, Twin, TwinETag, device_document};
pub use error::{TwinError, TwinProblem};
pub use patch::{Part, ReportedPatch, ServiceChange};
pub use section::Section;
pub use stamp::DamagedTwin;
pub use view::SectionView;
