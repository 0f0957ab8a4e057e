//! Rate limits over HTTP.

use std::collections::BTreeMap;

use bodega_runtime::rate_limit::limits;
use serde_json::json;

use crate::harness::store::{Client, PASSWORD, Response, TestStore};

async fn login(client: &Client, login: &str, password: &str) -> Response {
    client.post("/api/auth/login", json!({"login": login, "password": password})).await
}

/// Returns `a=1` and so on of a structured header field with one item.
fn parameters(field: &str) -> BTreeMap<&str, u64> {
    let parameters = field.split(';').skip(1).map(|parameter| parameter.split_once('=').unwrap());
    parameters.map(|(name, value)| (name, value.parse().unwrap())).collect()
}

#[tokio::test]
async fn guesses_from_many_addresses_do_not_lock_the_owner_out() {
    let store = TestStore::start_with_rate_limits().await;
    let from = |host: u8| store.guest().clone().with_local_address([127, 0, 3, host]);
    let owner = from(1);
    let body = json!({"name": "ada", "email": "ada@shop.example", "username": "ada", "password": PASSWORD});
    owner.post("/api/auth/register", body).await.expect(201);

    let mut evaluated = BTreeMap::new();
    let mut limited = BTreeMap::new();
    for host in 2..40 {
        // An address that the client claims is ignored.
        let attacker = from(host).with("x-forwarded-for", &format!("10.0.0.{host}"));
        for (name, login_name) in [("known", "ada@shop.example"), ("unknown", "nobody@shop.example")] {
            for _ in 0..3 {
                let response = login(&attacker, login_name, "a wrong guess").await;
                match response.status {
                    401 => *evaluated.entry(name).or_insert(0) += 1,
                    429 => _ = limited.insert(name, response),
                    _ => panic!("{response:?}"),
                }
            }
        }
    }
    let burst = limits::LOGIN.burst;
    assert_eq!(evaluated, BTreeMap::from([("known", burst), ("unknown", burst)]));

    let [known, unknown] = ["known", "unknown"].map(|name| &limited[name]);
    assert_eq!(known.code(), "rate_limited");
    assert_eq!(known.header("ratelimit-policy"), unknown.header("ratelimit-policy"));
    let window = limits::LOGIN.period().as_secs();
    assert_eq!(parameters(known.header("ratelimit-policy")), [("q", burst.into()), ("w", window)].into());
    let retry_after: u64 = known.header("retry-after").parse().unwrap();
    assert_eq!(parameters(known.header("ratelimit")), [("r", 0), ("t", retry_after)].into());
    let names = |response: &Response| {
        let names = response.headers.keys().map(|name| name.as_str().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(known), names(unknown));

    login(&from(50), "ada@shop.example", PASSWORD).await.expect(429);
    login(&owner, "ada@shop.example", PASSWORD).await.expect(200);
    login(&owner, "ada", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let store = TestStore::start().await;
    for _ in 0..=limits::LOGIN.burst {
        login(store.guest(), "nobody", "a wrong guess").await.expect(401);
    }
}
