//! What cart and orders ask: what is meant, and what is to be known of it.

use std::collections::HashMap;

use api::Ref;
use api::catalog::{Card, Pick, Picked, Status};
use base::VariantId;
use store::Tx;
use wire::Problem;

use crate::error::Choice;
use crate::store::{CardRow, Wanted};
use crate::{App, Error, domain, store as rows};

/// Picks or variants of one call at most: a cart's lines.
pub const PICKS_MAX: usize = 500;

/// What each pick means, in the picks' order: a card, or the problem with it.
///
/// # Errors
/// Too many picks; the database's.
pub async fn resolve(app: &App, picks: Vec<Pick>) -> Result<Vec<Picked>, Error> {
    bounded(picks.len())?;
    let currency = app.currency;
    app.db
        .read(move |tx| {
            let found = Shelves::load(tx, picks.iter(), currency)?;
            let picked = picks.iter().map(|pick| match found.pick(pick) {
                Ok(row) => Picked {
                    card: Some(row.card.clone()),
                    problem: None,
                },
                Err(error) => Picked {
                    card: None,
                    problem: Some(Problem::from(error)),
                },
            });
            Ok::<_, Error>(picked.collect())
        })
        .await
}

/// The cards of variants, archived ones too; unknown ones are absent.
///
/// # Errors
/// Too many variants; the database's.
pub async fn cards(app: &App, variants: Vec<VariantId>) -> Result<Vec<Card>, Error> {
    bounded(variants.len())?;
    let currency = app.currency;
    let wanted = Wanted {
        variants,
        ..Wanted::default()
    };
    app.db
        .read(move |tx| {
            let found = rows::cards(tx, &wanted, currency)?;
            Ok::<_, Error>(found.into_iter().map(|row| row.card).collect())
        })
        .await
}

fn bounded(count: usize) -> Result<(), Error> {
    match count {
        0..=PICKS_MAX => Ok(()),
        _ => Err(Error::field("", format!("must have at most {PICKS_MAX} entries"))),
    }
}

/// Variants found for some picks, by everything that may name them.
pub(super) struct Shelves {
    found: Vec<CardRow>,
    /// Handles of before, with the handle of now.
    former: HashMap<String, String>,
}

impl Shelves {
    /// Looks up what the picks name: one statement, three when an old handle is among them.
    pub(super) fn load<'a>(
        tx: &mut Tx<'_>,
        picks: impl Iterator<Item = &'a Pick>,
        currency: base::Currency,
    ) -> Result<Self, store::Error> {
        let mut wanted = Wanted::default();
        for pick in picks {
            match pick.variant.as_ref().or(pick.product.as_ref()) {
                Some(Ref::Variant(id)) => wanted.variants.push(*id),
                Some(Ref::Product(id)) => wanted.products.push(*id),
                Some(Ref::Number(number)) => wanted.numbers.push(*number),
                Some(Ref::Text(text)) => {
                    wanted.skus.push(text.clone());
                    wanted.handles.push(text.clone());
                }
                Some(Ref::User(_) | Ref::Order(_) | Ref::Payment(_) | Ref::Line(_)) => {}
                None => wanted.skus.extend(pick.sku.clone()),
            }
        }
        let mut found = rows::cards(tx, &wanted, currency)?;
        let known = |text: &String| found.iter().any(|row| row.card.sku == *text || row.handle == *text);
        let unknown: Vec<String> = wanted.handles.into_iter().filter(|text| !known(text)).collect();
        let mut former = HashMap::new();
        if !unknown.is_empty() {
            let moved = rows::former(tx, &unknown)?;
            let products = moved.iter().map(|(_, product)| *product).collect();
            let more = rows::cards(
                tx,
                &Wanted {
                    products,
                    ..Wanted::default()
                },
                currency,
            )?;
            for (handle, product) in moved {
                if let Some(row) = more.iter().find(|row| row.card.product == product) {
                    former.insert(handle, row.handle.clone());
                }
            }
            found.extend(
                more.into_iter()
                    .filter(|row| !known_in(&found, row))
                    .collect::<Vec<_>>(),
            );
        }
        Ok(Self { found, former })
    }

    /// What a pick means: a variant that is for sale.
    fn pick(&self, pick: &Pick) -> Result<&CardRow, Error> {
        let row = match (pick.variant.as_ref().or(pick.product.as_ref()), &pick.sku) {
            (Some(which), _) => self.named(which, |row| row.status == Status::Active)?,
            (None, Some(sku)) => {
                let named = |row: &&CardRow| row.card.sku == *sku && row.card.for_sale;
                self.found
                    .iter()
                    .find(named)
                    .ok_or_else(|| Error::NoSuchProduct(Ref::Text(sku.clone())))?
            }
            (None, None) => return Err(Error::field("/productId", "is needed, or `variantId`, or `sku`")),
        };
        Ok(row)
    }

    /// The living variant that a reference means among those of which `seen` holds: itself, or the only one of a
    /// product.
    pub(super) fn named(&self, which: &Ref, seen: impl Fn(&CardRow) -> bool) -> Result<&CardRow, Error> {
        let living = || self.found.iter().filter(|row| !row.archived && seen(row));
        let unknown = || Error::NoSuchProduct(which.clone());
        if let Ref::Variant(id) = which {
            return living().find(|row| row.card.variant == *id).ok_or_else(unknown);
        }
        if let Ref::Text(text) = which
            && let Some(row) = living().find(|row| row.card.sku == *text)
        {
            return Ok(row);
        }
        let of_product = self.product(which, seen);
        match of_product.as_slice() {
            [] => Err(unknown()),
            [only] => Ok(*only),
            several => Err(Error::VariantRequired(several.iter().map(|row| choice(row)).collect())),
        }
    }

    /// The living variants of a product.
    pub(super) fn product(&self, which: &Ref, seen: impl Fn(&CardRow) -> bool) -> Vec<&CardRow> {
        let of_product = |row: &&CardRow| match which {
            Ref::Number(number) => row.card.number == *number,
            Ref::Product(id) => row.card.product == *id,
            Ref::Text(text) => row.handle == *self.former.get(text).unwrap_or(text),
            _ => false,
        };
        self.found
            .iter()
            .filter(|row| !row.archived && seen(row))
            .filter(of_product)
            .collect()
    }
}

fn known_in(found: &[CardRow], row: &CardRow) -> bool {
    found.iter().any(|other| other.card.variant == row.card.variant)
}

fn choice(row: &CardRow) -> Choice {
    Choice {
        id: row.card.variant,
        sku: row.card.sku.clone(),
        name: domain::variant_name(&row.product_name, &row.choice),
    }
}
