//! Words, texts, numbers and signs of a query.

use super::error::{Piece, Problem, QueryError};

/// One token and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'q> {
    pub(super) kind: TokenKind<'q>,
    pub(super) at: usize,
    pub(super) text: &'q str,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind<'q> {
    /// A name or keyword.
    Word(&'q str),
    /// A name between `[[` and `]]`.
    Quoted(&'q str),
    /// What a text says, without quotes and escapes.
    Text(String),
    Number(f64),
    Sign(Sign),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Comma,
    Dot,
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Star,
    Slash,
    Percent,
    Plus,
    Minus,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer signs come before their beginnings.
const SIGNS: [(&str, Sign); 18] = [
    ("!=", Sign::NotEqual),
    ("<>", Sign::NotEqual),
    ("<=", Sign::LessOrEqual),
    (">=", Sign::GreaterOrEqual),
    (",", Sign::Comma),
    (".", Sign::Dot),
    ("(", Sign::Open),
    (")", Sign::Close),
    ("[", Sign::OpenBracket),
    ("]", Sign::CloseBracket),
    ("*", Sign::Star),
    ("/", Sign::Slash),
    ("%", Sign::Percent),
    ("+", Sign::Plus),
    ("-", Sign::Minus),
    ("=", Sign::Equal),
    ("<", Sign::Less),
    (">", Sign::Greater),
];

/// Reads one token after the other.
#[derive(Debug)]
pub(super) struct Lexer<'q> {
    query: &'q str,
    at: usize,
}

impl<'q> Lexer<'q> {
    pub(super) const fn new(query: &'q str) -> Self {
        Self { query, at: 0 }
    }

    pub(super) fn error(&self, at: usize, problem: Problem) -> QueryError {
        QueryError::at(self.query, at, problem)
    }

    pub(super) fn next(&mut self) -> Result<Token<'q>, QueryError> {
        self.skip_blanks()?;
        let at = self.at;
        let kind = self.kind()?;
        Ok(Token { kind, at, text: &self.query[at..self.at] })
    }

    fn rest(&self) -> &'q str {
        &self.query[self.at..]
    }

    /// Passes over white space and comments.
    fn skip_blanks(&mut self) -> Result<(), QueryError> {
        loop {
            let rest = self.rest().trim_start();
            self.at = self.query.len() - rest.len();
            if !rest.starts_with("/*") {
                return Ok(());
            }
            let end = rest[2..].find("*/");
            let end = end.ok_or_else(|| self.error(self.at, Problem::Unterminated("a comment")))?;
            self.at += 2 + end + 2;
        }
    }

    fn kind(&mut self) -> Result<TokenKind<'q>, QueryError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(TokenKind::End) };
        if is_word_start(first) {
            let end = rest.find(|c| !is_word_part(c)).unwrap_or(rest.len());
            self.at += end;
            return Ok(TokenKind::Word(&rest[..end]));
        }
        if first.is_ascii_digit() {
            return self.number().map(TokenKind::Number);
        }
        if first == '\'' || first == '"' {
            return self.text(first).map(TokenKind::Text);
        }
        if let Some(quoted) = rest.strip_prefix("[[") {
            let end = quoted.find("]]");
            let end =
                end.ok_or_else(|| self.error(self.at, Problem::Unterminated("a name in [[ ]]")))?;
            self.at += 2 + end + 2;
            return Ok(TokenKind::Quoted(&quoted[..end]));
        }
        let Some((text, sign)) = SIGNS.iter().find(|(text, _)| rest.starts_with(text)) else {
            return Err(self.error(self.at, Problem::Character(first)));
        };
        self.at += text.len();
        Ok(TokenKind::Sign(*sign))
    }

    fn number(&mut self) -> Result<f64, QueryError> {
        let (start, rest) = (self.at, self.rest());
        let digits = |from: usize, is_digit: fn(u8) -> bool| {
            rest.bytes().skip(from).take_while(|byte| is_digit(*byte)).count()
        };
        let decimal = |from| digits(from, |byte| byte.is_ascii_digit());
        let bad = || self.error(start, Problem::Number);
        if rest.starts_with("0x") || rest.starts_with("0X") {
            let end = 2 + digits(2, |byte| byte.is_ascii_hexdigit());
            let value = u64::from_str_radix(&rest[2..end], 16).map_err(|_| bad())?;
            self.at += end;
            self.check_end_of_number(start)?;
            return Ok(value as f64);
        }
        let mut end = decimal(0);
        if rest[end..].starts_with('.') && decimal(end + 1) > 0 {
            end += 1 + decimal(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let exponent = decimal(end + 1 + sign);
            end += if exponent > 0 { 1 + sign + exponent } else { 0 };
        }
        let value: f64 = rest[..end].parse().map_err(|_| bad())?;
        if !value.is_finite() {
            return Err(bad());
        }
        self.at += end;
        self.check_end_of_number(start)?;
        Ok(value)
    }

    /// A letter right behind a number belongs to neither.
    fn check_end_of_number(&self, start: usize) -> Result<(), QueryError> {
        if self.rest().starts_with(is_word_start) {
            return Err(self.error(start, Problem::Number));
        }
        Ok(())
    }

    fn text(&mut self, quote: char) -> Result<String, QueryError> {
        let (start, rest) = (self.at, self.rest());
        let mut text = String::new();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                if chars.next_if(|(_, next)| *next == quote).is_none() {
                    self.at += at + c.len_utf8();
                    return Ok(text);
                }
                text.push(quote);
            } else if c == '\\' {
                let escaped = self.escape(&rest[at..]);
                let (c, len) = escaped.ok_or_else(|| self.error(start + at, Problem::Escape))?;
                text.push(c);
                // The backslash itself is taken.
                chars.by_ref().take(len - 1).for_each(drop);
            } else {
                text.push(c);
            }
        }
        Err(self.error(start, Problem::Unterminated("a text")))
    }

    /// What the escape that `rest` begins with stands for, and how many characters it has.
    fn escape(&self, rest: &str) -> Option<(char, usize)> {
        match rest.as_bytes().get(1)? {
            quoted @ (b'\'' | b'"' | b'\\') => Some((char::from(*quoted), 2)),
            b'u' => {
                let first = code_unit(rest)?;
                if let Some(c) = char::from_u32(first.into()) {
                    return Some((c, 6));
                }
                let second = code_unit(rest.get(6..)?)?;
                let c = char::decode_utf16([first, second]).next()?.ok()?;
                Some((c, 12))
            }
            _ => None,
        }
    }
}

/// The number behind `\u`, in four hexadecimal digits.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex { u16::from_str_radix(digits, 16).ok() } else { None }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '-')
}

impl Token<'_> {
    /// The token as an error shows it.
    pub(super) fn piece(&self) -> Piece {
        if self.kind == TokenKind::End { Piece::END } else { Piece::of(self.text) }
    }

    /// Whether it is this keyword, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.kind, TokenKind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    pub(super) fn is_sign(&self, sign: Sign) -> bool {
        self.kind == TokenKind::Sign(sign)
    }
}
