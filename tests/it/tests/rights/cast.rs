//! Everybody who calls, and what they call about.

use std::collections::HashMap;
use std::time::Duration;

use base::{Clock, Ids, SessionId, UserId};
use ironmonger::config::Config;
use ironmonger::{folder, signing};
use it::{guest, order_with, profile, register, text};
use serde_json::{Value, json};
use serve::Role;
use testkit::shop::{ADMIN_EMAIL, ADMIN_PASSWORD, PASSWORD};
use testkit::{Client, Shop};

/// Who calls, in the order of the table's columns. `owner` is the customer whose records are called about; `staff` and
/// `key` have exactly what a row needs, `blind` and `blindkey` everything else; `revoked` and `expired` are tokens of an
/// administrator.
pub const WHO: [&str; 12] = [
    "nobody", "guest", "owner", "other", "blind", "staff", "admin", "service", "key", "blindkey", "revoked", "expired",
];

const AREAS: [&str; 5] = ["catalog", "orders", "payments", "customers", "settings"];

pub struct Cast {
    owner: Client,
    tokens: HashMap<String, String>,
    records: HashMap<&'static str, String>,
    /// Records that were made for a call that was to be refused: the next one may have them.
    spare: HashMap<String, String>,
}

impl Cast {
    /// The people and records that do not depend on the row.
    pub async fn gather(shop: &Shop) -> Cast {
        let owner = shop.customer("ada").await;
        let other = shop.customer("eve").await;
        let visitor = guest(shop).await;
        let product = shop.product("10", 1_000).await;
        let placed = owner.buy(&product, 1).await;
        let cart = owner.add(&product, 1).await;
        let payment = it::payment(&owner, &placed["orderId"]).await;
        let text = |value: &Value, field: &str| text(value, field).to_owned();
        let ada = profile(&owner).await;
        let records = HashMap::from([
            ("{ada}", text(&ada, "id")),
            ("{name}", text(&ada, "username")),
            ("{order}", text(&placed, "orderId")),
            ("{payment}", text(&payment, "id")),
            ("{product}", text(&product, "id")),
            ("{variant}", text(&product["variants"][0], "id")),
            ("{item}", text(&cart["cart"][0], "id")),
            ("{no-key}", "key_00000000000000000000000009".to_owned()),
            ("{no-session}", "ses_00000000000000000000000009".to_owned()),
            ("{no-product}", "prd_00000000000000000000000009".to_owned()),
            ("{no-order}", "ord_00000000000000000000000009".to_owned()),
            ("{no-user}", "usr_00000000000000000000000009".to_owned()),
            ("{password}", PASSWORD.to_owned()),
        ]);

        // What the shop signs with, to sign what it would not.
        let data = shop.data().display().to_string();
        let settings = [("IRONMONGER_DATA".to_owned(), data)];
        let mut config = Config::read(None, settings.into_iter()).expect("the settings are right");
        folder::fill_secrets(&mut config).expect("the folder has secrets");
        let keys = |clock| signing::keys(&config, clock, Ids::random()).expect("the folder has keys");
        let system = Clock::system();
        let before = Clock::paused(system.now().before(Duration::from_secs(3_600)));
        let session: SessionId = Ids::random().next(before.now());
        let admin: UserId = self::id(&shop.admin).await;
        let (expired, _) = keys(before).sign_user(admin, Role::Admin, session, Duration::from_secs(900));
        let service = keys(system).service_token("orders").to_string();

        let login = json!({ "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD });
        let session = shop.visitor.post("/api/auth/login", login).send().await.is(200);
        let revoked = it::of(shop, &session);
        revoked.post("/api/auth/logout", json!({})).send().await.is(204);
        let tokens = HashMap::from([
            ("guest".to_owned(), text(&visitor, "token")),
            ("owner".to_owned(), owner.token().to_owned()),
            ("other".to_owned(), other.token().to_owned()),
            ("admin".to_owned(), shop.admin.token().to_owned()),
            ("service".to_owned(), service),
            ("revoked".to_owned(), revoked.token().to_owned()),
            ("expired".to_owned(), expired),
        ]);
        Cast {
            owner,
            tokens,
            records,
            spare: HashMap::new(),
        }
    }

    /// What somebody shows at a route that needs this permission; none when it needs no one permission.
    pub async fn token(&mut self, shop: &Shop, who: &str, needs: &str) -> Option<String> {
        let machine = match who {
            "nobody" => return None,
            "staff" | "blind" => false,
            "key" | "blindkey" => true,
            _ => return self.tokens.get(who).cloned(),
        };
        let known = format!("{who} {needs}");
        if let Some(token) = self.tokens.get(&known) {
            return Some(token.clone());
        }
        let permissions = match who.starts_with("blind") {
            true => all_but(needs),
            false if needs.is_empty() => AREAS.iter().map(|area| format!("{area}:write")).collect(),
            false => vec![needs.to_owned()],
        };
        let token = match machine {
            true => key(shop, &permissions).await,
            false => clerk(shop, &permissions).await.1,
        };
        self.tokens.insert(known, token.clone());
        Some(token)
    }

    /// Signs the owner in again when a call has ended their session.
    pub async fn come_back(&mut self, shop: &Shop) {
        let known = self.owner.get("/api/auth/verify").unchecked().send().await;
        if known.status == 200 {
            return;
        }
        let login = json!({ "username": self.records["{name}"], "password": PASSWORD });
        let session = shop.visitor.post("/api/auth/login", login).send().await.is(200);
        self.owner = it::of(shop, &session);
        self.tokens.insert("owner".to_owned(), self.owner.token().to_owned());
    }

    /// A text of the table with the names of records; `{new-…}` are made for this call, unless it `keeps` them.
    pub async fn fill(&mut self, shop: &Shop, text: &str, keeps: bool) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.records {
            text = text.replace(name, value);
        }
        while let Some(name) = text.split(['{', '}']).find(|part| part.starts_with("new-")) {
            let (name, spare) = (name.to_owned(), self.spare.remove(name));
            let made = match spare {
                Some(spare) => spare,
                None => self.made(shop, &name).await,
            };
            text = text.replace(&format!("{{{name}}}"), &made);
            if keeps {
                self.spare.insert(name, made);
            }
        }
        text
    }

    async fn made(&mut self, shop: &Shop, name: &str) -> String {
        match name {
            "new-order" => {
                let product = json!({ "id": self.records["{product}"] });
                let placed = order_with(&self.owner, &product, json!({})).await;
                text(&placed, "orderId").to_owned()
            }
            "new-unpaid" => {
                let product = json!({ "id": self.records["{product}"] });
                let token = json!({ "paymentToken": "tok_declined" });
                text(&order_with(&self.owner, &product, token).await, "orderId").to_owned()
            }
            "new-item" => {
                let product = json!({ "id": self.records["{product}"] });
                let cart = self.owner.add(&product, 1).await;
                text(&cart["cart"][0], "id").to_owned()
            }
            "new-session" => {
                let login = json!({ "username": self.records["{name}"], "password": PASSWORD });
                let session = shop.visitor.post("/api/auth/login", login).send().await.is(200);
                let path = format!("/api/users/{}/sessions", self.records["{ada}"]);
                let sessions = it::of(shop, &session).get(&path).send().await.is(200);
                let current = it::list(&sessions).iter().find(|one| one["current"] == true);
                text(current.expect("the session"), "id").to_owned()
            }
            other => panic!("nobody knows what {other} is"),
        }
    }
}

/// Tokens that count until [`Ending::end`].
pub struct Ending {
    /// Of a session, of an API key, of a clerk.
    pub tokens: [String; 3],
    key: String,
    clerk: String,
}

impl Cast {
    /// A session that will be ended, a key that will be revoked, a clerk who will be none.
    pub async fn ending(&self, shop: &Shop) -> Ending {
        let login = json!({ "username": self.records["{name}"], "password": PASSWORD });
        let session = shop.visitor.post("/api/auth/login", login).send().await.is(200);
        let body = json!({ "name": "machine", "permissions": ["orders:read"] });
        let key = shop.admin.post("/api/keys", body).send().await.is(201);
        let (clerk, token) = clerk(shop, &["orders:read".to_owned()]).await;
        Ending {
            tokens: [text(&session, "token").to_owned(), text(&key, "key").to_owned(), token],
            key: text(&key, "id").to_owned(),
            clerk,
        }
    }
}

impl Ending {
    /// Ends them.
    pub async fn end(&self, shop: &Shop) {
        let session = shop.visitor.with_token(&self.tokens[0]);
        session.post("/api/auth/logout", json!({})).send().await.is(204);
        shop.admin
            .delete(&format!("/api/keys/{}", self.key))
            .send()
            .await
            .is(204);
        let path = format!("/api/users/{}/role", self.clerk);
        shop.admin
            .put(&path, json!({ "role": "customer" }))
            .send()
            .await
            .is(200);
    }
}

/// Everything but one permission.
fn all_but(needs: &str) -> Vec<String> {
    let Some((without, verb)) = needs.split_once(':') else {
        return Vec::new();
    };
    let others = AREAS.iter().filter(|area| **area != without);
    let mut permissions: Vec<String> = others.map(|area| format!("{area}:write")).collect();
    if verb == "write" {
        permissions.push(format!("{without}:read"));
    }
    permissions
}

async fn id(who: &Client) -> UserId {
    text(&profile(who).await, "id").parse().expect("an id")
}

/// A clerk with these permissions: who, and a token.
async fn clerk(shop: &Shop, permissions: &[String]) -> (String, String) {
    let name = shop.name("clerk");
    let session = register(shop, json!({ "username": name })).await;
    let role = json!({ "role": "staff", "permissions": permissions });
    let path = format!("/api/users/{}/role", text(&session["user"], "id"));
    shop.admin.put(&path, role).send().await.is(200);
    let login = json!({ "username": name, "password": PASSWORD });
    let session = shop.visitor.post("/api/auth/login", login).send().await.is(200);
    (
        text(&session["user"], "id").to_owned(),
        text(&session, "token").to_owned(),
    )
}

/// An API key with these permissions; with one that leads nowhere where there are none, since a key has some.
async fn key(shop: &Shop, permissions: &[String]) -> String {
    let permissions = match permissions {
        [] => &["settings:read".to_owned()],
        some => some,
    };
    let body = json!({ "name": "machine", "permissions": permissions });
    let made = shop.admin.post("/api/keys", body).send().await.is(201);
    text(&made, "key").to_owned()
}
