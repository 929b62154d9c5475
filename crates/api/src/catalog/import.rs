//! Importing products: what is asked for, what came of it, and how it is taken back.

use base::{ImportId, ProductId, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Rejected rows that a report lists at the most; it counts them all, and gives them all back as a file.
pub const REJECTED_SHOWN_MAX: usize = 100;
/// Products that an undo left as they are and that its report names; the list of changes has them all.
pub const KEPT_SHOWN_MAX: usize = 100;
/// The column that a file of rejected rows has behind those of the imported file; importing it says nothing.
pub const REASON_COLUMN: &str = "Import Error";

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
    /// `true`: nothing is changed; the report and the list of changes say what would be.
    #[serde(default, alias = "dry_run")]
    pub dry_run: bool,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImportState {
    /// Its file is coming in, or waits for its turn.
    Staged,
    /// Its products go in.
    Running,
    /// All is in, but for what was rejected.
    Done,
    /// It is being taken back.
    Undoing,
    /// It was taken back, but for what others changed since.
    Undone,
    /// It broke off for good; `problem` says why. What came before is in, and can be undone.
    Failed,
}

impl ImportState {
    /// Whether nothing goes on any more.
    pub fn is_at_rest(self) -> bool {
        matches!(self, Self::Done | Self::Undone | Self::Failed)
    }
}

/// An import and what came of it so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// The id.
    pub id: ImportId,
    /// How far it is.
    pub state: ImportState,
    /// Whether it only says what it would do.
    pub dry_run: bool,
    /// Which quantities it takes.
    pub stock: StockMode,
    /// Who asked for it.
    pub actor: String,
    /// Bytes of the file that are here.
    pub bytes: u64,
    /// Of those, bytes that were worked off: the progress.
    pub bytes_done: u64,
    /// Rows below the header that were read so far.
    pub rows: u64,
    /// Products that are new.
    pub created: u64,
    /// Products that were there and differed.
    pub updated: u64,
    /// Products that were there just so.
    pub unchanged: u64,
    /// Products that were left out because of a rejected row.
    pub left_out: u64,
    /// Variants in all products that went in or were there.
    pub variants: u64,
    /// Rows that are wrong, also those that `rejected` has no room for.
    pub rejected_rows: u64,
    /// The first rows that are wrong, at most [`REJECTED_SHOWN_MAX`]; empty in lists of imports.
    #[serde(default)]
    pub rejected: Vec<RejectedRow>,
    /// Why it broke off, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<ImportFault>,
    /// How it was taken back, when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<ImportUndo>,
    /// When it was asked for.
    pub created_at: Time,
    /// When it came to rest: done or failed.
    pub finished_at: Option<Time>,
}

/// A row that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedRow {
    /// The line of the file that the row begins on; the header is line 1.
    pub line: u64,
    /// The product that it belongs to, as far as that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// Everything that is wrong with it, for the person who has the file.
    pub reason: String,
}

/// Why an import broke off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportFault {
    /// `not_a_product_file`, `unreadable_file` or `import_failed`.
    pub code: String,
    /// The same for people.
    pub detail: String,
}

/// Body of `POST /products/import/{id}/undo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "force": false }))]
pub struct UndoImport {
    /// Also takes back what somebody changed since the import (`false`).
    #[serde(default)]
    pub force: bool,
}

/// How an import was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportUndo {
    /// Who asked for it.
    pub actor: String,
    /// Whether later changes are taken back as well.
    pub force: bool,
    /// Products that are again what they were before the import.
    pub restored: u64,
    /// Products of which something stayed, because it was changed since or cannot be taken back.
    pub kept: u64,
    /// The first of those, at most [`KEPT_SHOWN_MAX`], with what stayed and why; empty in lists of imports.
    #[serde(default)]
    pub reasons: Vec<KeptBack>,
    /// When it was complete.
    pub finished_at: Option<Time>,
}

/// What an undo left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptBack {
    /// Of which product.
    pub handle: String,
    /// What, and why.
    pub reason: String,
}

/// What an import did to a product, or would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportChange {
    /// The product's handle in the file.
    pub handle: String,
    /// The product; none of a dry run's new products.
    pub product_id: Option<ProductId>,
    /// The line of the file that it begins on.
    pub line: u64,
    /// Whether it was new.
    pub action: ImportAction,
    /// What differs, before and after; of a new product the main things.
    pub fields: Vec<FieldChange>,
    /// Fields that differ as well and that `fields` has no room for.
    pub more_fields: u64,
    /// What became of it when the import was taken back; none before that.
    pub undo: Option<ChangeUndo>,
    /// What stayed of it then, and why.
    #[serde(default)]
    pub kept: Vec<String>,
}

/// What an import does to a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImportAction {
    /// It is new.
    Created,
    /// It was there and differs.
    Updated,
}

/// What became of a change when its import was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeUndo {
    /// All is as it was before.
    Restored,
    /// Something stayed.
    Kept,
}

/// A field before and after. Money stands as text (`"5.50"`), long texts are cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Its name in a product's or variant's JSON.
    pub field: String,
    /// The variant that it belongs to, by its chosen values or SKU; none for the product's own fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// What was there; null for nothing.
    pub before: Value,
    /// What is there after the import; null for nothing.
    pub after: Value,
}

/// The query of `GET /products/export`: which products.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportQuery {
    /// Products of this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Products with this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Only those for sale, or only drafts; both when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ExportStatus>,
}

/// A status that an export can be limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportStatus {
    /// For sale.
    Active,
    /// Not yet for sale.
    Draft,
}
