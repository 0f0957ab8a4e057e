//! Changed and arbitrary input for everything that parses: JSON bodies, queries, cursors, forms with files, webhook events and
//! tokens. Images have the same in `bodega-media`.
//!
//! Inputs start from the files in `corpus/`. One that fails is minimized and written there, so that it is tried first from then
//! on. `PROPTEST_CASES=100000 cargo test -p bodega --test store fuzz` searches for longer.

mod corpus;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bodega_stripe_double::signature_header;
use reqwest::{Method, RequestBuilder};

use self::corpus::fuzz;
use crate::harness::{
    images::png,
    payments::{PaymentTest, WEBHOOK},
    request_bodies::inputs,
    store::{Client, Response, TestStore},
};

/// No input may take longer, on a machine that runs other tests.
const MAX_DURATION: Duration = Duration::from_secs(10);

/// Sends a request whose response must be a result or a problem, in time. A URL that is not one is not sent.
async fn send(client: &Client, request: RequestBuilder) -> Result<Option<Response>, String> {
    if request.try_clone().is_none_or(|request| request.build().is_err()) {
        return Ok(None);
    }
    let started = Instant::now();
    let response = client.send(request).await;
    let is_problem = response.header("content-type") == "application/problem+json";
    if response.status >= 500 || (response.status >= 400 && !is_problem) {
        return Err(format!("{response:?}"));
    }
    if started.elapsed() > MAX_DURATION {
        return Err(format!("{:?}: {response:?}", started.elapsed()));
    }
    Ok(Some(response))
}

#[tokio::test(flavor = "multi_thread")]
async fn json_bodies() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let product = store.admin().create_product("Mug", "19.99", 9).await.to_string();
    let inputs = inputs();
    let seeds = inputs.iter().map(|input| input.body.to_string().into_bytes()).collect();
    fuzz("json", seeds, async |body| {
        // Every body to every route, in turn.
        let hash = body.iter().fold(7_usize, |hash, byte| hash.wrapping_mul(31) ^ usize::from(*byte));
        let input = &inputs[hash % inputs.len()];
        let path = ["{product}", "{category}", "{tag}"]
            .iter()
            .fold(input.path.to_owned(), |path, name| path.replace(name, &product));
        let path = path.replace("{user}", ada.id()).replace("{order}", ada.id());
        // Not the admin, whose password must stay.
        let client = if input.path.contains("users") { &ada } else { store.admin() };
        let request = client.request(input.method.parse().unwrap(), &path);
        send(client, request.header("content-type", "application/json").body(body)).await.map(drop)
    });
    store.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_and_cursors() {
    let store = TestStore::start().await;
    let admin = store.admin();
    for number in 0..3 {
        let product = admin.create_product(&format!("Mug {number}"), "19.99", 9).await;
        admin.buy(product, 1).await;
    }
    let paths = ["/api/products", "/products", "/api/orders", "/api/admin/orders", "/api/users"];
    let mut seeds = Vec::new();
    for path in paths {
        let page = admin.get(&format!("{path}?limit=1")).await.json;
        if let Some(cursor) = page["nextCursor"].as_str() {
            seeds.push(format!("{path}?limit=1&cursor={cursor}").into_bytes());
        }
        seeds.push(path.as_bytes().to_vec());
    }
    assert!(seeds.len() > paths.len(), "there are cursors");
    fuzz("queries", seeds, async |target| {
        let target = String::from_utf8_lossy(&target);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let path = if paths.contains(&path) { path } else { paths[0] };
        // Fragments are not sent.
        let request = admin.request(Method::GET, &format!("{path}?{}", query.replace('#', "%23")));
        send(admin, request).await.map(drop)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_with_files() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let head = b"--x\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a.png\"\r\ncontent-type: image/png\r\n\r\n";
    let form = [head.as_slice(), &png(), b"\r\n--x--\r\n"].concat();
    fuzz("forms", vec![form], async |form| {
        let request = ada.request(Method::PUT, "/api/users/me/avatar");
        send(&ada, request.header("content-type", "multipart/form-data; boundary=x").body(form))
            .await
            .map(drop)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_events() {
    let test = PaymentTest::start_without_webhooks(&[]).await;
    let (buyer, order) = test.order("ada").await;
    let intent = buyer.start_payment(&order).await.expect(200).json;
    let object = test.stripe.object(intent["paymentIntentId"].as_str().unwrap()).unwrap();
    let kinds =
        ["payment_intent.succeeded", "payment_intent.canceled", "charge.refunded", "customer.created"];
    let seeds = kinds.map(|kind| test.stripe.event(kind, &object).to_string().into_bytes()).into();
    let guest = test.store.guest();
    fuzz("webhooks", seeds, async |event| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let signature = test.stripe.sign(&event, i64::try_from(now).unwrap());
        let request = guest.request(Method::POST, WEBHOOK).header("content-type", "application/json");
        send(guest, request.header("stripe-signature", signature).body(event.clone())).await?;
        // Another key's signature.
        let forged = signature_header(&event, i64::try_from(now).unwrap(), &["whsec_of_another_account"]);
        let request = guest.request(Method::POST, WEBHOOK).header("content-type", "application/json");
        match send(guest, request.header("stripe-signature", forged).body(event)).await? {
            Some(response) if response.status != 400 => Err(format!("a forged event: {response:?}")),
            _ => Ok(()),
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let valid = [ada.token(), store.admin().token()].map(|token| token.as_bytes().to_vec());
    fuzz("tokens", valid.to_vec(), async |token| {
        let Ok(header) = reqwest::header::HeaderValue::from_bytes(&[b"Bearer ", token.as_slice()].concat())
        else {
            return Ok(());
        };
        let request = store.guest().request(Method::GET, "/api/users/me").header("authorization", header);
        match send(store.guest(), request).await? {
            Some(response) if response.status != 401 && !valid.iter().any(|valid| is_same(valid, &token)) => {
                Err(format!("a changed token: {response:?}"))
            }
            _ => Ok(()),
        }
    });
}

/// Whether both are the same token: spaces around it belong to the header.
fn is_same(valid: &[u8], token: &[u8]) -> bool {
    valid == token.trim_ascii()
}
