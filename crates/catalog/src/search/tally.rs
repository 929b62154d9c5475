//! Facets: how many of what is found stand under each value.

use std::collections::BTreeMap;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, RowId, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader, TantivyError};

use super::filter::Facet;
use super::index::{PARTED, column};

/// What is to be counted; the number of all is counted always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Values of the category, and of those above it.
    pub categories: bool,
    /// Bands of the lowest price.
    pub prices: bool,
    /// Tags.
    pub tags: bool,
    /// Vendors.
    pub vendors: bool,
    /// Values of options, all options at once.
    pub options: bool,
    /// What can be had.
    pub stock: bool,
}

impl Tally {
    /// Of everything.
    pub const ALL: Tally = Tally {
        categories: true,
        prices: true,
        tags: true,
        vendors: true,
        options: true,
        stock: true,
    };

    /// Of one facet only.
    pub fn of(facet: &Facet) -> Tally {
        let none = Tally::default();
        match facet {
            Facet::Category => Tally {
                categories: true,
                ..none
            },
            Facet::Price => Tally { prices: true, ..none },
            Facet::Tag => Tally { tags: true, ..none },
            Facet::Vendor => Tally { vendors: true, ..none },
            Facet::Stock => Tally { stock: true, ..none },
            Facet::Option(_) => Tally { options: true, ..none },
        }
    }
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// All that was found.
    pub all: u64,
    /// Of it, what can be had.
    pub available: u64,
    /// Paths.
    pub categories: BTreeMap<String, u64>,
    /// The lowest price of a band in minor units.
    pub prices: BTreeMap<i64, u64>,
    /// Folded tag and spelling.
    pub tags: BTreeMap<String, u64>,
    /// Folded vendor and spelling.
    pub vendors: BTreeMap<String, u64>,
    /// Folded name and value, and their spellings.
    pub options: BTreeMap<String, u64>,
}

impl Collector for Tally {
    type Fruit = Counted;
    type Child = TallyOfSegment;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> Result<TallyOfSegment, TantivyError> {
        let columns = segment.fast_fields();
        let words = |wanted: bool, name: &str| match wanted {
            true => Ok(columns.str(name)?.map(Words::of)),
            false => Ok::<_, TantivyError>(None),
        };
        let figures = |wanted: bool, name: &str| match wanted {
            true => Ok(Some(columns.u64(name)?)),
            false => Ok::<_, TantivyError>(None),
        };
        Ok(TallyOfSegment {
            docs: Vec::with_capacity(BATCH),
            batch: Batch::default(),
            all: 0,
            available: figures(self.stock, column::AVAILABLE)?.map(|column| (column, 0)),
            prices: figures(self.prices, column::PRICE)?.map(|column| (column, [0; BANDS])),
            words: [
                words(self.categories, column::CATEGORY)?,
                words(self.tags, column::TAG)?,
                words(self.vendors, column::VENDOR)?,
                words(self.options, column::OPTION)?,
            ],
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, found: Vec<Result<Counted, TantivyError>>) -> Result<Counted, TantivyError> {
        let mut counted = Counted::default();
        for found in found {
            let found = found?;
            counted.all += found.all;
            counted.available += found.available;
            add(&mut counted.categories, found.categories);
            add(&mut counted.prices, found.prices);
            add(&mut counted.tags, found.tags);
            add(&mut counted.vendors, found.vendors);
            add(&mut counted.options, found.options);
        }
        Ok(counted)
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (key, count) in more {
        *sums.entry(key).or_default() += count;
    }
}

/// Documents that are counted at once: columns are quicker to read in one go.
const BATCH: usize = 512;

/// What a segment has.
pub struct TallyOfSegment {
    /// Those that are still to be counted.
    docs: Vec<DocId>,
    batch: Batch,
    all: u64,
    available: Option<(Column<u64>, u64)>,
    /// By the places of the bands.
    prices: Option<(Column<u64>, [u64; BANDS])>,
    /// Categories, tags, vendors, options.
    words: [Option<Words>; 4],
}

/// What a column has of some documents.
#[derive(Default)]
struct Batch {
    docs: Vec<DocId>,
    rows: Vec<RowId>,
    values: Vec<u64>,
}

impl Batch {
    fn of(&mut self, column: &Column<u64>, docs: &[DocId]) -> &[u64] {
        self.docs.clear();
        self.rows.clear();
        column.row_ids_for_docs(docs, &mut self.docs, &mut self.rows);
        self.values.resize(self.rows.len(), 0);
        column.values.get_vals(&self.rows, &mut self.values);
        &self.values
    }
}

/// Values by their rank in the segment, with how often they were found.
struct Words {
    ranks: Column<u64>,
    values: StrColumn,
    counts: Vec<u64>,
}

impl Words {
    fn of(values: StrColumn) -> Words {
        Words {
            ranks: values.ords().clone(),
            counts: vec![0; values.num_terms()],
            values,
        }
    }

    fn count(&mut self, ranks: &[u64]) {
        for rank in ranks {
            if let Some(count) = usize::try_from(*rank).ok().and_then(|rank| self.counts.get_mut(rank)) {
                *count += 1;
            }
        }
    }

    fn told(self) -> Result<BTreeMap<String, u64>, TantivyError> {
        let mut told = BTreeMap::new();
        for (rank, count) in (0u64..).zip(self.counts).filter(|(_, count)| *count > 0) {
            let mut value = String::new();
            self.values.ord_to_str(rank, &mut value)?;
            told.insert(value, count);
        }
        Ok(told)
    }
}

impl TallyOfSegment {
    fn count(&mut self) {
        self.all += self.docs.len() as u64;
        if let Some((column, count)) = &mut self.available {
            let values = self.batch.of(column, &self.docs).iter();
            *count += values.filter(|value| **value > 0).count() as u64;
        }
        if let Some((column, counts)) = &mut self.prices {
            for price in self.batch.of(column, &self.docs) {
                counts[band_place(i64::try_from(*price).unwrap_or(i64::MAX))] += 1;
            }
        }
        for words in self.words.iter_mut().flatten() {
            words.count(self.batch.of(&words.ranks, &self.docs));
        }
        self.docs.clear();
    }
}

impl SegmentCollector for TallyOfSegment {
    type Fruit = Result<Counted, TantivyError>;

    fn collect(&mut self, doc: DocId, _: Score) {
        self.docs.push(doc);
        if self.docs.len() == BATCH {
            self.count();
        }
    }

    fn harvest(mut self) -> Result<Counted, TantivyError> {
        self.count();
        let told = |words: Option<Words>| words.map_or(Ok(BTreeMap::new()), Words::told);
        let [categories, tags, vendors, options] = self.words;
        Ok(Counted {
            all: self.all,
            available: self.available.map_or(0, |(_, count)| count),
            prices: self.prices.map_or(BTreeMap::new(), |(_, counts)| {
                let counted = (0..).zip(counts).filter(|(_, count)| *count > 0);
                counted.map(|(place, count)| (band_at(place).0, count)).collect()
            }),
            categories: told(categories)?,
            tags: told(tags)?,
            vendors: told(vendors)?,
            options: told(options)?,
        })
    }
}

/// Bands begin at 0, 1, 2, 5, 10, 20, 50 … so that they fit every currency and every kind of shop, and do not move when a
/// product comes or goes: one of its own for nothing, then three for each power of ten that a price can have.
const BANDS: usize = 1 + 3 * (i64::MAX.ilog10() as usize + 1);

/// The band of a price: its lowest and its highest price, in minor units.
pub fn band(minor: i64) -> (i64, i64) {
    band_at(band_place(minor))
}

/// Which band a price is in.
fn band_place(minor: i64) -> usize {
    let Some(power) = minor.checked_ilog10() else {
        return 0;
    };
    let third = match minor / 10_i64.pow(power) {
        1 => 0,
        2..=4 => 1,
        _ => 2,
    };
    1 + 3 * power as usize + third
}

fn band_at(place: usize) -> (i64, i64) {
    let Some(place) = place.checked_sub(1) else {
        return (0, 0);
    };
    let power = 10_i64.pow(place as u32 / 3);
    let (from, to) = [(1, 2), (2, 5), (5, 10)][place % 3];
    (from * power, power.saturating_mul(to).saturating_sub(1))
}

/// Values that read the same are counted as one, shown as most are spelled; the most frequent first.
///
/// The text of a value is its folded form, then as many parts for people.
pub fn ranked(counts: BTreeMap<String, u64>) -> Vec<(Vec<String>, u64)> {
    let mut of_key: BTreeMap<String, (u64, u64, Vec<String>)> = BTreeMap::new();
    for (text, count) in counts {
        let parts: Vec<String> = text.split(PARTED).map(str::to_owned).collect();
        let (key, shown) = parts.split_at(parts.len() / 2);
        let (sum, most, spelling) = of_key.entry(key.join("\u{1f}")).or_default();
        *sum += count;
        // Texts come in the order of the alphabet, so that of two spellings alike the same one is shown everywhere.
        if count > *most {
            (*most, *spelling) = (count, shown.to_vec());
        }
    }
    let mut ranked: Vec<_> = of_key.into_values().map(|(sum, _, shown)| (shown, sum)).collect();
    ranked.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_all_prices_once() {
        for (minor, wanted) in [
            (0, (0, 0)),
            (1, (1, 1)),
            (2, (2, 4)),
            (999, (500, 999)),
            (1_000, (1_000, 1_999)),
            (4_999, (2_000, 4_999)),
            (5_000, (5_000, 9_999)),
            (1_000_000_000_000, (1_000_000_000_000, 1_999_999_999_999)),
        ] {
            assert_eq!(band(minor), wanted, "{minor}");
        }
        for minor in 0..20_000 {
            let (low, high) = band(minor);
            assert!((low..=high).contains(&minor) && band(low) == band(high), "{minor}");
        }
        assert!(band(i64::MAX).1 > 0);
    }

    #[test]
    fn spellings_of_one_value_are_one() {
        let counts = [
            ("iron\u{1f}IRON", 2),
            ("iron\u{1f}Iron", 3),
            ("brass\u{1f}brass", 5),
            ("oak\u{1f}Oak", 9),
        ];
        let counts = counts
            .map(|(text, count)| (text.to_owned(), count))
            .into_iter()
            .collect();
        let ranked: Vec<_> = ranked(counts)
            .into_iter()
            .map(|(shown, count)| (shown.join(" "), count))
            .collect();
        assert_eq!(ranked, [("Oak".into(), 9), ("Iron".into(), 5), ("brass".into(), 5)]);
    }
}
