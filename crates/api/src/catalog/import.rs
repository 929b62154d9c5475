//! Importing products: what is asked for, and what came of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Broken rows that a report lists at the most; it counts them all. A person mends the first ones and tries again.
pub const FAILED_ROWS_MAX: usize = 1_000;

/// Which quantities an import takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StockMode {
    /// Those of new variants: importing a file again after a sale gives nothing back.
    #[default]
    New,
    /// All that the file names: what was counted stands in it.
    Set,
}

/// The query of `POST /products/import`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportQuery {
    /// Which quantities are taken (`new`).
    #[serde(default)]
    pub stock: StockMode,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Products that are new.
    pub created: u64,
    /// Products that were there and differed.
    pub updated: u64,
    /// Products that were there just so.
    pub unchanged: u64,
    /// Products that were left out because of a broken row.
    pub left_out: u64,
    /// Variants in all products that went in or were there.
    pub variants: u64,
    /// Broken rows, also those that `failed` has no room for.
    pub failed_rows: u64,
    /// The first broken rows, at most [`FAILED_ROWS_MAX`].
    pub failed: Vec<FailedRow>,
}

impl ImportReport {
    /// Counts a broken row, and keeps it while there is room.
    pub fn fail(&mut self, row: FailedRow) {
        self.failed_rows += 1;
        if self.failed.len() < FAILED_ROWS_MAX {
            self.failed.push(row);
        }
    }
}

/// A row that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedRow {
    /// The line of the file that the row begins on; the header is line 1.
    pub line: u64,
    /// The product that it belongs to, as far as that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// Why, in a sentence for the person who has the file.
    pub reason: String,
}
