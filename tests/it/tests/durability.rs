//! What was acknowledged survives a loss of power, since it was flushed before it was answered.
//!
//! The shop runs on a disk that forgets what was not flushed. SIGKILL cannot show this: it leaves the system's
//! page cache alone. That the test would notice is shown by the same shop without flushes, which must lose orders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Ids;
use ironmonger::compose::{Place, Seams};
use it::inside::Inside;
use testkit::load::{Ledger, Load, Mix, Stand, seed};
use testkit::steps::Books;
use testkit::vfs::Disk;

/// How often power is lost.
const ROUNDS: u64 = 10;
/// People who shop at once.
const SHOPPERS: usize = 6;
/// Power fails at the latest after this many milliseconds of shopping.
const LATEST_MS: u64 = 800;
/// A short lease and payment window, so that orders come to rest soon.
const SETTINGS: [(&str, &str); 3] = [
    ("IRONMONGER_ORDERS_PAYMENT_WINDOW_SECONDS", "2"),
    ("IRONMONGER_LIMITS_LEASE_SECONDS", "1"),
    ("IRONMONGER_TOKENS_ACCESS_MINUTES", "1440"),
];

/// A shop that has lost power, what it had acknowledged before, and who knows of it.
struct Dark {
    folder: PathBuf,
    stand: Stand,
    told: Ledger,
    flushes: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_loss_of_power() {
    let seed = seed("IRONMONGER_POWER_SEED");
    println!("{ROUNDS} losses of power; IRONMONGER_POWER_SEED={seed} repeats their choices");
    let home = tempfile::tempdir().expect("a folder");
    let mut folder = home.path().join("new");
    std::fs::create_dir(&folder).expect("a folder");
    let (mut stand, mut told) = (None, Ledger::default());
    for round in 0..ROUNDS {
        let dice = Ids::seeded(seed.wrapping_add(round));
        // Half of the time some of what was not flushed reaches the disk all the same.
        let dark = runs_until_dark(&folder, stand, &dice, round % 2 == 0, false).await;
        folder = home.path().join(round.to_string());
        std::fs::create_dir(&folder).expect("a folder");
        Disk::salvage(&dark.folder, &folder);

        let shop = Inside::start(&Place::Folder(folder.clone()), &SETTINGS, &Seams::default()).await;
        let lit = reach(&dark.stand, &shop);
        dark.told.is_kept(&lit.admin).await;
        Books::Files(folder.clone()).come_to_rest(0).await;
        dark.told.is_settled(&lit.admin).await;
        dark.told.is_repeatable(&lit.visitor).await;
        Books::Files(folder.clone()).come_to_rest(0).await;
        assert_eq!(shop.findings().await, Vec::<String>::new());
        println!(
            "round {round}: {} acknowledged, {} flushes",
            dark.told.acks.len(),
            dark.flushes
        );
        told.took(dark.told.acks);
        told.is_kept(&lit.admin).await;
        shop.stop().await;
        stand = Some(dark.stand);
    }
    assert!(!told.acks.is_empty(), "nothing was acknowledged, so nothing was shown");
}

/// Without flushes the same shop loses what it acknowledged: the test above can fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_flushes_orders_are_lost() {
    let home = tempfile::tempdir().expect("a folder");
    let dark = runs_until_dark(home.path(), None, &Ids::random(), false, true).await;
    assert!(
        !dark.told.acks.is_empty(),
        "nothing was acknowledged, so nothing can be lost"
    );
    let books = tempfile::tempdir().expect("a folder");
    Disk::salvage(&dark.folder, books.path());
    let kept = Books::Files(books.path().to_owned()).known_orders();
    let lost = dark.told.acks.iter().filter(|ack| !kept.contains(&ack.id)).count();
    println!(
        "{lost} of {} acknowledged orders are lost without flushes",
        dark.told.acks.len()
    );
    assert!(
        lost > 0,
        "nothing was lost though nothing was flushed: the disk does not forget, or the shop flushes still"
    );
}

/// Opens the folder on a disk that forgets, lets people shop, and takes the power away.
async fn runs_until_dark(folder: &Path, stand: Option<Stand>, dice: &Ids, torn: bool, loose: bool) -> Dark {
    let disk = Disk::new();
    let name = disk.name().to_owned();
    let seams = Seams {
        settings: Box::new(move |mut settings| {
            settings.vfs = Some(name.clone());
            settings.loose_synchronous = loose;
            settings
        }),
        ..Seams::default()
    };
    let shop = Inside::start(&Place::Folder(folder.to_owned()), &SETTINGS, &seams).await;
    let stand = match stand {
        Some(stand) => reach(&stand, &shop),
        None => open(&shop).await,
    };
    let load = Load::start(&stand, Mix::USUAL, dice.below(u64::MAX));
    load.go_on_for(Duration::from_millis(200 + dice.below(LATEST_MS))).await;
    load.ends();
    disk.lose_power(torn.then_some(dice));
    let told = load.ended().await;
    shop.stop().await;
    Dark {
        folder: folder.to_owned(),
        stand,
        told,
        flushes: disk.flushes(),
    }
}

/// The same people at the door of a shop that has started anew.
fn reach(stand: &Stand, shop: &Inside) -> Stand {
    let here = |client: &testkit::Client| shop.visitor.with_token(client.token());
    Stand {
        visitor: shop.visitor.clone(),
        admin: here(&stand.admin),
        customers: stand.customers.iter().map(here).collect(),
        ..stand.clone()
    }
}

async fn open(shop: &Inside) -> Stand {
    let admin = shop.admin().await;
    let product = |name: String, stock: i64| {
        let body = serde_json::json!({ "name": name, "price": 19.99, "stock": stock });
        let call = admin.post("/api/products", body);
        async move { call.send().await.is(201) }
    };
    let mut products = Vec::new();
    for number in 0..6 {
        products.push(product(format!("Anvil {number}"), 1_000_000).await);
    }
    let mut customers = Vec::new();
    for number in 0..SHOPPERS {
        let body = serde_json::json!({ "username": format!("ada-{number}"), "password": testkit::shop::PASSWORD });
        let session = shop.visitor.post("/api/auth/register", body).send().await.is(201);
        customers.push(shop.visitor.with_token(session["token"].as_str().expect("a token")));
    }
    let scarce = product("Tongs".into(), 9).await;
    Stand {
        visitor: shop.visitor.clone(),
        admin,
        customers,
        products,
        scarce,
    }
}
