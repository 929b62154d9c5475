//! The parser and the merge: pure, so every case is a line.

mod round;

use std::io::Read;

use api::catalog::{InventoryPolicy, RejectedRow, Status, StockMode};
use base::Currency;
use proptest::prelude::*;
use serde_json::json;

use super::entry::{Entry, Fact};
use super::merge::merge;
use super::shopify::{Found, Refused, Shopify};

/// Products, broken rows as `line: reason`, and products left out.
fn read(file: impl AsRef<[u8]>) -> Result<(Vec<Entry>, Vec<String>, usize), Refused> {
    let (mut entries, mut failed, mut left_out) = (Vec::new(), Vec::new(), 0);
    for found in Shopify::open(file.as_ref(), Currency::USD)? {
        match found? {
            Found::Product(entry, _) => entries.push(*entry),
            Found::LeftOut(..) => left_out += 1,
            Found::Failed(RejectedRow { line, reason, .. }, _) => failed.push(format!("{line}: {reason}")),
        }
    }
    Ok((entries, failed, left_out))
}

const HEADER: &str =
    "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty,Image Src,Status";

/// `rows` below a usual header: which handles come out, and what is told of the others.
fn check(rows: &[u8], handles: &[&str], told: &[&str]) {
    let file = [HEADER.as_bytes(), b"\n", rows].concat();
    let (entries, failed, _) = read(&file).expect("a file");
    let found: Vec<&str> = entries.iter().map(|entry| entry.handle.as_str()).collect();
    let rows = String::from_utf8_lossy(rows);
    assert_eq!(found, handles, "{rows}\n{failed:?}");
    assert_eq!(failed.len(), told.len(), "{rows}\n{failed:#?}");
    for (failed, told) in failed.iter().zip(told) {
        let (line, words) = told.split_once(": ").expect("a line and words");
        assert!(
            failed.starts_with(&format!("{line}: ")) && failed.contains(words),
            "{rows}\n{failed}\n{told}"
        );
    }
}

#[test]
fn broken_rows_are_told_and_harm_nobody_else() {
    let cases: &[(&[u8], &[&str], &[&str])] = &[
        (
            b"a,A,,,,1,,,\nb,B,,,,cheap,,,\nc,C,,,,3,,,",
            &["a", "c"],
            &["3: Variant Price: (cheap) is no price"],
        ),
        (b"a,A,,,,-1,,,", &[], &["2: negative"]),
        (b"a,A,,,,1.234,,,", &[], &["2: more than the 2 decimal places"]),
        (b"a,A,,,,99999999999.99,,,", &[], &["2: too high"]),
        (b"a,A,,,,$5,,,", &[], &["2: no price"]),
        (b",A,,,,1,,,\nb,B,,,,1,,,", &["b"], &["2: the handle is missing"]),
        // A row of nobody does not tear its neighbours apart.
        (
            b"a,A,Size,S,,1,,,\n,,,M,,1,,,\na,,,L,,1,,,",
            &["a"],
            &["3: the handle is missing"],
        ),
        (
            b"7,A,,,,1,,,\nprd_x,B,,,,1,,,",
            &[],
            &["2: all digits", "3: like an id"],
        ),
        // All broken rows of a product are told, and all faults of a row; the product stays out whole.
        (
            b"a,A,Size,S,,x,,,\na,,,M,,1,,,\na,,,L,,1,y,ftp://z,",
            &[],
            &["2: price", "4: Qty"],
        ),
        (
            b"a,A,,,,x,y,,z",
            &[],
            &["2: Status: (z) is none of active, draft, archived"],
        ),
        (
            b"a,A,Size,S,X1,1,,,\na,,,M,X1,1,,,",
            &[],
            &["3: the SKU \"X1\" stands at another variant"],
        ),
        (
            b"a,A,Size,S,,1,,,\na,,,s,,1,,,",
            &[],
            &["3: the variant s stands twice"],
        ),
        (
            b"a,A,,,,1,,,\na,,,,,2,,,",
            &[],
            &["3: no option values to tell them apart"],
        ),
        (b"a,A,,S,,1,,,", &[], &["2: option 1 has a value but no name"]),
        (
            b"a,A,Size,S,,1,,,\na,,,,,2,,,",
            &[],
            &["3: no value for the option \"Size\""],
        ),
        (
            b"a,A,Size,S,,1,,,\na,,Colour,M,,2,,,",
            &[],
            &["3: called Colour here and Size further up"],
        ),
        (b"a,A,,,,1,1.5,,", &[], &["2: no whole number"]),
        (b"a,A,,,,1,,javascript:alert(1),", &[], &["2: Image Src"]),
        (
            b"a,A,,,,1,,\nb,B,,,,1,,,",
            &["b"],
            &["2: 8 cells where the first line has 9"],
        ),
        (b"a,A,,,,1,,,,extra\nb,B,,,,1,,,,,,", &["b"], &["2: 10 cells"]),
        (
            b"a,\xff\xfe,,,,1,,,\nb,B,,,,1,,,",
            &["b"],
            &["2: the cell Title is no text in UTF-8"],
        ),
        (
            b"\xff,A,,,,1,,,\nb,B,,,,1,,,",
            &["b"],
            &["2: the cell Handle is no text in UTF-8"],
        ),
        (
            b"a,A\0,,,,1,,,\nb,B,,,,1,,,",
            &["b"],
            &["2: Title holds the character U+0000"],
        ),
        // An open quote: the line where it opened is told, and what stands before and below it goes in.
        (
            b"a,A,,,,1,,,\nb,\"B,,,,1,,,\nc,C,,,,1,,,\n",
            &["a", "c"],
            &["3: a quote opens here and never closes"],
        ),
        (
            b"a,A,,,,1,,,\nb,\"two\nlines\",,\"open,,1,,,\nc,C",
            &["a"],
            &["4: a quote opens here", "5: cells"],
        ),
        (b"a,A,,,,1,,,\n\"", &["a"], &["3: a quote opens here"]),
        (b"a,A,Size,S,,1,,,\na,,,\"M,,1,,,\n", &[], &["3: a quote opens here"]),
        // An open quote that the next row closes, with the right number of cells between them.
        (
            b"a,A,,,,1,,,\nb,\"B,,,,1,,,\nc,\"C\",,,,1,,,\nd,D,,,,1,,,\n",
            &["a", "c", "d"],
            &["3: closes amid text"],
        ),
        (
            b"a,\"A \"best\" one\",,,,1,,,\nb,B,,,,1,,,",
            &["b"],
            &["2: must be doubled"],
        ),
        (
            b"a,5\" pipe,,,,1,,,\nb, \"B\" ,,,,1,,,\nc,\"C \"\"c\"\"\",,,,1,,,",
            &["a", "b", "c"],
            &[],
        ),
        (b"\n\n  ,,,,,,,,\r\na,A,,,,1,,,\n\n", &["a"], &[]),
        (b"", &[], &[]),
    ];
    for (rows, handles, told) in cases {
        check(rows, handles, told);
        // The same with the line ends of another system; the cases that count them have them inside quotes too.
        let text: Vec<u8> = rows
            .iter()
            .flat_map(|&byte| if byte == b'\n' { vec![b'\r', b'\n'] } else { vec![byte] })
            .collect();
        if !rows.contains(&b'\r') {
            let file = [HEADER.as_bytes(), b"\r\n", &text].concat();
            let (entries, failed, _) = read(&file).expect("a file");
            let lines = |told: &[&str]| {
                told.iter()
                    .map(|told| told.split(':').next().map(str::to_owned))
                    .collect::<Vec<_>>()
            };
            let failed: Vec<&str> = failed.iter().map(String::as_str).collect();
            assert_eq!(
                (entries.len(), lines(&failed)),
                (handles.len(), lines(told)),
                "CRLF {failed:?}"
            );
        }
    }
}

#[test]
fn what_is_no_product_file_is_refused_whole() {
    for file in [
        &b""[..],
        b"\n\n",
        b"Title,Price\nA,1\n",
        b"\x7fELF\x02\x01\x01\0\0\0",
        b"\x89PNG\r\n\x1a\n\0\0",
        b"\xff\xfeH\0a\0n\0d\0l\0e\0",
        b"{\"products\": []}",
        b"Handle,Title,Title\na,A,B\n",
        b"\"Handle,Title\na,A\n",
    ] {
        let refused = read(file).map(|_| ()).expect_err("no product file");
        assert!(matches!(refused, Refused::NoProducts(_)), "{refused:?}");
    }
    let endless = std::io::repeat(b'x').take(100 << 20);
    assert!(matches!(
        Shopify::open(endless, Currency::USD).map(|_| ()),
        Err(Refused::NoProducts(_))
    ));
}

#[test]
fn a_row_without_end_is_not_kept_in_memory() {
    let file = format!("{HEADER}\na,A,,,,1,,,\nb,\"").into_bytes();
    let file = std::io::Cursor::new(file).chain(std::io::repeat(b'x').take(64 << 20));
    let mut shopify = Shopify::open(file, Currency::USD).expect("a file");
    let mut largest = 0;
    let mut found = Vec::new();
    while let Some(next) = shopify.next() {
        found.push(next.expect("readable"));
        largest = largest.max(shopify.held());
    }
    let [Found::Product(..), Found::Failed(row, _), Found::LeftOut(..)] = &found[..] else {
        panic!("{found:?}")
    };
    assert!(row.line == 3 && largest < 16 << 20, "{row:?}, {largest} bytes held");
}

#[test]
fn cells_become_facts() {
    let file = "\u{feff}Handle,TITLE,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,\
        Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,\
        Variant Compare At Price,Variant Requires Shipping,Variant Barcode,Image Src,Image Position,Image Alt Text,\
        Variant Image,Variant Weight Unit,Variant Tax Code,Colour of box\r\n\
        Oil-Lamp , Oil Lamp ,\"<p>Two\r\nlines</p>\",Smith,Lighting,\"lamp, oil,Lamp\",TRUE,Size,Small,L-1,453.59,,7,\
        continue,10.50,0,false,0123,https://x.test/2.png,2,Lit,https://x.test/v.png,lb,P1,red\r\n\
        oil-lamp,,,,,,,,Large,,,none,-3,,12,15,,,https://x.test/1.png,1,,,,,blue\r\n\
        oil-lamp,,,,,,,,,,,,,,,,,,https://x.test/3.png,,,,,,\r\n";
    let (entries, failed, _) = read(file).expect("a file");
    assert_eq!(failed, Vec::<String>::new());
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    let facts = entry.facts.as_ref().expect("a titled row");
    assert_eq!((entry.handle.as_str(), facts.title.as_str()), ("oil-lamp", "Oil Lamp"));
    assert_eq!(facts.description, Fact::Is("<p>Two\r\nlines</p>".into()));
    assert_eq!(facts.tags, Fact::Is(vec!["lamp".into(), "oil".into()]));
    assert_eq!(facts.status, Fact::Is(Status::Active));
    assert_eq!(json!(facts.metadata.said), json!({ "Colour of box": "red" }));
    let [small, large] = &entry.variants[..] else {
        panic!("{entry:?}")
    };
    assert_eq!(
        (small.price_minor.clone(), small.compare_at_minor.clone()),
        (Fact::Is(1_050), Fact::Blank)
    );
    assert_eq!(
        (small.grams.clone(), small.weight_unit.clone()),
        (Fact::Is(454), Fact::Is("lb".into()))
    );
    assert_eq!(
        (small.tracked.clone(), small.stock.clone()),
        (Fact::Is(true), Fact::Is(7))
    );
    assert_eq!(small.policy, Fact::Is(InventoryPolicy::Continue));
    assert_eq!(small.requires_shipping, Fact::Is(false));
    assert_eq!(
        json!(small.metadata.said),
        json!({ "Variant Image": "https://x.test/v.png" })
    );
    assert_eq!(
        (large.tracked.clone(), large.stock.clone(), large.line),
        (Fact::Is(false), Fact::Is(0), 4)
    );
    assert_eq!(json!(large.metadata.said), json!({ "Colour of box": "blue" }));
    let pictures: Vec<&str> = entry.images.iter().map(|image| image.url.as_str()).collect();
    assert_eq!(
        pictures,
        ["https://x.test/1.png", "https://x.test/2.png", "https://x.test/3.png"]
    );
    assert_eq!(entry.images[1].alt, Fact::Is("Lit".into()));
}

#[test]
fn published_and_status_say_whether_it_is_for_sale() {
    let status = |published: &str, status: &str| {
        let file = format!("Handle,Title,Variant Price,Published,Status\na,A,1,{published},{status}\n");
        let (mut entries, _, _) = read(file).expect("a file");
        merge(entries.remove(0), None, true, StockMode::New)
            .expect("a product")
            .draft
            .facts
            .status
    };
    assert_eq!(status("true", ""), Status::Active);
    assert_eq!(status("", ""), Status::Active);
    assert_eq!(status("FALSE", ""), Status::Draft);
    assert_eq!(status("false", "active"), Status::Draft);
    assert_eq!(status("true", "Draft"), Status::Draft);
    assert_eq!(status("", "archived"), Status::Draft);
}

#[test]
fn a_default_title_is_no_option() {
    let (entries, _, _) =
        read(format!("{HEADER}\na,A,Title,Default Title,,1,,,\nb,B,Title,Mr,,1,,,\n")).expect("a file");
    assert_eq!((entries[0].options.len(), entries[0].variants[0].values.len()), (0, 0));
    assert_eq!(entries[1].options, ["Title"]);
}

#[test]
fn a_product_that_is_new_needs_title_and_price() {
    for (rows, reason) in [
        ("a,,,,,1,,,", "no row carries a title"),
        ("a,A,,,,,,,", "no row carries a price"),
        ("a,A,,,X,,,,", "the price is missing"),
    ] {
        let (mut entries, failed, _) = read(format!("{HEADER}\n{rows}\n")).expect("a file");
        assert_eq!(failed, Vec::<String>::new());
        let failed = merge(entries.remove(0), None, true, StockMode::New).expect_err(rows);
        assert!(failed.reason.contains(reason) && failed.line == 2, "{failed:?}");
    }
}

#[test]
fn the_real_files_are_sound() {
    let Some(folder) = testkit::shared_data() else { return };
    let mut seen = Vec::new();
    for name in ["apparel.csv", "home-and-garden.csv", "jewelery.csv"] {
        let file = std::fs::read(folder.join("shopify").join(name)).expect(name);
        let (entries, failed, left_out) = read(&file).expect(name);
        assert_eq!((failed, left_out), (Vec::new(), 0), "{name}");
        let sum = |count: fn(&Entry) -> usize| entries.iter().map(count).sum::<usize>();
        let pieces: i64 = entries
            .iter()
            .flat_map(|entry| &entry.variants)
            .filter_map(|variant| variant.stock.clone().said())
            .sum();
        let optioned = sum(|entry| usize::from(!entry.options.is_empty()));
        seen.push((
            entries.len(),
            sum(|entry| entry.variants.len()),
            sum(|entry| entry.images.len()),
            optioned,
            pieces,
        ));
    }
    assert_eq!(seen, [(20, 22, 20, 1, 22), (20, 21, 21, 1, 65), (20, 23, 41, 3, 20)]);
}

#[test]
fn the_sample_is_for_every_currency() {
    for (currency, price) in [
        ("JPY", ",2490,"),
        ("USD", ",24.90,"),
        ("BHD", ",24.90,"),
        ("CLF", ",24.90,"),
    ] {
        let currency = currency.parse().unwrap();
        let csv = super::sample(currency).unwrap();
        assert_eq!(super::counted(csv.as_slice(), currency), Some((34, 0)), "{currency}");
        let text = String::from_utf8(csv).unwrap();
        assert!(text.lines().nth(1).unwrap().contains(price), "{currency}");
    }
}

#[test]
fn the_sample_is_sound() {
    let (entries, failed, _) = read(super::SAMPLE).expect("a file");
    assert_eq!(failed, Vec::<String>::new());
    let first = &entries[0];
    assert!(first.options.is_empty() && first.variants[0].stock == Fact::Is(500));
    let category = |entry: &Entry| entry.facts.clone().and_then(|facts| facts.category.said());
    let categories: std::collections::BTreeSet<_> = entries.iter().filter_map(category).collect();
    assert!(
        entries.len() >= 24 && categories.len() >= 6,
        "{} in {categories:?}",
        entries.len()
    );
    assert!(entries.iter().filter(|entry| !entry.options.is_empty()).count() >= 6);
    for entry in entries {
        let merged = merge(entry, None, true, StockMode::New).expect("a product");
        let facts = merged.draft.facts;
        assert!(
            !facts.description.is_empty() && facts.vendor.is_some() && facts.status == Status::Active,
            "{facts:?}"
        );
    }
}

/// Bytes that look like a file: a header, then cells, quotes, commas, line ends and worse.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b",".to_vec()),
        2 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        2 => Just(b"\"".to_vec()),
        1 => Just(b"handle".to_vec()),
        1 => Just(b"9.99".to_vec()),
        1 => Just(b" \"".to_vec()),
        1 => "[a-z0-9 .:/-]{0,8}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(rows in hostile(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for file in [[HEADER.as_bytes(), b"\n", &rows].concat(), rows.clone(), bytes] {
            let Ok((entries, failed, left_out)) = read(&file) else { continue };
            prop_assert!(left_out <= failed.len());
            for entry in entries {
                // Nor the merge; and what it makes, it leaves alone the second time.
                let _ = merge(entry, None, true, StockMode::Set);
            }
        }
    }

    #[test]
    fn a_sound_product_survives_its_broken_neighbours(rows in hostile()) {
        // Quotes could swallow what follows; without them every line stands for itself.
        let rows: Vec<u8> = rows.into_iter().filter(|byte| *byte != b'"').collect();
        let file = [HEADER.as_bytes(), b"\nfirst-one,A,,,,1,,,\n", &rows, b"\nlast-one,Z,,,,1,,,\n"].concat();
        let (entries, _, _) = read(&file).expect("a file");
        for handle in ["first-one", "last-one"] {
            prop_assert!(entries.iter().any(|entry| entry.handle.as_str() == handle), "{}", handle);
        }
    }
}
