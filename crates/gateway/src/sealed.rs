//! Sealed texts: what only the shop can read, and what nobody can change unnoticed. Pure functions over bytes.
//!
//! A sealed text is hexadecimal digits of: the version 1; 16 bytes that differ each time; the text in AES-256-CBC with
//! PKCS #7 padding (NIST SP 800-38A, RFC 5652 §6.3); HMAC-SHA256 (RFC 2104) over all before. Both keys come from one
//! secret by HKDF-SHA256 (RFC 5869) without salt, with the infos `enc` and `mac`.
//!
//! Always holds: the seal is checked first, in constant time, so that nothing can be learnt from how a forged text
//! fails; whatever is wrong, the fault is the same.

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The only version there is.
const VERSION: u8 = 1;
/// Bytes that differ each time.
const IV: usize = 16;
/// Bytes of a seal.
const TAG: usize = 32;
/// Bytes of the cipher's blocks; at least one is there.
const BLOCK: usize = 16;

/// A text that was not sealed with these keys, or changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOurs;

impl std::fmt::Display for NotOurs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the text cannot be opened")
    }
}

impl std::error::Error for NotOurs {}

/// The two keys that one secret gives.
#[derive(Clone)]
pub struct SealKeys {
    enc: [u8; 32],
    mac: [u8; 32],
}

impl SealKeys {
    /// The keys of a secret: its bytes as they are written, whatever they look like.
    pub fn new(secret: &str) -> Self {
        let root = Hkdf::<Sha256>::new(None, secret.as_bytes());
        let key = |info: &[u8]| {
            let mut key = [0; 32];
            root.expand(info, &mut key).expect("HKDF gives 32 bytes of any secret");
            key
        };
        Self {
            enc: key(b"enc"),
            mac: key(b"mac"),
        }
    }

    /// Seals a text. `iv` must be random, and another one each time.
    pub fn seal(&self, iv: [u8; IV], text: &[u8]) -> String {
        let cipher = cbc::Encryptor::<Aes256>::new(&self.enc.into(), &iv.into());
        let mut sealed = Vec::with_capacity(1 + IV + text.len() + BLOCK + TAG);
        sealed.push(VERSION);
        sealed.extend_from_slice(&iv);
        sealed.extend_from_slice(&cipher.encrypt_padded_vec::<Pkcs7>(text));
        let tag = self.tag(&sealed).finalize().into_bytes();
        sealed.extend_from_slice(&tag);
        base::hex(&sealed)
    }

    /// The text that was sealed.
    ///
    /// # Errors
    /// It was not, or not with these keys.
    pub fn open(&self, sealed: &str) -> Result<Vec<u8>, NotOurs> {
        let bytes = unhex(sealed).ok_or(NotOurs)?;
        let (signed, tag) = bytes.split_last_chunk::<TAG>().ok_or(NotOurs)?;
        self.tag(signed).verify_slice(tag).map_err(|_| NotOurs)?;
        let (&version, rest) = signed.split_first().ok_or(NotOurs)?;
        let (iv, cipher) = rest.split_first_chunk::<IV>().ok_or(NotOurs)?;
        if version != VERSION {
            return Err(NotOurs);
        }
        cbc::Decryptor::<Aes256>::new(&self.enc.into(), iv.into())
            .decrypt_padded_vec::<Pkcs7>(cipher)
            .map_err(|_| NotOurs)
    }

    fn tag(&self, bytes: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.mac)
            .expect("HMAC takes keys of any length")
            .chain_update(bytes)
    }
}

impl std::fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKeys")
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: u8| char::from(letter).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "correct horse battery staple, at length";
    const TEXT: &str = r#"{"email":"ada@example.com","password":"password1"}"#;
    /// Computed without this code: HKDF and HMAC with Python's `hmac`, the cipher with `openssl enc -aes-256-cbc`.
    /// `prk = hmac(key=32 zero bytes, SECRET)`; `enc = hmac(prk, b"enc\x01")`; `mac = hmac(prk, b"mac\x01")`; `body = 01,
    /// 00 01 … 0f, openssl enc -K enc -iv 0001…0f`; then `body, hmac(mac, body)` in hexadecimal digits.
    const SEALED: &str = "01000102030405060708090a0b0c0d0e0f0d6ea022b83748c23ef817f8dc52998bd5c0a2c7c0d55242d873ea8239e8\
        54edc2ca89551f4ef82ad32684deb65fdcff3681685498d4fdc882e3e266ed9a364ef75be0f7cea20b47956d711ce4fcd6dd75b7797a8a755c\
        b60f3a44a984ccef31";

    #[test]
    fn others_compute_the_same() {
        let keys = SealKeys::new(SECRET);
        let iv = std::array::from_fn(|at| at as u8);
        assert_eq!(keys.seal(iv, TEXT.as_bytes()), SEALED);
        assert_eq!(keys.open(SEALED).unwrap(), TEXT.as_bytes());
        assert_eq!(keys.open(&SEALED.to_uppercase()).unwrap(), TEXT.as_bytes());
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let keys = SealKeys::new(SECRET);
        let bytes = unhex(SEALED).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(keys.open(&base::hex(&changed)), Err(NotOurs), "byte {at}, bit {bit}");
            }
        }
        for length in 0..SEALED.len() {
            assert_eq!(keys.open(&SEALED[..length]), Err(NotOurs), "{length} digits");
        }
        assert_eq!(keys.open(&format!("{SEALED}00")), Err(NotOurs));
        assert_eq!(keys.open(&SEALED.replace('0', "g")), Err(NotOurs));
        assert_eq!(keys.open("é"), Err(NotOurs));
        assert_eq!(SealKeys::new("another secret").open(SEALED), Err(NotOurs));
    }

    #[test]
    fn what_is_signed_but_no_sealed_text_is_refused_too() {
        let keys = SealKeys::new(SECRET);
        let signed = |body: &[u8]| {
            let tag = keys.tag(body).finalize().into_bytes();
            base::hex(&[body, &tag].concat())
        };
        for body in [&[][..], &[1], &[1; 17], &[1; 20], &[1; 33], &[2; 33]] {
            assert_eq!(keys.open(&signed(body)), Err(NotOurs), "{body:?}");
        }
    }

    #[test]
    fn texts_of_any_length_come_back() {
        let keys = SealKeys::new(SECRET);
        for length in 0..100 {
            let text = vec![7; length];
            assert_eq!(keys.open(&keys.seal([length as u8; 16], &text)).unwrap(), text);
        }
    }
}
