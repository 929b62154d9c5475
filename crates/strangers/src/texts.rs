//! Short texts of addresses, bodies and headers.

use std::fmt::Debug;
use std::net::IpAddr;
use std::str::FromStr;

use api::Ref;
use base::{Amount, Currency, Cursor, Handle, Money, Sku};
use gateway::Proxies;
use http::{HeaderMap, HeaderValue, header};
use serve::{Known, Network};

/// Decimals, alone and as JSON, and the money that they are: what is written is read as the same again.
pub(crate) fn amount(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(amount) = serde_json::from_slice::<Amount>(bytes) {
        let written = serde_json::to_string(&amount).expect("an amount can be written");
        assert_eq!(serde_json::from_str::<Amount>(&written).ok(), Some(amount), "{written}");
    }
    let _ = serde_json::from_slice::<base::Quantity>(bytes);
    let _ = Currency::from_str(&text);
    let Ok(amount) = Amount::from_str(&text) else { return };
    assert_eq!(Amount::from_str(&amount.to_string()), Ok(amount), "{text}");
    for code in ["USD", "JPY", "BHD"] {
        let currency: Currency = code.parse().expect("a currency");
        let Ok(money) = Money::from_amount(amount, currency) else {
            continue;
        };
        assert_eq!(Money::from_amount(money.amount(), currency), Ok(money), "{text} {code}");
        assert_eq!(
            money.amount().normal(),
            amount.normal(),
            "no digit is lost: {text} {code}"
        );
        let _ = money.times(9_999);
        let _ = money.plus(money);
        let _ = money.minus(money);
    }
}

/// The places in lists that addresses carry.
pub(crate) fn cursor(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = serve::page(Some(bytes.len() as u32), Some(&text));
    let Ok(cursor) = Cursor::decode(&text) else { return };
    assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor), "{text}");
}

/// Names of records: SKUs, handles, ids, addresses of people.
pub(crate) fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(sku) = Sku::new(&text) {
        assert_eq!(Sku::new(sku.as_str()), Ok(sku.clone()));
    }
    if let Ok(handle) = Handle::new(&text) {
        assert_eq!(Handle::new(handle.as_str()), Ok(handle.clone()));
    }
    let made = base::handle_from(&text);
    assert!(
        made.is_empty() || Handle::new(&made).is_ok(),
        "{text:?} became {made:?}"
    );
    let folded = base::fold(&text);
    assert_eq!(base::fold(&folded), folded, "{text:?}");
    let named = Ref::new(&text);
    assert_eq!(Ref::new(&named.to_string()), named);
    same::<base::ProductId>(&text);
    same::<base::Time>(&text);
    let (country, code) = text.split_once('\n').unwrap_or(("US", &text));
    if let Some(country) = base::country_code(country) {
        assert_eq!(base::country_code(country), Some(country));
        if let Ok(code) = base::postal_code(country, code) {
            assert_eq!(base::postal_code(country, &code), Ok(code.clone()), "{country} {code}");
        }
    }
    if let Ok(address) = serde_json::from_slice::<base::Address>(bytes)
        && let Ok(address) = address.checked()
    {
        assert_eq!(
            address.clone().checked().ok(),
            Some(address),
            "a checked address passes again"
        );
    }
}

/// What is read of a text is read of what it is written as.
fn same<T: FromStr + ToString + PartialEq + Debug>(text: &str) {
    if let Ok(one) = text.parse::<T>() {
        assert_eq!(one.to_string().parse().ok(), Some(one), "{text}");
    }
}

/// What proxies and caches say in headers: each line is one.
pub(crate) fn forwarded(bytes: &[u8]) {
    let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().expect("a network")];
    let _ = String::from_utf8_lossy(bytes).parse::<Network>();
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let stranger = IpAddr::from([203, 0, 113, 9]);
    for write_forwarded in [false, true] {
        let proxies = Proxies {
            trusted: trusted.clone(),
            write_forwarded,
        };
        let mut headers = HeaderMap::new();
        for line in bytes.split(|byte| *byte == b'\n') {
            let Ok(line) = HeaderValue::from_bytes(line) else {
                continue;
            };
            headers.append("x-forwarded-for", line.clone());
            headers.append(header::FORWARDED, line.clone());
            headers.insert(header::IF_MATCH, line.clone());
            headers.insert(header::IF_NONE_MATCH, line);
        }
        assert_eq!(
            proxies.client(stranger, &headers),
            stranger,
            "a stranger vouches for nobody"
        );
        let client = proxies.client(proxy, &headers);
        assert_eq!(client, serve::plain(client));
        let known = Known::from(&headers);
        let (tag, other) = ("\"7-3\"", "\"8-3\"");
        let _ = (known.is_fresh(tag), known.permits(other));
    }
}
