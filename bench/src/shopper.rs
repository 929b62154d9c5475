//! What shoppers do: the errands whose time is taken.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use anyhow::{Context, Result, bail};

use crate::http::{Answer, Connection, Request};

/// Adds after which a cart is emptied, outside the counted time: carts of real shops are small.
const ADDS_PER_CART: u32 = 400;
/// Products that one shopper puts into a cart in turn.
const PRODUCTS_PER_CART: usize = 3;
/// How often an order that is not confirmed yet is looked at.
const LOOKS_MAX: u32 = 200;
/// How often it is looked whether an index is whole.
const INDEX_LOOKS_MAX: u32 = 1_500;
/// The first of the made-up addresses, 10.0.0.0 and what follows.
const MADE_UP: u32 = 10 << 24;
/// The password of every account of the bench.
pub const PASSWORD: &str = "correct horse battery staple";

/// What is done again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Reads a path, whatever it answers: for floors.
    Get(String),
    /// Reads one of the products.
    Read,
    /// Reads a path through a proxy, each time from another one of so many addresses. A refusal for asking too often is
    /// an answer too.
    ReadFrom(String, u32),
    /// Sends JSON to a path that answers it.
    Send(String, Rc<str>),
    /// Reads the first 20 products.
    List,
    /// Searches for two or three words, in every third search with a typo, in every third with a beginning.
    Search,
    /// Counts what a word finds, by every facet.
    Facets,
    /// Puts a piece into the cart.
    Add,
    /// Signs in with a password.
    Login,
    /// Puts a piece into the cart and orders it, until the answer says that the order is confirmed.
    Purchase,
    /// The same, and everybody wants the same product.
    PurchaseHot,
}

/// What shoppers know of a shop.
#[derive(Debug)]
pub struct Catalogue {
    /// Ids of products that can be had.
    pub products: Vec<String>,
}

/// Somebody with a connection and a token.
#[derive(Debug)]
pub struct Shopper {
    connection: Connection,
    catalogue: Rc<Catalogue>,
    /// The account's address; accounts exist for those who sign in.
    pub email: String,
    token: String,
    dice: u64,
    adds: u32,
    turns: u64,
    name: usize,
    /// Orders that were acknowledged as confirmed, kept when asked for.
    pub acknowledged: Option<Vec<String>>,
    scratch: String,
}

impl Shopper {
    /// A shopper without a token.
    pub fn new(name: usize, address: SocketAddr, catalogue: Rc<Catalogue>) -> Self {
        Self {
            connection: Connection::to(address),
            catalogue,
            email: format!("shopper{name}@example.com"),
            token: String::new(),
            dice: 0x9E37_79B9_7F4A_7C15 ^ (name as u64 + 1).wrapping_mul(0xD129_0FF3_1C5B_7A31),
            adds: 0,
            turns: 0,
            name,
            acknowledged: None,
            scratch: String::new(),
        }
    }

    /// Becomes a guest.
    ///
    /// # Errors
    /// The shop does not take guests.
    pub async fn enter(&mut self) -> Result<()> {
        let answer = self.connection.call(Request::post("/api/auth/guest", "{}")).await?;
        let token = wanted(&answer, &[200, 201])?.text("token").context("a guest's token")?;
        self.token = token.to_owned();
        Ok(())
    }

    /// Opens an account and uses it from now on.
    ///
    /// # Errors
    /// The shop refuses.
    pub async fn register(&mut self) -> Result<()> {
        let body = format!(
            r#"{{"email":"{}","password":"{PASSWORD}","name":"Shopper {}"}}"#,
            self.email, self.name
        );
        let answer = self.connection.call(Request::post("/api/auth/register", &body)).await?;
        if answer.status == 409 {
            return self.sign_in().await;
        }
        let token = wanted(&answer, &[201])?.text("token").context("an account's token")?;
        self.token = token.to_owned();
        Ok(())
    }

    async fn sign_in(&mut self) -> Result<()> {
        let body = format!(r#"{{"email":"{}","password":"{PASSWORD}"}}"#, self.email);
        let answer = self.connection.call(Request::post("/api/auth/login", &body)).await?;
        let token = wanted(&answer, &[200])?.text("token").context("a token")?;
        self.token = token.to_owned();
        Ok(())
    }

    /// Whoever has it is this shopper.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Runs an errand once.
    ///
    /// # Errors
    /// Anything but the answer that the errand is about.
    pub async fn run(&mut self, errand: &Errand) -> Result<()> {
        match errand {
            Errand::Get(path) => wanted(&self.connection.call(Request::get(path)).await?, &[200]).map(drop),
            Errand::Read => {
                self.scratch.clear();
                self.scratch.push_str("/api/products/");
                let product = draw(&mut self.dice, &self.catalogue.products);
                self.scratch.push_str(product);
                wanted(&self.connection.call(Request::get(&self.scratch)).await?, &[200]).map(drop)
            }
            Errand::ReadFrom(path, addresses) => {
                let from = Ipv4Addr::from(MADE_UP + (roll(&mut self.dice) % u64::from(*addresses)) as u32);
                let request = Request {
                    from: Some(from),
                    ..Request::get(path)
                };
                wanted(&self.connection.call(request).await?, &[200, 429]).map(drop)
            }
            Errand::Send(path, body) => {
                wanted(&self.connection.call(Request::post(path, body)).await?, &[200]).map(drop)
            }
            Errand::List => {
                let answer = self.connection.call(Request::get("/api/products?limit=20")).await?;
                wanted(&answer, &[200]).map(drop)
            }
            Errand::Search => {
                let search = self.search();
                let path = format!("/api/products/search?q={search}&minPrice=0.{:02}", self.turns % 100);
                wanted(&self.connection.call(Request::get(&path)).await?, &[200]).map(drop)
            }
            Errand::Facets => {
                let search = self.search();
                let path = format!("/api/products/facets?q={search}&minPrice=1.{:02}", self.turns % 100);
                wanted(&self.connection.call(Request::get(&path)).await?, &[200]).map(drop)
            }
            Errand::Add => self.add_in_turn().await,
            Errand::Login => self.sign_in().await,
            Errand::Purchase => {
                let catalogue = self.catalogue.clone();
                let product = draw(&mut self.dice, &catalogue.products);
                self.purchase(product).await
            }
            Errand::PurchaseHot => {
                let catalogue = self.catalogue.clone();
                self.purchase(&catalogue.products[0]).await
            }
        }
    }

    /// Words that the bench's products have, as people type them; with a number, so that no two searches are the same.
    fn search(&mut self) -> String {
        const WOODS: [&str; 6] = ["ash", "beech", "hickory", "oak", "walnut", "maple"];
        const TYPOS: [&str; 6] = ["hickroy", "walnt", "mapel", "becch", "hikcory", "walnutt"];
        const THINGS: [&str; 8] = ["hammers", "saw", "chisel", "plane", "vice", "files", "nail", "screws"];
        const BEGINNINGS: [&str; 8] = ["ham", "sa", "chis", "pla", "vi", "fil", "na", "scr"];
        self.turns += 1;
        let number = roll(&mut self.dice) % 100_000;
        let at = |words: &[&'static str]| words[(number / 7) as usize % words.len()];
        match self.turns % 3 {
            0 => format!("{}+{}+{number}", at(&WOODS), at(&THINGS)),
            1 => format!("{}+{}", at(&TYPOS), at(&THINGS)),
            _ => format!("{}+joiners+{}", at(&WOODS), at(&BEGINNINGS)),
        }
    }

    /// Waits until so many products are found.
    ///
    /// # Errors
    /// They are not within some minutes.
    pub async fn wait_for_index(&mut self, products: usize) -> Result<()> {
        let whole = format!("{{\"count\":{products},");
        for _ in 0..INDEX_LOOKS_MAX {
            let answer = self.connection.call(Request::get("/api/products/facets")).await?;
            if answer.status == 200 && answer.body.starts_with(whole.as_bytes()) {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        bail!("the index does not have {products} products")
    }

    async fn add_in_turn(&mut self) -> Result<()> {
        self.adds += 1;
        if self.adds.is_multiple_of(ADDS_PER_CART) {
            self.empty().await?;
        }
        let catalogue = self.catalogue.clone();
        let at = self.name * PRODUCTS_PER_CART + self.adds as usize % PRODUCTS_PER_CART;
        self.add(&catalogue.products[at % catalogue.products.len()]).await
    }

    async fn add(&mut self, product: &str) -> Result<()> {
        self.scratch = format!(r#"{{"productId":"{product}","quantity":1}}"#);
        let answer = self
            .connection
            .call(Request::post("/api/cart", &self.scratch).by(&self.token))
            .await?;
        wanted(&answer, &[201]).map(drop)
    }

    /// Takes everything out of the cart.
    ///
    /// # Errors
    /// The shop refuses.
    pub async fn empty(&mut self) -> Result<()> {
        let request = Request {
            method: "DELETE",
            ..Request::get("/api/cart").by(&self.token)
        };
        wanted(&self.connection.call(request).await?, &[200]).map(drop)
    }

    async fn purchase(&mut self, product: &str) -> Result<()> {
        self.add(product).await?;
        self.turns += 1;
        let key = format!("{:x}-{:x}", self.dice, self.turns);
        let body = r#"{"shippingAddress":{"name":"Ada Example","street":"1 Main Street","city":"Springfield","postalCode":"12345","country":"US"},"email":"ada@example.com"}"#;
        let request = Request {
            key: Some(&key),
            ..Request::post("/api/orders", body).by(&self.token)
        };
        let answer = self.connection.call(request).await?;
        wanted(&answer, &[201])?;
        let id = answer.text("orderId").context("the order's id")?.to_owned();
        if answer.text("status") != Some("confirmed") {
            self.wait_for(&id).await?;
        }
        if let Some(orders) = &mut self.acknowledged {
            orders.push(id);
        }
        Ok(())
    }

    async fn wait_for(&mut self, order: &str) -> Result<()> {
        for _ in 0..LOOKS_MAX {
            match self.status_of(order).await?.as_deref() {
                Some("confirmed") => return Ok(()),
                Some("pending") => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                other => bail!("order {order} is {other:?}"),
            }
        }
        bail!("order {order} stays pending")
    }

    /// How far an order is; none when the shop does not know it.
    ///
    /// # Errors
    /// The shop answers something else.
    pub async fn status_of(&mut self, order: &str) -> Result<Option<String>> {
        let path = format!("/api/orders/{order}");
        let answer = self.connection.call(Request::get(&path).by(&self.token)).await?;
        Ok(match wanted(&answer, &[200, 404])?.status {
            200 => answer.text("status").map(str::to_owned),
            _ => None,
        })
    }
}

fn wanted<'a, 'b>(answer: &'a Answer<'b>, statuses: &[u16]) -> Result<&'a Answer<'b>> {
    if !statuses.contains(&answer.status) {
        bail!(
            "{} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body[..answer.body.len().min(400)])
        );
    }
    Ok(answer)
}

/// One of `all`, by a xorshift of Marsaglia's: cheap, and the same in every run.
fn draw<'a>(dice: &mut u64, all: &'a [String]) -> &'a str {
    &all[(roll(dice) % all.len() as u64) as usize]
}

fn roll(dice: &mut u64) -> u64 {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    *dice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_all_products_about_equally() {
        let all: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        let mut dice = 1;
        let mut counts = [0u32; 10];
        for _ in 0..10_000 {
            counts[draw(&mut dice, &all).parse::<usize>().unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }
}
