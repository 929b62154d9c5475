//! Facets of a search: each counted under the filters of the others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use api::catalog::{CATEGORY_SEPARATOR, CategoryCount, Facets, OptionCount, PriceBand, StockCount, ValueCount};
use base::{Currency, Money, fold};

use super::filter::Facet;
use super::index::PARTED;
use super::tally::{Counted, Tally, band, ranked};
use super::{Asked, Found, Search, Wanted};
use crate::Error;

/// Values of a facet that are told: more than anybody looks through.
const FACET_VALUES_MAX: usize = 100;

/// Facets that are kept while the index stays as it is: those of a shop's front pages, some hundred kilobytes.
const KEPT_MAX: usize = 128;

/// Counts that were made of one state of the index. Everybody begins with the same few, and counting all products is the
/// dearest thing that a search does.
#[derive(Default)]
pub struct Counts(Mutex<(u64, HashMap<String, Facets>)>);

impl Counts {
    fn find(&self, generation: u64, key: &str) -> Option<Facets> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 != generation {
            *kept = (generation, HashMap::new());
        }
        kept.1.get(key).cloned()
    }

    fn keep(&self, generation: u64, key: String, facets: &Facets) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 == generation && kept.1.len() < KEPT_MAX {
            kept.1.insert(key, facets.clone());
        }
    }
}

/// Counts what is found by each facet.
///
/// # Errors
/// [`Error::Unsearchable`].
pub async fn facets(search: &Search, asked: Option<Asked>, wanted: Wanted) -> Result<Facets, Error> {
    let currency = search.currency;
    let is_nothing = asked.as_ref().is_some_and(Asked::is_empty);
    if is_nothing {
        return Ok(told(Counted::default(), 0, currency));
    }
    // Read first: what changes from here on makes the counts those of the past.
    let generation = search.generation();
    let key = format!("{asked:?} {wanted:?}");
    if let Some(kept) = search.counts.find(generation, &key) {
        return Ok(kept);
    }
    let facets = search
        .run(move |shelf| {
            let searcher = shelf.searcher();
            let mut found = Found::of(&shelf, &searcher, asked.as_ref(), None)?;
            let mut counted = searcher.search(found.among(&wanted)?.as_ref(), &Tally::ALL)?;
            if counted.all == 0 && found.widens()? {
                counted = searcher.search(found.among(&wanted)?.as_ref(), &Tally::ALL)?;
            }
            let mut in_question = counted.all;
            for facet in wanted.narrowed() {
                let query = found.among(&wanted.without(&facet))?;
                let other = searcher.search(query.as_ref(), &Tally::of(&facet))?;
                match facet {
                    Facet::Category => counted.categories = other.categories,
                    Facet::Price => counted.prices = other.prices,
                    Facet::Tag => counted.tags = other.tags,
                    Facet::Vendor => counted.vendors = other.vendors,
                    Facet::Stock => (counted.available, in_question) = (other.available, other.all),
                    Facet::Option(name) => {
                        let own = format!("{name}{PARTED}");
                        counted.options.retain(|key, _| !key.starts_with(&own));
                        let values = other.options.into_iter().filter(|(key, _)| key.starts_with(&own));
                        counted.options.extend(values);
                    }
                }
            }
            Ok(told(counted, in_question, currency))
        })
        .await?;
    search.counts.keep(generation, key, &facets);
    Ok(facets)
}

/// Counts for people. `in_question` are the products among which those that can be had are counted.
fn told(counted: Counted, in_question: u64, currency: Currency) -> Facets {
    let amount = |minor| Money::new(minor, currency).amount();
    let values = |counts| {
        let values = ranked(counts).into_iter().take(FACET_VALUES_MAX);
        values
            .map(|(mut shown, count)| ValueCount {
                value: shown.pop().unwrap_or_default(),
                count,
            })
            .collect()
    };
    let prices = counted.prices.iter().map(|(low, count)| PriceBand {
        min: amount(*low),
        max: amount(band(*low).1),
        count: *count,
    });
    Facets {
        count: counted.all,
        currency,
        categories: categories(&counted),
        prices: prices.collect(),
        tags: values(counted.tags),
        vendors: values(counted.vendors),
        options: options(ranked(counted.options)),
        stock: StockCount {
            available: counted.available,
            sold_out: in_question.saturating_sub(counted.available),
        },
    }
}

fn categories(counted: &Counted) -> Vec<CategoryCount> {
    let mut categories: Vec<CategoryCount> = counted
        .categories
        .iter()
        .map(|(path, count)| CategoryCount {
            name: path.rsplit(CATEGORY_SEPARATOR).next().unwrap_or(path).to_owned(),
            path: path.clone(),
            depth: path.matches(CATEGORY_SEPARATOR).count() as u32,
            count: *count,
        })
        .collect();
    categories.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.path.cmp(&other.path)));
    categories.truncate(FACET_VALUES_MAX);
    categories
}

/// Options by name, the most frequent first; their values likewise.
fn options(ranked: Vec<(Vec<String>, u64)>) -> Vec<OptionCount> {
    let mut options: Vec<(String, u64, OptionCount)> = Vec::new();
    for (shown, count) in ranked {
        let [name, value] = <[String; 2]>::try_from(shown).unwrap_or_default();
        let (key, value) = (fold(&name), ValueCount { value, count });
        match options.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, sum, option)) => {
                *sum += count;
                option.values.push(value);
            }
            None => options.push((
                key,
                count,
                OptionCount {
                    name,
                    values: vec![value],
                },
            )),
        }
    }
    options.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let options = options.into_iter().take(FACET_VALUES_MAX);
    options
        .map(|(_, _, mut option)| {
            option.values.truncate(FACET_VALUES_MAX);
            option
        })
        .collect()
}
