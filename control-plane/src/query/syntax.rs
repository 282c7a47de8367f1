//! A query as it was written, checked and typed.

use super::path::Path;

/// What a query asks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    Devices,
    Modules,
    Jobs,
}

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    /// Most rows of all pages together.
    pub(crate) top: Option<u64>,
    pub(crate) select: Select,
    pub(crate) from: Collection,
    pub(crate) condition: Option<Expression>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Select {
    /// Whole documents.
    Star,
    /// A few values of each document.
    Columns(Vec<Column<Path>>),
    /// Values of groups of documents; all of them are one group when nothing is grouped by.
    Groups(Groups),
}

/// What rows of groups are made of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Groups {
    pub(crate) by: Vec<Path>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) columns: Vec<Column<GroupColumn>>,
}

/// A member of the rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column<T> {
    /// As JSON, with quotes.
    pub(crate) key: String,
    pub(crate) value: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupColumn {
    /// The value of this number that is grouped by.
    Key(usize),
    /// The aggregate of this number.
    Aggregate(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    Average(Path),
    Sum(Path),
    Minimum(Path),
    Maximum(Path),
}

/// Something that has a value for each document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Constant(Constant),
    Array(Vec<Constant>),
    Path(Path),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Compare(Box<Self>, Comparison, Box<Self>),
    In(Box<Self>, Vec<Constant>),
    Negate(Box<Self>),
    Arithmetic(Box<Self>, Vec<(Operator, Self)>),
    Call(Function, Vec<Self>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

macro_rules! functions {
    ($($name:literal $function:ident $arguments:expr, $counts:literal;)+) => {
        /// What can be called.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Function {
            $($function,)+
        }

        /// Functions by their names, with the numbers of arguments that they take.
        const FUNCTIONS: &[Signature] = &[
            $(Signature {
                name: $name,
                function: Function::$function,
                arguments: $arguments,
                counts: $counts,
            },)+
        ];
    };
}

/// How a function is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) arguments: (usize, usize),
    /// The same in words.
    pub(super) counts: &'static str,
}

// `STARTS_WITH` is refused by the original and so is not here.
functions! {
    "IS_DEFINED" IsDefined (1, 1), "one argument";
    "IS_NULL" IsNull (1, 1), "one argument";
    "IS_BOOL" IsBool (1, 1), "one argument";
    "IS_NUMBER" IsNumber (1, 1), "one argument";
    "IS_STRING" IsString (1, 1), "one argument";
    "IS_ARRAY" IsArray (1, 1), "one argument";
    "IS_OBJECT" IsObject (1, 1), "one argument";
    "IS_PRIMITIVE" IsPrimitive (1, 1), "one argument";
    "STARTSWITH" StartsWith (2, 2), "two arguments";
    "ENDSWITH" EndsWith (2, 2), "two arguments";
    "CONTAINS" Contains (2, 2), "two arguments";
    "ARRAY_CONTAINS" ArrayContains (2, 2), "two arguments";
    "AS_NUMBER" AsNumber (1, 1), "one argument";
    "CONCAT" Concat (2, 16), "two to 16 arguments";
    "INDEX_OF" IndexOf (2, 2), "two arguments";
    "LENGTH" Length (1, 1), "one argument";
    "LOWER" Lower (1, 1), "one argument";
    "UPPER" Upper (1, 1), "one argument";
    "SUBSTRING" Substring (2, 3), "two or three arguments";
    "ABS" Abs (1, 1), "one argument";
    "CEILING" Ceiling (1, 1), "one argument";
    "EXP" Exp (1, 1), "one argument";
    "FLOOR" Floor (1, 1), "one argument";
    "POWER" Power (2, 2), "two arguments";
    "SIGN" Sign (1, 1), "one argument";
    "SQRT" Sqrt (1, 1), "one argument";
    "SQUARE" Square (1, 1), "one argument";
}

impl Function {
    /// Finds a function by its name, which compares without case.
    pub(super) fn find(name: &str) -> Option<Signature> {
        FUNCTIONS.iter().find(|signature| signature.name.eq_ignore_ascii_case(name)).copied()
    }
}
