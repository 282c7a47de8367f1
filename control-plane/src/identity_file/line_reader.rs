//! Lines of a stream, whatever their length.

use std::io::{self, BufRead};

use ringhub_core::limits::IDENTITY_LINE_BYTES_MAX;

use super::InvalidLine;

/// Reads lines one after the other; holds one of them at most, and of one that is too long nothing
/// beyond the bound.
#[derive(Debug)]
pub struct LineReader<R> {
    input: R,
    line: Vec<u8>,
    position: u64,
}

impl<R: BufRead> LineReader<R> {
    /// Reads from `input`, of which `position` bytes came before.
    pub fn new(input: R, position: u64) -> Self {
        Self { input, line: Vec::new(), position }
    }

    /// Bytes up to the end of the line that was read last.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The next line without its end; `None` after the last one, which need not have an end.
    /// Blocks while the input does.
    ///
    /// # Errors
    /// What the input says. Within, [`InvalidLine::TooLong`]; the next call goes on behind the end
    /// of that line.
    pub fn next_line(&mut self) -> io::Result<Option<Result<&[u8], InvalidLine>>> {
        self.line.clear();
        let mut is_too_long = false;
        let begin = self.position;
        loop {
            let found = self.input.fill_buf()?;
            if found.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', found);
            let (taken, used) = end.map_or((found.len(), found.len()), |end| (end, end + 1));
            is_too_long |= self.line.len() + taken > IDENTITY_LINE_BYTES_MAX + 1;
            if !is_too_long {
                self.line.extend_from_slice(&found[..taken]);
            }
            self.input.consume(used);
            self.position += used as u64;
            if end.is_some() {
                break;
            }
        }
        if self.position == begin {
            return Ok(None);
        }
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if is_too_long || line.len() > IDENTITY_LINE_BYTES_MAX {
            return Ok(Some(Err(InvalidLine::TooLong)));
        }
        Ok(Some(Ok(line)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// All lines, with the place behind each; `None` for one that is too long.
    fn read(text: &[u8], buffer: usize) -> Vec<(Option<Vec<u8>>, u64)> {
        let mut lines = LineReader::new(BufReader::with_capacity(buffer, text), 0);
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().expect("memory can be read") {
            let line = line.ok().map(<[u8]>::to_vec);
            all.push((line, lines.position()));
        }
        all
    }

    #[test]
    fn lines_end_with_lf_crlf_or_the_file() {
        for buffer in [1, 2, 3, 64] {
            let expected: Vec<(Option<Vec<u8>>, u64)> = vec![
                (Some(b"a".to_vec()), 2),
                (Some(b"b".to_vec()), 5),
                (Some(Vec::new()), 6),
                (Some(b"c".to_vec()), 7),
            ];
            assert_eq!(read(b"a\nb\r\n\nc", buffer), expected);
            assert_eq!(read(b"", buffer), []);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let long = vec![b'x'; IDENTITY_LINE_BYTES_MAX];
        let mut text = long.clone();
        text.extend_from_slice(b"\r\ny");
        text.extend_from_slice(&long);
        text.extend_from_slice(b"\nz\n");
        let lines = read(&text, 8192);
        let lengths: Vec<_> = lines.iter().map(|(line, _)| line.as_ref().map(Vec::len)).collect();
        assert_eq!(lengths, [Some(IDENTITY_LINE_BYTES_MAX), None, Some(1)]);
        assert_eq!(lines[2].1, text.len() as u64);
    }
}
