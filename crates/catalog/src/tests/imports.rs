//! Files go in and come out, through the router, on both engines.

mod jobs;
mod sending;
mod undo;

use std::time::Duration;

use api::catalog::{Import, Pieces, RejectedRow, Reserve};
use axum::body::{Body, Bytes};
use base::{ImportId, Quantity};
use futures_util::stream;
use serde_json::{Value, json};
use serve::Role;

use super::desk::{Desk, cx, order};
use super::on_both_engines;

impl Desk {
    async fn import(&self, file: impl Into<Body>) -> Import {
        self.import_as("POST /products/import", file).await
    }

    async fn import_as(&self, what: &str, file: impl Into<Body>) -> Import {
        let (status, body) = self.send(Some(Role::Staff), what, "text/csv", file.into()).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("a report")
    }

    /// An import as it stands.
    async fn report(&self, id: ImportId) -> Import {
        let answer = self.clerk(&format!("GET /products/import/{id}"), Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_value(answer.body).expect("an import")
    }

    /// An import, once nothing of it goes on any more.
    async fn at_rest(&self, id: ImportId) -> Import {
        testkit::until(format!("{id} is at rest"), || async move {
            let report = self.report(id).await;
            if report.state.is_at_rest() {
                Ok(report)
            } else {
                Err(format!("{report:?}"))
            }
        })
        .await
    }

    async fn export(&self) -> String {
        let (status, body) = self
            .send(Some(Role::Staff), "GET /products/export", "text/csv", Body::empty())
            .await;
        assert_eq!(status, 200);
        String::from_utf8(body).expect("text")
    }

    async fn read(&self, product: &str) -> Value {
        let answer = self.clerk(&format!("GET /products/{product}"), Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}

/// Created, updated, unchanged, left out.
fn sums(report: &Import) -> [u64; 4] {
    [report.created, report.updated, report.unchanged, report.left_out]
}

fn told(report: &Import) -> Vec<String> {
    report
        .rejected
        .iter()
        .map(|RejectedRow { line, reason, .. }| format!("{line}: {reason}"))
        .collect()
}

const HEADER: &str = "Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty\n";

fn file(rows: &str) -> String {
    format!("{HEADER}{rows}")
}

async fn the_sample_goes_in_once(desk: Desk) {
    let report = desk.import(crate::import::SAMPLE).await;
    assert_eq!((sums(&report), report.rejected_rows), ([34, 0, 0, 0], 0), "{report:?}");
    let first = desk.read("1").await;
    assert_eq!(
        (first["name"].clone(), first["stock"].clone()),
        (json!("Claw Hammer, 16 oz"), json!(500))
    );
    assert_eq!(first["metadata"]["SEO Title"], "Claw hammer with hickory handle");
    let events = desk.events().await;
    let report = desk.import(crate::import::SAMPLE).await;
    assert_eq!(sums(&report), [0, 0, 34, 0], "{report:?}");
    assert_eq!(desk.events().await, events);
}

async fn real_files_go_in_whole(desk: Desk) {
    let Some(folder) = testkit::shared_data() else { return };
    let files = ["apparel.csv", "home-and-garden.csv", "jewelery.csv"]
        .map(|name| std::fs::read(folder.join("shopify").join(name)).expect(name));
    let mut variants = 0;
    for file in &files {
        let report = desk.import(file.clone()).await;
        assert_eq!((sums(&report), report.rejected_rows), ([20, 0, 0, 0], 0), "{report:?}");
        variants += report.variants;
    }
    assert_eq!(variants, 66);
    let top = desk.read("classic-varsity-top").await;
    let skus: Vec<&str> = top["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["sku"].as_str().unwrap())
        .collect();
    assert_eq!(
        skus,
        [
            "CLASSIC-VARSITY-TOP-SMALL",
            "CLASSIC-VARSITY-TOP-MEDIUM",
            "CLASSIC-VARSITY-TOP-LARGE"
        ]
    );
    assert_eq!(
        (top["price"].clone(), top["options"].clone()),
        (
            json!(60.00),
            json!([{ "name": "Size", "values": ["Small", "Medium", "Large"] }])
        )
    );
    let crane = desk.read("ORIGAMI-CRANE-NECKLACE").await;
    assert_eq!(crane["images"].as_array().unwrap().len(), 4);
    assert!(
        crane["imageUrl"]
            .as_str()
            .unwrap()
            .ends_with("/origami-crane-necklace-gold_925x.jpg")
    );
    let light = desk.read("copper-light").await;
    assert_eq!(
        (light["price"].clone(), light["variants"][0]["compareAtPrice"].clone()),
        (json!(59.99), json!(75.00))
    );
    assert_eq!(
        (light["stock"].clone(), light["tags"].clone()),
        (json!(2), json!(["Copper", "Bedroom"]))
    );
    // Again, after a sale: nothing changes, nothing comes back.
    let variant = top["variants"][0]["id"].as_str().unwrap().parse().unwrap();
    let lines = vec![Pieces {
        variant,
        quantity: Quantity::ONE,
    }];
    desk.client()
        .reserve(&cx(), &Reserve { order: order(1), lines })
        .await
        .unwrap();
    desk.client().settle(&cx(), order(1)).await.unwrap();
    let events = desk.events().await;
    let exported = desk.export().await;
    for file in &files {
        let report = desk.import(file.clone()).await;
        assert_eq!((sums(&report), report.rejected_rows), ([0, 0, 20, 0], 0), "{report:?}");
    }
    assert_eq!(desk.events().await, events);
    assert_eq!(desk.export().await, exported);
    assert_eq!(desk.read("CLASSIC-VARSITY-TOP-SMALL").await["variants"][0]["stock"], 0);
    assert_eq!(sums(&desk.import(exported).await), [0, 0, 60, 0]);
}

async fn stock_is_set_only_when_asked(desk: Desk) {
    let rows = file("pot,Pot,,,,P,5,10\n");
    desk.import(rows.clone()).await;
    let variant = desk.read("pot").await["variants"][0]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let lines = vec![Pieces {
        variant,
        quantity: Quantity::new(4).unwrap(),
    }];
    desk.client()
        .reserve(&cx(), &Reserve { order: order(1), lines })
        .await
        .unwrap();
    assert_eq!(sums(&desk.import(file("pot,Pot,,,,P,5,7\n")).await), [0, 0, 1, 0]);
    assert_eq!(desk.stock("pot").await, (10, 4, 6));
    let set = "POST /api/products/import?stock=set";
    let report = desk.import_as(set, file("pot,Pot,,,,P,5,7\n")).await;
    assert_eq!(sums(&report), [0, 1, 0, 0], "{report:?}");
    assert_eq!(desk.stock("pot").await, (7, 4, 3));
    assert_eq!(
        sums(&desk.import_as(set, file("pot,Pot,,,,P,5,7\n")).await),
        [0, 0, 1, 0]
    );
    // What is promised stays there; an empty cell says nothing.
    let report = desk.import_as(set, file("pot,Pot,,,,P,5,3\njug,Jug,,,,J,5,\n")).await;
    assert_eq!(
        (sums(&report), told(&report)),
        (
            [1, 0, 0, 1],
            vec!["2: 4 pieces are reserved for orders, so 3 cannot be left".into()]
        )
    );
    assert_eq!(
        sums(&desk.import_as(set, file("pot,Pot,,,,P,5,\n")).await),
        [0, 0, 1, 0]
    );
    assert_eq!(desk.stock("pot").await, (7, 4, 3));
}

async fn what_differs_is_updated_and_nothing_else(desk: Desk) {
    desk.import(file("cup,Cup,Potter,Size,S,,5,1\ncup,,,,M,,6,2\nlid,Lid,,,,,1,1\n"))
        .await;
    let before = desk.read("cup").await;
    let events = desk.events().await.len();
    // A new price, a new size, a vendor that goes; the other product stays as it is.
    let report = desk
        .import(file("cup,Cup,,Size,S,,5.50,9\ncup,,,,L,,7,3\nlid,Lid,,,,,1,1\n"))
        .await;
    assert_eq!((sums(&report), report.variants), ([0, 1, 1, 0], 3), "{report:?}");
    let after = desk.read("cup").await;
    let seen = |product: &Value| -> Vec<Value> {
        let each = product["variants"].as_array().unwrap().iter();
        each.map(|one| json!([one["name"], one["price"], one["stock"]]))
            .collect()
    };
    assert_eq!(
        seen(&after),
        [json!(["S", 5.50, 1]), json!(["M", 6.00, 2]), json!(["L", 7.00, 3])]
    );
    assert_eq!(after["options"][0]["values"], json!(["S", "M", "L"]));
    assert_eq!(
        (before["variants"][0]["id"].clone(), json!(null)),
        (after["variants"][0]["id"].clone(), after["vendor"].clone())
    );
    assert_eq!(desk.events().await.len(), events + 1);
    // A file without a column says nothing of it; without a title nothing of the product.
    let report = desk.import("Handle,Option1 Value,Variant Price\ncup,M,6.25\n").await;
    assert_eq!(sums(&report), [0, 1, 0, 0], "{report:?}");
    let report = desk.import("Handle,Title,Variant Price\nlid,Cover,\n").await;
    assert_eq!(sums(&report), [0, 1, 0, 0], "{report:?}");
    assert_eq!(
        (
            desk.read("lid").await["name"].clone(),
            desk.read("cup").await["variants"][1]["price"].clone()
        ),
        (json!("Cover"), json!(6.25))
    );
    // Other options than the shop has are no update.
    let report = desk
        .import(file("cup,Cup,,Colour,Red,,5,1\nlid,Lid,,Size,S,,1,1\n"))
        .await;
    assert_eq!(
        told(&report),
        [
            "2: the product's options are Size in the shop and Colour here",
            "3: the product's options are none in the shop and Size here"
        ]
    );
}

async fn broken_rows_leave_the_rest_alone(desk: Desk) {
    let report = desk
        .import(file("good,Good,,,,G,5,1\nbad,Bad,,,,B,cheap,1\n,Nobody,,,,,1,1\nopen,\"Open,,,,,1,1\ntwin,Twin,,,,G,5,1\nlast,Last,,,,,5,1\n"))
        .await;
    assert_eq!(sums(&report), [2, 0, 0, 3], "{report:?}");
    let told = told(&report);
    assert!(
        told.iter()
            .any(|row| row == "6: the SKU \"G\" stands at another variant already"),
        "{told:?}"
    );
    for line in ["3: Variant Price", "4: the handle is missing", "5: a quote opens here"] {
        assert!(told.iter().any(|row| row.starts_with(line)), "{line}: {told:?}");
    }
    // And against what the shop has.
    let report = desk.import(file("other,Other,,,,G,5,1\n")).await;
    assert_eq!(
        (
            report.left_out,
            report.rejected[0].line,
            report.rejected[0].handle.as_deref()
        ),
        (1, 2, Some("other"))
    );
}

async fn what_is_no_product_file_changes_nothing(desk: Desk) {
    for file in [
        &b""[..],
        b"\x7fELF\x01\0\0",
        b"Title,Price\nA,1\n",
        b"{\"products\":[]}",
    ] {
        let (status, body) = desk
            .send(Some(Role::Staff), "POST /products/import", "text/csv", Body::from(file))
            .await;
        let problem: Value = serde_json::from_slice(&body).expect("a problem");
        assert_eq!(
            (status, problem["code"].as_str()),
            (400, Some("not_a_product_file")),
            "{problem}"
        );
    }
    let file = || Body::from(file("pot,Pot,,,,P,5,10\n"));
    let import = "POST /products/import";
    assert_eq!(
        desk.send(Some(Role::Staff), import, "application/json", file()).await.0,
        415
    );
    assert_eq!(desk.send(Some(Role::Customer), import, "text/csv", file()).await.0, 403);
    assert_eq!(
        desk.send(Some(Role::Customer), "GET /products/export", "text/csv", Body::empty())
            .await
            .0,
        403
    );
    assert_eq!(
        desk.send(Some(Role::Staff), "POST /products/import?stock=all", "text/csv", file())
            .await
            .0,
        400
    );
    assert_eq!(desk.events().await, Vec::<String>::new());
    // The command line comes with a service's token.
    assert_eq!(desk.send(None, import, "text/csv", file()).await.0, 200);
}

async fn a_handle_that_returns_adds_variants(desk: Desk) {
    let rows = file("cup,Cup,,Size,S,,5,1\nlid,Lid,,,,,1,1\ncup,Other Name,,Size,M,,6,2\ncup,,,,L,,7,2\n");
    let report = desk.import(rows.clone()).await;
    assert_eq!(sums(&report), [2, 1, 0, 0], "{report:?}");
    let cup = desk.read("cup").await;
    assert_eq!(
        (cup["name"].clone(), cup["variants"].as_array().unwrap().len()),
        (json!("Cup"), 3)
    );
    assert_eq!(sums(&desk.import(rows).await), [0, 0, 3, 0]);
    let report = desk.import(file("a,A,,,,,5,1\nb,B,,,,,1,1\na,A,,,,,6,1\n")).await;
    assert_eq!(
        (sums(&report), report.rejected[0].line),
        ([2, 0, 0, 1], 4),
        "{report:?}"
    );
}

async fn a_renamed_product_stays_the_same(desk: Desk) {
    desk.import(file("cup,Cup,,,,,5,1\n")).await;
    let renamed = desk.clerk("PATCH /products/cup", json!({ "handle": "mug" })).await;
    assert_eq!(renamed.status, 200);
    assert_eq!(sums(&desk.import(file("cup,Cup,,,,,5,1\n")).await), [0, 0, 1, 0]);
    // Both handles in one file mean one product; the second one would say the same variant twice.
    let report = desk.import(file("cup,Cup,,,,,6,1\nmug,Mug,,,,,7,1\n")).await;
    assert_eq!(sums(&report), [0, 2, 0, 0], "{report:?}");
    assert_eq!(desk.read("mug").await["price"], json!(7.00));
}

async fn made_skus_are_the_same_every_time(desk: Desk) {
    let rows = file("a-b,A B,,Size,C,,5,1\na,A,,Size,B-C,,5,1\n");
    desk.import(rows.clone()).await;
    let skus = [
        desk.read("a-b").await["variants"][0]["sku"].clone(),
        desk.read("a").await["variants"][0]["sku"].clone(),
    ];
    assert_eq!(skus, ["A-B-C", "A-B-C-2"]);
    assert_eq!(sums(&desk.import(rows).await), [0, 0, 2, 0]);
}

async fn an_export_comes_back_unchanged(desk: Desk) {
    desk.import(crate::import::SAMPLE).await;
    for product in [
        json!({
            "name": "Odd \"Thing\", =1+1", "price": 0.5, "description": "  <p>two\r\nlines &amp; <b>more</b></p> ",
            "tags": ["a,b", "c d", "ü🦀"], "status": "draft", "vendor": "O'Neil & Søn",
            "images": [{ "url": "https://x.test/a.png", "alt": " padded " }, { "url": "https://x.test/b.png" }],
            "metadata": {
                "plain": "text", "Variant x": "level", "number": 5, "deep": { "a": [1, null] }, " padded ": "x", "empty": "",
                "space": " x ", "Title": "not the title", "Metadata (JSON)": "no",
            },
        }),
        json!({
            "name": "Two Sizes", "options": [{ "name": "Size", "values": ["L", "S", "never made"] }, { "name": "Colour", "values": ["Red"] }],
            "variants": [
                { "options": { "Size": "S", "Colour": "Red" }, "price": 3, "stock": 4, "weight": 1500, "weightUnit": "kg",
                  "compareAtPrice": 4.25, "barcode": "0123", "taxCategory": "reduced", "requiresShipping": false,
                  "metadata": { "shelf": "A", "Variant Image": "https://x.test/v.png", "Cost per item": "1.50" } },
                { "options": { "Size": "L", "Colour": "Red" }, "price": 2, "tracked": false, "inventoryPolicy": "continue",
                  "metadata": { "shelf": "B", "n": 1, "Cost per item": "1.75" } },
            ],
            "images": [{ "url": "https://x.test/1.png" }, { "url": "https://x.test/2.png" }, { "url": "https://x.test/3.png" }],
        }),
    ] {
        desk.product(product).await;
    }
    let exported = desk.export().await;
    let events = desk.events().await;
    let report = desk.import(exported.clone()).await;
    assert_eq!((sums(&report), told(&report)), ([0, 0, 36, 0], vec![]), "{exported}");
    assert_eq!(desk.events().await, events);
    // What nobody has a field for comes back in the columns that it came in.
    let header = exported.lines().next().unwrap();
    for column in [
        "SEO Title",
        "Variant Fulfillment Service",
        "Cost per item",
        "plain",
        "shelf",
    ] {
        assert!(header.split(',').any(|name| name == column), "{column}: {header}");
    }
    assert_eq!(desk.export().await, exported);
}

async fn an_export_fills_an_empty_shop(desk: Desk) {
    let other = Desk::open(::store::Engine::Memory).await;
    other.import(crate::import::SAMPLE).await;
    let exported = other.export().await;
    assert_eq!(sums(&desk.import(exported.clone()).await), [34, 0, 0, 0]);
    assert_eq!(desk.export().await, exported);
}

async fn many_products_go_in_by_batches(desk: Desk) {
    let count = 1_050;
    let file = |count| {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut testkit::ProductFile::of(count), &mut bytes).expect("a file");
        bytes
    };
    let report = desk.import(file(count)).await;
    assert_eq!(
        (sums(&report), report.rejected_rows),
        ([count, 0, 0, 0], 0),
        "{:?}",
        report.rejected.first()
    );
    assert_eq!(sums(&desk.import(file(count + 5)).await), [5, 0, count, 0]);
    let exported = desk.export().await;
    assert_eq!(sums(&desk.import(exported).await), [0, 0, count + 5, 0]);
}

on_both_engines![
    the_sample_goes_in_once,
    real_files_go_in_whole,
    stock_is_set_only_when_asked,
    what_differs_is_updated_and_nothing_else,
    broken_rows_leave_the_rest_alone,
    what_is_no_product_file_changes_nothing,
    a_handle_that_returns_adds_variants,
    a_renamed_product_stays_the_same,
    made_skus_are_the_same_every_time,
    an_export_comes_back_unchanged,
    an_export_fills_an_empty_shop,
    many_products_go_in_by_batches,
];
