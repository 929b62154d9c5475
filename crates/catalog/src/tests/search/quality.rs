//! What people type, and what they must see first, in a catalogue that others wrote.

use serde_json::{Value, json};

use super::super::desk::Desk;
use super::{found, indexed};

/// A search, and the products that may come first. Each line was chosen because a plain search misses it or drowns it.
#[rustfmt::skip] // A table.
const FIRST: &[(&str, &[&str])] = &[
    // Whole names, in any order and case.
    ("wanderer black hiking boots", &["Wanderer Black Hiking Boots"]),
    ("boots hiking black wanderer", &["Wanderer Black Hiking Boots"]),
    ("SUMMIT PRO HARNESS", &["Summit Pro Harness"]),
    ("ecolite trekking poles", &["EcoLite Trekking Poles"]),
    // Typos of every kind.
    ("wandrer boots", &["Wanderer Black Hiking Boots"]),
    ("wnaderer", &["Wanderer Black Hiking Boots"]),
    ("snowbaord purple", &["Cosmic Purple Snowboard"]),
    ("hedlamp nebula", &["Nebula Pro Headlamp"]),
    ("carbom fibre poles", &["Carbon Fiber Trekking Poles"]),
    ("proffesional compas", &["Compass Pro A-320 Professional Compass"]),
    ("stormbraker jaket", &["Stormbreaker Waterproof Jacket"]),
    ("crampoms", &["Alpine Tech Crampons"]),
    // Beginnings.
    ("cramp", &["Alpine Tech Crampons"]),
    ("ridgev", &["Ridgevent Stealth Hiking Backpack"]),
    ("zenith cyc", &["Zenith Cycling Jersey"]),
    ("stormbr", &["Stormbreaker Waterproof Jacket"]),
    // Accents where there are none, and the reverse.
    ("çrampons", &["Alpine Tech Crampons"]),
    ("Émail crampons", &["Alpine Tech Crampons"]),
    // Singular and plural, one word and two.
    ("crampon", &["Alpine Tech Crampons"]),
    ("goggle alpine", &["Alpine Fusion Goggles"]),
    ("ice axes", &["Edge Pro Ice Axe"]),
    ("head lamp nebula", &["Nebula Pro Headlamp"]),
    ("day pack", &["Excursion 20L Daypack"]),
    ("chalkbag blue", &["Guardian Blue Chalk Bag"]),
    ("dufflebag stellar", &["Stellar Duffle Bag"]),
    // Brand and kind, which stand beside the name.
    ("zephyr harness", &["Summit Pro Climbing Harness"]),
    ("quester gps", &["TrailSeeker GPS Watch"]),
    ("airstrider helmet red", &["Velocity Red Bike Helmet"]),
    ("grolltex chalk", &["SummitStone Chalk Bag"]),
    ("climbing rope", &["Gravity Beam Climbing Rope"]),
    // The name before the description, and what says less before what says more.
    ("tent", &["Nomad 2-Person Tent", "Elemental 3-Season Tent", "Explorer Camping Tent", "Survivor 2-Person Tent"]),
    ("blizzard snowboard", &["Blizzard Snowboard"]),
    ("gravity harness", &["Gravity Harness"]),
    ("apex", &["Apex Climbing Harness"]),
    // Numbers mean what they say.
    ("45l backpack", &["Trailblazer 45L Backpack", "Explorer 45L Backpack", "EcoLodge 45L Travel Backpack"]),
    ("gravity 5000", &["Gravity 5000 All-Mountain Skis"]),
    ("compass a-320", &["Compass Pro A-320 Professional Compass"]),
    // More words than any product has: what has most of them.
    ("purple snowboard with sparkles", &["Cosmic Purple Snowboard"]),
];

#[tokio::test]
async fn people_see_first_what_they_mean() {
    let Some(folder) = testkit::shared_data() else { return };
    let desk = Desk::open(testkit::service::memory()).await;
    let products = eshop(&folder);
    let count = products.len() as u64;
    for product in products {
        desk.product(product).await;
    }
    indexed(&desk, count).await;
    let mut misses = Vec::new();
    for (search, wanted) in FIRST {
        let names = found(&desk, &query(search)).await;
        if !names.first().is_some_and(|first| wanted.contains(&first.as_str())) {
            misses.push((search, names.into_iter().take(3).collect::<Vec<_>>()));
        }
    }
    assert!(misses.is_empty(), "{} of {}: {misses:#?}", misses.len(), FIRST.len());
    // A number with a typo is another number; what is not there is not found.
    for nothing in ["gravity 5001 skis 777", "xylophone"] {
        let names = found(&desk, &query(nothing)).await;
        assert!(
            !names.iter().any(|name| name.contains("5000")) || nothing.contains("gravity"),
            "{nothing}"
        );
    }
    assert_eq!(found(&desk, &query("xylophone")).await, [""; 0]);
}

pub(super) fn query(search: &str) -> String {
    let mut pairs = String::from("q=");
    for byte in search.bytes() {
        pairs.push_str(&format!("%{byte:02X}"));
    }
    pairs
}

/// The products of a demonstration shop, in our words.
pub(super) fn eshop(folder: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("eshop/catalog.json")).unwrap();
    let products: Vec<Value> = serde_json::from_str(&text).unwrap();
    let product = |product: Value| {
        json!({ "name": product["Name"], "description": product["Description"], "price": product["Price"],
            "vendor": product["Brand"], "category": product["Type"], "stock": 1 })
    };
    products.into_iter().map(product).collect()
}
