//! Files of identities, a line each: what export writes, and import reads.
//!
//! Jobs of the hub and the commands that work from afar share them, so that each takes what the
//! other has written.
//!
//! Source: control-plane reference, "Import / export jobs (v1 jobs)" and "Bulk".

mod edge_scope;
mod export_line;
mod import_line;
mod import_mode;
mod line_reader;

pub(crate) use edge_scope::scope_device;
pub use edge_scope::{clear_parent, is_edge, parent, set_parent};
pub use export_line::{device_line, module_line};
pub use import_line::{ImportLine, InvalidLine};
pub use import_mode::ImportMode;
pub use line_reader::LineReader;
