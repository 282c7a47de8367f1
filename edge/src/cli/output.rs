//! What commands print: JSON for programs, tables for people.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde_json::Value;

/// Blanks between two columns.
const GAP: &str = "  ";

/// How the hub writes the time of what has not happened.
const NEVER: &str = "0001-01-01T00:00:00";

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns, or one line per member
    Table,
    /// JSON as the hub gives it
    #[value(alias = "jsonc")]
    Json,
}

/// `--output`, for every command with a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct Output {
    /// How to print results [default: json for one thing, table for many]
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    output: Option<Format>,
}

/// A column: its header, and where its value stands in the JSON of a row.
pub(super) type Column = (&'static str, &'static str);

impl Output {
    /// The format, or the one that is usual for the command.
    pub(super) fn or(self, usual: Format) -> Format {
        self.output.unwrap_or(usual)
    }

    /// Prints one thing. As a table: a line for each member that has a value.
    pub(super) fn document(self, document: &Value) -> io::Result<()> {
        match self.or(Format::Json) {
            Format::Json => line(&format!("{document:#}")),
            Format::Table => {
                let mut rows = Vec::new();
                flatten(String::new(), document, &mut rows);
                print_rows(&rows)
            }
        }
    }

    /// Prints many things; no line at all for none, but for the header.
    pub(super) fn list(self, columns: &'static [Column], items: &[Value]) -> io::Result<()> {
        let mut listing = self.listing(columns);
        listing.add(items)?;
        listing.end()
    }

    /// Begins a list that comes in parts.
    pub(super) fn listing(self, columns: &'static [Column]) -> Listing {
        let owned = |(name, path): &Column| ((*name).to_owned(), (*path).to_owned());
        self.listing_of(columns.iter().map(owned).collect())
    }

    /// Begins a list whose columns follow from what is in it.
    pub(super) fn listing_of(self, columns: Vec<(String, String)>) -> Listing {
        Listing { format: self.or(Format::Table), columns, widths: Vec::new(), is_empty: true }
    }

    /// Prints the things of a list that the API gives in an object, as `value`.
    pub(super) fn page(self, columns: &'static [Column], page: &Value) -> io::Result<()> {
        self.list(columns, page["value"].as_array().map_or(&[][..], Vec::as_slice))
    }

    /// Prints texts, a line each.
    pub(super) fn lines(self, texts: &[String]) -> io::Result<()> {
        match self.or(Format::Table) {
            Format::Json => line(&format!("{:#}", serde_json::json!(texts))),
            Format::Table => texts.iter().try_for_each(|text| line(text)),
        }
    }

    /// Prints one text that is to be pasted, such as a connection string; `name` is its member in
    /// JSON.
    pub(super) fn text(self, name: &str, value: &str) -> io::Result<()> {
        match self.or(Format::Table) {
            Format::Json => line(&format!("{:#}", serde_json::json!({ name: value }))),
            Format::Table => line(value),
        }
    }
}

/// A list of which only the part at hand is kept.
#[derive(Debug)]
pub(super) struct Listing {
    format: Format,
    /// Headers, and where the values stand in the JSON of a row.
    columns: Vec<(String, String)>,
    /// Of the columns so far: a later part may need more, and never less.
    widths: Vec<usize>,
    is_empty: bool,
}

impl Listing {
    /// Prints the next part.
    pub(super) fn add(&mut self, items: &[Value]) -> io::Result<()> {
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        match self.format {
            Format::Json => {
                for item in items {
                    let before = if std::mem::take(&mut self.is_empty) { "[" } else { "," };
                    // No text in JSON holds a line break of its own.
                    let item = format!("{item:#}").replace('\n', "\n  ");
                    write!(stdout, "{before}\n  {item}")?;
                }
            }
            Format::Table => {
                let header = self.columns.iter().map(|(name, _)| name.clone()).collect();
                let header = std::mem::take(&mut self.is_empty).then_some(header);
                let cell =
                    |item: &Value, path: &str| text(item.pointer(path).unwrap_or(&Value::Null));
                let row = |item| self.columns.iter().map(|(_, path)| cell(item, path)).collect();
                let rows = header.into_iter().chain(items.iter().map(row)).collect::<Vec<_>>();
                write_rows(&mut stdout, &rows, &mut self.widths)?;
            }
        }
        stdout.flush()
    }

    /// Prints what belongs at the end.
    pub(super) fn end(mut self) -> io::Result<()> {
        match (self.format, self.is_empty) {
            (Format::Json, true) => line("[]"),
            (Format::Json, false) => line("\n]"),
            (Format::Table, true) => self.add(&[]),
            (Format::Table, false) => Ok(()),
        }
    }
}

/// Prints one line and flushes it: others may wait for it.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Appends a row of path and value for each leaf that is not null.
fn flatten(path: String, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                let joint = if path.is_empty() { "" } else { "." };
                flatten(format!("{path}{joint}{name}"), value, rows);
            }
        }
        value => rows.push(vec![path, text(value)]),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.starts_with(NEVER) => "never".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn print_rows(rows: &[Vec<String>]) -> io::Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    write_rows(&mut stdout, rows, &mut Vec::new())?;
    stdout.flush()
}

/// Writes rows in columns of at least `widths`, which grow where a cell needs more.
fn write_rows(
    output: &mut impl Write,
    rows: &[Vec<String>],
    widths: &mut Vec<usize>,
) -> io::Result<()> {
    for row in rows {
        widths.resize(row.len(), 0);
        for (cell, width) in row.iter().zip(widths.iter_mut()) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths.iter()).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(output, "{}", cells.collect::<Vec<_>>().join(GAP).trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_becomes_a_line_per_member_that_has_a_value() {
        let document = json!({ "a": { "b": 1, "c": null }, "d": "text", "e": [true] });
        let mut rows = Vec::new();
        flatten(String::new(), &document, &mut rows);
        assert_eq!(rows, [["a.b", "1"], ["d", "text"], ["e", "[true]"]]);
    }
}
