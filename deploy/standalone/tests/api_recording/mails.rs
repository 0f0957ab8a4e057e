//! What clients do with mailed tokens, and the mails as admins see them.

use bodega_mail::testing::{Fault, SmtpServer};
use bodega_order::{OrderMail, OrderMailArgs};
use serde_json::{Value, json};

use super::recorder::{Recorder, Role};
use crate::harness::store::{Client, PASSWORD, eventually};

/// Waits for the mail to an address whose subject begins with this; returns its token.
async fn token(server: &SmtpServer, to: &str, subject: &str) -> Value {
    let to = format!("<{to}@shop.example>");
    let mails = server
        .wait_for(1, |mail| mail.recipients[0].contains(&to) && mail.header("Subject").starts_with(subject));
    json!({"token": mails.await.pop().unwrap().token()})
}

async fn mails(admin: &Client, status: &str) -> Vec<Value> {
    admin.get(&format!("/api/admin/mails?status={status}")).await.expect(200).items().to_vec()
}

#[tokio::test]
async fn mails_and_their_tokens() {
    let server = SmtpServer::start().await;
    let mail = OrderMail { mailer: Some(server.mailer()), args: OrderMailArgs::default() };
    let mut api = Recorder::start_with_mail(mail).await;
    let verify = token(&server, "ada", "Confirm").await;
    api.send(Role::User, "POST", "/api/auth/email/resend").await;
    for _ in 0..2 {
        api.send_json(Role::Anonymous, "POST", "/api/auth/email/verify", verify.clone()).await;
    }

    for name in ["ada", "unknown"] {
        let email = json!({"email": format!("{name}@shop.example")});
        api.send_json(Role::Anonymous, "POST", "/api/auth/password/forgot", email).await;
    }
    let mut reset = token(&server, "ada", "Set a new password").await;
    for password in ["short", PASSWORD, PASSWORD] {
        reset["password"] = password.into();
        api.send_json(Role::Anonymous, "POST", "/api/auth/password/reset", reset.clone()).await;
    }
    let user = api.store().guest().sign_in("ada").await;
    api.replace_user(user);

    let other_email = json!({"email": "countess@shop.example", "currentPassword": PASSWORD});
    api.send_json(Role::User, "PATCH", "/api/users/me", other_email).await;
    let undo = token(&server, "ada", "Your email address").await;
    for _ in 0..2 {
        api.send_json(Role::Anonymous, "POST", "/api/auth/email/undo", undo.clone()).await;
    }
    // Her earlier address was not confirmed, so another user can register it.
    api.client(Role::OtherUser)
        .patch("/api/users/me", json!({"email": "hopper@shop.example"}))
        .await
        .expect(200);
    let undo = token(&server, "grace", "Your email address").await;
    let register = json!({"name": "Eve", "email": "grace@shop.example", "password": PASSWORD});
    api.client(Role::Anonymous).post("/api/auth/register", register).await.expect(201);
    api.send_json(Role::Anonymous, "POST", "/api/auth/email/undo", undo).await;

    let admin = api.client(Role::Admin);
    eventually("no mail is pending", async || mails(&admin, "pending").await.is_empty()).await;
    server.set_fault(Fault::Permanent);
    let reset = format!("/api/users/{}/password-reset", api.client(Role::User).id());
    api.send(Role::Admin, "POST", &reset).await;
    eventually("the mail has failed", async || !mails(&admin, "failed").await.is_empty()).await;
    let failed = api.send(Role::Admin, "GET", "/api/admin/mails?status=failed&limit=2").await;
    server.set_fault(Fault::None);
    let resend = format!("/api/admin/mails/{}/resend", failed.items()[0]["id"].as_str().unwrap());
    for _ in 0..2 {
        api.send(Role::Admin, "POST", &resend).await;
    }
    api.assert_unchanged("mails");
}
