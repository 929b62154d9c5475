//! Batches, and that cutting them anywhere changes nothing.

use base::{Id, Quantity};
use proptest::prelude::*;

use super::*;

fn order(n: u128) -> OrderId {
    OrderId::from_bits(n)
}

fn variant(n: u128) -> VariantId {
    VariantId::from_bits(n)
}

fn asked(command: Command) -> Asked {
    Asked {
        command,
        actor: "service:orders".into(),
        request_id: "req".into(),
    }
}

fn reserve(n: u128, lines: &[(u128, i64)]) -> Asked {
    let pieces = |&(of, many): &(u128, i64)| Pieces {
        variant: variant(of),
        quantity: Quantity::new(many).unwrap(),
    };
    asked(Command::Reserve(order(n), lines.iter().map(pieces).collect()))
}

fn shelves(on_hand: &[i64]) -> HashMap<VariantId, Shelf> {
    let shelf = |on_hand: i64| Shelf {
        sku: format!("S{on_hand}"),
        on_hand,
        reserved: 0,
        tracked: true,
        oversell: false,
        living: true,
        version: 0,
    };
    on_hand
        .iter()
        .enumerate()
        .map(|(n, &on_hand)| (variant(n as u128), shelf(on_hand)))
        .collect()
}

#[test]
fn lines_stand_or_fall_together() {
    let batch = [
        reserve(1, &[(0, 2), (1, 1)]),
        reserve(2, &[(0, 3)]),
        reserve(1, &[(0, 2), (1, 1)]),
    ];
    let done = decide(&batch, &shelves(&[5, 0]), &HashMap::new());
    let Err(Refusal::OutOfStock(short)) = &done.answers[0] else {
        panic!("{done:?}")
    };
    assert_eq!((short.len(), short[0].requested, short[0].available), (1, 1, 0));
    assert_eq!(done.answers[1], Ok(()));
    assert!(done.answers[2].is_err(), "a refusal is no tombstone and no reservation");
    assert_eq!(
        (
            done.movements.len(),
            done.told.len(),
            done.shelves[&variant(0)].reserved
        ),
        (1, 1, 3)
    );
}

#[test]
fn what_was_undone_stays_closed() {
    let undo = |n| asked(Command::Undo(order(n)));
    let settle = |n| asked(Command::Settle(order(n)));
    let batch = [
        undo(1),
        reserve(1, &[(0, 1)]),
        settle(1),
        settle(2),
        reserve(3, &[(0, 1)]),
        settle(3),
        undo(3),
        undo(3),
    ];
    let done = decide(&batch, &shelves(&[5]), &HashMap::new());
    let closed = |n| Err(Refusal::Closed(order(n)));
    assert_eq!(
        done.answers,
        [Ok(()), closed(1), closed(1), closed(2), Ok(()), Ok(()), Ok(()), Ok(())]
    );
    let reasons: Vec<_> = done.movements.iter().map(|movement| movement.reason.as_str()).collect();
    assert_eq!(reasons, ["reserved", "settled", "restocked"]);
    assert_eq!(
        (done.shelves[&variant(0)].on_hand, done.shelves[&variant(0)].reserved),
        (5, 0)
    );
    assert!(!done.held.contains_key(&order(2)));
}

#[test]
fn what_is_not_counted_does_not_move_and_what_may_be_oversold_goes_below_zero() {
    let mut stock = shelves(&[0, 0]);
    stock.get_mut(&variant(0)).unwrap().tracked = false;
    stock.get_mut(&variant(1)).unwrap().oversell = true;
    let batch = [reserve(1, &[(0, 7), (1, 7)]), asked(Command::Settle(order(1)))];
    let done = decide(&batch, &stock, &HashMap::new());
    assert_eq!(done.answers, [Ok(()), Ok(())]);
    assert!(!done.shelves.contains_key(&variant(0)));
    assert_eq!(
        (done.shelves[&variant(1)].on_hand, done.shelves[&variant(1)].reserved),
        (-7, 0)
    );
    assert_eq!(
        done.held[&order(1)]
            .lines
            .iter()
            .map(|line| line.counted)
            .collect::<Vec<_>>(),
        [false, true]
    );
}

fn commands() -> impl Strategy<Value = Vec<Asked>> {
    let line = (0u128..3, 0i64..4);
    let one = prop_oneof![
        3 => (0u128..8, prop::collection::vec(line, 0..4)).prop_map(|(n, lines)| reserve(n, &lines)),
        1 => (0u128..8).prop_map(|n| asked(Command::Settle(order(n)))),
        1 => (0u128..8).prop_map(|n| asked(Command::Undo(order(n)))),
    ];
    prop::collection::vec(one, 0..40)
}

proptest! {
    #[test]
    fn the_books_balance_and_batches_do_not_matter(batch in commands(), cut in 0usize..40) {
        let before = shelves(&[4, 9, 1]);
        let whole = decide(&batch, &before, &HashMap::new());

        // Twins and neighbours: cutting the batch anywhere changes nothing.
        let (first, second) = batch.split_at(cut.min(batch.len()));
        let one = decide(first, &before, &HashMap::new());
        let mut between = before.clone();
        between.extend(one.shelves.clone());
        let two = decide(second, &between, &one.held.clone().into_iter().collect());
        let answers: Vec<_> = one.answers.iter().chain(&two.answers).cloned().collect();
        prop_assert_eq!(&answers, &whole.answers);
        let movements: Vec<_> = one.movements.iter().chain(&two.movements).cloned().collect();
        prop_assert_eq!(&movements, &whole.movements);

        // STOCK-1.
        let mut after = before.clone();
        after.extend(whole.shelves.clone());
        for (variant, shelf) in &after {
            prop_assert!(0 <= shelf.reserved && shelf.reserved <= shelf.on_hand);
            let live: i64 = whole.held.values().filter(|held| held.state == HoldState::Reserved)
                .flat_map(|held| &held.lines).filter(|line| line.variant == *variant).map(|line| line.quantity).sum();
            prop_assert_eq!(shelf.reserved, live);
            let gone: i64 = whole.held.values().filter(|held| held.state == HoldState::Settled)
                .flat_map(|held| &held.lines).filter(|line| line.variant == *variant).map(|line| line.quantity).sum();
            prop_assert_eq!(shelf.on_hand, before[variant].on_hand - gone);
            let mine = whole.movements.iter().filter(|movement| movement.variant == *variant);
            prop_assert_eq!(mine.clone().map(|movement| movement.reserved_change).sum::<i64>(), shelf.reserved);
            prop_assert_eq!(mine.map(|movement| movement.version).collect::<Vec<_>>(), (1..=shelf.version).collect::<Vec<_>>());
        }
    }
}
