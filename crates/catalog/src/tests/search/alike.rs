//! Both engines answer alike, whatever became of their indexes before: 480 searches that people typed into a furniture
//! shop, over a catalogue of furniture and over one of sports goods.

use std::path::Path;

use serde_json::{Value, json};

use super::super::desk::Desk;
use super::quality::{eshop, query};
use super::{Answer, indexed, search};

/// Products of the furniture catalogue.
const FURNITURE: usize = 1_200;
/// Searches for which at least something must be found in it, of 480.
const FOUND_MIN: usize = 300;

const COLOURS: [&str; 12] = [
    "Turquoise",
    "Black",
    "White",
    "Navy Blue",
    "Grey",
    "Walnut",
    "Chrome",
    "Burnt Orange",
    "Ombre",
    "Clear",
    "Green",
    "Espresso",
];
const MATERIALS: [&str; 11] = [
    "Acrylic",
    "Driftwood",
    "Leather",
    "Glass",
    "Oak",
    "Velvet",
    "Marble",
    "Metal",
    "Rattan",
    "Wool",
    "Ceramic",
];
const VENDORS: [&str; 3] = ["Guilford", "Stoneford", "Calvin"];
const THINGS: [(&str, &str); 20] = [
    ("Salon Chair", "Chairs"),
    ("Coffee Table", "Tables > Coffee Tables"),
    ("Accent Pillow", "Decor > Pillows"),
    ("Recliner", "Chairs"),
    ("Sectional Sofa with Ottoman", "Sofas"),
    ("Dining Chair", "Chairs"),
    ("Wall Mirror", "Decor > Mirrors"),
    ("Fire Pit", "Outdoor"),
    ("Poster Bed", "Beds"),
    ("Area Rug", "Rugs"),
    ("Privacy Wall", "Outdoor"),
    ("Five Drawer Dresser", "Dressers"),
    ("Seat Cushion", "Decor > Pillows"),
    ("Vanity Light", "Lighting"),
    ("Curtain Panel", "Decor > Curtains"),
    ("End Table", "Tables > End Tables"),
    ("Bar Stool", "Chairs"),
    ("Bookcase", "Storage"),
    ("Shoe Rack", "Storage"),
    ("Floor Tile", "Tiles"),
];

/// Furniture, the same every time.
fn furniture() -> Vec<Value> {
    let one = |n: usize| {
        let (thing, category) = THINGS[n % THINGS.len()];
        let (colour, material) = (COLOURS[n * 7 % COLOURS.len()], MATERIALS[n * 5 % MATERIALS.len()]);
        let room = ["living room", "bedroom", "kitchen", "bathroom", "kids room"][n % 5];
        json!({
            "name": format!("{colour} {material} {thing}"),
            "description": format!("<p>A {thing} of {material} for the {room}, model {n}.</p>").to_lowercase(),
            "price": format!("{}.99", 9 + n * 13 % 900),
            "stock": n % 7,
            "category": category,
            "vendor": VENDORS[n % VENDORS.len()],
            "tags": [colour, room],
        })
    };
    (0..FURNITURE).map(one).collect()
}

/// Writes products many at once.
async fn fill(desk: &Desk, products: &[Value]) {
    for some in products.chunks(100) {
        let written = desk
            .clerk("POST /products/bulk?atomic=true", json!({ "products": some }))
            .await;
        assert!((200..300).contains(&written.status), "{written:?}");
    }
}

/// What a search answers, apart from ids and times.
async fn told(desk: &Desk, search_for: &str, more: &str) -> (Value, String) {
    let answer: Answer = search(desk, &format!("{}{more}", query(search_for))).await;
    assert_eq!(answer.status, 200, "{search_for}: {answer:?}");
    let products = answer.body.as_array().unwrap();
    let told = products
        .iter()
        .map(|product| json!([product["number"], product["name"], product["highlights"]]));
    (told.collect(), answer.header("link"))
}

fn searches(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("wands/query.csv")).unwrap();
    let lines = text.lines().skip(1).filter_map(|line| line.split('\t').nth(1));
    lines.map(str::to_owned).collect()
}

async fn alike(products: Vec<Value>) -> usize {
    let folder = testkit::shared_data().unwrap();
    let searches = searches(&folder);
    assert_eq!(searches.len(), 480);
    let one = Desk::open(testkit::service::memory()).await;
    let other = Desk::open(testkit::service::postgres().await).await;
    fill(&one, &products).await;
    indexed(&one, products.len() as u64).await;
    // The other has a past: more commits, products that were something else before, and some that are no more.
    let (first, rest) = products.split_at(products.len() / 2);
    let mut before = first.to_vec();
    before[0]["name"] = "Obsolete Xylophone".into();
    fill(&other, &before).await;
    indexed(&other, before.len() as u64).await;
    let wanted = one.anyone("GET /products/1", Value::Null).await.body;
    let changed = json!({ "name": wanted["name"], "sku": wanted["sku"] });
    let changed = other.clerk("PATCH /products/1", changed).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    fill(&other, rest).await;
    let gone = other
        .product(json!({ "name": "Salon Chair Dinosaur Spoon", "price": 1 }))
        .await;
    indexed(&other, products.len() as u64 + 1).await;
    other
        .clerk(
            &format!("DELETE /products/{}", gone["id"].as_str().unwrap()),
            Value::Null,
        )
        .await;
    indexed(&other, products.len() as u64).await;

    let mut found = 0;
    for text in &searches {
        let more = "&limit=20";
        let (here, there) = (told(&one, text, more).await, told(&other, text, more).await);
        assert_eq!(here, there, "{text}");
        found += usize::from(here.0 != json!([]));
    }
    for text in searches.iter().step_by(16) {
        let path = format!("GET /products/facets?{}&tag=Black", query(text));
        let counted = (
            one.anyone(&path, Value::Null).await.body,
            other.anyone(&path, Value::Null).await.body,
        );
        assert_eq!(counted.0, counted.1, "{text}");
    }
    found
}

#[tokio::test]
async fn furniture_is_found_alike() {
    if testkit::shared_data().is_none() {
        return;
    }
    let found = alike(furniture()).await;
    assert!(found >= FOUND_MIN, "{found} of 480 found something");
}

#[tokio::test]
async fn sports_goods_are_found_alike() {
    if let Some(folder) = testkit::shared_data() {
        alike(eshop(&folder)).await;
    }
}
