//! Text rules of the whole workspace: what rustc and clippy do not check.
//!
//! Each rule lists every place that breaks it, so that one run shows all the work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CRATES: [&str; 5] = ["core", "control-plane", "edge", "loadgen", "benches"];
const LINE_COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
/// The only places where `unsafe` may stand; each block there says why.
const UNSAFE_PLACES: [&str; 4] = [
    "core/src/ring/",
    "edge/src/shard/descriptor_table.rs",
    "edge/src/shard/socket.rs",
    "loadgen/src/socket.rs",
];
/// Crates that own threads, sockets or timers.
const RUNTIMES: [&str; 7] = ["async-std", "compio", "glommio", "mio", "monoio", "smol", "tokio"];

/// Literals and drawings may be wider: neither can be broken without changing what it shows.
#[test]
fn lines_are_at_most_100_columns_wide() {
    assert_none(&sources(), |source| {
        let mut in_drawing = false;
        let mut wide = Vec::new();
        for (index, line) in source.text.lines().enumerate() {
            if line.trim_start().starts_with("//") && line.contains("```") {
                in_drawing = !in_drawing;
            }
            let may_be_wide = in_drawing || line.contains('"');
            if !may_be_wide && line.chars().count() > LINE_COLUMNS_MAX {
                wide.push(source.at(index));
            }
        }
        wide
    });
}

#[test]
fn files_are_at_most_600_lines_long_without_their_tests() {
    assert_none(&sources(), |source| {
        let lines = source.code_without_tests().lines().count();
        let too_long = lines > FILE_LINES_MAX && !source.is_test();
        too_long.then(|| format!("{}: {lines} lines", source.name)).into_iter().collect()
    });
}

#[test]
fn functions_are_at_most_70_lines_long() {
    assert_none(&sources(), |source| {
        let long = |(_, lines): &(usize, usize)| *lines > FUNCTION_LINES_MAX;
        let functions = functions(source.code_without_tests()).into_iter().filter(long);
        functions.map(|(index, lines)| format!("{}: {lines} lines", source.at(index))).collect()
    });
}

#[test]
fn nothing_is_left_for_later() {
    // Written in two halves, or this file would break its own rule.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["to", "do!"], ["unimple", "mented!"]];
    let marks = marks.map(|halves| halves.concat());
    assert_none(&sources(), |source| {
        let marked = |(_, line): &(usize, &str)| marks.iter().any(|mark| line.contains(mark));
        source.text.lines().enumerate().filter(marked).map(|(n, _)| source.at(n)).collect()
    });
}

#[test]
fn unsafe_stands_only_in_the_ring_and_at_the_sockets() {
    assert_none(&sources(), |source| {
        if UNSAFE_PLACES.iter().any(|place| source.name.starts_with(place)) {
            return Vec::new();
        }
        lines_with_word(source, "unsafe")
    });
}

#[test]
fn a_shard_knows_no_glommio_and_an_executor_no_monoio() {
    assert_none(&sources(), |source| {
        if source.name.starts_with("edge/src/shard/") {
            lines_with_word(source, "glommio")
        } else if source.name.starts_with("edge/src/partition/") {
            lines_with_word(source, "monoio")
        } else {
            Vec::new()
        }
    });
}

#[test]
fn core_depends_on_no_runtime() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "ringhub-core", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo runs where the tests run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("package names are ASCII");
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"ringhub-core"), "cargo tree printed something else:\n{tree}");
    let runtimes: Vec<&&str> = names.iter().filter(|name| RUNTIMES.contains(name)).collect();
    assert!(runtimes.is_empty(), "{runtimes:?}");
}

#[test]
fn the_rules_see_what_they_forbid() {
    let text = "fn long(a: [u8; 2]) {\n    let b = \"}\"; // }\n}\nimpl T { fn next(&self); }\n";
    assert_eq!(functions(&blank_text(text)), [(0, 3)]);
    let source = Source::new("x.rs", "/* unsafe */\nlet a = b\"unsafe\";\nunsafe { f('\"') }\n");
    assert_eq!(lines_with_word(&source, "unsafe"), ["x.rs:3"]);
    let source = Source::new("x.rs", "unsafe_code\nr#\"unsafe\"#\n'a: unsafe\n");
    assert_eq!(lines_with_word(&source, "unsafe"), ["x.rs:3"]);
}

/// One source file.
struct Source {
    /// Path from the root of the workspace.
    name: String,
    text: String,
    /// The text with comments, strings and characters blanked out, line by line the same.
    code: String,
}

impl Source {
    fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), code: blank_text(text) }
    }

    fn at(&self, line_index: usize) -> String {
        format!("{}:{}", self.name, line_index + 1)
    }

    fn is_test(&self) -> bool {
        self.name.contains("/tests/") || self.name.ends_with("/tests.rs")
    }

    /// Unit tests stand at the end of a file, behind the attribute that makes them conditional.
    fn code_without_tests(&self) -> &str {
        let tests = self.code.find("#[cfg(test)]\nmod ").unwrap_or(self.code.len());
        &self.code[..tests]
    }
}

fn root() -> PathBuf {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    core.parent().expect("core lies in the workspace").to_path_buf()
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    CRATES.iter().for_each(|name| collect(&root.join(name), &mut files));
    assert!(files.len() > CRATES.len(), "the walk found {} files", files.len());
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).expect("a source file is UTF-8");
        let name = file.strip_prefix(&root).expect("the walk began at the root");
        Source::new(&name.to_string_lossy(), &text)
    };
    files.iter().map(read).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the sources can be read") {
        let path = entry.expect("the sources can be read").path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn assert_none(sources: &[Source], rule: impl Fn(&Source) -> Vec<String>) {
    let broken: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(broken.is_empty(), "{} places:\n{}", broken.len(), broken.join("\n"));
}

fn lines_with_word(source: &Source, word: &str) -> Vec<String> {
    let has_word = |(_, line): &(usize, &str)| {
        line.split(|character| !is_word(character)).any(|found| found == word)
    };
    source.code.lines().enumerate().filter(has_word).map(|(index, _)| source.at(index)).collect()
}

/// First line (from zero) and length of every function with a body in blanked `code`.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let starts_word = |at: usize| code[..at].chars().next_back().is_none_or(|c| !is_word(c));
    let starts = code.match_indices("fn ").map(|(at, _)| at).filter(|at| starts_word(*at));
    let measure = |at: usize| {
        let lines = code[at..at + function_length(&code[at..])?].lines().count();
        Some((code[..at].matches('\n').count(), lines))
    };
    starts.filter_map(measure).collect()
}

/// Bytes up to the brace that closes the body; `None` for a declaration without one.
///
/// A semicolon inside brackets belongs to an array type, not to a declaration.
fn function_length(code: &str) -> Option<usize> {
    let mut brackets = 0_usize;
    let mut braces = 0_usize;
    for (at, character) in code.char_indices() {
        match character {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.checked_sub(1)?,
            '{' => braces += 1,
            '}' if braces == 1 => return Some(at + 1),
            '}' => braces = braces.checked_sub(1)?,
            ';' if brackets == 0 && braces == 0 => return None,
            _ => {}
        }
    }
    None
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Blanks comments, strings and character literals; newlines stay, so that line numbers hold.
fn blank_text(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let literal = literal_length(rest, before);
        let (piece, after) = rest.split_at(literal.unwrap_or_else(|| first.len_utf8()));
        if literal.is_some() {
            code.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(piece);
        }
        before = first;
        rest = after;
    }
    code
}

/// Length of the comment or literal that `rest` begins with, if it does.
fn literal_length(rest: &str, before: char) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |at| at + 2));
    }
    if rest.starts_with('"') {
        return Some(quoted_length(rest, '"'));
    }
    if !is_word(before) && (rest.starts_with('r') || rest.starts_with("br")) {
        return raw_string_length(rest);
    }
    is_character(rest).then(|| quoted_length(rest, '\''))
}

/// A quote opens a character when an escape follows or the next but one closes it; else a lifetime.
fn is_character(rest: &str) -> bool {
    let mut characters = rest.chars();
    let opens = characters.next() == Some('\'');
    opens && (characters.next() == Some('\\') || characters.next() == Some('\''))
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if character == quote && !escaped {
            return at + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    rest.len()
}

fn raw_string_length(rest: &str) -> Option<usize> {
    let opening = rest.find('"')?;
    let hashes = rest[..opening].trim_start_matches('b').strip_prefix('r')?;
    if !hashes.chars().all(|character| character == '#') {
        return None;
    }
    let end = format!("\"{hashes}");
    let body = opening + 1;
    Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()))
}
