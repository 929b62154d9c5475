//! Events that a service could not take in: seen, and tried once more, from the command line.

use super::*;

/// An event lies among the dead letters of the log, beside which its subject has a gap; replayed, the books balance.
#[tokio::test]
async fn a_dead_letter_is_seen_and_replayed_once() {
    let mut shop = Shop::start(Shape::One, Engine::Sqlite, &[]).await;
    let product = shop.product("10", 5).await;
    let order = shop.customer("ada").await.buy(&product, 1).await["orderId"].clone();
    it::flow(&shop, &order, &["OrderCreated", "OrderConfirmed"]).await;
    let order = text(&json!({ "id": order }), "id").to_owned();
    assert!(shop.fleet.terminate().await);
    let data = shop.data();
    let path = data.to_str().expect("a path").to_owned();
    let db = Connection::open(data.join("events.db")).expect("a database");
    let moved = format!(
        "INSERT INTO events_dead (consumer, id, kind, subject, sequence, at, actor, request_id, data, reason, buried_at, source)
             SELECT 'events', id, kind, subject, sequence, time, actor, request_id, data, 'it hurt', time, source
             FROM events_event WHERE subject = '{order}' AND kind = 'OrderCreated';
         DELETE FROM events_event WHERE subject = '{order}' AND kind = 'OrderCreated';"
    );
    db.execute_batch(&moved).expect("an event becomes a dead letter");
    drop(db);
    let on = |words: &[&str]| {
        let words: Vec<&str> = words.iter().copied().chain(["--data", &path]).collect();
        run(&words, &[])
    };
    assert_eq!(
        on(&["doctor", "--rested", "0"]).status.code(),
        Some(1),
        "the log has a gap"
    );
    let listed = succeeds(&on(&["deadletters", "list"]));
    for words in ["OrderCreated", &order, "from orders", "it hurt", "One dead letter"] {
        assert!(listed.contains(words), "{words} is not in: {listed}");
    }
    let id = listed
        .split_whitespace()
        .find(|word| word.starts_with("evt_"))
        .expect("an id")
        .to_owned();
    let none = succeeds(&on(&["deadletters", "list", "--service", "orders"]));
    assert!(none.contains("no dead letters"), "{none}");
    fails(
        &on(&["deadletters", "replay", "evt_01j9zk3v5w8q2m4n6p7r8s9t0v"]),
        &["no dead letter"],
    );
    fails(&on(&["deadletters", "replay", "seven"]), &["seven is no event's id"]);
    fails(
        &on(&["deadletters", "list", "--service", "nobody"]),
        &["no service called nobody"],
    );

    // Beside a running server it goes through that.
    shop.fleet.restart_all().await;
    let said = succeeds(&shop.fleet.process("gateway").run(&["deadletters", "replay", &id]));
    assert!(said.contains("1 taken in, 0 refused"), "{said}");
    let said = succeeds(&shop.fleet.process("gateway").run(&["deadletters", "replay"]));
    assert!(said.contains("0 taken in"), "{said}");
    assert!(shop.fleet.terminate().await);
    succeeds(&on(&["doctor", "--rested", "0"]));
}
