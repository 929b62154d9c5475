//! Lists: filters, orders, pages.

use it::{cents, each, list, product, text};
use serde_json::{Value, json};
use testkit::{Answer, Client, Shop};

/// The address of the next page, as `Link` gives it.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link");
    let (address, rest) = link.strip_prefix('<')?.split_once('>')?;
    assert_eq!(rest, "; rel=\"next\"", "{link}");
    Some(address.to_owned())
}

/// What all pages from `path` on hold in a field.
async fn walk(who: &Client, path: &str, field: &str) -> Vec<String> {
    let (mut all, mut path) = (Vec::new(), Some(path.to_owned()));
    while let Some(at) = path {
        let answer = who.get(&at).send().await;
        let page = answer.is(200);
        assert!(!list(&page).is_empty() || all.is_empty(), "an empty page at {at}");
        all.extend(each(&page, field).into_iter().map(str::to_owned));
        path = next(&answer);
    }
    all
}

async fn names(shop: &Shop, path: &str) -> Vec<String> {
    let found = shop.visitor.get(path).send().await.is(200);
    each(&found, "name").into_iter().map(str::to_owned).collect()
}

/// Category, words, prices, stock, tag, SKU; alone and together.
pub async fn filters(shop: &Shop) {
    let category = shop.name("Löcher");
    for (name, price, stock, tags) in [
        ("Drill bit Ålesund", "4.00", 3, json!(["steel", "fine"])),
        ("Drill press", "400.00", 0, json!(["steel"])),
        ("Gimlet", "6.50", 8, json!(["brass"])),
    ] {
        let body = json!({ "name": name, "price": price, "stock": stock, "tags": tags, "category": category });
        product(shop, body).await;
    }
    let escaped = category.replace('ö', "%C3%B6");
    let base = format!("/api/products?category={escaped}");
    assert_eq!(names(shop, &base).await, ["Gimlet", "Drill press", "Drill bit Ålesund"]);
    // The index follows within moments.
    testkit::until("drills are found", || async {
        let found = names(shop, &format!("{base}&search=DRILL")).await;
        let is_so = found == ["Drill press", "Drill bit Ålesund"];
        if is_so { Ok(()) } else { Err(found) }
    })
    .await;
    assert_eq!(
        names(shop, &format!("{base}&q=%C3%A5lesund")).await,
        ["Drill bit Ålesund"]
    );
    assert_eq!(
        names(shop, &format!("{base}&minPrice=4.01")).await,
        ["Gimlet", "Drill press"]
    );
    assert_eq!(
        names(shop, &format!("{base}&maxPrice=6.5&minPrice=4")).await,
        ["Gimlet", "Drill bit Ålesund"]
    );
    assert_eq!(
        names(shop, &format!("{base}&inStock=true")).await,
        ["Gimlet", "Drill bit Ålesund"]
    );
    assert_eq!(names(shop, &format!("{base}&inStock=false")).await, ["Drill press"]);
    assert_eq!(
        names(shop, &format!("{base}&tag=steel&inStock=true")).await,
        ["Drill bit Ålesund"]
    );
    assert_eq!(names(shop, &format!("{base}&search=%25")).await, [] as [&str; 0]);
    assert_eq!(
        names(shop, "/api/products?category=no-such-category").await,
        [] as [&str; 0]
    );
    for bad in [
        "minPrice=x",
        "maxPrice=1.001",
        "inStock=perhaps",
        "sort=random",
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "cursor=x",
        "page=0",
    ] {
        let problem = shop
            .visitor
            .get(&format!("{base}&{bad}"))
            .send()
            .await
            .refused(400, "invalid");
        let name = bad.split('=').next().unwrap_or_default();
        assert_eq!(each(&problem["errors"], "pointer"), [format!("?{name}")], "{problem}");
    }
}

/// Newest first unless said otherwise.
pub async fn sorting(shop: &Shop) {
    let category = shop.name("sorted");
    for (name, price) in [("B", 2), ("a", 3), ("C", 1)] {
        product(shop, json!({ "name": name, "price": price, "category": category })).await;
    }
    let base = format!("/api/products?category={category}");
    for (sort, wanted) in [
        ("", "CaB"),
        ("&sort=newest", "CaB"),
        ("&sort=price", "CBa"),
        ("&sort=-price", "aBC"),
        ("&sort=name", "aBC"),
    ] {
        assert_eq!(names(shop, &format!("{base}{sort}")).await.concat(), wanted, "{sort}");
    }
}

/// A walk by `Link` sees every product once, in every order, also when products come in meanwhile.
pub async fn pages_without_gaps(shop: &Shop) {
    let category = shop.name("paged");
    let mut all = Vec::new();
    for number in 0..11 {
        // Prices and names that repeat.
        let body = json!({ "name": format!("Peg {}", number % 3), "price": 1 + number % 4, "category": category });
        all.push(text(&product(shop, body).await, "id").to_owned());
    }
    all.sort_unstable();
    for sort in ["newest", "price", "-price", "name"] {
        let base = format!("/api/products?category={category}&sort={sort}");
        for limit in [1, 3, 11] {
            let mut seen = walk(&shop.visitor, &format!("{base}&limit={limit}"), "id").await;
            seen.sort_unstable();
            assert_eq!(seen, all, "{sort} by {limit}");
        }
    }
    let first = shop
        .visitor
        .get(&format!("/api/products?category={category}&limit=5"))
        .send()
        .await;
    product(shop, json!({ "category": category })).await;
    let mut seen: Vec<String> = each(&first.is(200), "id").into_iter().map(str::to_owned).collect();
    seen.extend(walk(&shop.visitor, &next(&first).expect("a next page"), "id").await);
    seen.sort_unstable();
    assert_eq!(seen, all);
}

/// Pages by number lead on by the same header.
pub async fn pages_by_number(shop: &Shop) {
    let category = shop.name("numbered");
    for price in 1..=5 {
        product(shop, json!({ "category": category, "price": price })).await;
    }
    let base = format!("/api/products?category={category}&sort=price&limit=2");
    let prices = walk(&shop.visitor, &format!("{base}&page=1"), "id").await;
    assert_eq!(prices.len(), 5);
    let second = shop.visitor.get(&format!("{base}&page=2")).send().await.is(200);
    assert_eq!(
        list(&second).iter().map(|one| cents(&one["price"])).collect::<Vec<_>>(),
        [300, 400]
    );
    assert_eq!(
        shop.visitor.get(&format!("{base}&page=9")).send().await.is(200),
        json!([])
    );
}

/// Many at once, without a token; unknown ones are absent.
pub async fn bulk_reads(shop: &Shop) {
    let (one, two) = (product(shop, json!({})).await, product(shop, json!({})).await);
    let ids = json!({ "ids": [two["id"], one["number"], "no-such-thing", one["sku"]] });
    let found = shop.visitor.post("/api/products/bulk", ids).send().await.is(200);
    let mut seen = each(&found, "id");
    seen.sort_unstable();
    assert_eq!(seen, [text(&one, "id"), text(&two, "id")]);
    let many = json!({ "ids": vec![1; 101] });
    shop.visitor
        .post("/api/products/bulk", many)
        .send()
        .await
        .refused(400, "invalid");
    shop.visitor
        .post("/api/products/bulk", json!({}))
        .send()
        .await
        .refused(400, "invalid");
}

/// One's own orders, newest first; staff see all and filter.
pub async fn orders_in_pages(shop: &Shop) {
    let made = shop.product("1", 100).await;
    let fay = shop.customer("fay").await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(text(&fay.buy(&made, 1).await, "orderId").to_owned());
    }
    let declined = it::order_with(&fay, &made, json!({ "paymentToken": "tok_declined" })).await;
    all.push(text(&declined, "orderId").to_owned());
    all.reverse();
    assert_eq!(walk(&fay, "/api/orders?limit=2", "id").await, all);
    assert_eq!(walk(&fay, "/api/orders?status=confirmed&limit=3", "id").await, all[1..]);
    let me = it::profile(&fay).await;
    for user in [text(&me, "id"), &me["number"].to_string()] {
        assert_eq!(
            walk(&shop.admin, &format!("/api/orders?userId={user}&limit=4"), "id").await,
            all
        );
        assert_eq!(
            walk(&shop.admin, &format!("/api/orders/user/{user}?limit=4"), "id").await,
            all
        );
    }
    assert_eq!(
        walk(&shop.admin, &format!("/api/orders?number={}", declined["number"]), "id").await,
        all[..1]
    );
    let stranger = shop.customer("gus").await;
    assert_eq!(
        stranger
            .get(&format!("/api/orders?number={}", declined["number"]))
            .send()
            .await
            .is(200),
        json!([])
    );
    stranger
        .get(&format!("/api/orders/user/{}", text(&me, "id")))
        .send()
        .await
        .refused(404, "not_found");
    let theirs = stranger
        .get(&format!("/api/orders?userId={}", text(&me, "id")))
        .send()
        .await;
    assert!([403, 404].contains(&theirs.status), "{}", theirs.text());
    fay.get("/api/orders?status=lost").send().await.refused(400, "invalid");
    fay.get("/api/orders?cursor=bad").send().await.refused(400, "invalid");
    it::call_off(&fay, &declined["orderId"]).await;
}

/// The log in pages, and what came after a moment or an event.
pub async fn events_in_pages(shop: &Shop) {
    let made = product(shop, json!({})).await;
    let path = format!("/api/products/{}", text(&made, "id"));
    for price in 1..=4 {
        shop.admin.patch(&path, json!({ "price": price })).send().await.is(200);
    }
    let base = format!("/api/events?subject={}", text(&made, "id"));
    let events = testkit::until("all changes are told", || async {
        let events = shop.admin.get(&base).send().await.is(200);
        (list(&events).len() == 5).then_some(events)
    })
    .await;
    let sequences: Vec<&Value> = list(&events).iter().map(|event| &event["sequence"]).collect();
    assert_eq!(sequences, [5, 4, 3, 2, 1]);
    assert_eq!(
        walk(&shop.admin, &format!("{base}&limit=2"), "id").await,
        each(&events, "id")
    );
    let after = format!("{base}&after={}", text(&events[2], "id"));
    assert_eq!(walk(&shop.admin, &after, "id").await, each(&events, "id")[..2]);
    let after = format!("{base}&after={}", text(&events[0], "time"));
    assert_eq!(shop.admin.get(&after).send().await.is(200), json!([]));
    shop.admin
        .get("/api/events?after=yesterday")
        .send()
        .await
        .refused(400, "invalid");
    shop.visitor.get("/api/events?limit=1").send().await.is(200); // From this machine, in development.
}
