//! What happens in the shop, as those see it who look on: the log, and the record of what staff do.

use it::{each, flow, list, profile, text};
use serde_json::{Value, json};
use testkit::{Client, Frame, Frames, Shop, until};

/// Follows the log from where `last` is, or from now.
async fn follow(who: &Client, path: &str, last: Option<&Frame>) -> Frames {
    let call = who.get(path).header("accept-encoding", "zstd, gzip");
    let call = match last {
        Some(frame) => call.header("last-event-id", &frame.id),
        None => call,
    };
    let frames = call.open().await;
    assert_eq!(frames.status, 200, "{path}");
    assert_eq!(frames.headers["content-type"], "text/event-stream");
    assert!(
        !frames.headers.contains_key("content-encoding"),
        "nothing holds it back"
    );
    frames
}

/// The next frame about a subject; other journeys happen meanwhile.
async fn about(frames: &mut Frames, subject: &Value) -> Frame {
    loop {
        let frame = frames.next().await.expect("the stream goes on");
        assert_eq!((frame.event.as_str(), &frame.data["id"]), ("message", &json!(frame.id)));
        if frame.data["subject"] == *subject {
            return frame;
        }
    }
}

/// An order's flow as it goes by, over the gateway and on the service's own port; a broken line goes on where it broke.
pub async fn log_is_followed(shop: &Shop) {
    let clerk = &shop.admin;
    let own_port = clerk.at(&shop.fleet.part_url("events"));
    let path = "/api/events/stream?source=orders&type=OrderCreated,OrderConfirmed";
    let mut gateway = follow(clerk, path, None).await;
    let mut port = follow(&own_port, "/events/stream?type=OrderCreated&type=OrderConfirmed", None).await;
    let product = shop.product("10", 5).await;
    let order = shop.customer("mia").await.buy(&product, 1).await["orderId"].clone();
    let mut first = None;
    for frames in [&mut gateway, &mut port] {
        let created = about(frames, &order).await;
        let confirmed = about(frames, &order).await;
        assert_eq!(
            (&created.data["type"], &confirmed.data["type"]),
            (&json!("OrderCreated"), &json!("OrderConfirmed"))
        );
        first = Some(created);
    }
    drop((gateway, port));
    let mut again = follow(clerk, path, first.as_ref()).await;
    assert_eq!(about(&mut again, &order).await.data["type"], "OrderConfirmed");
    let unknown = clerk
        .get(path)
        .header("last-event-id", "evt_01j9zk3v5w8q2m4n6p7r8s9t0v");
    assert_eq!(unknown.open().await.status, 400);
    let noah = shop.customer("noah").await;
    assert_eq!(noah.get(path).open().await.status, 403);
}

/// Several types, sources and subjects; what was before and after.
pub async fn log_is_filtered(shop: &Shop) {
    let product = shop.product("10", 5).await;
    let olga = shop.customer("olga").await;
    let order = olga.buy(&product, 1).await["orderId"].clone();
    flow(shop, &order, &["OrderCreated", "OrderConfirmed"]).await;
    let id = order.as_str().expect("an id");
    let get = async |query: &str| shop.admin.get(&format!("/api/events?{query}")).send().await.is(200);
    let both = get(&format!("subject={id}&type=OrderCreated&type=OrderConfirmed")).await;
    assert_eq!(each(&both, "type"), ["OrderConfirmed", "OrderCreated"]);
    assert_eq!(both[0]["sequence"], 2);
    let [confirmed, created] = [0, 1].map(|at| text(&both[at], "id"));
    let after = get(&format!("subject={id}&source=orders,cart&after={created}")).await;
    assert_eq!(each(&after, "id"), [confirmed]);
    let before = get(&format!("subject={id}&source=orders&before={confirmed}")).await;
    assert_eq!(each(&before, "id"), [created]);
    assert_eq!(list(&get(&format!("subject={id}&source=cart")).await).len(), 0);
}

/// A clerk changes somebody's cart: it is written down who did what.
pub async fn clerks_are_recorded(shop: &Shop) {
    let product = shop.product("10", 5).await;
    let pia = shop.customer("pia").await;
    let cart = pia.add(&product, 1).await;
    let (cart, pia_id) = (
        text(&cart, "id").to_owned(),
        text(&profile(&pia).await, "id").to_owned(),
    );
    let two = json!({ "quantity": 2 });
    let line = format!("/api/cart/{pia_id}/items/{}", product["number"]);
    shop.admin.put(&line, two).send().await.is(200);
    let admin = text(&profile(&shop.admin).await, "id").to_owned();
    let path = format!("/api/audit?subject={cart}&actor={admin}");
    let entry = until("the audit log tells it", || async {
        let entries = shop.admin.get(&path).send().await.is(200);
        entries.as_array().and_then(|entries| entries.first().cloned())
    })
    .await;
    assert_eq!(
        (text(&entry, "action"), text(&entry, "source")),
        ("cart.update", "cart")
    );
    let quantity = |side: &str| entry[side]["lines"][0]["quantity"].clone();
    assert_eq!((quantity("before"), quantity("after")), (json!(1), json!(2)));
    assert!(!text(&entry, "requestId").is_empty());
    let events = shop.admin.get("/api/events?type=StaffAction").send().await.is(200);
    assert_eq!(list(&events).len(), 0);
    pia.get("/api/audit").send().await.refused(403, "forbidden");
    shop.visitor.get("/api/audit").send().await.refused(401, "unauthorized");
    for method in [http::Method::DELETE, http::Method::POST, http::Method::PUT] {
        let refused = shop
            .admin
            .call(method, "/api/audit")
            .json(json!({}))
            .unchecked()
            .send()
            .await;
        assert_eq!(refused.status, 405);
    }
}
