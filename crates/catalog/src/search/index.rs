//! The index: its fields, a product as a document of it, and its place on disk.
//!
//! Everything in it is made of the database and can be made again. Nothing is stored to be shown: what is found are
//! numbers, and the products come from the database as they are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use api::catalog::{CATEGORY_SEPARATOR, InventoryPolicy, Product, Status};
use base::{Currency, Money, ProductId, fold};
use serde::{Deserialize, Serialize};
use tantivy::directory::{MmapDirectory, RamDirectory};
use tantivy::index::IndexSettings;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, NoMergePolicy};
use tantivy::schema::{FAST, Field, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{TokenizerManager, WhitespaceTokenizer};
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, TantivyError, Term};

use super::words::{joined, plain, words};
use crate::domain::name_key;

/// The version of what is written into an index, and how. An index of another one is made anew.
const VERSION: u32 = 2;
/// Memory in which new documents are collected: the least that the library takes, so that a shop stays small. More
/// makes a first index of a large catalogue somewhat faster.
const WRITER_BYTES: usize = 15_000_000;
/// Words of a description that count: some pages.
const DESCRIPTION_WORDS_MAX: usize = 5_000;
/// Stands between the folded and the shown spelling of a value that is counted, and between name and value of an option.
pub const PARTED: char = '\u{1f}';

/// The fields of a document.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// The product's id; replaces and removes by it.
    pub id: Field,
    /// Words of the name, with their order.
    pub name: Field,
    /// Words of tags, category, vendor, SKUs, option values.
    pub beside: Field,
    /// Words of the description.
    pub description: Field,
    /// The whole name in folded words.
    pub whole: Field,
    /// SKUs and barcodes, folded.
    pub code: Field,
    /// The exact SKUs.
    pub sku: Field,
    /// 1 when it is for sale, 0 for a draft.
    pub active: Field,
    /// 1 when some variant can be had.
    pub available: Field,
    /// The category and those above it: folded names and paths.
    pub category: Field,
    /// Folded tags.
    pub tag: Field,
    /// The folded vendor.
    pub vendor: Field,
    /// Folded option names and values.
    pub option: Field,
}

/// Columns that are read by name: what is sorted by, and what is counted.
pub mod column {
    /// The product's number.
    pub const NUMBER: &str = "number";
    /// The lowest price in minor units.
    pub const PRICE: &str = "price";
    /// The folded beginning of the name.
    pub const NAME: &str = "name_key";
    /// Words of the name.
    pub const LENGTH: &str = "length";
    /// 1 when it is for sale, 0 for a draft.
    pub const ACTIVE: &str = "active";
    /// 1 when some variant can be had.
    pub const AVAILABLE: &str = "available";
    /// Paths of the category and of those above it.
    pub const CATEGORY: &str = "category_shown";
    /// Tags.
    pub const TAG: &str = "tag_shown";
    /// The vendor.
    pub const VENDOR: &str = "vendor_shown";
    /// Options.
    pub const OPTION: &str = "option_shown";
}

/// How far the index has followed the outbox; committed with its documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    version: u32,
    /// The last event that it holds.
    pub seq: i64,
    /// That event's id, by which an index of another database is known; absent when it had been swept.
    pub event: Option<String>,
}

impl Mark {
    /// Here the index follows on.
    pub fn new(seq: i64, event: Option<String>) -> Self {
        Self {
            version: VERSION,
            seq,
            event,
        }
    }
}

/// An opened index.
pub struct Shelf {
    index: Index,
    reader: IndexReader,
    /// Its fields.
    pub fields: Fields,
}

impl Shelf {
    /// Opens the index in `folder`, or makes an empty one; in memory without one. With the mark of what it holds: none
    /// when it was made just now, because there was none, or one that is damaged or of another version.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn open(folder: Option<&Path>) -> Result<(Shelf, Option<Mark>), TantivyError> {
        let Some(folder) = folder else {
            let index = create(RamDirectory::create())?;
            return Ok((Shelf::of(index)?, None));
        };
        if let Some((index, mark)) = kept(folder)
            && let Ok(shelf) = Shelf::of(index)
        {
            return Ok((shelf, Some(mark)));
        }
        // Derived data: nothing is lost with it.
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let index = create(MmapDirectory::open(folder)?)?;
        Ok((Shelf::of(index)?, None))
    }

    fn of(index: Index) -> Result<Shelf, TantivyError> {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let (_, fields) = schema();
        Ok(Shelf { index, reader, fields })
    }

    /// What is committed now.
    pub fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// Changes with every commit that searches see.
    pub fn generation(&self) -> u64 {
        self.reader.searcher().generation().generation_id()
    }

    /// The one writer. It has threads and memory, so it is let go when nothing changes for a while.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn writer(&self) -> Result<IndexWriter, TantivyError> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        self.index.writer_with_options(options)
    }

    /// Makes what was written durable and seen.
    ///
    /// # Errors
    /// What the system refuses; nothing of it is seen then.
    pub fn commit(&self, writer: &mut IndexWriter, mark: &Mark) -> Result<(), TantivyError> {
        let mut commit = writer.prepare_commit()?;
        let text = serde_json::to_string(mark).map_err(|fault| TantivyError::InternalError(fault.to_string()))?;
        commit.set_payload(&text);
        commit.commit()?;
        self.reader.reload()
    }

    /// Lets segments be until [`Shelf::settle`]: while an index is filled they would be merged again and again.
    pub fn unsettle(&self, writer: &IndexWriter) {
        writer.set_merge_policy(Box::new(NoMergePolicy));
    }

    /// Makes one segment of all that is committed: every search asks each of them.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn settle(&self, writer: &mut IndexWriter) -> Result<(), TantivyError> {
        let segments = self.index.searchable_segment_ids()?;
        if segments.len() > 1 {
            writer.merge(&segments).wait()?;
            self.reader.reload()?;
        }
        writer.set_merge_policy(Box::new(LogMergePolicy::default()));
        Ok(())
    }

    /// What removes a product.
    pub fn term_of(&self, id: ProductId) -> Term {
        Term::from_field_text(self.fields.id, &id.to_string())
    }

    /// A product as a document.
    pub fn document(&self, product: &Product, currency: Currency) -> TantivyDocument {
        document(&self.fields, product, currency)
    }
}

/// The index of a folder with what it holds, when it can be read and is ours.
fn kept(folder: &Path) -> Option<(Index, Mark)> {
    let directory = MmapDirectory::open(folder).ok()?;
    let mut index = Index::open(directory).ok()?;
    let (schema, _) = schema();
    let payload = index.load_metas().ok()?.payload?;
    let mark: Mark = serde_json::from_str(&payload).ok()?;
    let sound = index.schema() == schema
        && mark.version == VERSION
        && index.validate_checksum().is_ok_and(|damaged| damaged.is_empty());
    if !sound {
        tracing::info!("the search index is damaged or of another version; it is made anew");
        return None;
    }
    index.set_tokenizers(tokenizers());
    Some((index, mark))
}

fn create(directory: impl Into<Box<dyn tantivy::Directory>>) -> Result<Index, TantivyError> {
    let (schema, _) = schema();
    let mut index = Index::create(directory, schema, IndexSettings::default())?;
    index.set_tokenizers(tokenizers());
    Ok(index)
}

/// Texts are folded and cut by us; the library only parts them at the spaces.
fn tokenizers() -> TokenizerManager {
    let tokenizers = TokenizerManager::default();
    tokenizers.register(SPACES, WhitespaceTokenizer::default());
    tokenizers
}

const SPACES: &str = "spaces";

fn schema() -> (Schema, Fields) {
    let text = |record| {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(SPACES)
            .set_fieldnorms(false)
            .set_index_option(record);
        TextOptions::default().set_indexing_options(indexing)
    };
    let counted = || TextOptions::default().set_fast("raw");
    let mut schema = Schema::builder();
    let fields = Fields {
        id: schema.add_text_field("id", STRING),
        name: schema.add_text_field("name", text(IndexRecordOption::WithFreqsAndPositions)),
        beside: schema.add_text_field("beside", text(IndexRecordOption::Basic)),
        description: schema.add_text_field("description", text(IndexRecordOption::Basic)),
        whole: schema.add_text_field("whole", STRING),
        code: schema.add_text_field("code", STRING),
        sku: schema.add_text_field("sku", STRING),
        active: schema.add_u64_field(column::ACTIVE, FAST),
        available: schema.add_u64_field(column::AVAILABLE, FAST),
        category: schema.add_text_field("category", STRING),
        tag: schema.add_text_field("tag", STRING),
        vendor: schema.add_text_field("vendor", STRING),
        option: schema.add_text_field("option", STRING),
    };
    schema.add_u64_field(column::NUMBER, FAST);
    schema.add_u64_field(column::PRICE, FAST);
    schema.add_u64_field(column::LENGTH, FAST);
    schema.add_text_field(column::NAME, counted());
    for name in [column::CATEGORY, column::TAG, column::VENDOR, column::OPTION] {
        schema.add_text_field(name, counted());
    }
    (schema.build(), fields)
}

/// Whether something of a product can be had.
pub fn is_available(product: &Product) -> bool {
    product.variants.iter().any(|variant| {
        !variant.tracked || variant.inventory_policy == InventoryPolicy::Continue || variant.available > 0
    })
}

/// An option's value as it is looked for.
pub fn option_key(name: &str, value: &str) -> String {
    format!("{}{PARTED}{}", fold(name), fold(value))
}

/// The paths of a category and of those above it, from the top.
pub fn paths(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.match_indices(CATEGORY_SEPARATOR).map(|(end, _)| &path[..end]);
    inner.chain(std::iter::once(path))
}

fn document(fields: &Fields, product: &Product, currency: Currency) -> TantivyDocument {
    let (schema, _) = &*SCHEMA;
    let column = |name: &str| schema.get_field(name).ok();
    let mut document = TantivyDocument::new();
    let whole = joined(&product.name);
    document.add_text(fields.id, product.id.to_string());
    document.add_u64(fields.active, u64::from(product.status == Status::Active));
    document.add_u64(fields.available, u64::from(is_available(product)));
    let price = Money::from_amount(product.price, currency).map_or(0, |money| money.minor);
    let figures = [
        (column::NUMBER, product.number.unsigned_abs()),
        (column::PRICE, price.unsigned_abs()),
        (column::LENGTH, words(&product.name).count() as u64),
    ];
    for (name, figure) in figures {
        column(name)
            .into_iter()
            .for_each(|field| document.add_u64(field, figure));
    }
    let show = |document: &mut TantivyDocument, name: &str, value: &str| {
        column(name)
            .into_iter()
            .for_each(|field| document.add_text(field, value));
    };
    show(&mut document, column::NAME, &name_key(&product.name));

    let mut beside: BTreeSet<String> = words(&product.category_path).collect();
    let mut categories = BTreeSet::new();
    for path in paths(&product.category_path) {
        let name = path.rsplit(CATEGORY_SEPARATOR).next().unwrap_or(path);
        categories.extend([fold(path), fold(name)]);
        show(&mut document, column::CATEGORY, path);
    }
    categories
        .iter()
        .for_each(|key| document.add_text(fields.category, key));
    if let Some(vendor) = &product.vendor {
        beside.extend(words(vendor));
        document.add_text(fields.vendor, fold(vendor));
        show(&mut document, column::VENDOR, &shown(&fold(vendor), vendor));
    }
    for (key, tag) in distinct(product.tags.iter().map(|tag| (fold(tag), tag.clone()))) {
        beside.extend(words(&tag));
        document.add_text(fields.tag, &key);
        show(&mut document, column::TAG, &shown(&key, &tag));
    }
    let chosen = product.variants.iter().flat_map(|variant| &variant.options);
    for (key, (name, value)) in distinct(chosen.map(|(name, value)| (option_key(name, value), (name, value)))) {
        beside.extend(words(value));
        document.add_text(fields.option, &key);
        show(
            &mut document,
            column::OPTION,
            &format!("{key}{PARTED}{name}{PARTED}{value}"),
        );
    }
    for variant in &product.variants {
        beside.extend(words(&variant.sku));
        document.add_text(fields.sku, &variant.sku);
        for code in std::iter::once(&variant.sku).chain(&variant.barcode) {
            document.add_text(fields.code, fold(code));
        }
    }
    document.add_text(fields.name, &whole);
    document.add_text(fields.whole, whole);
    document.add_text(fields.beside, spaced(beside));
    let description: BTreeSet<String> = words(&plain(&product.description))
        .take(DESCRIPTION_WORDS_MAX)
        .collect();
    document.add_text(fields.description, spaced(description));
    document
}

static SCHEMA: std::sync::LazyLock<(Schema, Fields)> = std::sync::LazyLock::new(schema);

/// A value with what it is counted under.
fn shown(key: &str, value: &str) -> String {
    format!("{key}{PARTED}{value}")
}

/// One spelling of each: the one that comes first in the alphabet, so that every process takes the same.
fn distinct<T: Ord>(values: impl Iterator<Item = (String, T)>) -> Vec<(String, T)> {
    let mut values: Vec<_> = values.collect();
    values.sort();
    values.dedup_by(|one, other| one.0 == other.0);
    values
}

fn spaced(words: BTreeSet<String>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// An index that everybody shares.
pub type Shared = Arc<Shelf>;
