//! Writers of sections.

use bytes::{BufMut, BytesMut};

use super::code;
use crate::codec::amqp::primitive::{
    CompoundStart, begin_compound, end_map, write_binary, write_descriptor, write_list, write_null,
    write_uint,
};

/// A section that is a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the section of its name")]
pub enum MapSection {
    DeliveryAnnotations,
    MessageAnnotations,
    ApplicationProperties,
    Footer,
}

/// Begins a section of pairs, which the caller appends; keys are symbols, in application properties
/// strings.
pub fn begin_map_section(out: &mut BytesMut, section: MapSection) -> CompoundStart {
    let code = match section {
        MapSection::DeliveryAnnotations => code::DELIVERY_ANNOTATIONS,
        MapSection::MessageAnnotations => code::MESSAGE_ANNOTATIONS,
        MapSection::ApplicationProperties => code::APPLICATION_PROPERTIES,
        MapSection::Footer => code::FOOTER,
    };
    write_descriptor(out, code);
    begin_compound(out)
}

/// Ends a section of `count` elements: keys and values both count.
pub fn end_map_section(out: &mut BytesMut, start: CompoundStart, count: u32) {
    end_map(out, start, count);
}

/// Appends a header that says nothing but how often the message was delivered in vain.
pub fn write_header(out: &mut BytesMut, delivery_count: u32) {
    write_descriptor(out, code::HEADER);
    write_list(out, 5, |out| {
        (0..4).for_each(|_| write_null(out));
        write_uint(out, delivery_count);
    });
}

/// Appends a data section.
pub fn write_data(out: &mut BytesMut, data: &[u8]) {
    write_descriptor(out, code::DATA);
    write_binary(out, data);
}

/// Appends the head of a data section whose `len` bytes the caller sends behind it.
pub fn write_data_head(out: &mut BytesMut, len: u32) {
    write_descriptor(out, code::DATA);
    match u8::try_from(len) {
        Ok(short) => out.put_slice(&[0xa0, short]),
        Err(_) => {
            out.put_u8(0xb0);
            out.put_u32(len);
        }
    }
}

/// Appends the descriptor of an amqp-value section; the value follows.
pub fn write_value_descriptor(out: &mut BytesMut) {
    write_descriptor(out, code::VALUE);
}

/// Appends an amqp-value section that holds null.
pub fn write_null_body(out: &mut BytesMut) {
    write_value_descriptor(out);
    write_null(out);
}
