//! Pages of lists: a size, and an opaque place to go on from.

/// Rows of a page when the caller names no number.
pub const PAGE_DEFAULT: u32 = 20;
/// The most rows of a page: what a person can look at, and what keeps a read short.
pub const PAGE_MAX: u32 = 100;
/// The longest cursor that is read.
const CURSOR_MAX: usize = 1_024;

/// A page of a list: at most `limit` rows after `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// From 1 to [`PAGE_MAX`].
    pub limit: u32,
    /// The last row of the page before; none for the first page.
    pub after: Option<Cursor>,
}

/// The sort key of the last row that was seen. Opaque on the wire, so that its parts can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Vec<String>);

/// A cursor that no page of ours gave out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of ours; take it from the Link header of the page before")]
pub struct CursorFault;

impl Cursor {
    /// Of the parts of the sort key, most significant first.
    pub fn new(parts: impl IntoIterator<Item = String>) -> Self {
        Self(parts.into_iter().collect())
    }

    /// The parts, when there are exactly `N`.
    pub fn parts<const N: usize>(&self) -> Result<[&str; N], CursorFault> {
        let parts: Vec<&str> = self.0.iter().map(String::as_str).collect();
        parts.try_into().map_err(|_| CursorFault)
    }

    /// The text for the wire: hexadecimal, so that it needs no escaping in an address.
    pub fn encode(&self) -> String {
        let joined = self.0.join("\u{1f}");
        crate::hex(joined.as_bytes())
    }

    /// Reads what [`Cursor::encode`] wrote.
    pub fn decode(hex: &str) -> Result<Self, CursorFault> {
        if hex.is_empty() || hex.len() > CURSOR_MAX || !hex.len().is_multiple_of(2) || !hex.is_ascii() {
            return Err(CursorFault);
        }
        let bytes = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
        let bytes = bytes.collect::<Result<Vec<u8>, _>>().map_err(|_| CursorFault)?;
        let joined = String::from_utf8(bytes).map_err(|_| CursorFault)?;
        if joined.contains('\0') {
            return Err(CursorFault);
        }
        Ok(Self(joined.split('\u{1f}').map(str::to_owned).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_wire_and_strangers_do_not_break_it() {
        let cursor = Cursor::new(["1999".to_owned(), "prd_ü".to_owned()]);
        assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor.clone()));
        assert!(cursor.parts::<2>().is_ok() && cursor.parts::<1>().is_err());
        for hex in ["", "a", "zz", "ff", "00", "é1", &"61".repeat(2_000)] {
            assert!(Cursor::decode(hex).is_err(), "{hex}");
        }
    }
}
