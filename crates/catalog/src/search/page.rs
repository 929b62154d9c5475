//! A page of what is found: the best in an order, after a place that the page before ended at.

use std::collections::BinaryHeap;
use std::sync::Arc;

use base::{Cursor, CursorFault};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, ColumnValues, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader, TantivyError};

use super::finds::Mode;
use super::index::column;
use crate::store::Order;

/// Room in a score for how short a name is: among products found alike, the one whose name says least else comes first.
const SHORT: i64 = 64;

/// The order of what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The best first, among equals the newest.
    Relevance,
    /// As lists are ordered.
    List(Order),
}

/// Where something stands in an order: the smaller, the further in front. The number at the end is a product's, negative
/// where the newest comes first, so that no two stand at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// A score, a price; 0 where a name decides.
    figure: i64,
    /// A folded name, where that decides.
    name: String,
    number: i64,
}

impl Place {
    /// Which product stands there.
    pub fn number(&self) -> i64 {
        self.number.abs()
    }

    /// The place for the wire, with the strictness of the search.
    pub fn cursor(&self, by: By, mode: Mode) -> Cursor {
        let mode = match mode {
            Mode::All => "all",
            Mode::Any => "any",
        };
        Cursor::new([
            by.word().to_owned(),
            mode.to_owned(),
            self.figure.to_string(),
            self.name.clone(),
            self.number.to_string(),
        ])
    }

    /// Reads a place of this order.
    ///
    /// # Errors
    /// The cursor is not one of ours, or of another order.
    pub fn of(cursor: &Cursor, by: By) -> Result<(Place, Mode), CursorFault> {
        let [word, mode, figure, name, number] = cursor.parts::<5>()?;
        if word != by.word() {
            return Err(CursorFault);
        }
        let mode = match mode {
            "all" => Mode::All,
            "any" => Mode::Any,
            _ => return Err(CursorFault),
        };
        let place = Place {
            figure: figure.parse().map_err(|_| CursorFault)?,
            name: name.to_owned(),
            number: number.parse().map_err(|_| CursorFault)?,
        };
        Ok((place, mode))
    }
}

impl By {
    fn word(self) -> &'static str {
        match self {
            By::Relevance => "found",
            By::List(Order::Newest) => "found-new",
            By::List(Order::Cheapest) => "found-low",
            By::List(Order::Dearest) => "found-high",
            By::List(Order::Name) => "found-name",
        }
    }
}

/// Collects the first `limit` places after `after`.
pub struct Page {
    /// The order.
    pub by: By,
    /// How many.
    pub limit: usize,
    /// Behind which.
    pub after: Option<Place>,
}

impl Collector for Page {
    type Fruit = Vec<Place>;
    type Child = PageOfSegment;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> Result<PageOfSegment, TantivyError> {
        let columns = segment.fast_fields();
        let figures = |name: &str| Ok::<_, TantivyError>(first(columns.u64(name)?));
        let figure = match self.by {
            By::Relevance => figures(column::LENGTH)?,
            By::List(Order::Cheapest | Order::Dearest) => figures(column::PRICE)?,
            By::List(Order::Newest | Order::Name) => figures(column::NUMBER)?,
        };
        let names = match self.by {
            By::List(Order::Name) => columns.str(column::NAME)?,
            _ => None,
        };
        // Names are compared by their rank within the segment; where the page begins, in ranks, is looked up once.
        let after = match (&self.after, &names) {
            (Some(place), Some(names)) => {
                let (rank, same) = rank(names, &place.name)?;
                Some((rank, if same { place.number } else { i64::MIN }))
            }
            (Some(place), None) => Some((place.figure, place.number)),
            (None, _) => None,
        };
        Ok(PageOfSegment {
            by: self.by,
            limit: self.limit,
            after,
            figure,
            number: figures(column::NUMBER)?,
            names: names.map(|names| (names.ords().clone(), names)),
            best: BinaryHeap::with_capacity(self.limit + 1),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.by == By::Relevance
    }

    fn merge_fruits(&self, found: Vec<Result<Vec<Place>, TantivyError>>) -> Result<Vec<Place>, TantivyError> {
        let mut places = Vec::new();
        for found in found {
            places.extend(found?);
        }
        places.sort_unstable();
        places.truncate(self.limit);
        Ok(places)
    }
}

fn first(column: Column<u64>) -> Arc<dyn ColumnValues<u64>> {
    column.first_or_default_col(0)
}

/// How many names of the segment stand before `name`, and whether it has it.
fn rank(names: &StrColumn, name: &str) -> Result<(i64, bool), TantivyError> {
    let (mut low, mut high) = (0, names.num_terms() as u64);
    let mut found = String::new();
    while low < high {
        let middle = low + (high - low) / 2;
        found.clear();
        names.ord_to_str(middle, &mut found)?;
        match found.as_str().cmp(name) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return Ok((signed(middle), true)),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok((signed(low), false))
}

fn signed(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}

/// The best of a segment.
pub struct PageOfSegment {
    by: By,
    limit: usize,
    after: Option<(i64, i64)>,
    figure: Arc<dyn ColumnValues<u64>>,
    number: Arc<dyn ColumnValues<u64>>,
    names: Option<(Column<u64>, StrColumn)>,
    /// The worst on top.
    best: BinaryHeap<(i64, i64)>,
}

impl SegmentCollector for PageOfSegment {
    type Fruit = Result<Vec<Place>, TantivyError>;

    fn collect(&mut self, doc: DocId, score: Score) {
        // Columns are dear to look at: most of what is found is worse than the best already by what is known here.
        let score = score as i64 * SHORT;
        let worst = self.best.peek().copied().filter(|_| self.best.len() >= self.limit);
        if self.by == By::Relevance && worst.is_some_and(|worst| -(score + SHORT - 1) > worst.0) {
            return;
        }
        let figure = signed(self.figure.get_val(doc));
        let figure = match self.by {
            By::Relevance => -(score + (SHORT - 1 - figure).max(0)),
            By::List(Order::Newest) => 0,
            By::List(Order::Cheapest) => figure,
            By::List(Order::Dearest) => -figure,
            By::List(Order::Name) => {
                let rank = self.names.as_ref().and_then(|(ranks, _)| ranks.first(doc));
                rank.map_or(0, signed)
            }
        };
        if worst.is_some_and(|worst| figure > worst.0) {
            return;
        }
        let number = signed(self.number.get_val(doc));
        let place = match self.by {
            By::Relevance | By::List(Order::Newest | Order::Dearest) => (figure, -number),
            By::List(Order::Cheapest | Order::Name) => (figure, number),
        };
        let is_before = self.after.is_some_and(|after| place <= after);
        if is_before || worst.is_some_and(|worst| place > worst) {
            return;
        }
        self.best.push(place);
        if self.best.len() > self.limit {
            self.best.pop();
        }
    }

    fn harvest(self) -> Result<Vec<Place>, TantivyError> {
        let mut places = Vec::with_capacity(self.best.len());
        for (figure, number) in self.best {
            let mut name = String::new();
            let figure = match &self.names {
                Some((_, names)) => {
                    names.ord_to_str(figure.unsigned_abs(), &mut name)?;
                    0
                }
                None => figure,
            };
            places.push(Place { figure, name, number });
        }
        Ok(places)
    }
}
