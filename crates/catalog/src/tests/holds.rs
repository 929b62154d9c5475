//! Reservations, as orders asks for them, and what cart and orders are told.

use std::collections::HashMap;

use api::Ref;
use api::catalog::{Pick, Pieces, Reserve};
use base::{Quantity, VariantId};
use futures_util::future::join_all;
use serde_json::json;
use store::Engine;

use super::desk::{Desk, cx, order};
use super::on_both_engines;

on_both_engines!(
    an_order_goes_its_way_once,
    all_lines_or_none,
    what_was_undone_stays_closed,
    many_buyers_share_what_there_is,
    twins_are_one,
    picks_mean_variants,
    a_pick_is_one_statement,
    an_archived_variant_is_not_meant,
);

fn asking(n: u128, lines: &[(VariantId, i64)]) -> Reserve {
    let lines = lines.iter().map(|(variant, many)| Pieces {
        variant: *variant,
        quantity: Quantity::new(*many).unwrap(),
    });
    Reserve {
        order: order(n),
        lines: lines.collect(),
    }
}

/// STOCK-1, from the rows: stock and reserved follow from the ledger, reserved from the live reservations. And lists hold
/// what follows from the products.
pub(super) async fn balanced(desk: &Desk) {
    let (there, wanted) = desk.db.scan(crate::store::listed_books).await.unwrap();
    assert_eq!(there, wanted, "what is listed and what should be");
    let (stock, moved, held) = desk.db.scan(crate::store::books).await.unwrap();
    let mut live: HashMap<VariantId, i64> = HashMap::new();
    for line in held.into_iter().filter(|line| line.counted) {
        *live.entry(line.variant).or_default() += line.quantity;
    }
    for (variant, on_hand, reserved, version) in stock {
        let (on_hand_moved, reserved_moved, last) = moved.get(&variant).copied().unwrap_or_default();
        assert_eq!(
            (on_hand, reserved, version),
            (on_hand_moved, reserved_moved, last),
            "{variant}"
        );
        assert_eq!(reserved, live.get(&variant).copied().unwrap_or_default(), "{variant}");
    }
}

async fn an_order_goes_its_way_once(desk: Desk) {
    let variant = desk.pieces("Pot", 5).await;
    let client = desk.client();
    for _ in 0..2 {
        client.reserve(&cx(), &asking(1, &[(variant, 2)])).await.unwrap();
        assert_eq!(desk.stock("1").await, (5, 2, 3));
    }
    for _ in 0..2 {
        client.settle(&cx(), order(1)).await.unwrap();
        assert_eq!(desk.stock("1").await, (3, 0, 3));
    }
    client.reserve(&cx(), &asking(1, &[(variant, 2)])).await.unwrap();
    assert_eq!(desk.stock("1").await, (3, 0, 3), "a late repeat finds that it was done");
    for _ in 0..2 {
        client.undo(&cx(), order(1)).await.unwrap();
        assert_eq!(desk.stock("1").await, (5, 0, 5));
    }
    assert_eq!(
        desk.events().await,
        [
            "ProductCreated prd 1",
            "InventoryReserved ord 1",
            "InventoryReleased ord 2"
        ]
    );
    balanced(&desk).await;
}

async fn all_lines_or_none(desk: Desk) {
    let (pot, pan) = (desk.pieces("Pot", 5).await, desk.pieces("Pan", 1).await);
    let refused = desk
        .client()
        .reserve(&cx(), &asking(1, &[(pot, 2), (pan, 2)]))
        .await
        .unwrap_err();
    assert_eq!((refused.status, &*refused.code), (409, "out_of_stock"));
    assert_eq!(
        refused.extra["lines"],
        json!([{ "variantId": pan, "sku": "PAN", "requested": 2, "available": 1 }])
    );
    assert_eq!((desk.stock("1").await, desk.stock("2").await), ((5, 0, 5), (1, 0, 1)));
    desk.client()
        .reserve(&cx(), &asking(1, &[(pot, 2), (pan, 1)]))
        .await
        .unwrap();
    assert_eq!((desk.stock("1").await, desk.stock("2").await), ((5, 2, 3), (1, 1, 0)));
    desk.clerk("DELETE /products/1", serde_json::Value::Null).await;
    let gone = desk.client().reserve(&cx(), &asking(2, &[(pot, 1)])).await.unwrap_err();
    assert_eq!(
        (&*gone.code, &gone.extra["lines"][0]["available"]),
        ("out_of_stock", &json!(0))
    );
    desk.client().undo(&cx(), order(1)).await.unwrap();
    balanced(&desk).await;
}

async fn what_was_undone_stays_closed(desk: Desk) {
    let variant = desk.pieces("Pot", 5).await;
    let client = desk.client();
    client.undo(&cx(), order(1)).await.unwrap();
    for refused in [
        client.reserve(&cx(), &asking(1, &[(variant, 1)])).await,
        client.settle(&cx(), order(1)).await,
        client.settle(&cx(), order(2)).await,
    ] {
        let problem = refused.unwrap_err();
        assert_eq!((problem.status, &*problem.code), (409, "closed"));
    }
    client.undo(&cx(), order(1)).await.unwrap();
    assert_eq!(desk.stock("1").await, (5, 0, 5));
    assert_eq!(desk.events().await.len(), 1);
}

async fn many_buyers_share_what_there_is(desk: Desk) {
    let (hot, other) = (desk.pieces("Hot", 30).await, desk.pieces("Other", 100).await);
    let client = desk.client();
    let buy = |n: u128| {
        let client = client.clone();
        async move {
            let lines = [(hot, 1), (other, 1)];
            let reserved = client.reserve(&cx(), &asking(n, &lines)).await;
            match reserved {
                // Some of the first give their pieces back; the others find them.
                Ok(()) if n < 1_000 && n.is_multiple_of(3) => client.undo(&cx(), order(n)).await.unwrap(),
                Ok(()) => client.settle(&cx(), order(n)).await.unwrap(),
                Err(problem) => assert_eq!(&*problem.code, "out_of_stock"),
            }
        }
    };
    join_all((1..=80).map(buy)).await;
    join_all((1..=80).map(|n| buy(n + 1_000))).await;
    let (stock, reserved, _) = desk.stock("1").await;
    assert_eq!((stock, reserved), (0, 0), "all sold, none twice");
    assert_eq!(desk.stock("2").await, (70, 0, 70));
    balanced(&desk).await;
}

async fn twins_are_one(desk: Desk) {
    let variant = desk.pieces("Pot", 5).await;
    let client = desk.client();
    let asked = asking(1, &[(variant, 2)]);
    let cx = cx();
    let answers = join_all((0..10).map(|_| client.reserve(&cx, &asked))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(desk.stock("1").await, (5, 2, 3));
    balanced(&desk).await;
}

/// Two processes on one PostgreSQL, every command sent to both: rows are locked in one order, and twins are one
/// wherever they arrive.
#[tokio::test]
async fn two_processes_share_one_database() {
    let url = testkit::postgres::database().await.unwrap();
    let desk = Desk::open(Engine::Postgres { url: url.clone() }).await;
    let beside = Desk::open_beside(Engine::Postgres { url }).await;
    let (hot, other) = (desk.pieces("Hot", 20).await, desk.pieces("Other", 200).await);
    let buy = |n: u128| {
        let clients = [desk.client(), beside.client()];
        async move {
            // Lines in either order, so that only an order of locks keeps them out of a circle.
            let lines = if n.is_multiple_of(2) {
                [(hot, 1), (other, 2)]
            } else {
                [(other, 2), (hot, 1)]
            };
            let (asked, cx) = (asking(n, &lines), cx());
            let both = join_all(clients.iter().map(|client| client.reserve(&cx, &asked))).await;
            // A refusal is not remembered: a twin may find what somebody gave back in between.
            let held = both.iter().any(Result::is_ok);
            let ended = clients.iter().map(|client| async {
                match held {
                    true if n.is_multiple_of(4) => client.undo(&cx, order(n)).await,
                    true => client.settle(&cx, order(n)).await,
                    false => Ok(()),
                }
            });
            join_all(ended).await.into_iter().for_each(Result::unwrap);
            for problem in both.into_iter().filter_map(Result::err) {
                assert_eq!(&*problem.code, "out_of_stock");
            }
        }
    };
    let clerk = async {
        for _ in 0..10 {
            let more = beside.clerk("PUT /products/2/stock", json!({ "quantity": 1 })).await;
            assert_eq!(more.status, 200, "{more:?}");
        }
    };
    let (_, ()) = tokio::join!(join_all((1..=60).map(buy)), clerk);
    join_all((101..=160).map(|n| buy(n * 4 + 1))).await;
    assert_eq!(desk.stock("1").await, (0, 0, 0));
    assert_eq!(desk.stock("2").await, (200 + 10 - 40, 0, 170));
    balanced(&desk).await;
}

async fn picks_mean_variants(desk: Desk) {
    let pot = desk.pieces("Pot", 5).await;
    let top = desk.product(json!({ "name": "Top", "price": 5, "handle": "top", "imageUrl": "https://a.example/t.png", "variants": [
        { "options": { "Size": "S" }, "stock": 1, "price": 7.25 }, { "options": { "Size": "M" }, "sku": "12345", "tracked": false }
    ] })).await;
    desk.product(json!({ "name": "Draft", "price": 5, "status": "draft" }))
        .await;
    desk.clerk("PATCH /products/2", json!({ "handle": "varsity" })).await;
    let small: VariantId = top["variants"][0]["id"].as_str().unwrap().parse().unwrap();
    let product = |text: &str| Pick {
        product: Some(Ref::new(text)),
        ..Pick::default()
    };
    type Meant = Result<&'static str, (u16, &'static str)>;
    let cases: Vec<(Pick, Meant)> = vec![
        (product("1"), Ok("Pot")),
        (product("POT"), Ok("Pot")),
        (product("pot"), Ok("Pot")),
        (
            Pick {
                variant: Some(Ref::Variant(small)),
                ..Pick::default()
            },
            Ok("Top, S"),
        ),
        (product("TOP-S"), Ok("Top, S")),
        (
            Pick {
                sku: Some("12345".into()),
                ..Pick::default()
            },
            Ok("Top, M"),
        ),
        (product("12345"), Err((404, "not_found"))),
        (product("2"), Err((400, "variant_required"))),
        (product("varsity"), Err((400, "variant_required"))),
        (product("top"), Err((400, "variant_required"))),
        (product(top["id"].as_str().unwrap()), Err((400, "variant_required"))),
        (product("3"), Err((404, "not_found"))),
        (product("draft"), Err((404, "not_found"))),
        (product("usr_01j9zk3v5w8q2m4n6p7r8s9t0v"), Err((404, "not_found"))),
        (
            Pick {
                sku: Some("NONE".into()),
                ..Pick::default()
            },
            Err((404, "not_found")),
        ),
        (Pick::default(), Err((400, "invalid"))),
    ];
    let picks: Vec<Pick> = cases.iter().map(|(pick, _)| pick.clone()).collect();
    let picked = desk.client().resolve(&cx(), &picks).await.unwrap();
    assert_eq!(picked.len(), cases.len());
    for (picked, (pick, wanted)) in picked.iter().zip(&cases) {
        let seen = match (&picked.card, &picked.problem) {
            (Some(card), None) => Ok(card.name.as_str()),
            (None, Some(problem)) => Err((problem.status, &*problem.code)),
            _ => panic!("{picked:?}"),
        };
        assert_eq!(seen, *wanted, "{pick:?}");
    }
    let alone = desk.client().resolve(&cx(), &picks[9..10]).await.unwrap();
    assert_eq!(
        alone[0].problem.as_ref().unwrap().extra["variants"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let cards = desk.client().cards(&cx(), &[small, pot]).await.unwrap();
    let small = cards.iter().find(|card| card.variant == small).unwrap();
    assert_eq!(
        (small.price.minor, small.available, small.image_url.as_deref()),
        (725, 1, Some("https://a.example/t.png"))
    );
    let many = vec![Pick::default(); 501];
    assert_eq!(desk.client().resolve(&cx(), &many).await.unwrap_err().status, 400);
}

async fn a_pick_is_one_statement(mut desk: Desk) {
    let pot = desk.pieces("Pot", 5).await;
    // Who keeps the search index up asks the database as well.
    desk.unfollow().await;
    let sku = Pick {
        sku: Some("POT".into()),
        ..Pick::default()
    };
    let mut picks = vec![sku];
    let id = pot.to_string();
    picks.extend(["1", "POT", "pot", id.as_str()].map(|text| Pick {
        product: Some(Ref::new(text)),
        ..Pick::default()
    }));
    let statements = || desk.db.figures().statements;
    for pick in &picks {
        let before = statements();
        let picked = desk.client().resolve(&cx(), std::slice::from_ref(pick)).await.unwrap();
        assert_eq!(picked[0].card.as_ref().map(|card| card.variant), Some(pot), "{pick:?}");
        assert_eq!(statements() - before, 1, "{pick:?}");
    }
    let before = statements();
    desk.client().resolve(&cx(), &picks).await.unwrap();
    desk.client().cards(&cx(), &[pot]).await.unwrap();
    assert_eq!(
        statements() - before,
        2,
        "and so are all at once, and the cards of variants"
    );
}

async fn an_archived_variant_is_not_meant(desk: Desk) {
    let top = desk
        .product(json!({ "name": "Top", "price": 5, "variants": [
            { "options": { "Size": "S" }, "stock": 1 }, { "options": { "Size": "M" }, "stock": 1 }
        ] }))
        .await;
    let changed =
        json!({ "options": [{ "name": "Size", "values": ["M"] }], "variants": [{ "options": { "Size": "M" } }] });
    assert_eq!(desk.clerk("PATCH /products/1", changed).await.status, 200);
    let gone: VariantId = top["variants"][0]["id"].as_str().unwrap().parse().unwrap();
    for name in ["1", "top", top["id"].as_str().unwrap()] {
        let pick = Pick {
            product: Some(Ref::new(name)),
            ..Pick::default()
        };
        let picked = desk.client().resolve(&cx(), &[pick]).await.unwrap();
        assert_eq!(
            picked[0].card.as_ref().map(|card| card.sku.as_str()),
            Some("TOP-M"),
            "{name}: {picked:?}"
        );
    }
    let pick = Pick {
        variant: Some(Ref::Variant(gone)),
        ..Pick::default()
    };
    let picked = desk.client().resolve(&cx(), &[pick]).await.unwrap();
    assert!(picked[0].card.is_none(), "{picked:?}");
    let cards = desk.client().cards(&cx(), &[gone]).await.unwrap();
    assert!(
        !cards[0].for_sale,
        "those who have it in a cart are still told what it is"
    );
}
