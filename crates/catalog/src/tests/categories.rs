//! The tree of categories, and lists by its branches and by tags.

use serde_json::{Value, json};

use super::desk::Desk;
use super::on_both_engines;

on_both_engines!(
    products_make_the_tree_that_they_stand_in,
    a_list_shows_what_stands_below,
    a_renamed_branch_is_renamed_everywhere,
    a_moved_branch_takes_its_products_along,
    what_is_in_use_stays,
    names_and_places_are_checked,
    tags_are_listed_while_something_has_them,
    price_ranges_come_in_every_order,
    two_branches_cannot_stand_in_each_other,
);

fn field<'a>(rows: &'a Value, name: &str) -> Vec<&'a str> {
    let rows = rows.as_array().unwrap_or_else(|| panic!("{rows}"));
    rows.iter().map(|row| row[name].as_str().unwrap_or_default()).collect()
}

async fn lamp(desk: &Desk, name: &str, category: &str) -> Value {
    desk.product(json!({ "name": name, "price": 5, "category": category }))
        .await
}

async fn products_make_the_tree_that_they_stand_in(desk: Desk) {
    let first = lamp(&desk, "Lamp", "Home > Light").await;
    assert_eq!(
        (&first["category"], &first["categoryPath"]),
        (&json!("Light"), &json!("Home > Light"))
    );
    // However it is named, it is the same one.
    for category in ["home >  LIGHT", "Light", first["categoryId"].as_str().unwrap()] {
        let next = lamp(&desk, "Next", category).await;
        assert_eq!(next["categoryId"], first["categoryId"], "{category}");
    }
    let plain = desk.product(json!({ "name": "Nail", "price": 1 })).await;
    assert_eq!(plain["categoryPath"], "General");
    let tree = desk.anyone("GET /categories", Value::Null).await;
    assert_eq!(field(&tree.body, "path"), ["General", "Home"]);
    assert_eq!(field(&tree.body[1]["children"], "path"), ["Home > Light"]);
    assert_eq!(tree.body[1]["children"][0]["id"], first["categoryId"]);
    let shallow = desk.anyone("GET /categories?depth=1", Value::Null).await;
    assert_eq!(
        (&shallow.body[1]["children"], &shallow.body[1]["hasChildren"]),
        (&Value::Null, &json!(true))
    );
    for parent in ["root", "home", "Home > Light"] {
        let wanted: &[&str] = match parent {
            "root" => &["General", "Home"],
            "home" => &["Home > Light"],
            _ => &[],
        };
        let flat = desk
            .anyone(
                &format!(
                    "GET /categories?parent={}",
                    parent.replace(' ', "%20").replace('>', "%3E")
                ),
                Value::Null,
            )
            .await;
        assert_eq!(field(&flat.body, "path"), wanted, "{parent}");
    }
    for name in [
        "Home%20%3E%20Light",
        "light",
        "Light",
        first["categoryId"].as_str().unwrap(),
    ] {
        let read = desk.anyone(&format!("GET /categories/{name}"), Value::Null).await;
        assert_eq!(
            (read.status, &read.body["path"]),
            (200, &json!("Home > Light")),
            "{name}"
        );
    }
    let fresh = [("if-none-match", tree.tag())];
    let fresh: Vec<(&str, &str)> = fresh.iter().map(|(name, tag)| (*name, tag.as_str())).collect();
    assert_eq!(
        desk.call(None, "GET /categories", Value::Null, &fresh).await.status,
        304
    );
    // A name that several have says too little.
    lamp(&desk, "Lamp", "Garden > Light").await;
    let which = desk
        .clerk(
            "POST /products",
            json!({ "name": "x", "price": 1, "category": "Light" }),
        )
        .await;
    assert_eq!(
        (which.told(), &which.body["paths"]),
        ((400, "category_ambiguous"), &json!(["Home > Light", "Garden > Light"]))
    );
    for wrong in ["a > > b", "cat_01j9zk3v5w8q2m4n6p7r8s9t0v", &"x > ".repeat(11)] {
        let refused = desk
            .clerk("POST /products", json!({ "name": "x", "price": 1, "category": wrong }))
            .await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (400, &json!("/category")),
            "{wrong}"
        );
    }
    super::holds::balanced(&desk).await;
}

async fn a_list_shows_what_stands_below(desk: Desk) {
    for (name, category) in [
        ("A", "Home > Light > Lamps"),
        ("B", "Home > Light"),
        ("C", "Home"),
        ("D", "Garden > Light"),
        ("E", "Garden"),
    ] {
        lamp(&desk, name, category).await;
    }
    for (query, wanted) in [
        ("category=Home", vec!["C", "B", "A"]),
        ("category=Home%20%3E%20Light&sort=name", vec!["A", "B"]),
        ("category=light&sort=price", vec!["A", "B", "D"]),
        ("category=lamps", vec!["A"]),
        ("category=garden-light", vec!["D"]),
        ("category=nothing", vec![]),
    ] {
        let listed = desk.anyone(&format!("GET /products?{query}"), Value::Null).await;
        assert_eq!(listed.names(), wanted, "{query}");
    }
    let path = desk.anyone("GET /products?category=light&limit=2", Value::Null).await;
    assert_eq!(path.names(), ["D", "B"]);
    let next = path.header("link");
    let next = next.trim_start_matches('<').split('>').next().unwrap();
    assert_eq!(desk.anyone(&format!("GET {next}"), Value::Null).await.names(), ["A"]);
    // Drafts stand beside the others for staff only.
    desk.clerk("PATCH /products/2", json!({ "status": "draft" })).await;
    assert_eq!(
        desk.anyone("GET /products?category=Home", Value::Null).await.names(),
        ["C", "A"]
    );
    assert_eq!(
        desk.clerk("GET /products?category=Home", Value::Null).await.names(),
        ["C", "B", "A"]
    );
    desk.clerk("DELETE /products/2", Value::Null).await;
    assert_eq!(
        desk.clerk("GET /products?category=Home", Value::Null).await.names(),
        ["C", "A"]
    );
    super::holds::balanced(&desk).await;
}

async fn a_renamed_branch_is_renamed_everywhere(desk: Desk) {
    let product = lamp(&desk, "Lamp", "Home > Light").await;
    let tag = desk.anyone("GET /products/1", Value::Null).await.tag();
    let before = desk.anyone("GET /categories/home", Value::Null).await;
    let renamed = desk
        .clerk_with(
            "PATCH /categories/home",
            json!({ "name": "House" }),
            &[("if-match", &before.tag())],
        )
        .await;
    assert_eq!(
        (renamed.status, &renamed.body["path"], &renamed.body["handle"]),
        (200, &json!("House"), &json!("home"))
    );
    let read = desk.anyone("GET /products/1", Value::Null).await;
    assert_eq!(
        (&read.body["categoryPath"], &read.body["categoryId"]),
        (&json!("House > Light"), &product["categoryId"])
    );
    let stale = desk
        .call(None, "GET /products/1", Value::Null, &[("if-none-match", &tag)])
        .await;
    assert_eq!(
        stale.status, 200,
        "the product shows another path, so its tag is another"
    );
    // Yet nobody changed the product: an edit that was begun before still holds.
    let edit = desk
        .clerk_with("PUT /products/1", json!({ "price": 6 }), &[("if-match", &tag)])
        .await;
    assert_eq!(edit.status, 200);
    let late = desk
        .clerk_with(
            "PATCH /categories/home",
            json!({ "name": "Hut" }),
            &[("if-match", &before.tag())],
        )
        .await;
    assert_eq!(late.told(), (412, "precondition_failed"));
    assert_eq!(
        desk.anyone("GET /products?category=House", Value::Null).await.names(),
        ["Lamp"]
    );
    let events = desk.events().await;
    assert_eq!(
        events
            .iter()
            .filter(|event| event.starts_with("CategoryUpdated cat 1"))
            .count(),
        2,
        "{events:?}"
    );
    let deeds = desk.deeds().await;
    let renamed = deeds.iter().find(|(action, _)| action == "category.update").unwrap();
    assert_eq!(renamed.1["after"], json!({ "name": "House", "path": "House" }));
    // Saying what is so already changes nothing.
    let same = desk.clerk("PUT /categories/home", json!({ "name": "House" })).await;
    assert_eq!((same.status, desk.events().await.len()), (200, events.len()));
    super::holds::balanced(&desk).await;
}

async fn a_moved_branch_takes_its_products_along(desk: Desk) {
    lamp(&desk, "Lamp", "Home > Light > Lamps").await;
    lamp(&desk, "Torch", "Home > Light").await;
    lamp(&desk, "Rake", "Garden").await;
    let moved = desk.clerk("PUT /categories/light", json!({ "parent": "garden" })).await;
    assert_eq!(
        (moved.status, &moved.body["path"], &moved.body["depth"]),
        (200, &json!("Garden > Light"), &json!(2))
    );
    for (category, wanted) in [
        ("garden", vec!["Rake", "Torch", "Lamp"]),
        ("home", vec![]),
        ("light", vec!["Torch", "Lamp"]),
        ("lamps", vec!["Lamp"]),
    ] {
        let listed = desk
            .anyone(&format!("GET /products?category={category}"), Value::Null)
            .await;
        assert_eq!(listed.names(), wanted, "{category}");
    }
    // A product that is written now is listed where it stands now, and nowhere else.
    desk.clerk("PATCH /products/1", json!({ "price": 9, "name": "Lantern" }))
        .await;
    assert_eq!(
        desk.anyone("GET /products?category=garden&sort=-price", Value::Null)
            .await
            .names()[0],
        "Lantern"
    );
    let top = desk.clerk("PATCH /categories/light", json!({ "parent": null })).await;
    assert_eq!(
        (&top.body["path"], &top.body["parentId"]),
        (&json!("Light"), &Value::Null)
    );
    assert_eq!(
        desk.anyone("GET /products?category=garden", Value::Null).await.names(),
        ["Rake"]
    );
    for (which, parent, told) in [
        ("light", "lamps", (409, "category_cycle")),
        ("light", "light", (409, "category_cycle")),
        ("light", "nowhere", (400, "invalid")),
    ] {
        let refused = desk
            .clerk(&format!("PUT /categories/{which}"), json!({ "parent": parent }))
            .await;
        assert_eq!(refused.told(), told, "{which} to {parent}");
    }
    super::holds::balanced(&desk).await;
}

async fn what_is_in_use_stays(desk: Desk) {
    lamp(&desk, "Lamp", "Home > Light").await;
    for which in ["home", "light"] {
        let refused = desk.clerk(&format!("DELETE /categories/{which}"), Value::Null).await;
        assert_eq!(refused.told(), (409, "category_in_use"), "{which}");
    }
    desk.clerk("PATCH /products/1", json!({ "status": "draft" })).await;
    assert_eq!(
        desk.clerk("DELETE /categories/light", Value::Null).await.status,
        409,
        "drafts count"
    );
    desk.clerk("PATCH /products/1", json!({ "category": "Other" })).await;
    desk.clerk("DELETE /products/1", Value::Null).await;
    for which in ["light", "home", "other"] {
        assert_eq!(
            desk.clerk(&format!("DELETE /categories/{which}"), Value::Null)
                .await
                .status,
            204,
            "{which}"
        );
        assert_eq!(
            desk.clerk(&format!("DELETE /categories/{which}"), Value::Null)
                .await
                .status,
            404,
            "{which}"
        );
    }
    assert_eq!(desk.anyone("GET /categories", Value::Null).await.body, json!([]));
    super::holds::balanced(&desk).await;
}

async fn names_and_places_are_checked(desk: Desk) {
    let home = desk.clerk("POST /categories", json!({ "name": " Home " })).await;
    assert_eq!(
        (home.status, &home.body["name"], &home.body["handle"]),
        (201, &json!("Home"), &json!("home"))
    );
    assert_eq!(
        home.header("location"),
        format!("/api/categories/{}", home.body["id"].as_str().unwrap())
    );
    let light = json!({ "name": "Light", "parentId": home.body["id"], "position": 2, "description": "What shines" });
    assert_eq!(desk.clerk("POST /categories", light.clone()).await.status, 201);
    let before = json!({ "name": "Zinc", "parent": "Home", "position": 1 });
    assert_eq!(desk.clerk("POST /categories", before).await.status, 201);
    let read = desk.anyone("GET /categories/home", Value::Null).await;
    assert_eq!(field(&read.body["children"], "name"), ["Zinc", "Light"]);
    for (body, told) in [
        (light, (409, "category_exists")),
        (json!({ "name": "HOME" }), (409, "category_exists")),
        (json!({ "name": "x", "handle": "home" }), (409, "handle_taken")),
        (json!({ "name": "x", "handle": "cat_x" }), (400, "invalid")),
        (json!({ "name": "" }), (400, "invalid")),
        (json!({ "name": "a > b" }), (400, "invalid")),
        (json!({ "name": "x", "parent": "nowhere" }), (400, "invalid")),
        (json!({ "name": "x", "colour": "red" }), (400, "invalid")),
        (json!({}), (400, "invalid")),
    ] {
        let refused = desk.clerk("POST /categories", body.clone()).await;
        assert_eq!(refused.told(), told, "{body}");
    }
    for (what, body) in [
        ("POST /categories", json!({ "name": "x" })),
        ("PUT /categories/home", json!({ "name": "x" })),
        ("PATCH /categories/home", json!({ "name": "x" })),
        ("DELETE /categories/light", Value::Null),
    ] {
        assert_eq!(desk.anyone(what, body.clone()).await.status, 401, "{what}");
        assert_eq!(desk.customer(what, body).await.status, 403, "{what}");
    }
    // Numbers as names, and letters that no address has, still get an address.
    for (name, handle) in [
        ("2024", "category-2024"),
        ("🦀", "category"),
        ("Äpfel & Birnen", "äpfel-birnen"),
    ] {
        let made = desk.clerk("POST /categories", json!({ "name": name })).await;
        assert_eq!((made.status, &made.body["handle"]), (201, &json!(handle)), "{name}");
    }
    let key = [("idempotency-key", "once")];
    for replayed in ["", "true"] {
        let made = desk
            .clerk_with("POST /categories", json!({ "name": "Once" }), &key)
            .await;
        assert_eq!(
            (made.status, made.header("idempotency-replayed").as_str()),
            (201, replayed)
        );
    }
    super::holds::balanced(&desk).await;
}

async fn tags_are_listed_while_something_has_them(desk: Desk) {
    for (name, tags) in [
        ("A", json!(["Iron", "heavy"])),
        ("B", json!(["IRON", "Ire"])),
        ("C", json!(["new"])),
    ] {
        let status = if name == "C" { "draft" } else { "active" };
        desk.product(json!({ "name": name, "price": 5, "tags": tags, "status": status }))
            .await;
    }
    let all = desk.anyone("GET /products/tags", Value::Null).await;
    assert_eq!(all.names(), ["heavy", "Ire", "Iron"]);
    assert_eq!(
        desk.anyone("GET /products/tags?q=IR", Value::Null).await.names(),
        ["Ire", "Iron"]
    );
    let first = desk.anyone("GET /products/tags?limit=2", Value::Null).await;
    let next = first.header("link");
    let next = next.trim_start_matches('<').split('>').next().unwrap();
    assert_eq!(desk.anyone(&format!("GET {next}"), Value::Null).await.names(), ["Iron"]);
    desk.clerk("PATCH /products/1", json!({ "tags": ["iron"] })).await;
    assert_eq!(
        desk.anyone("GET /products/tags", Value::Null).await.names(),
        ["Ire", "Iron"]
    );
    assert_eq!(
        desk.anyone("GET /products?tag=heavy", Value::Null).await.names(),
        [""; 0]
    );
    assert_eq!(
        desk.anyone("GET /products?tag=iron&sort=name", Value::Null)
            .await
            .names(),
        ["A", "B"]
    );
    super::holds::balanced(&desk).await;
}

async fn price_ranges_come_in_every_order(desk: Desk) {
    for (place, price) in [30, 10, 20, 40, 20].into_iter().enumerate() {
        let name = ["E", "D", "C", "B", "A"][place];
        desk.product(json!({ "name": name, "price": price, "category": "Home", "tags": ["t"] }))
            .await;
    }
    for base in ["", "category=home&", "tag=t&", "category=home&tag=t&"] {
        for (sort, wanted) in [
            ("newest", ["A", "C", "E"]),
            ("name", ["A", "C", "E"]),
            ("price", ["C", "A", "E"]),
            ("-price", ["E", "A", "C"]),
        ] {
            let query = format!("{base}sort={sort}&minPrice=15&maxPrice=30");
            let (mut next, mut seen) = (Some(format!("/api/products?{query}&limit=1")), Vec::new());
            while let Some(path) = next {
                let page = desk.anyone(&format!("GET {path}"), Value::Null).await;
                seen.extend(page.names().into_iter().map(str::to_owned));
                let link = page.header("link");
                next = link
                    .strip_prefix('<')
                    .and_then(|rest| rest.split_once('>'))
                    .map(|(path, _)| path.to_owned());
            }
            assert_eq!(seen, wanted, "{query}");
        }
    }
    super::holds::balanced(&desk).await;
}

async fn two_branches_cannot_stand_in_each_other(desk: Desk) {
    for name in ["A", "B"] {
        desk.clerk("POST /categories", json!({ "name": name })).await;
    }
    let (one, other) = tokio::join!(
        desk.clerk("PUT /categories/a", json!({ "parent": "b" })),
        desk.clerk("PUT /categories/b", json!({ "parent": "a" })),
    );
    let mut told = [one.status, other.status];
    told.sort_unstable();
    assert_eq!(told, [200, 409], "{one:?} {other:?}");
    super::holds::balanced(&desk).await;
}
