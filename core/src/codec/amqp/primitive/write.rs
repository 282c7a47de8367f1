//! Writers: each appends one value in its narrowest form.

use bytes::{BufMut, BytesMut};

use super::ctor;

/// Appends null.
pub fn write_null(out: &mut impl BufMut) {
    out.put_u8(ctor::NULL);
}

/// Appends a value, or null if there is none.
pub fn write_option<B: BufMut, T>(out: &mut B, value: Option<T>, write: impl FnOnce(&mut B, T)) {
    match value {
        Some(value) => write(out, value),
        None => write_null(out),
    }
}

/// Appends a boolean.
pub fn write_bool(out: &mut impl BufMut, value: bool) {
    out.put_u8(if value { ctor::TRUE } else { ctor::FALSE });
}

/// Appends a ubyte.
pub fn write_ubyte(out: &mut impl BufMut, value: u8) {
    out.put_u8(ctor::UBYTE);
    out.put_u8(value);
}

/// Appends a ushort.
pub fn write_ushort(out: &mut impl BufMut, value: u16) {
    out.put_u8(ctor::USHORT);
    out.put_u16(value);
}

/// Appends a uint in one, two or five bytes.
pub fn write_uint(out: &mut impl BufMut, value: u32) {
    match u8::try_from(value) {
        Ok(0) => out.put_u8(ctor::UINT_0),
        Ok(small) => {
            out.put_u8(ctor::UINT_SMALL);
            out.put_u8(small);
        }
        Err(_) => {
            out.put_u8(ctor::UINT);
            out.put_u32(value);
        }
    }
}

/// Appends a ulong in one, two or nine bytes.
pub fn write_ulong(out: &mut impl BufMut, value: u64) {
    match u8::try_from(value) {
        Ok(0) => out.put_u8(ctor::ULONG_0),
        Ok(small) => {
            out.put_u8(ctor::ULONG_SMALL);
            out.put_u8(small);
        }
        Err(_) => {
            out.put_u8(ctor::ULONG);
            out.put_u64(value);
        }
    }
}

/// Appends an int in two or five bytes.
pub fn write_int(out: &mut impl BufMut, value: i32) {
    match i8::try_from(value) {
        Ok(small) => {
            out.put_u8(ctor::INT_SMALL);
            out.put_i8(small);
        }
        Err(_) => {
            out.put_u8(ctor::INT);
            out.put_i32(value);
        }
    }
}

/// Appends a long in two or nine bytes.
pub fn write_long(out: &mut impl BufMut, value: i64) {
    match i8::try_from(value) {
        Ok(small) => {
            out.put_u8(ctor::LONG_SMALL);
            out.put_i8(small);
        }
        Err(_) => {
            out.put_u8(ctor::LONG);
            out.put_i64(value);
        }
    }
}

/// Appends a timestamp, in milliseconds since the Unix epoch.
pub fn write_timestamp(out: &mut impl BufMut, unix_ms: i64) {
    out.put_u8(ctor::TIMESTAMP);
    out.put_i64(unix_ms);
}

/// Appends a UUID, in network byte order.
pub fn write_uuid(out: &mut impl BufMut, value: &[u8; 16]) {
    out.put_u8(ctor::UUID);
    out.put_slice(value);
}

/// Appends binary data.
pub fn write_binary(out: &mut impl BufMut, value: &[u8]) {
    write_variable(out, ctor::BINARY_8, ctor::BINARY_32, value);
}

/// Appends a UTF-8 string.
pub fn write_str(out: &mut impl BufMut, value: &str) {
    write_variable(out, ctor::STRING_8, ctor::STRING_32, value.as_bytes());
}

/// Appends a symbol; the caller sees to it that the text is ASCII.
pub fn write_symbol(out: &mut impl BufMut, value: &str) {
    debug_assert!(value.is_ascii(), "symbols are ASCII");
    write_variable(out, ctor::SYMBOL_8, ctor::SYMBOL_32, value.as_bytes());
}

/// Appends the descriptor of a performative or section as a smallulong; the described value
/// follows.
pub fn write_descriptor(out: &mut impl BufMut, code: u8) {
    out.put_slice(&[ctor::DESCRIBED, ctor::ULONG_SMALL, code]);
}

fn write_variable(out: &mut impl BufMut, narrow: u8, wide: u8, value: &[u8]) {
    match u8::try_from(value.len()) {
        Ok(len) => {
            out.put_u8(narrow);
            out.put_u8(len);
        }
        Err(_) => {
            out.put_u8(wide);
            out.put_u32(len_u32(value.len()));
        }
    }
    out.put_slice(value);
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("limits keep every message below 4 GiB")
}

/// Appends the list without elements in its one-byte form, which only outcomes may take.
pub fn write_empty_list(out: &mut impl BufMut) {
    out.put_u8(ctor::LIST_0);
}

/// Where a list or map was begun: handed back to [`end_list`] or [`end_map`].
#[derive(Debug)]
#[must_use = "the size and count are written by end_list or end_map"]
pub struct CompoundStart(usize);

/// Begins a list or map whose element count is not known yet.
///
/// Elements are appended to the same buffer; nothing before the start may be removed meanwhile.
pub fn begin_compound(out: &mut BytesMut) -> CompoundStart {
    let start = out.len();
    out.put_slice(&[0; 3]);
    CompoundStart(start)
}

/// Ends a list of `count` elements.
pub fn end_list(out: &mut BytesMut, start: CompoundStart, count: u32) {
    end_compound(out, &start, ctor::LIST_8, ctor::LIST_32, count);
}

/// Ends a map of `count` elements: keys and values both count.
pub fn end_map(out: &mut BytesMut, start: CompoundStart, count: u32) {
    end_compound(out, &start, ctor::MAP_8, ctor::MAP_32, count);
}

/// Writes the head into the three bytes kept free, or moves the body up when it needs nine.
fn end_compound(out: &mut BytesMut, start: &CompoundStart, narrow: u8, wide: u8, count: u32) {
    let start = start.0;
    let body_len = out.len() - start - 3;
    if let (Ok(size), Ok(count)) = (u8::try_from(body_len + 1), u8::try_from(count)) {
        out[start..start + 3].copy_from_slice(&[narrow, size, count]);
        return;
    }
    out.put_slice(&[0; 6]);
    out.copy_within(start + 3..start + 3 + body_len, start + 9);
    out[start] = wide;
    out[start + 1..start + 5].copy_from_slice(&len_u32(body_len + 4).to_be_bytes());
    out[start + 5..start + 9].copy_from_slice(&count.to_be_bytes());
}

/// Appends a list of `count` elements, which `body` appends.
pub fn write_list(out: &mut BytesMut, count: u32, body: impl FnOnce(&mut BytesMut)) {
    let start = begin_compound(out);
    body(out);
    end_list(out, start, count);
}

/// Appends a map of `count` elements (keys and values both count), which `body` appends.
pub fn write_map(out: &mut BytesMut, count: u32, body: impl FnOnce(&mut BytesMut)) {
    let start = begin_compound(out);
    body(out);
    end_map(out, start, count);
}

/// Appends an array of `count` elements of one constructor; `body` appends the elements without
/// constructors.
pub fn write_array(out: &mut BytesMut, element: u8, count: u32, body: impl FnOnce(&mut BytesMut)) {
    let start = begin_compound(out);
    out.put_u8(element);
    body(out);
    end_compound(out, &start, ctor::ARRAY_8, ctor::ARRAY_32, count);
}

/// Appends an array of symbols in their four-byte-length form, as the real service writes it.
pub fn write_symbol_array(out: &mut BytesMut, symbols: &[&str]) {
    write_array(out, ctor::SYMBOL_32, len_u32(symbols.len()), |out| {
        for symbol in symbols {
            out.put_u32(len_u32(symbol.len()));
            out.put_slice(symbol.as_bytes());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
        let mut out = BytesMut::new();
        write(&mut out);
        out.to_vec()
    }

    #[test]
    fn scalars_take_their_narrowest_form() {
        assert_eq!(written(write_null), hex!("40"));
        assert_eq!(written(|o| write_bool(o, true)), hex!("41"));
        assert_eq!(written(|o| write_bool(o, false)), hex!("42"));
        assert_eq!(written(|o| write_ubyte(o, 0)), hex!("50 00"));
        assert_eq!(written(|o| write_ushort(o, 8191)), hex!("60 1fff"));
        assert_eq!(written(|o| write_uint(o, 0)), hex!("43"));
        assert_eq!(written(|o| write_uint(o, 255)), hex!("52 ff"));
        assert_eq!(written(|o| write_uint(o, 256)), hex!("70 00000100"));
        assert_eq!(written(|o| write_ulong(o, 0)), hex!("44"));
        assert_eq!(written(|o| write_ulong(o, 7)), hex!("53 07"));
        assert_eq!(written(|o| write_ulong(o, u64::MAX)), hex!("80 ffffffffffffffff"));
        assert_eq!(written(|o| write_int(o, -128)), hex!("54 80"));
        assert_eq!(written(|o| write_int(o, 200)), hex!("71 000000c8"));
        assert_eq!(written(|o| write_long(o, -1)), hex!("55 ff"));
        assert_eq!(written(|o| write_long(o, 128)), hex!("81 0000000000000080"));
        assert_eq!(written(|o| write_timestamp(o, 1_700_000_000_000)), hex!("83 0000018bcfe56800"));
    }

    #[test]
    fn variable_width_grows_at_256_bytes() {
        assert_eq!(written(|o| write_binary(o, b"ab")), hex!("a0 02 6162"));
        assert_eq!(written(|o| write_str(o, "ab")), hex!("a1 02 6162"));
        assert_eq!(written(|o| write_symbol(o, "ab")), hex!("a3 02 6162"));
        assert_eq!(written(|o| write_binary(o, &[0; 255]))[..2], hex!("a0 ff"));
        assert_eq!(written(|o| write_binary(o, &[0; 256]))[..5], hex!("b0 00000100"));
    }

    #[test]
    fn compound_head_grows_with_body_and_with_count() {
        assert_eq!(written(|o| write_list(o, 1, write_null)), hex!("c0 02 01 40"));
        assert_eq!(written(|o| write_map(o, 0, |_| ())), hex!("c1 01 00"));
        let widest = written(|o| write_list(o, 1, |o| write_binary(o, &[7; 252])));
        assert_eq!(widest[..5], hex!("c0 ff 01 a0 fc"));
        let wide = written(|o| write_list(o, 1, |o| write_binary(o, &[7; 253])));
        assert_eq!(wide[..11], hex!("d0 00000103 00000001 a0 fd"));
        assert_eq!(wide.len(), 9 + 2 + 253);
        let many = written(|o| write_list(o, 256, |o| o.put_slice(&[0x40; 256])));
        assert_eq!(many[..10], hex!("d0 00000104 00000100 40"));
    }

    #[test]
    fn mechanisms_are_an_array_of_wide_symbols() {
        let mechanisms = ["EXTERNAL", "MSSBCBS", "ANONYMOUS", "PLAIN"];
        let bytes = written(|o| write_symbol_array(o, &mechanisms));
        assert_eq!(bytes[..8], hex!("e02f04b3 00000008"));
        assert_eq!(bytes.len(), 2 + 0x2f);
    }
}
