//! Twins of devices and modules: tags, desired and reported properties, and the rules by which they
//! change.
//!
//! ```text
//!  back end ── merge or replace ──▶ tags, desired ── what changed ──▶ device
//!  device ─── merge ─────────────▶ reported
//! ```
//!
//! A section is one tree in which every node carries the time, and for desired properties the
//! version, of its last change: `$metadata` is a view of that tree, so that it cannot differ from
//! it in shape. Time is an argument. A change that is refused leaves nothing behind, because it
//! consumes what it changes.
//!
//! Source: control-plane reference, "Twins"; device-endpoints reference, "Twins".

mod document;
mod error;
mod json;
mod memory;
mod node;
mod patch;
mod rules;
mod section;
mod stamp;
mod view;

pub use document::{Applied, DesiredChange, Mode, Tags, Twin, TwinETag, device_document};
pub use error::{TwinError, TwinProblem};
pub use patch::{Part, ReportedPatch, ServiceChange};
pub use section::{EncodedSection, Section};
pub use stamp::DamagedTwin;
pub use view::SectionView;
