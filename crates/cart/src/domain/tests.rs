use base::{Id, Ids};
use proptest::prelude::*;

use super::*;

fn variant(number: u128) -> VariantId {
    VariantId::from_bits(number)
}

fn card(number: u128, available: i64) -> Card {
    Card {
        variant: variant(number),
        product: ProductId::from_bits(number / 10),
        number: i64::try_from(number / 10).unwrap(),
        sku: format!("SKU-{number}"),
        name: format!("Thing {number}"),
        image_url: None,
        price: Money::new(250, Currency::USD),
        available,
        for_sale: true,
        tax_category: None,
        requires_shipping: true,
    }
}

fn cards(all: &[(u128, i64)]) -> Cards {
    all.iter()
        .map(|&(number, available)| (variant(number), card(number, available)))
        .collect()
}

fn quantity(pieces: i64) -> Quantity {
    Quantity::new(pieces).unwrap()
}

const NOW: Time = Time::from_micros(1_900_000_000_000_000);

/// A cart of these variants and quantities, as if it had been saved.
fn cart(lines: &[(u128, i64)]) -> Cart {
    let ids = Ids::seeded(3);
    let mut cart = Cart {
        version: 1,
        ..Cart::new(
            ids.next(NOW),
            Owner {
                id: ids.next(NOW),
                guest: false,
            },
        )
    };
    for &(number, pieces) in lines {
        cart.put(variant(number), pieces, ids.next(NOW), NOW);
    }
    cart
}

/// The lines as variants and quantities.
fn lines(cart: &Cart) -> Vec<(u128, i64)> {
    cart.lines
        .iter()
        .map(|line| (line.variant.bits(), line.quantity))
        .collect()
}

#[test]
fn adding_fills_the_line_up_to_what_there_is() {
    let check = |before: &[(u128, i64)], available: i64, pieces: i64, expected: Result<&[(u128, i64)], &str>| {
        let mut cart = cart(before);
        let done = cart.add(&card(7, available), quantity(pieces), LineId::from_bits(1), NOW);
        match (done, expected) {
            (Ok(()), Ok(after)) => assert_eq!(lines(&cart), after),
            (Err(refusal), Err(word)) => {
                assert!(format!("{refusal:?}").contains(word), "{refusal:?} is not {word}");
                assert_eq!(lines(&cart), before, "a refused change changes nothing");
            }
            (done, _) => panic!("{done:?} for {before:?}"),
        }
    };
    check(&[], 5, 5, Ok(&[(7, 5)]));
    check(&[], 5, 6, Err("requested: 6, available: 5"));
    check(&[(7, 3)], 5, 2, Ok(&[(7, 5)]));
    check(&[(7, 3)], 5, 3, Err("requested: 6, available: 5"));
    check(&[(8, 1)], 1, 1, Ok(&[(8, 1), (7, 1)]));
    check(&[], 0, 1, Err("OutOfStock"));
    check(&[], -3, 1, Err("available: 0"));
    check(&[(7, 9_999)], i64::MAX, 1, Err("LineFull"));
    check(&[], i64::MAX, 9_999, Ok(&[(7, 9_999)]));
}

#[test]
fn what_is_not_for_sale_cannot_be_added() {
    let card = Card {
        for_sale: false,
        ..card(7, 9)
    };
    let done = cart(&[]).add(&card, Quantity::ONE, LineId::from_bits(1), NOW);
    assert!(
        matches!(done, Err(Refusal::OutOfStock(Short { available: 0, .. }))),
        "{done:?}"
    );
}

#[test]
fn a_cart_has_five_hundred_lines_at_most() {
    let full: Vec<(u128, i64)> = (0..LINES_PER_CART_MAX as u128).map(|number| (number, 1)).collect();
    let mut cart = cart(&full);
    assert_eq!(
        cart.add(&card(1_000, 9), Quantity::ONE, LineId::from_bits(1), NOW),
        Err(Refusal::CartFull)
    );
    assert_eq!(
        cart.add(&card(0, 9), Quantity::ONE, LineId::from_bits(1), NOW),
        Ok(()),
        "its lines still take more"
    );
    let mut guest = super::tests::cart(&[(1_000, 2), (1, 2)]);
    let done = cart.take_over(&mut guest, &cards(&[(1_000, 9), (1, 9)]), NOW, || LineId::from_bits(2));
    assert_eq!(
        (done.merged, done.cut),
        (
            2,
            vec![Cut {
                sku: "SKU-1000".into(),
                pieces: 2
            }]
        )
    );
    assert_eq!(cart.lines.len(), LINES_PER_CART_MAX);
}

#[test]
fn what_was_ordered_goes_out_and_what_came_meanwhile_stays() {
    let check = |now: &[(u128, i64)], generation: i64, ordered: &[(u128, i64)], expected: &[(u128, i64)], next: i64| {
        let mut cart = cart(now);
        let pieces = |&(number, pieces): &(u128, i64)| Pieces {
            variant: variant(number),
            quantity: quantity(pieces),
        };
        cart.ordered(generation, &ordered.iter().map(pieces).collect::<Vec<_>>());
        assert_eq!(
            (lines(&cart).as_slice(), cart.generation),
            (expected, next),
            "{now:?} less {ordered:?}"
        );
    };
    check(&[(1, 2)], 1, &[(1, 2)], &[], 2);
    check(&[(1, 5), (2, 1)], 1, &[(1, 2)], &[(1, 3), (2, 1)], 2);
    check(&[(1, 1)], 1, &[(1, 2)], &[], 2); // Lowered meanwhile.
    check(&[], 1, &[(1, 2)], &[], 2); // Taken out meanwhile.
    check(&[(1, 2)], 0, &[(1, 2)], &[(1, 2)], 1); // Told before.
    check(&[(1, 2)], 2, &[(1, 2)], &[(1, 2)], 1); // Never heard of.
}

#[test]
fn emptying_begins_a_generation_only_when_there_was_something() {
    let (mut full, mut empty) = (cart(&[(1, 2)]), cart(&[]));
    full.empty();
    empty.empty();
    assert_eq!((full.generation, full.lines.len(), empty.generation), (2, 0, 1));
}

#[test]
fn lines_are_found_by_every_name() {
    let cart = cart(&[(10, 1), (11, 1), (20, 1)]);
    let cards = cards(&[(10, 9), (11, 9), (20, 9)]);
    let check = |name: Named, expected: &[u128]| {
        let found: Vec<u128> = cart.named(&name, &cards).into_iter().map(Id::bits).collect();
        assert_eq!(found, expected, "{name:?}");
    };
    check(Named::Line(cart.lines[1].id), &[11]);
    check(Named::Variant(variant(20)), &[20]);
    check(Named::Product(ProductId::from_bits(2)), &[20]);
    check(Named::Number(1), &[10, 11]);
    check(Named::Sku("SKU-11".into()), &[11]);
    check(Named::Sku("sku-12".into()), &[]);
    check(Named::Line(LineId::from_bits(99)), &[]);
}

#[test]
fn the_sum_is_that_of_what_can_be_had() {
    let cart = cart(&[(10, 3), (20, 2), (30, 4)]);
    let mut known = cards(&[(10, 9), (20, 1)]);
    known.get_mut(&variant(20)).unwrap().for_sale = false;
    let shown = cart.shown(&known, Currency::USD).unwrap();
    let available: Vec<i64> = shown.cart.iter().map(|line| line.available).collect();
    assert_eq!(
        (shown.total.to_string().as_str(), shown.item_count, available),
        ("7.50", 5, vec![9, 0])
    );
    known.get_mut(&variant(10)).unwrap().price = Money::new(i64::MAX / 2, Currency::USD);
    assert_eq!(cart.shown(&known, Currency::USD), Err(MoneyFault::TooLarge));
}

proptest! {
    /// Whatever is merged: no piece appears or disappears, no line exceeds the stock or the limit unless it did
    /// before, and the guest's cart is empty in a new generation.
    #[test]
    fn a_merge_loses_and_makes_no_piece(
        own in proptest::collection::btree_map(0u128..8, 1i64..=9_999, 0..8),
        guests in proptest::collection::btree_map(0u128..8, 1i64..=9_999, 1..8),
        stock in proptest::collection::btree_map(0u128..8, -5i64..20_000, 0..8),
    ) {
        let all = |map: &std::collections::BTreeMap<u128, i64>| map.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>();
        let (mut account, mut guest) = (cart(&all(&own)), cart(&all(&guests)));
        let before = account.clone();
        let done = account.take_over(&mut guest, &cards(&all(&stock)), NOW, || LineId::from_bits(9));
        let cut: i64 = done.cut.iter().map(|cut| cut.pieces).sum();
        prop_assert_eq!(done.merged + cut, guests.values().sum::<i64>());
        let pieces = |cart: &Cart| cart.lines.iter().map(|line| line.quantity).sum::<i64>();
        prop_assert_eq!(pieces(&account), pieces(&before) + done.merged);
        for line in &account.lines {
            let held = before.line_of(line.variant).map_or(0, |line| line.quantity);
            let there = stock.get(&line.variant.bits()).copied().unwrap_or(0).max(0);
            prop_assert!(line.quantity == held || line.quantity <= there.min(9_999));
        }
        prop_assert_eq!((guest.lines.len(), guest.generation), (0, 2));
    }
}
