//! A picture in the midst of what a terminal shows, redrawn in place.
//!
//! The cursor always rests on the line below it, and no mode of the terminal is changed: whatever
//! ends the program, there is nothing to restore.

use std::fmt::Write as _;

/// To the end of the line, and to the end of the screen.
const ERASE_LINE: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";
/// Erases what stands below the picture.
pub(super) const CLEAR: &str = "\r\x1b[J";

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

/// What was drawn last.
#[derive(Debug, Default)]
pub(crate) struct Inset {
    lines: usize,
}

impl Inset {
    /// What is to be written so that `picture` stands where the last one stood. A line that is
    /// longer than the terminal is cut off, and so is what is higher: both would move the rest.
    pub(super) fn redraw(&mut self, picture: &str, size: Size) -> String {
        let mut text = String::new();
        if self.lines > 0 {
            // Writing to a String does not fail.
            let _ = write!(text, "\r\x1b[{}A", self.lines);
        }
        self.lines = 0;
        for line in picture.lines().take(size.rows.saturating_sub(1)) {
            text.extend(line.chars().take(size.columns.saturating_sub(1)));
            text.push_str(ERASE_LINE);
            text.push_str("\r\n");
            self.lines += 1;
        }
        text.push_str(ERASE_BELOW);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_picture_replaces_the_last_one() {
        let mut inset = Inset::default();
        let size = Size { columns: 6, rows: 4 };
        assert_eq!(inset.redraw("a\nb\n", size), "a\x1b[K\r\nb\x1b[K\r\n\x1b[J");
        assert_eq!(inset.redraw("µ\n", size), "\r\x1b[2Aµ\x1b[K\r\n\x1b[J");
        let cut = inset.redraw("123456\n2\n3\n4\n", size);
        assert_eq!(cut, "\r\x1b[1A12345\x1b[K\r\n2\x1b[K\r\n3\x1b[K\r\n\x1b[J");
        assert!(inset.redraw("", size).starts_with("\r\x1b[3A"));
    }
}
