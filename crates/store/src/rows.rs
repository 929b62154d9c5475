//! Many rows in one statement: arrays on PostgreSQL, one JSON text on SQLite.

use crate::{Dialect, Value};
use serde_json::Value as Json;

/// A column of [`Rows`]: its name and what it holds. A text that may be absent is given as `''`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowColumn {
    /// TEXT.
    Text(&'static str),
    /// BIGINT.
    Int(&'static str),
}

/// Rows on their way into one statement.
#[derive(Debug)]
pub struct Rows<const N: usize> {
    columns: [RowColumn; N],
    rows: Vec<[Value; N]>,
}

impl<const N: usize> Rows<N> {
    /// No rows yet, of these columns.
    pub fn new(columns: [RowColumn; N]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// One more row.
    pub fn push(&mut self, row: [Value; N]) {
        self.rows.push(row);
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty)] // Nobody asks.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// What stands after FROM for these columns: a table called `d` of the arguments from `$first` on.
    pub fn table(columns: &[RowColumn; N], dialect: Dialect, first: usize) -> String {
        let name = |column: &RowColumn| match column {
            RowColumn::Text(name) | RowColumn::Int(name) => *name,
        };
        match dialect {
            Dialect::Sqlite => {
                let each: Vec<String> = columns
                    .iter()
                    .enumerate()
                    .map(|(place, column)| format!("json_extract(value, '$[{place}]') AS {}", name(column)))
                    .collect();
                format!("(SELECT {} FROM json_each(${first})) AS d", each.join(", "))
            }
            Dialect::Postgres => {
                let arrays = columns.iter().enumerate().map(|(place, column)| match column {
                    RowColumn::Text(_) => format!("${}::text[]", first + place),
                    RowColumn::Int(_) => format!("${}::bigint[]", first + place),
                });
                let names: Vec<&str> = columns.iter().map(name).collect();
                format!(
                    "UNNEST({}) AS d ({})",
                    arrays.collect::<Vec<_>>().join(", "),
                    names.join(", ")
                )
            }
        }
    }

    /// The arguments that go with [`Rows::table`].
    pub fn args(self, dialect: Dialect) -> Vec<Value> {
        match dialect {
            Dialect::Sqlite => {
                let json = |value: Value| match value {
                    Value::Int(number) => Json::from(number),
                    Value::Text(text) => Json::from(text),
                    _ => Json::Null,
                };
                let rows = self
                    .rows
                    .into_iter()
                    .map(|row| Json::Array(row.into_iter().map(json).collect()));
                vec![Value::Text(Json::Array(rows.collect()).to_string())]
            }
            Dialect::Postgres => {
                let mut arrays = self.columns.map(|column| match column {
                    RowColumn::Text(_) => Value::Texts(Vec::with_capacity(self.rows.len())),
                    RowColumn::Int(_) => Value::Ints(Vec::with_capacity(self.rows.len())),
                });
                for row in self.rows {
                    for (array, value) in arrays.iter_mut().zip(row) {
                        match (array, value) {
                            (Value::Texts(texts), Value::Text(text)) => texts.push(text),
                            (Value::Texts(texts), _) => texts.push(String::new()),
                            (Value::Ints(numbers), Value::Int(number)) => numbers.push(number),
                            (Value::Ints(numbers), _) => numbers.push(0),
                            _ => {}
                        }
                    }
                }
                arrays.into()
            }
        }
    }
}

/// The spelling of a statement over [`Rows`] for an engine, made once:
/// `sql!(tx.dialect(), COLUMNS, 1, "INSERT INTO t (id) SELECT id FROM {rows}")`. `1` is the place of the rows' first argument.
#[macro_export]
macro_rules! sql {
    ($dialect:expr, $columns:expr, $first:literal, $text:literal) => {{
        static SPELLINGS: std::sync::LazyLock<[String; 2]> = std::sync::LazyLock::new(|| {
            [$crate::Dialect::Sqlite, $crate::Dialect::Postgres]
                .map(|dialect| $text.replace("{rows}", &$crate::Rows::table(&$columns, dialect, $first)))
        });
        match $dialect {
            $crate::Dialect::Sqlite => SPELLINGS[0].as_str(),
            $crate::Dialect::Postgres => SPELLINGS[1].as_str(),
        }
    }};
}
#[cfg(test)]
mod tests {
    use crate::args;

    use super::*;

    #[test]
    fn rows_are_spelled_for_each_engine() {
        let columns = [RowColumn::Text("id"), RowColumn::Int("n")];
        let mut rows = Rows::new(columns);
        rows.push(args!["a\"", 1i64]);
        rows.push(args!["b", 2i64]);
        assert_eq!(rows.len(), 2);
        assert_eq!(
            Rows::table(&columns, Dialect::Sqlite, 2),
            "(SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS n FROM json_each($2)) AS d"
        );
        assert_eq!(
            Rows::table(&columns, Dialect::Postgres, 2),
            "UNNEST($2::text[], $3::bigint[]) AS d (id, n)"
        );
        assert_eq!(rows.args(Dialect::Sqlite), [Value::from(r#"[["a\"",1],["b",2]]"#)]);
    }
}
