//! A running shop and the people in it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::fleet::{Fleet, Shape};
use crate::postgres;
use crate::steps::Books;

/// The administrator of every test shop.
pub const ADMIN_EMAIL: &str = "admin@example.com";
/// Their password.
pub const ADMIN_PASSWORD: &str = "correct horse battery";
/// A password that will do.
pub const PASSWORD: &str = "password1";

/// Where a test shop keeps its books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Files in a folder.
    Sqlite,
    /// A fresh database on the suite's server.
    Postgres,
}

/// A running shop, its folder and its administrator.
pub struct Shop {
    /// Its processes.
    pub fleet: Fleet,
    /// Somebody without a token.
    pub visitor: Client,
    /// The administrator.
    pub admin: Client,
    /// The address of its database, on PostgreSQL.
    pub database: Option<String>,
    folder: TempDir,
    names: AtomicU64,
}

impl Shop {
    /// Starts a shop with an empty catalogue. `env` goes to every process.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(shape: Shape, engine: Engine, env: &[(&str, &str)]) -> Shop {
        let folder = tempfile::tempdir().expect("a folder for the shop");
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(postgres::database().await.expect("a database for the shop")),
        };
        let mut all = vec![("ADMIN_EMAIL", ADMIN_EMAIL), ("ADMIN_PASSWORD", ADMIN_PASSWORD)];
        all.extend_from_slice(env);
        let fleet = Fleet::start(shape, folder.path().join("data"), database.as_deref(), &all).await;
        let visitor = Client::connect(&fleet.base_url()).await;
        let login = json!({ "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD });
        let session = visitor.post("/api/auth/login", login).send().await.is(200);
        let admin = visitor.with_token(session["token"].as_str().expect("a token"));
        Shop {
            fleet,
            visitor,
            admin,
            database,
            folder,
            names: AtomicU64::new(0),
        }
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its books, to look into.
    pub fn books(&self) -> Books {
        match &self.database {
            Some(url) => Books::Server(url.clone()),
            None => Books::Files(self.data()),
        }
    }

    /// Has `ironmonger doctor` look at the books, which have come to rest.
    ///
    /// # Panics
    /// When they do not balance.
    #[track_caller]
    pub fn balances(&mut self) {
        let done = self.fleet.process("gateway").run(&["doctor", "--rested", "0"]);
        let said = String::from_utf8_lossy(&done.stdout);
        let why = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "the doctor says:\n{said}{why}");
    }

    /// A word that no other call of this gives.
    pub fn name(&self, word: &str) -> String {
        format!("{word}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// A new customer with an account.
    pub async fn customer(&self, name: &str) -> Client {
        let body = json!({ "username": self.name(name), "password": PASSWORD });
        let session = self.visitor.post("/api/auth/register", body).send().await.is(201);
        self.visitor.with_token(session["token"].as_str().expect("a token"))
    }

    /// A new guest.
    pub async fn guest(&self) -> Client {
        let session = self.visitor.post("/api/auth/guest", json!({})).send().await.is(200);
        self.visitor.with_token(session["token"].as_str().expect("a token"))
    }

    /// A new product without options, with so many pieces.
    pub async fn product(&self, price: &str, stock: i64) -> Value {
        let price: Value = serde_json::from_str(price).expect("a price");
        let body = json!({ "name": self.name("Anvil"), "price": price, "stock": stock });
        self.admin.post("/api/products", body).send().await.is(201)
    }

    /// What there is of a product: stock, reserved, available.
    pub async fn stock(&self, product: &Value) -> Value {
        let path = format!("/api/products/{}/stock", product["id"].as_str().expect("an id"));
        self.admin.get(&path).send().await.is(200)
    }
}

impl Client {
    /// Puts pieces of a product into the cart.
    pub async fn add(&self, product: &Value, quantity: i64) -> Value {
        let body = json!({ "productId": product["id"], "quantity": quantity });
        self.post("/api/cart", body).send().await.is(201)
    }

    /// Orders what is in the cart; the answer to the new order.
    pub async fn checkout(&self) -> Value {
        self.post("/api/orders", json!({})).send().await.is(201)
    }

    /// Orders so many pieces of a product, the cart left alone.
    pub async fn buy(&self, product: &Value, quantity: i64) -> Value {
        let items = json!({ "items": [{ "productId": product["id"], "quantity": quantity }] });
        self.post("/api/orders", items).send().await.is(201)
    }

    /// An order as it now stands.
    pub async fn order(&self, id: &Value) -> Value {
        let path = format!("/api/orders/{}", id.as_str().expect("an order's id"));
        self.get(&path).send().await.is(200)
    }
}
