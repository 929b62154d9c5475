//! Tokens that are none, and tokens that somebody made.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use it::text;
use serde_json::{Value, json};
use sha2::Sha256;
use testkit::Shop;

use crate::stage::Stage;

/// Makes tokens, with the shop's own key where only what they say is to be wrong.
struct Forge {
    own: SigningKey,
    strange: SigningKey,
    head: Value,
    claims: Value,
    /// The shop's keys as everybody may read them.
    public: Value,
}

impl Forge {
    /// With a guest's token as the pattern.
    async fn open(shop: &Shop, pattern: &str) -> Forge {
        let secrets = std::fs::read_to_string(shop.data().join("secrets.toml")).expect("the secrets");
        let seed = secrets.lines().find_map(|line| line.strip_prefix("signing_key = \""));
        let seed = seed.expect("the key").as_bytes().chunks(2).take(32);
        let byte = |digits: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(digits), 16).expect("hex");
        let seed: Vec<u8> = seed.map(byte).collect();
        let mut parts = pattern.split('.').map(read);
        Forge {
            own: SigningKey::from_bytes(&seed.try_into().expect("32 bytes")),
            strange: SigningKey::from_bytes(&[7; 32]),
            head: parts.next().expect("a header"),
            claims: parts.next().expect("claims"),
            public: shop
                .visitor
                .get("/.well-known/jwks.json")
                .unchecked()
                .send()
                .await
                .is(200)["keys"][0]
                .clone(),
        }
    }

    fn sign(&self, key: &SigningKey, head: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", write(head), write(claims));
        format!(
            "{text}.{}",
            URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).to_bytes())
        )
    }

    /// The shop's own signature over a header with another field.
    fn head(&self, field: &str, value: Value) -> String {
        self.sign(&self.own, &with(&self.head, field, value), &self.claims)
    }

    /// The shop's own signature over claims with another one.
    fn claim(&self, field: &str, value: Value) -> String {
        self.sign(&self.own, &self.head, &with(&self.claims, field, value))
    }

    /// A shared secret's signature over an administrator's claims.
    fn mac(&self, key: &[u8]) -> String {
        let head = with(&self.head, "alg", json!("HS256"));
        let text = format!(
            "{}.{}",
            write(&head),
            write(&with(&self.claims, "role", json!("admin")))
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
        mac.update(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// What must not count, made from a token that does.
    fn bad(&self, good: &str) -> Vec<(&'static str, String)> {
        let Forge {
            strange,
            head,
            claims,
            public,
            ..
        } = self;
        let key = URL_SAFE_NO_PAD.decode(text(public, "x")).expect("base64");
        let part = |at: usize| good.split('.').nth(at).expect("three parts");
        let (none, other) = (with(head, "alg", json!("none")), with(head, "alg", json!("None")));
        let issued = claims["iat"].as_i64().expect("a time");
        let foreign = json!({ "alg": "EdDSA", "typ": head["typ"] });
        let mut bad = vec![
            ("nothing", String::new()),
            ("a word", "token".into()),
            ("dots", "..".into()),
            ("too many parts", format!("{good}.x")),
            ("cut off", good[..good.len() - 5].into()),
            ("no signature", format!("{}.{}.", part(0), part(1))),
            (
                "other claims",
                format!(
                    "{}.{}.{}",
                    part(0),
                    write(&with(claims, "role", json!("admin"))),
                    part(2)
                ),
            ),
            ("alg none", format!("{}.{}.", write(&none), part(1))),
            ("alg none, signed", format!("{}.{}.{}", write(&other), part(1), part(2))),
            ("HS256 by the public key", self.mac(&key)),
            ("HS256 by nothing", self.mac(b"")),
            ("a stranger's key", self.sign(strange, head, claims)),
            ("a stranger's key without a kid", self.sign(strange, &foreign, claims)),
            (
                "a key that it brings along",
                self.sign(strange, &with(head, "jwk", public.clone()), claims),
            ),
            ("wrong kid", self.head("kid", json!("other"))),
            ("SQL for a kid", self.head("kid", json!("' OR 1=1"))),
            ("critical extension", self.head("crit", json!(["x"]))),
            ("expired", self.claim("exp", json!(issued - 3_600))),
            ("other issuer", self.claim("iss", json!("elsewhere"))),
            ("other audience", self.claim("aud", json!("elsewhere"))),
            ("other type", self.claim("typ", json!("refresh"))),
            (
                "subject of the wrong kind",
                self.claim("sub", json!("prd_01m7vxwbby2rq20axkq0vrfb2z")),
            ),
            ("no such role", self.claim("role", json!("owner"))),
            ("claims that are none", self.sign(&self.own, head, &json!([1]))),
            ("very long", "x".repeat(20_000)),
        ];
        for field in ["exp", "sub", "aud", "iss"] {
            let mut fewer = claims.clone();
            fewer.as_object_mut().expect("claims").remove(field);
            bad.push((field, self.sign(&self.own, head, &fewer)));
        }
        bad
    }
}

fn read(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).unwrap_or_default()
}

fn write(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn with(value: &Value, field: &str, new: Value) -> Value {
    let mut value = value.clone();
    value[field] = new;
    value
}

/// None of them counts, at no door.
pub async fn tokens(stage: &Stage) {
    let shop = &stage.shop;
    let good = text(&it::guest(shop).await, "token").to_owned();
    let forge = Forge::open(shop, &good).await;
    let own = shop.visitor.with_token(&forge.claim("jti", json!("another")));
    assert_eq!(own.get("/api/cart").send().await.status, 200, "the forge works");
    let product = format!("/api/products/{}", text(&stage.product, "id"));
    for (what, token) in forge.bad(&good) {
        let who = shop.visitor.with_token(&token);
        let calls = [
            who.get("/api/cart"),
            who.post("/api/orders", json!({})),
            who.delete(&product),
            who.get("/api/auth/verify"),
            who.get("/api/products?limit=1"),
            // Each service sees for itself.
            who.at(&shop.fleet.part_url("cart")).get("/cart"),
        ];
        for call in calls {
            let answer = call.send().await;
            assert_eq!(answer.status, 401, "{what}: {}", answer.text());
            assert!(
                answer.header("www-authenticate").starts_with("Bearer"),
                "{what}: {:?}",
                answer.headers
            );
        }
    }
    for scheme in ["Basic dXNlcjpwYXNz", "Bearer", "bearer", "Token abc", "Bearer a b"] {
        let answer = shop
            .visitor
            .get("/api/cart")
            .header("authorization", scheme)
            .send()
            .await;
        assert_eq!(answer.status, 401, "{scheme}: {}", answer.text());
    }
    // Who brings credentials of their own is not refused for an old token.
    let account = json!({ "username": shop.name("late"), "password": "password1" });
    let expired = shop.visitor.with_token(&forge.claim("exp", json!(1)));
    expired.post("/api/auth/register", account).send().await.is(201);
}
