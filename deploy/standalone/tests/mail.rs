//! Mail of the whole store: the dev mailbox, and that none is lost when the process is killed.

use std::collections::HashMap;

use bodega_mail::testing::{Fault, SmtpServer};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{
    binary::{RunningStore, bodega, start_bodega},
    client::Client,
    store::{ADMIN_EMAIL, PASSWORD, database, eventually},
};

const NEW_PASSWORD: &str = "a pot of coffee at five";

/// Registers a user; returns the signed-in client.
async fn register(store: &RunningStore, name: &str) -> Client {
    let email = format!("{name}@shop.example");
    let body = json!({"name": name, "email": email, "password": PASSWORD});
    let session = store.guest.post("/api/auth/register", body).await.expect(201).json;
    store.guest.clone().signed_in(session)
}

#[tokio::test]
async fn without_an_smtp_server_mails_are_shown_on_the_admin_listener_alone() {
    let (data, database) =
        (bodega_embedded_postgres::testing::TempDir::new("data").unwrap(), database().await);
    let mut up = bodega(data.path(), &[]);
    let mut store = start_bodega(up.env("DATABASE_URL", database.url())).await;
    let line = store.process.line().await;
    let mailbox = line.strip_prefix("  mail   not sent but shown at ").unwrap();
    let mailbox = mailbox.strip_suffix(" (BODEGA_SMTP_URL)").unwrap();
    register(&store, "ada").await;
    store.guest.post("/api/auth/password/forgot", json!({"email": "ADA@shop.example"})).await.expect(202);

    let mails = async || -> Vec<Value> {
        let json = reqwest::get(format!("{mailbox}.json")).await.unwrap().json::<Value>().await.unwrap();
        json.as_array().unwrap().clone()
    };
    let is_reset = |mail: &Value| mail["subject"].as_str().unwrap().starts_with("Set a new password");
    eventually("the mail arrives", async || mails().await.iter().any(is_reset)).await;
    let reset = mails().await.into_iter().find(is_reset).unwrap();
    let source = reset["source"].as_str().unwrap().replace("=\r\n", "").replace("=3D", "=");
    let (link, rest) = source.split_once("#token=").unwrap();
    assert!(link.ends_with(&store.guest.url("/account/reset-password")), "{link}");
    let token: String = rest.chars().take(43).collect();
    let body = json!({"token": token, "password": NEW_PASSWORD});
    store.guest.post("/api/auth/password/reset", body.clone()).await.expect(204);
    let problem = store.guest.post("/api/auth/password/reset", body).await.expect(400).json;
    assert_eq!(
        (&problem["code"], &problem["errors"][0]["field"]),
        (&"invalid_token".into(), &"token".into())
    );
    store.sign_in("ada@shop.example", NEW_PASSWORD).await;

    store.guest.get("/mail").await.expect(404);
    store.guest.get("/mail.json").await.expect(404);
    let page = reqwest::get(store.guest.url("/account/reset-password")).await.unwrap();
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    let list = reqwest::get(mailbox).await.unwrap().text().await.unwrap();
    assert!(list.contains("Set a new password"), "{list}");
    assert!(store.process.terminate().await.success());
}

/// The mails of both services: id and whether it is finished.
async fn rows(db: &PgPool) -> HashMap<Uuid, bool> {
    let rows: Vec<(Uuid, bool)> = sqlx::query_as(
        "select id, sent_at is not null from identity.mails
         union all select id, sent_at is not null from orders.mails",
    )
    .fetch_all(db)
    .await
    .unwrap();
    rows.into_iter().collect()
}

#[tokio::test]
async fn each_mail_is_sent_when_the_process_is_killed_at_any_step() {
    let (data, database) =
        (bodega_embedded_postgres::testing::TempDir::new("data").unwrap(), database().await);
    let server = SmtpServer::start().await;
    let db = PgPool::connect(&database.url()).await.unwrap();
    let start = async || {
        let mut up = bodega(data.path(), &[]);
        up.env("DATABASE_URL", database.url()).env("BODEGA_SMTP_URL", server.url());
        start_bodega(&mut up).await
    };
    let steps = [Fault::HangAtRecipient, Fault::HangAtData, Fault::HangAfterData, Fault::Close, Fault::None];
    for (step, fault) in steps.into_iter().enumerate() {
        server.set_fault(fault);
        let store = start().await;
        let admin = store.sign_in(ADMIN_EMAIL, PASSWORD).await;
        let mug = admin.create_product(&format!("Mug {step}"), "19.99", 5).await;
        let (attempts, received) = (server.attempts(), server.received().len());
        let ada = register(&store, &format!("ada{step}")).await;
        ada.add_to_cart(mug, 1).await.expect(200);
        ada.place_order().await.expect(201);
        // The last one is killed right after its response.
        if fault != Fault::None {
            server.wait_for_attempts(attempts).await;
        }
        if fault == Fault::HangAfterData {
            server.wait_for(received + 1, |_| true).await;
        }
        store.process.kill().await;
    }
    server.set_fault(Fault::None);
    for table in [
        "update identity.mails set next_attempt_at = now()",
        "update orders.mails set next_attempt_at = now()",
    ] {
        sqlx::query(table).execute(&db).await.unwrap();
    }
    let store = start().await;
    eventually("all mails are sent", async || rows(&db).await.values().all(|is_sent| *is_sent)).await;
    let rows = rows(&db).await;
    assert_eq!(rows.len(), 10, "a confirmation of the address and one of the order in each step");
    let received = server.received();
    for id in rows.keys() {
        let count = received.iter().filter(|mail| mail.id() == format!("<{id}@localhost>")).count();
        assert!((1..=5).contains(&count), "{id}: {count}");
    }
    let unknown = received.iter().filter(|mail| !rows.keys().any(|id| mail.id().contains(&id.to_string())));
    assert_eq!(unknown.count(), 0);
    assert!(received.len() > rows.len(), "what was received without a record is sent again");
    assert!(store.process.terminate().await.success());
}
