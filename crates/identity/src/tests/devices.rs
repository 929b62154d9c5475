//! The sessions of somebody, seen and ended by them and by administrators.

use api::identity::{OpenSession, Session, Verified};
use http::Method;
use serde_json::json;

use super::house::{Answer, House, PASSWORD, bearer};
use super::on_both;

on_both! {
    people_see_their_sessions_and_end_them
    a_long_list_comes_in_pages
    administrators_end_those_of_others_and_it_is_recorded
}

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";

async fn login(house: &House, agent: &str) -> Session {
    let body = json!({ "username": "ada", "password": PASSWORD });
    let headers = [("user-agent", agent)];
    house
        .send(Method::POST, "/api/auth/login", &headers, Some(&body))
        .await
        .is(200)
}

async fn list(house: &House, who: &Session) -> Vec<OpenSession> {
    let path = format!("/api/users/{}/sessions", who.user.id);
    house.get_as(&who.token, &path).await.is(200)
}

async fn delete(house: &House, token: &str, path: &str) -> Answer {
    house
        .send(Method::DELETE, path, &[("authorization", &bearer(token))], None)
        .await
}

async fn people_see_their_sessions_and_end_them(house: House) {
    let first = house.register("ada").await;
    house.wait(60);
    let second = login(&house, FIREFOX).await;
    house.wait(60);
    let third = login(&house, "curl/8.5.0").await;
    let now = house.deps.clock.now();
    house.wait(60);
    house.refresh(&second.refresh_token).await.is::<Session>(200);

    let seen = list(&house, &third).await;
    let devices: Vec<Option<&str>> = seen.iter().map(|session| session.device.as_deref()).collect();
    assert_eq!(devices, [Some("curl"), Some("Firefox on Linux"), None]);
    assert_eq!(
        seen.iter().map(|session| session.current).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert_eq!((seen[0].started_at, seen[0].last_used_at), (now, now));
    assert_eq!(seen[1].last_used_at, house.deps.clock.now());
    assert!(seen[1].expires_at > seen[0].expires_at && seen[1].started_at < seen[0].started_at);

    // One is ended, and a repeat under its key is the same call.
    let path = format!("/api/users/ada/sessions/{}", seen[1].id);
    let keyed = [
        ("authorization", bearer(&third.token)),
        ("idempotency-key", "k".to_owned()),
    ];
    let keyed: Vec<(&str, &str)> = keyed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for replayed in [None, Some("true")] {
        let answer = house.send(Method::DELETE, &path, &keyed, None).await;
        let told = answer
            .headers
            .get("idempotency-replayed")
            .map(|value| value.to_str().unwrap());
        assert_eq!((answer.status, told), (204, replayed));
    }
    house
        .get_as(&second.token, "/api/auth/verify")
        .await
        .refused(401, "unauthorized");
    delete(&house, &third.token, &path).await.refused(404, "not_found");
    delete(&house, &third.token, "/api/users/ada/sessions/ses_nonsense")
        .await
        .refused(404, "not_found");

    // Other people's are not there: neither the list, nor under one's own name.
    let bob = house.register("bob").await;
    let own = format!("/api/users/{}/sessions", first.user.id);
    house.get_as(&bob.token, &own).await.refused(404, "not_found");
    delete(&house, &bob.token, &own).await.refused(404, "not_found");
    let stolen = format!("/api/users/bob/sessions/{}", seen[0].id);
    delete(&house, &bob.token, &stolen).await.refused(404, "not_found");
    house.get_as(&third.token, "/api/auth/verify").await.is::<Verified>(200);

    // All but the present one.
    login(&house, FIREFOX).await;
    assert_eq!(delete(&house, &third.token, &own).await.status, 204);
    house
        .get_as(&first.token, "/api/auth/verify")
        .await
        .refused(401, "unauthorized");
    assert_eq!(list(&house, &third).await.len(), 1);
    assert_eq!(delete(&house, &third.token, &own).await.status, 204);

    // Guests have one, of which nothing is kept.
    let agent = [("user-agent", FIREFOX)];
    let guest: Session = house.send(Method::POST, "/api/auth/guest", &agent, None).await.is(200);
    let seen = list(&house, &guest).await;
    assert_eq!((seen.len(), &seen[0].device, seen[0].current), (1, &None, true));
    assert_eq!(house.events().await.len(), 2, "two registrations, and nothing of staff");
}

async fn a_long_list_comes_in_pages(house: House) {
    let ada = house.register("ada").await;
    for _ in 0..4 {
        house.wait(1);
        login(&house, "curl/8").await;
    }
    let mut path = "/api/users/me/sessions?limit=2".replace("me", "ada");
    let mut found: Vec<OpenSession> = Vec::new();
    let mut pages = 0;
    loop {
        let answer = house.get_as(&ada.token, &path).await;
        let link = answer.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        found.extend(answer.is::<Vec<OpenSession>>(200));
        pages += 1;
        match link {
            Some(link) => path = link[1..].split('>').next().unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!((found.len(), pages), (5, 3));
    assert!(found.is_sorted_by(|one, next| one.id > next.id));
    let bad = house.get_as(&ada.token, "/api/users/ada/sessions?cursor=00").await;
    assert_eq!(bad.refused(400, "invalid"), ["?cursor"]);
    let bad = house.get_as(&ada.token, "/api/users/ada/sessions?cursor=7573").await;
    assert_eq!(bad.refused(400, "invalid"), ["?cursor"]);
    let bad = house.get_as(&ada.token, "/api/users/ada/sessions?limit=101").await;
    assert_eq!(bad.refused(400, "invalid"), ["?limit"]);
    // What nobody uses is not there any more.
    house.wait(7 * 24 * 3600);
    let root = house.admin().await;
    let none = house
        .get_as(&root.token, "/api/users/ada/sessions")
        .await
        .is::<Vec<OpenSession>>(200);
    assert_eq!(none, []);
}

async fn administrators_end_those_of_others_and_it_is_recorded(house: House) {
    let root = house.admin().await;
    let (ada, _) = (house.register("ada").await, login(&house, FIREFOX).await);
    let path = "/api/users/ada/sessions";
    let seen: Vec<OpenSession> = house.get_as(&root.token, path).await.is(200);
    assert_eq!((seen.len(), seen.iter().any(|session| session.current)), (2, false));
    let one = format!("{path}/{}", seen[0].id);
    assert_eq!(delete(&house, &root.token, &one).await.status, 204);
    assert_eq!(delete(&house, &root.token, path).await.status, 204);
    house
        .get_as(&ada.token, "/api/auth/verify")
        .await
        .refused(401, "unauthorized");
    let mut told = house.events().await;
    told.retain(|event| event.kind == api::trail::STAFF_ACTION && event.data.contains("session.end"));
    assert_eq!(told.len(), 2);
    for deed in told {
        assert_eq!(
            (deed.actor, deed.subject),
            (root.user.id.to_string(), ada.user.id.to_string())
        );
        assert!(deed.data.contains(r#""before":{"sessions":1}"#), "{}", deed.data);
    }
    // Their own ends are nobody's business.
    login(&house, FIREFOX).await;
    let own = format!("/api/users/{}/sessions", root.user.id);
    assert_eq!(delete(&house, &root.token, &own).await.status, 204);
    assert_eq!(
        house.get_as(&root.token, &own).await.is::<Vec<OpenSession>>(200).len(),
        1
    );
}
