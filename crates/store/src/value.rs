//! Values on their way into statements, and columns on their way out.

use base::Time;

use crate::Error;

/// An argument of a statement. Arrays are native arrays on PostgreSQL and JSON text on SQLite, where
/// `= ANY($1)` is understood too and `json_each($1)` takes the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// BIGINT: money in minor units, pieces, microseconds, 0 or 1 for a flag.
    Int(i64),
    /// TEXT: names, ids, enums, JSON.
    Text(String),
    /// An array of BIGINT.
    Ints(Vec<i64>),
    /// An array of TEXT.
    Texts(Vec<String>),
}

/// Arguments of a statement: `args![id, 5i64, "text", None::<String>]` is a `[Value; 4]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { [$($crate::Value::from($value)),*] };
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(text.clone())
    }
}

impl From<std::borrow::Cow<'_, str>> for Value {
    fn from(text: std::borrow::Cow<'_, str>) -> Self {
        Value::Text(text.into_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Int(i64::from(flag))
    }
}

impl From<Time> for Value {
    fn from(time: Time) -> Self {
        Value::Int(time.micros())
    }
}

impl From<Vec<i64>> for Value {
    fn from(numbers: Vec<i64>) -> Self {
        Value::Ints(numbers)
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Self {
        Value::Texts(texts)
    }
}

impl From<&[String]> for Value {
    fn from(texts: &[String]) -> Self {
        Value::Texts(texts.to_vec())
    }
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        Value::Text(json.to_string())
    }
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Self {
        value.clone()
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// An array of ids (or of anything that prints) as [`Value::Texts`].
pub fn texts<T: std::fmt::Display>(all: impl IntoIterator<Item = T>) -> Value {
    Value::Texts(all.into_iter().map(|one| one.to_string()).collect())
}

/// A cell of a row as the engine hands it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// BIGINT, and flags that PostgreSQL computes (`a < b`).
    Int(i64),
    /// TEXT.
    Text(&'a str),
}

/// A type that a column can be read as.
pub trait Column: Sized {
    /// Reads the cell.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it holds something else.
    fn read(cell: Cell<'_>) -> Result<Self, Error>;
}

fn other(wanted: &str, cell: Cell<'_>) -> Error {
    // What the cell holds may be personal and must not reach the log: only its kind is told.
    let found = match cell {
        Cell::Null => "NULL",
        Cell::Int(_) => "a number",
        Cell::Text(_) => "a text",
    };
    Error::Corrupt(format!("{wanted} was expected, {found} is there"))
}

impl Column for String {
    fn read(cell: Cell<'_>) -> Result<Self, Error> {
        match cell {
            Cell::Text(text) => Ok(text.to_owned()),
            _ => Err(other("a text", cell)),
        }
    }
}

impl Column for bool {
    fn read(cell: Cell<'_>) -> Result<Self, Error> {
        match cell {
            Cell::Int(0) => Ok(false),
            Cell::Int(1) => Ok(true),
            _ => Err(other("0 or 1", cell)),
        }
    }
}

impl Column for Time {
    fn read(cell: Cell<'_>) -> Result<Self, Error> {
        i64::read(cell).map(Time::from_micros)
    }
}

impl<T: Column> Column for Option<T> {
    fn read(cell: Cell<'_>) -> Result<Self, Error> {
        match cell {
            Cell::Null => Ok(None),
            _ => T::read(cell).map(Some),
        }
    }
}

macro_rules! numbers_in {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Self { Value::Int(i64::from(number)) }
        }
    )*};
}
numbers_in!(i64, i32, u32, u16, u8);

macro_rules! numbers_out {
    ($($number:ty),*) => {$(
        impl Column for $number {
            fn read(cell: Cell<'_>) -> Result<Self, Error> {
                match cell {
                    Cell::Int(number) => number.try_into().map_err(|_| other(stringify!($number), cell)),
                    _ => Err(other("a number", cell)),
                }
            }
        }
    )*};
}
numbers_out!(i64, i32, u64, u32, u16, u8);

macro_rules! ids {
    ($($id:ident)*) => {$(
        impl From<base::$id> for Value {
            fn from(id: base::$id) -> Self { Value::Text(id.to_string()) }
        }
        impl From<&base::$id> for Value {
            fn from(id: &base::$id) -> Self { Value::Text(id.to_string()) }
        }
        impl Column for base::$id {
            fn read(cell: Cell<'_>) -> Result<Self, Error> {
                match cell {
                    Cell::Text(text) => text.parse().map_err(|_| other(stringify!($id), cell)),
                    _ => Err(other(stringify!($id), cell)),
                }
            }
        }
    )*};
}
ids! {
    UserId SessionId KeyId ProductId VariantId ImageId CategoryId ImportId CartId LineId OrderId OrderLineId FulfilmentId
    ReservationId PaymentId AttemptId RefundId ChargeId EventId RequestId
}
