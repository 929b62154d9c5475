//! Product files of any size, made while they are read.

use std::io::{self, Read, Write as _};

/// Words of names; two of them and a number name a product.
const ADJECTIVES: [&str; 8] = [
    "Forged",
    "Cast",
    "Brass",
    "Oak",
    "Galvanised",
    "Enamelled",
    "Folding",
    "Garden",
];
const NOUNS: [&str; 10] = [
    "Hinge", "Latch", "Kettle", "Lantern", "Spade", "Hammer", "Chisel", "Bracket", "Skillet", "Bolt",
];
const CATEGORIES: [&str; 6] = ["Hand Tools", "Locks", "Kitchen", "Garden", "Lighting", "Fixings"];

/// The header of every file that [`ProductFile`] makes.
const HEADER: &str = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,\
    Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,\
    Variant Compare At Price,Variant Requires Shipping,Image Src,Image Position,SEO Title,Variant Weight Unit\r\n";

/// A Shopify product CSV of `count` products, read like a file: every fourth product has three sizes, every second
/// a picture on a line of its own, descriptions have several lines. The same for the same count every time; nothing
/// is kept in memory but the product that is being read.
pub struct ProductFile {
    next: u64,
    count: u64,
    ready: Vec<u8>,
    read: usize,
}

impl ProductFile {
    /// A file of so many products.
    pub fn of(count: u64) -> Self {
        Self {
            next: 0,
            count,
            ready: HEADER.as_bytes().to_vec(),
            read: 0,
        }
    }

    fn product(&mut self) -> io::Result<()> {
        let n = self.next;
        let pick = |words: &[&'static str], by: u64| words[(n / by) as usize % words.len()];
        let (adjective, noun) = (pick(&ADJECTIVES, 1), pick(&NOUNS, 8));
        let handle = format!("{}-{}-{n}", adjective.to_lowercase(), noun.to_lowercase());
        let (category, price, stock) = (pick(&CATEGORIES, 1), 199 + n * 37 % 20_000, n * 7 % 90 + 10);
        let (options, sizes): (&str, &[&str]) = if n % 4 == 3 {
            ("Size", &["Small", "Medium", "Large"])
        } else {
            ("Title", &["Default Title"])
        };
        let to = &mut self.ready;
        for (place, size) in sizes.iter().enumerate() {
            let price = price + 100 * place as u64;
            let variant = format!(
                "{size},,{grams},shopify,{stock},deny,{}.{:02},,true,,,,kg",
                price / 100,
                price % 100,
                grams = n % 5_000
            );
            if place == 0 {
                write!(
                    to,
                    "{handle},{adjective} {noun} {n},\"<p>{adjective} {noun}, number {n} of many.</p>\r\n<ul>\r\n\
                     <li>Made to be \"\"used\"\"</li>\r\n<li>{category}</li>\r\n</ul>\",Maker {},{category},\
                     \"{}, {}\",true,{options},{variant}\r\n",
                    n % 50,
                    adjective.to_lowercase(),
                    noun.to_lowercase()
                )?;
            } else {
                write!(to, "{handle},,,,,,,,{variant}\r\n")?;
            }
        }
        if n % 2 == 1 {
            write!(
                to,
                "{handle},,,,,,,,,,,,,,,,,https://pictures.example/{handle}.jpg,1,,\r\n"
            )?;
        }
        Ok(())
    }
}

impl Read for ProductFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.read == self.ready.len() && self.next < self.count {
            self.ready.clear();
            self.read = 0;
            self.product()?;
            self.next += 1;
        }
        let count = into.len().min(self.ready.len() - self.read);
        into[..count].copy_from_slice(&self.ready[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}
