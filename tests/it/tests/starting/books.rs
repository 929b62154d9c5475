//! Whether the books balance, as `ironmonger doctor` says.

use super::*;

/// The doctor finds what is wrong, where, and is content otherwise.
#[tokio::test]
async fn the_doctor_finds_every_kind_of_fault() {
    let mut shop = Shop::start(Shape::One, Engine::Sqlite, &[]).await;
    let product = shop.product("10", 5).await;
    let ada = shop.customer("ada").await;
    let paid = text(&ada.buy(&product, 1).await, "orderId").to_owned();
    let open = order_with(&ada, &product, json!({ "paymentToken": "tok_declined" })).await;
    let open = text(&open, "orderId").to_owned();
    it::flow(&shop, &json!(paid), &["OrderCreated", "OrderConfirmed"]).await;
    it::flow(&shop, &json!(open), &["OrderCreated"]).await;
    let variant = text(&product["variants"][0], "id").to_owned();
    // Beside the running server, which has changed nothing since.
    let doctor = |shop: &mut Shop| shop.fleet.process("gateway").run(&["doctor", "--rested", "0"]);
    at_rest(&shop).await;
    let done = doctor(&mut shop);
    assert!(
        succeeds(&done).contains("The books balance: 2 orders"),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );
    assert!(shop.fleet.terminate().await);
    let kept = folder();
    copy(&shop.data(), kept.path());
    let faults: [(&str, &str, String, &str, &str); 9] = [
        (
            "stock",
            "catalog",
            format!("UPDATE catalog_stock SET on_hand = on_hand + 1 WHERE variant_id = '{variant}'"),
            "STOCK-1",
            &variant,
        ),
        (
            "reserved",
            "catalog",
            format!("UPDATE catalog_stock SET reserved = 0 WHERE variant_id = '{variant}'"),
            "STOCK-1",
            &variant,
        ),
        (
            "reservation",
            "catalog",
            format!("DELETE FROM catalog_reservation WHERE order_id = '{paid}'"),
            "STOCK-1",
            &paid,
        ),
        (
            "captured",
            "payments",
            format!("UPDATE payments_payment SET captured = captured + 1 WHERE order_id = '{paid}'"),
            "PAY-1",
            &paid,
        ),
        (
            "payment",
            "payments",
            format!("DELETE FROM payments_payment WHERE order_id = '{paid}'"),
            "PAY-1",
            &paid,
        ),
        (
            "statement",
            "simulated",
            "UPDATE simulated_charge SET amount = amount - 1 WHERE status = 'captured'".into(),
            "PAY-1",
            &paid,
        ),
        (
            "pending",
            "orders",
            format!("UPDATE orders_order SET expires_at = 1, resume_at = NULL WHERE id = '{open}'"),
            "ORD-1",
            &open,
        ),
        (
            "unrested",
            "orders",
            format!("UPDATE orders_order SET resume_at = 1 WHERE id = '{paid}'"),
            "ORD-1",
            &paid,
        ),
        (
            "event",
            "events",
            format!("DELETE FROM events_event WHERE subject = '{paid}' AND kind = 'OrderConfirmed'"),
            "EVT-1",
            &paid,
        ),
    ];
    for (name, service, sql, rule, place) in faults {
        let planted = folder();
        copy(kept.path(), planted.path());
        let db = Connection::open(planted.path().join(format!("{service}.db"))).expect("a database");
        let changed = db.execute(&sql, []).unwrap_or_else(|fault| panic!("{sql}: {fault}"));
        assert!(changed > 0, "{sql} changes nothing");
        drop(db);
        let done = run(
            &[
                "doctor",
                "--rested",
                "0",
                "--data",
                planted.path().to_str().expect("a path"),
            ],
            &[],
        );
        let said = String::from_utf8_lossy(&done.stdout);
        assert_eq!(
            done.status.code(),
            Some(1),
            "{name}: {said}{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let told = said.lines().any(|line| line.starts_with(rule) && line.contains(place));
        assert!(told, "{name}: {rule} at {place} is not told:\n{said}");
    }
    let done = run(
        &[
            "doctor",
            "--rested",
            "0",
            "--data",
            kept.path().to_str().expect("a path"),
        ],
        &[],
    );
    assert!(
        succeeds(&done).contains("The books balance: 2 orders"),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );
}

/// Waits until every event is in the log and nothing is left to be done but what waits for a payer.
async fn at_rest(shop: &Shop) {
    let books = shop.books();
    until("the shop is at rest", || async {
        let unrest = books.unrest(0).await;
        if unrest.iter().all(|what| what.ends_with("is pending")) {
            Ok(())
        } else {
            Err(unrest)
        }
    })
    .await;
}

/// The databases and secrets of a folder that nobody uses, without the folders in it: the search index is made anew.
fn copy(from: &Path, to: &Path) {
    let entries = std::fs::read_dir(from).expect("a folder").flatten();
    for entry in entries.filter(|entry| entry.path().is_file()) {
        let bytes = std::fs::read(entry.path()).expect("a file");
        let mut file = std::fs::File::create(to.join(entry.file_name())).expect("a file");
        file.write_all(&bytes).expect("the disk has room");
    }
}
