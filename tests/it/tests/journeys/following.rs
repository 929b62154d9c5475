//! An order as a stream, through the gateway, and what staff look for among all orders.

use it::{each, list, order_with, text};
use serde_json::{Value, json};
use testkit::{Client, Shop};

async fn set(shop: &Shop, order: &Value, status: &str) {
    let path = format!("/api/orders/{}/status", text(order, "orderId"));
    shop.admin.put(&path, json!({ "status": status })).send().await.is(200);
}

/// A buyer watches an order from its payment to its door.
pub async fn an_order_is_followed(shop: &Shop) {
    let product = shop.product("60", 9).await;
    let ada = shop.customer("ada").await;
    let placed = ada.buy(&product, 1).await;
    let path = format!("/api/orders/{}/events", text(&placed, "orderId"));
    let compressed = || ada.get(&path).header("accept-encoding", "gzip, zstd, br");
    let mut stream = compressed().open().await;
    assert_eq!(
        (stream.status, &stream.headers["content-type"]),
        (200, &http::HeaderValue::from_static("text/event-stream"))
    );
    assert!(!stream.headers.contains_key("content-encoding"), "{:?}", stream.headers);
    let mut next = async || {
        let frame = stream.next().await?;
        let state = frame.data["status"].as_str().or(frame.data["reason"].as_str());
        Some((format!("{} {}", frame.event, state.unwrap_or_default()), frame.id))
    };
    let (told, first) = next().await.expect("how it stands");
    assert_eq!(told, "order confirmed");
    // Each change is there before the next one is made: nothing on the way waits for more.
    for status in ["processing", "shipped", "delivered"] {
        set(shop, &placed, status).await;
        assert_eq!(next().await.expect("a change").0, format!("change {status}"));
        if status != "delivered" {
            assert_eq!(next().await.expect("how it stands").0, format!("order {status}"));
        }
    }
    let (told, last) = next().await.expect("how it stands");
    assert_eq!(told, "order delivered");
    assert_eq!(next().await.expect("the end").0, "end done");
    assert!(next().await.is_none());
    // Whoever has seen it all need not come back; whoever has not is told the rest.
    let again = |last: &str| ada.get(&path).header("last-event-id", last);
    again(&last).send().await.is(204);
    let mut rest = again(&first).open().await;
    for status in ["processing", "shipped", "delivered"] {
        let change = rest.next().await.expect("a change");
        assert_eq!(
            (change.event.as_str(), text(&change.data, "status")),
            ("change", status)
        );
    }
}

/// Strangers see nothing, and a stream ends with the session that opened it.
pub async fn a_stream_ends_with_its_session(shop: &Shop) {
    let product = shop.product("61", 9).await;
    let (bob, eve) = (shop.customer("bob").await, shop.customer("eve").await);
    let placed = bob.buy(&product, 1).await;
    let path = format!("/api/orders/{}/events", text(&placed, "orderId"));
    eve.get(&path).send().await.refused(404, "not_found");
    shop.visitor.get(&path).send().await.refused(401, "unauthorized");
    let mut stream = bob.get(&path).open().await;
    assert_eq!(stream.next().await.expect("how it stands").event, "order");
    bob.call(http::Method::POST, "/api/auth/logout").send().await.is(204);
    let end = stream.next().await.expect("the end");
    assert_eq!((end.event.as_str(), text(&end.data, "reason")), ("end", "token"));
    assert!(stream.next().await.is_none());
}

/// Staff find orders by state, payment, buyer and time; customers find their own.
pub async fn staff_find_orders(shop: &Shop) {
    let product = shop.product("62", 90).await;
    let cleo = shop.customer("cleo").await;
    let me = it::profile(&cleo).await;
    let (paid, unpaid) = (
        cleo.buy(&product, 1).await,
        order_with(&cleo, &product, json!({ "paymentToken": "tok_declined" })).await,
    );
    let gone = cleo.buy(&product, 1).await;
    it::call_off(&cleo, &gone["orderId"]).await;
    let ids = |orders: &Value| each(orders, "id").iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let found = async |who: &Client, query: &str| ids(&who.get(&format!("/api/orders?{query}")).send().await.is(200));
    let id = |order: &Value| text(order, "orderId").to_owned();
    let user = text(&me, "id");
    for who in [&shop.admin, &cleo] {
        let mine = async |query: &str| found(who, &format!("userId={user}&{query}")).await;
        assert_eq!(mine("").await, [id(&gone), id(&unpaid), id(&paid)]);
        assert_eq!(mine("sort=oldest").await, [id(&paid), id(&unpaid), id(&gone)]);
        assert_eq!(mine("status=pending").await, [id(&unpaid)]);
        assert_eq!(mine("status=pending,confirmed").await, [id(&unpaid), id(&paid)]);
        assert_eq!(mine("paymentStatus=refunded,completed").await, [id(&gone), id(&paid)]);
        assert_eq!(mine("status=cancelled&paymentStatus=refunded").await, [id(&gone)]);
        assert_eq!(mine(&format!("number={}", unpaid["number"])).await, [id(&unpaid)]);
        let (first, last) = (text(&paid["order"], "createdAt"), text(&gone["order"], "createdAt"));
        assert_eq!(mine(&format!("from={first}&to={last}")).await, [id(&unpaid), id(&paid)]);
    }
    // Over everybody's, page by page.
    let (mut path, mut seen) = ("/api/orders?status=pending,cancelled&limit=3".to_owned(), Vec::new());
    loop {
        let page = shop.admin.get(&path).send().await;
        let orders = page.is(200);
        assert!(
            list(&orders)
                .iter()
                .all(|order| ["pending", "cancelled"].contains(&text(order, "status")))
        );
        seen.extend(ids(&orders));
        match page
            .header("link")
            .strip_prefix('<')
            .and_then(|link| link.split_once('>'))
        {
            Some((next, _)) => path = next.to_owned(),
            None => break,
        }
    }
    assert!(seen.is_sorted_by(|one, next| one > next), "newest first, each once");
    assert!(seen.contains(&id(&unpaid)) && seen.contains(&id(&gone)) && !seen.contains(&id(&paid)));
    for wrong in [
        "status=lost",
        "status=pending,",
        "paymentStatus=paid",
        "from=yesterday",
        "sort=best",
    ] {
        shop.admin
            .get(&format!("/api/orders?{wrong}"))
            .send()
            .await
            .refused(400, "invalid");
    }
    it::call_off(&cleo, &unpaid["orderId"]).await;
}
