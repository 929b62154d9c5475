//! Values into parameters, columns into cells.

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::Error;
use crate::value::{Cell, Value};

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(number) => match *ty {
                Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
                Type::INT2 => i16::try_from(*number)?.to_sql(ty, out),
                Type::BOOL => (*number != 0).to_sql(ty, out),
                Type::INT8 => number.to_sql(ty, out),
                // Encoded as BIGINT it would be read as garbage.
                _ => Err(format!("a number for a parameter of type {ty}").into()),
            },
            Value::Text(text) if ty_is_text(ty) => text.as_str().to_sql(ty, out),
            Value::Ints(numbers) if *ty == Type::INT8_ARRAY => numbers.to_sql(ty, out),
            Value::Texts(texts) if *ty == Type::TEXT_ARRAY || *ty == Type::VARCHAR_ARRAY => texts.to_sql(ty, out),
            _ => Err(format!("a value of another kind for a parameter of type {ty}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn ty_is_text(ty: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN].contains(ty)
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Cell::Int),
            Type::INT4 => i32::from_sql(ty, raw).map(|number| Cell::Int(number.into())),
            Type::INT2 => i16::from_sql(ty, raw).map(|number| Cell::Int(number.into())),
            Type::BOOL => bool::from_sql(ty, raw).map(|flag| Cell::Int(flag.into())),
            _ => <&str>::from_sql(ty, raw).map(Cell::Text),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Cell::Null)
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::INT2, Type::BOOL].contains(ty) || ty_is_text(ty)
    }
}

/// A cell of a row.
pub(crate) fn cell(row: &tokio_postgres::Row, index: usize) -> Result<Cell<'_>, Error> {
    row.try_get(index).map_err(|error| Error::Corrupt(error.to_string()))
}
