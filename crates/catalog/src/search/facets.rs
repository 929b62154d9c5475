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

/// Searches whose facets are kept while the index stays as it is: those of a shop's front pages.
const KEPT_MAX: usize = 128;
/// Values in all of them: some megabytes, also where products have options of a hundred names.
const KEPT_VALUES_MAX: usize = 20_000;

/// Counts that were made of one state of the index. Everybody begins with the same few, and counting all products is the
/// dearest thing that a search does.
#[derive(Default)]
pub struct Counts(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    generation: u64,
    values: usize,
    facets: HashMap<String, Facets>,
}

impl Counts {
    fn find(&self, generation: u64, key: &str) -> Option<Facets> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.generation != generation {
            *kept = Kept {
                generation,
                ..Kept::default()
            };
        }
        kept.facets.get(key).cloned()
    }

    fn keep(&self, generation: u64, key: String, facets: &Facets) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let values = values_of(facets);
        if kept.generation != generation || values > KEPT_VALUES_MAX {
            return;
        }
        // Strange searches must not keep the usual ones out.
        if kept.facets.len() >= KEPT_MAX || kept.values + values > KEPT_VALUES_MAX {
            kept.facets.clear();
            kept.values = 0;
        }
        if kept.facets.insert(key, facets.clone()).is_none() {
            kept.values += values;
        }
    }
}

fn values_of(facets: &Facets) -> usize {
    let options: usize = facets.options.iter().map(|option| option.values.len()).sum();
    facets.categories.len() + facets.prices.len() + facets.tags.len() + facets.vendors.len() + options
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
            let mut counted = found.collect(&wanted, &Tally::ALL)?;
            if counted.all == 0 && found.widens() {
                counted = found.collect(&wanted, &Tally::ALL)?;
            }
            let mut in_question = counted.all;
            for facet in wanted.narrowed() {
                let other = found.collect(&wanted.without(&facet), &Tally::of(&facet))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vendors: usize) -> Facets {
        let count = |vendor: usize| (format!("{vendor}\u{1f}{vendor}"), 1);
        let counted = Counted {
            vendors: (0..vendors).map(count).collect(),
            ..Counted::default()
        };
        told(counted, 0, Currency::USD)
    }

    #[test]
    fn counts_of_one_state_are_kept_and_few_of_them() {
        let counts = Counts::default();
        assert_eq!(counts.find(1, "a"), None);
        counts.keep(1, "a".into(), &of(3));
        assert_eq!(counts.find(1, "a"), Some(of(3)));
        counts.keep(0, "late".into(), &of(3));
        assert_eq!(counts.find(1, "late"), None);
        for number in 0..1_000 {
            counts.keep(1, number.to_string(), &of(FACET_VALUES_MAX));
            assert_eq!(counts.find(1, &number.to_string()), Some(of(FACET_VALUES_MAX)));
            let kept = counts.0.lock().unwrap();
            let values: usize = kept.facets.values().map(values_of).sum();
            assert!(kept.facets.len() <= KEPT_MAX && values == kept.values && values <= KEPT_VALUES_MAX);
        }
        assert_eq!(counts.find(2, "999"), None, "the index has changed");
    }
}
