//! Tokens that count, and all the ways in which one does not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::Permissions;

fn keys(secret: Secret) -> (Keys, Clock) {
    let clock = Clock::paused(Time::from_micros(1_900_000_000_000_000));
    (Keys::new(&secret, &[], "shop", clock.clone(), Ids::seeded(3)), clock)
}

fn secrets() -> [Secret; 2] {
    [
        Secret::Ed25519([9; 32]),
        Secret::Shared(b"a secret of at least 32 bytes, surely".to_vec()),
    ]
}

fn session() -> SessionId {
    SessionId::from_bits(1_900_000_000_000 << 80 | 5)
}

const QUARTER: Duration = Duration::from_secs(900);

/// The token with one of its claims set to something else, signed as it was.
fn forged(token: &str, claim: &str, value: Value) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    claims[claim] = value;
    format!(
        "{}.{}.{}",
        parts[0],
        URL_SAFE_NO_PAD.encode(claims.to_string()),
        parts[2]
    )
}

fn with_header(token: &str, header: Value) -> String {
    let rest = token.split_once('.').unwrap().1;
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[test]
fn a_token_says_who_holds_it_until_it_expires() {
    for secret in secrets() {
        let (keys, clock) = keys(secret);
        let (token, expires) = keys.sign_user(user(), Role::Staff, session(), QUARTER);
        let caller = Caller {
            id: user(),
            role: Role::Staff,
            session: session(),
            expires,
            permissions: Permissions::STAFF,
            key: None,
        };
        assert_eq!(*keys.verify(&token).unwrap(), Holder::User(caller));
        clock.advance(Duration::from_secs(899));
        assert!(keys.verify(&token).is_ok());
        clock.advance(Duration::from_secs(1));
        assert_eq!(keys.verify(&token), Err(TokenFault::Expired));
    }
}

#[test]
fn forged_tokens_are_refused() {
    for secret in secrets() {
        let (keys, _) = keys(secret);
        let (token, _) = keys.sign_user(user(), Role::Customer, session(), QUARTER);
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
        let kid = header["kid"].clone();
        let check = |token: String, fault| assert_eq!(keys.verify(&token), Err(fault), "{token}");
        check(forged(&token, "role", json!("admin")), TokenFault::BadSignature);
        check(forged(&token, "exp", json!(9_999_999_999i64)), TokenFault::BadSignature);
        check(
            with_header(&token, json!({ "alg": "none", "kid": kid })),
            TokenFault::WrongAlgorithm,
        );
        check(with_header(&token, json!({ "alg": "none" })), TokenFault::UnknownKey);
        check(
            with_header(&token, json!({ "alg": "ES256", "kid": kid })),
            TokenFault::WrongAlgorithm,
        );
        check(
            with_header(&token, json!({ "alg": header["alg"], "kid": "other" })),
            TokenFault::UnknownKey,
        );
        check(
            with_header(&token, json!({ "alg": header["alg"], "kid": kid, "crit": ["b64"] })),
            TokenFault::Malformed,
        );
        check(
            token.rsplit_once('.').unwrap().0.to_owned() + ".",
            TokenFault::BadSignature,
        );
        for text in ["", ".", "..", "a.b.c", "é", &"x".repeat(5_000)] {
            check(text.to_owned(), TokenFault::Malformed);
        }
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let (eddsa, _) = keys(Secret::Ed25519([9; 32]));
    let public = eddsa.jwks()["keys"][0].clone();
    let x = URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap()).unwrap();
    let (attacker, _) = keys(Secret::Shared(x));
    let (token, _) = attacker.sign_user(user(), Role::Admin, session(), QUARTER);
    let confused = with_header(&token, json!({ "alg": "HS256", "kid": public["kid"] }));
    assert_eq!(eddsa.verify(&confused), Err(TokenFault::WrongAlgorithm));
}

#[test]
fn people_and_services_do_not_pass_for_each_other() {
    let (keys, clock) = keys(Secret::Ed25519([9; 32]));
    let token = keys.service_token("orders");
    assert_eq!(*keys.verify(&token).unwrap(), Holder::Service("orders".to_owned()));
    assert_eq!(keys.service_token("orders"), token);
    clock.advance(Duration::from_secs(151));
    assert_ne!(keys.service_token("orders"), token);
    let other = Keys::new(
        &Secret::Ed25519([9; 32]),
        &[],
        "another shop",
        clock.clone(),
        Ids::seeded(4),
    );
    assert_eq!(other.verify(&token), Err(TokenFault::WrongAudience));
}

#[test]
fn keys_rotate_with_overlap() {
    let (old, clock) = keys(Secret::Ed25519([9; 32]));
    let (token, _) = old.sign_user(user(), Role::Customer, session(), QUARTER);
    let new = Keys::new(
        &Secret::Ed25519([8; 32]),
        &[Secret::Ed25519([9; 32])],
        "shop",
        clock.clone(),
        Ids::seeded(4),
    );
    assert!(new.verify(&token).is_ok());
    assert_eq!(new.jwks()["keys"].as_array().unwrap().len(), 2);
    let without = Keys::new(&Secret::Ed25519([8; 32]), &[], "shop", clock, Ids::seeded(4));
    assert_eq!(without.verify(&token), Err(TokenFault::UnknownKey));
}

#[test]
fn ended_sessions_are_turned_out_at_once_and_others_are_not() {
    let (keys, clock) = keys(Secret::Ed25519([9; 32]));
    let (first, _) = keys.sign_user(user(), Role::Customer, session(), QUARTER);
    assert!(keys.verify(&first).is_ok());
    clock.advance(Duration::from_secs(1));
    let later: SessionId = Ids::seeded(5).next(clock.now());
    let (second, _) = keys.sign_user(user(), Role::Customer, later, QUARTER);
    keys.revoked().end(session());
    assert_eq!(keys.verify(&first), Err(TokenFault::Ended));
    assert!(keys.verify(&second).is_ok());
    clock.advance(Duration::from_secs(1));
    keys.revoked().end_user(user(), clock.now());
    assert_eq!(keys.verify(&second), Err(TokenFault::Ended));
}

/// RFC 8037, appendix A.2: the thumbprint of the RFC's own key is the key's name.
#[test]
fn a_key_is_named_by_its_thumbprint() {
    let seed = URL_SAFE_NO_PAD
        .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let (keys, _) = keys(Secret::Ed25519(seed.try_into().unwrap()));
    let jwk = keys.jwks()["keys"][0].clone();
    assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(jwk["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

/// A rotation as processes see it: the next key is known before it signs, the one of before is believed until its time.
#[test]
fn a_rotation_refuses_nobody_and_ends() {
    for [before, next] in [
        [Secret::Ed25519([9; 32]), Secret::Ed25519([8; 32])],
        [Secret::Shared(vec![9; 32]), Secret::Shared(vec![8; 32])],
        [Secret::Ed25519([9; 32]), Secret::Shared(vec![8; 32])],
    ] {
        let (keys, clock) = keys(before.clone());
        let kid = |token: &str| {
            let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
            serde_json::from_slice::<Value>(&header).unwrap()["kid"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let sign = || keys.sign_user(user(), Role::Customer, session(), QUARTER).0;
        let old = sign();
        assert!(keys.verify(&old).is_ok());
        let badge = keys.service_token("orders");
        let from = clock.now().after(Duration::from_secs(5));
        let until = from.after(QUARTER).after(Duration::from_secs(60));
        keys.turn(&[
            Signer {
                until: Some(until),
                ..Signer::always(before.clone())
            },
            Signer {
                from: Some(from),
                ..Signer::always(next.clone())
            },
        ]);
        // Not yet: somebody else may not know it.
        assert_eq!((kid(&old), kid(&sign())), (before.kid(), before.kid()));
        clock.advance(Duration::from_secs(5));
        let new = sign();
        assert_eq!(kid(&new), next.kid());
        assert!(keys.verify(&old).is_ok() && keys.verify(&new).is_ok() && keys.verify(&badge).is_ok());
        let public = keys.jwks()["keys"].as_array().unwrap().len();
        let expected = [&before, &next]
            .iter()
            .filter(|secret| matches!(secret, Secret::Ed25519(_)))
            .count();
        assert_eq!(public, expected);
        // A long-lived token that the former key signs behind everybody's back ends with the key.
        let thief = Keys::new(&before, &[], "shop", clock.clone(), Ids::seeded(6));
        let (stolen, _) = thief.sign_user(user(), Role::Admin, session(), Duration::from_secs(86_400));
        assert!(keys.verify(&stolen).is_ok());
        clock.advance(QUARTER);
        clock.advance(Duration::from_secs(60));
        assert_eq!(keys.verify(&stolen), Err(TokenFault::Expired));
        let fresh = thief.sign_user(user(), Role::Admin, session(), QUARTER).0;
        assert_eq!(keys.verify(&fresh), Err(TokenFault::UnknownKey));
        assert_eq!(kid(&sign()), next.kid());
        assert_eq!(
            keys.jwks()["keys"].as_array().unwrap().len(),
            usize::from(matches!(next, Secret::Ed25519(_)))
        );
    }
}
