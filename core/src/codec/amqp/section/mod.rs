//! Sections: the parts of a message.
//!
//! ```text
//!  header? delivery-annotations? message-annotations? properties? application-properties? body footer?
//!                                                        body: data+ | amqp-sequence+ | amqp-value
//! ```
//!
//! Peers do not all keep this order, so none is required on the way in.
//!
//! Source: AMQP 1.0 part 3, section 3.2.

mod message;
mod message_id;
mod properties;
mod write;

pub use message::{Body, DataPieces, DataSections, Message};
pub use message_id::MessageIdBuf;
pub use properties::{MessageId, Properties};
pub use write::{
    MapSection, begin_map_section, end_map_section, write_data, write_data_head, write_header,
    write_null_body, write_value_descriptor,
};

/// Format number of a message that holds whole messages in its data sections.
pub const BATCH_FORMAT: u32 = 0x8001_3700;

/// Descriptors of the sections.
pub(crate) mod code {
    pub(crate) const HEADER: u8 = 0x70;
    pub(crate) const DELIVERY_ANNOTATIONS: u8 = 0x71;
    pub(crate) const MESSAGE_ANNOTATIONS: u8 = 0x72;
    pub(crate) const PROPERTIES: u8 = 0x73;
    pub(crate) const APPLICATION_PROPERTIES: u8 = 0x74;
    pub(crate) const DATA: u8 = 0x75;
    pub(crate) const SEQUENCE: u8 = 0x76;
    pub(crate) const VALUE: u8 = 0x77;
    pub(crate) const FOOTER: u8 = 0x78;
}
