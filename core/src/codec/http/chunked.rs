//! Body in chunks, decoded as it comes.
//!
//! ```text
//! 5;name=value CRLF      size in hexadecimal, extensions are skipped
//! hello CRLF
//! 0 CRLF
//! Trailer: value CRLF    skipped
//! CRLF
//! ```

use super::DecodeError;
use crate::limits::{CHUNK_LINE_BYTES_MAX, CHUNK_TRAILER_BYTES_MAX};

/// Digits of a chunk size at most: no chunk of a body that is accepted needs more.
const SIZE_DIGITS_MAX: usize = 8;

/// What is awaited next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    ExpectSize,
    ExpectData { remaining: u64 },
    ExpectDataEnd,
    ExpectTrailer { seen: usize },
    Finished,
}

/// One step of decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkedStep<'a> {
    /// Body bytes of this step, possibly none.
    pub data: &'a [u8],
    /// Input bytes used up; zero asks for more input.
    pub consumed: usize,
    /// True after the last chunk and its trailers.
    pub finished: bool,
}

/// Decodes a chunked body without buffering: data is handed out as it arrives.
///
/// Source: RFC 9112 section 7.1.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// Starts before the first chunk.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::ExpectSize }
    }

    /// Takes one element (size line, piece of data, line end, trailer line) from the front of
    /// `input`.
    ///
    /// # Errors
    /// [`DecodeError::BadChunk`] for a size that is not one to eight hexadecimal digits, a line
    /// that is too long, a chunk that does not end with CRLF, or trailers beyond 4 KiB.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<ChunkedStep<'a>, DecodeError> {
        let (data, consumed) = match self.state {
            State::ExpectSize => (&input[..0], self.on_size(input)?),
            State::ExpectData { remaining } => {
                let data = self.on_data(input, remaining);
                (data, data.len())
            }
            State::ExpectDataEnd => (&input[..0], self.on_data_end(input)?),
            State::ExpectTrailer { seen } => (&input[..0], self.on_trailer(input, seen)?),
            State::Finished => (&input[..0], 0),
        };
        Ok(ChunkedStep { data, consumed, finished: self.state == State::Finished })
    }

    fn on_size(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        let Some(line) = line(input)? else { return Ok(0) };
        let size = parse_size(line)?;
        self.state = match size {
            0 => State::ExpectTrailer { seen: 0 },
            remaining => State::ExpectData { remaining },
        };
        Ok(line.len() + 2)
    }

    fn on_data<'a>(&mut self, input: &'a [u8], remaining: u64) -> &'a [u8] {
        let take = usize::try_from(remaining).unwrap_or(usize::MAX).min(input.len());
        let left = remaining - take as u64;
        self.state =
            if left == 0 { State::ExpectDataEnd } else { State::ExpectData { remaining: left } };
        &input[..take]
    }

    fn on_data_end(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        match input {
            [b'\r', b'\n', ..] => {
                self.state = State::ExpectSize;
                Ok(2)
            }
            [] | [b'\r'] => Ok(0),
            _ => Err(DecodeError::BadChunk),
        }
    }

    fn on_trailer(&mut self, input: &[u8], seen: usize) -> Result<usize, DecodeError> {
        let Some(line) = line(input)? else { return Ok(0) };
        let seen = seen + line.len() + 2;
        if seen > CHUNK_TRAILER_BYTES_MAX {
            return Err(DecodeError::BadChunk);
        }
        self.state = if line.is_empty() { State::Finished } else { State::ExpectTrailer { seen } };
        Ok(line.len() + 2)
    }
}

/// The line at the front of `input` without its CRLF; `None` while it is not complete.
fn line(input: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    let window = &input[..input.len().min(CHUNK_LINE_BYTES_MAX)];
    match window.iter().position(|byte| *byte == b'\n') {
        Some(0) => Err(DecodeError::BadChunk),
        Some(at) if input[at - 1] == b'\r' => Ok(Some(&input[..at - 1])),
        Some(_) => Err(DecodeError::BadChunk),
        None if window.len() == CHUNK_LINE_BYTES_MAX => Err(DecodeError::BadChunk),
        None => Ok(None),
    }
}

/// Size of a chunk; whatever follows a semicolon is an extension and is ignored.
fn parse_size(line: &[u8]) -> Result<u64, DecodeError> {
    let end = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
    let digits = line[..end].trim_ascii_end();
    if digits.is_empty() || digits.len() > SIZE_DIGITS_MAX {
        return Err(DecodeError::BadChunk);
    }
    digits.iter().try_fold(0_u64, |size, digit| {
        let value = (*digit as char).to_digit(16).ok_or(DecodeError::BadChunk)?;
        Ok(size * 16 + u64::from(value))
    })
}
