//! Numbers in payloads, by which a reader tells whether a device's messages come once and in order.

/// Bytes of a number.
pub(crate) const BYTES: usize = 8;

/// Puts `payload` into `buffer`, with a number in place of its first bytes; one that is shorter
/// stays as it is.
pub(crate) fn write<'b>(buffer: &'b mut Vec<u8>, payload: &[u8], number: u64) -> &'b [u8] {
    buffer.clear();
    buffer.extend_from_slice(payload);
    if let Some(place) = buffer.first_chunk_mut::<BYTES>() {
        *place = number.to_be_bytes();
    }
    buffer
}

/// The number of a payload; `None` when it is too short for one.
pub(crate) fn read(payload: &[u8]) -> Option<u64> {
    payload.first_chunk::<BYTES>().map(|bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_it_was_written() {
        let mut buffer = Vec::new();
        assert_eq!(read(write(&mut buffer, b"..........", 77)), Some(77));
        assert_eq!(buffer, b"\0\0\0\0\0\0\0\x4d..");
        assert_eq!(write(&mut buffer, b".......", 77), b".......");
        assert_eq!(read(b"......."), None);
    }
}
