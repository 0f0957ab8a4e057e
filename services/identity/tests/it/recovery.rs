//! Password reset, confirmation of addresses, and the undo of a change, with a real SMTP server.

use std::time::{Duration, Instant};

use bodega_identity::{Settings, create_admin, reset_password};
use bodega_mail::testing::{Fault, Received, SmtpServer};
use bodega_proto::{
    identity::v1::{
        GetContactsRequest, RequestPasswordResetRequest, ResendVerificationRequest, ResetPasswordRequest,
        SendPasswordResetRequest, Session, UndoEmailChangeRequest, UpdateProfileRequest, User,
        VerifyEmailRequest, contact_service_client::ContactServiceClient,
        recovery_service_client::RecoveryServiceClient,
    },
    mail::v1::{ListMailsRequest, MailStatus, ResendMailRequest, mail_service_client::MailServiceClient},
};
use bodega_runtime::{rate_limit::RateLimits, transport::Transport};
use futures_util::future::join_all;
use tonic::{Code, Status, service::interceptor::InterceptedService};

use crate::test_app::{
    ActAs, PASSWORD, TestApp, eventually, fields, id_of, invalid_credentials, rejection, session_ended,
    settings, user,
};

const NEW_PASSWORD: &str = "another horse battery";

type Recovery = RecoveryServiceClient<InterceptedService<Transport, ActAs>>;

struct Fixture {
    app: TestApp,
    server: SmtpServer,
}

fn with_mail(server: &SmtpServer) -> Settings {
    Settings { mail: Some(server.mailer()), rate_limits: RateLimits::Off, ..settings() }
}

fn invalid_token() -> (Code, String) {
    (Code::OutOfRange, "invalid_token".into())
}

impl Fixture {
    async fn start() -> Self {
        let server = SmtpServer::start().await;
        Self { app: TestApp::start_with(with_mail(&server)).await, server }
    }

    async fn recovery(&self, session: Option<&Session>) -> Recovery {
        let caller = match session {
            Some(session) => Some(self.app.verifier.verify(&session.access_token).await.unwrap()),
            None => None,
        };
        let transport = Transport::unauthenticated(self.app.service.routes()).streaming();
        RecoveryServiceClient::with_interceptor(transport, ActAs(caller))
    }

    async fn forgot(&self, email: &str) -> Result<(), Status> {
        let request = RequestPasswordResetRequest { email: email.into() };
        self.recovery(None).await.request_password_reset(request).await.map(drop)
    }

    async fn reset(&self, token: &str, password: &str) -> Result<Vec<String>, Status> {
        let request = ResetPasswordRequest { token: token.into(), password: password.into() };
        Ok(self.recovery(None).await.reset_password(request).await?.into_inner().ended_session_ids)
    }

    /// Repeats calls that are rejected as unavailable: on a busy machine, many at once may wait too long for a connection.
    async fn reset_if_available(&self, token: &str, password: &str) -> Result<Vec<String>, Status> {
        let mut result = self.reset(token, password).await;
        for _ in 0..100 {
            match result {
                Err(status) if status.code() == Code::Unavailable => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    result = self.reset(token, password).await;
                }
                _ => break,
            }
        }
        result
    }

    async fn verify(&self, token: &str) -> Result<(), Status> {
        self.recovery(None).await.verify_email(VerifyEmailRequest { token: token.into() }).await.map(drop)
    }

    async fn undo(&self, token: &str) -> Result<(), Status> {
        let request = UndoEmailChangeRequest { token: token.into() };
        self.recovery(None).await.undo_email_change(request).await.map(drop)
    }

    async fn update(&self, session: &Session, request: UpdateProfileRequest) -> Result<User, Status> {
        let mut client = self.app.bearer(&session.access_token).await;
        Ok(client.update_profile(request).await?.into_inner().user.unwrap())
    }

    async fn change_email(
        &self,
        session: &Session,
        email: &str,
        password: Option<&str>,
    ) -> Result<User, Status> {
        let request = UpdateProfileRequest {
            email: Some(email.into()),
            current_password: password.map(Into::into),
            ..Default::default()
        };
        self.update(session, request).await
    }

    /// Waits for the mail to an address whose subject begins with this.
    async fn mail(&self, to: &str, subject: &str) -> Received {
        let is_it = |mail: &Received| {
            mail.recipients[0].contains(&format!("<{to}>")) && mail.header("Subject").starts_with(subject)
        };
        self.server.wait_for(1, is_it).await.pop().unwrap()
    }

    /// Registers a user, whose address is confirmed.
    async fn verified(&self, name: &str) -> Session {
        let session = self.app.register(name).await;
        let mail = self.mail(&format!("{name}@example.org"), "Confirm").await;
        self.verify(&mail.token()).await.unwrap();
        session
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.app.db).await.unwrap()
    }
}

#[tokio::test]
async fn a_mailed_token_sets_one_password_however_many_calls_use_it() {
    let fixture = Fixture::start().await;
    let ada = fixture.app.register("ada").await;
    let other = fixture.app.login("ada").await.unwrap();
    fixture.forgot("ADA@example.org").await.unwrap();
    let token = fixture.mail("ada@example.org", "Set a new password").await.token();
    assert_eq!(token.len(), 43);

    assert_eq!(fields(fixture.reset(&token, "short").await), ["password"]);
    assert_eq!(fields(fixture.reset(&token, "ADA@example.org").await), ["password"]);
    let passwords: Vec<_> = (0..50).map(|number| format!("horse battery number {number}")).collect();
    let results =
        join_all(passwords.iter().map(|password| fixture.reset_if_available(&token, password))).await;
    let set: Vec<_> = results.iter().zip(&passwords).filter(|(result, _)| result.is_ok()).collect();
    assert_eq!(set.len(), 1, "{results:?}");
    assert_eq!(set[0].0.as_ref().unwrap().len(), 2, "ends both sessions");
    for result in results.iter().filter(|result| result.is_err()) {
        assert_eq!(rejection(result.clone()), invalid_token());
    }
    assert_eq!(rejection(fixture.app.login("ada").await), invalid_credentials());
    let session = fixture.app.login_with("ada", set[0].1).await.unwrap();
    assert!(user(&session).email_verified, "the mail has arrived");
    let audited = fixture.app.audited(user(&session)).await;
    assert_eq!(audited[..3], ["user.registered", "email.verified", "password.reset"], "{audited:?}");
    for ended in [&ada, &other] {
        assert_eq!(rejection(fixture.app.profile(ended).await), session_ended());
    }
    fixture.mail("ada@example.org", "Your password for").await;
    assert_eq!(
        fixture.count("select count(*) from identity.account_tokens where purpose = 'password_reset'").await,
        0
    );
}

#[tokio::test]
async fn expired_unknown_and_other_tokens_are_rejected() {
    let fixture = Fixture::start().await;
    let ada = fixture.app.register("ada").await;
    let verify = fixture.mail("ada@example.org", "Confirm").await.token();
    fixture.forgot("ada@example.org").await.unwrap();
    let reset = fixture.mail("ada@example.org", "Set a new password").await.token();
    for token in ["x", &"x".repeat(43), &"x".repeat(5000), "a\0b", &verify] {
        assert_eq!(rejection(fixture.reset(token, NEW_PASSWORD).await), invalid_token(), "{token}");
    }
    assert_eq!(fields(fixture.reset("", NEW_PASSWORD).await), ["token"]);
    assert_eq!(rejection(fixture.verify(&reset).await), invalid_token(), "a token of another purpose");

    let moved = fixture.change_email(&ada, "countess@example.org", None).await.unwrap();
    assert!(!moved.email_verified);
    assert_eq!(rejection(fixture.reset(&reset, NEW_PASSWORD).await), invalid_token(), "of the old address");
    assert_eq!(rejection(fixture.verify(&verify).await), invalid_token(), "of the old address");

    let verify = fixture.mail("countess@example.org", "Confirm").await.token();
    sqlx::query("update identity.account_tokens set expires_at = now()")
        .execute(&fixture.app.db)
        .await
        .unwrap();
    assert_eq!(rejection(fixture.verify(&verify).await), invalid_token(), "expired");
    fixture.app.login("countess@example.org").await.unwrap();
}

#[tokio::test]
async fn an_address_is_confirmed_by_its_token_also_repeatedly() {
    let fixture = Fixture::start().await;
    let ada = fixture.app.register("ada").await;
    assert!(!user(&ada).email_verified);
    let token = fixture.mail("ada@example.org", "Confirm").await.token();
    fixture.verify(&token).await.unwrap();
    fixture.verify(&token).await.unwrap();
    assert!(fixture.app.profile(&ada).await.unwrap().email_verified);
    assert_eq!(fixture.app.audited(user(&ada)).await, ["user.registered", "email.verified"], "once");

    let before = fixture.count("select count(*) from identity.mails").await;
    let mut recovery = fixture.recovery(Some(&ada)).await;
    recovery.resend_verification(ResendVerificationRequest {}).await.unwrap();
    assert_eq!(fixture.count("select count(*) from identity.mails").await, before, "nothing to confirm");

    let spelled = fixture.change_email(&ada, "Ada@Example.org", None).await.unwrap();
    assert!(spelled.email_verified, "the same address");
    let request = GetContactsRequest { user_ids: vec![user(&ada).id.clone()] };
    let transport = Transport::unauthenticated(fixture.app.service.routes()).streaming();
    let contacts =
        ContactServiceClient::new(transport).get_contacts(request).await.unwrap().into_inner().contacts;
    assert_eq!((contacts[0].email.as_str(), contacts[0].email_verified), ("Ada@Example.org", true));
}

#[tokio::test]
async fn known_and_unknown_addresses_are_treated_alike() {
    let fixture = Fixture::start().await;
    fixture.app.register("ada").await;
    fixture.mail("ada@example.org", "Confirm").await;
    let rows = async |email: &str| -> i64 {
        let sql = "select count(*) from identity.mails where kind = 'password_reset' and email = $1";
        sqlx::query_scalar(sql).bind(email).fetch_one(&fixture.app.db).await.unwrap()
    };
    // One row in a time slot, which may end meanwhile.
    for email in ["ada@example.org", "nobody@example.org"] {
        for _ in 0..10 {
            fixture.forgot(email).await.unwrap();
        }
        assert!((1..=2).contains(&rows(email).await), "{email}");
    }
    assert_eq!(fields(fixture.forgot("nobody").await), ["email"]);

    // The rows differ only after the response.
    fixture.mail("ada@example.org", "Set a new password").await;
    let unfinished = "select count(*) from identity.mails where sent_at is null";
    eventually("all mails are finished", async || fixture.count(unfinished).await == 0).await;
    assert!(fixture.count("select count(*) from identity.mails where discarded").await > 0);
    assert!(!fixture.server.received().iter().any(|mail| mail.recipients[0].contains("nobody")));
    for email in ["ada@example.org", "nobody@example.org"] {
        fixture.forgot(email).await.unwrap();
        assert!((1..=2).contains(&rows(email).await), "as long as the row of a known address: {email}");
    }

    let mut times = [Vec::new(), Vec::new()];
    for round in 0..40 {
        // Another time slot in each round.
        sqlx::query("update identity.mails set dedupe_key = dedupe_key || $1")
            .bind(round.to_string())
            .execute(&fixture.app.db)
            .await
            .unwrap();
        for (email, times) in ["ada@example.org", "nobody@example.org"].into_iter().zip(&mut times) {
            let started = Instant::now();
            fixture.forgot(email).await.unwrap();
            times.push(started.elapsed());
        }
    }
    // The fastest of the interleaved calls: other work on the machine only makes calls slower.
    let [known, unknown] = times.map(|times| times.into_iter().min().unwrap());
    assert!(known < unknown * 3 && unknown < known * 3, "fastest: {known:?}, {unknown:?}");
}

#[tokio::test]
async fn a_confirmed_address_and_the_username_of_an_admin_need_the_password() {
    let fixture = Fixture::start().await;
    let ada = fixture.verified("ada").await;
    assert_eq!(fields(fixture.change_email(&ada, "eve@example.org", None).await), ["current_password"]);
    assert_eq!(
        fields(fixture.change_email(&ada, "eve@example.org", Some("wrong horse")).await),
        ["current_password"]
    );
    assert_eq!(fixture.app.profile(&ada).await.unwrap().email, "ada@example.org");
    let rename = |password: Option<&str>| UpdateProfileRequest {
        username: Some("root".into()),
        current_password: password.map(Into::into),
        ..Default::default()
    };
    fixture.update(&ada, rename(None)).await.unwrap();
    fixture
        .update(&ada, UpdateProfileRequest { username: Some("ada".into()), ..Default::default() })
        .await
        .unwrap();

    let admin = fixture.app.admin("admin").await;
    assert_eq!(fields(fixture.update(&admin, rename(None)).await), ["current_password"]);
    fixture.update(&admin, rename(Some(PASSWORD))).await.unwrap();
    fixture.change_email(&ada, "countess@example.org", Some(PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn another_address_ends_other_sessions_and_can_be_undone() {
    let fixture = Fixture::start().await;
    let ada = fixture.verified("ada").await;
    let other = fixture.app.login("ada").await.unwrap();
    fixture.change_email(&ada, "eve@example.org", Some(PASSWORD)).await.unwrap();
    fixture.app.profile(&ada).await.unwrap();
    assert_eq!(rejection(fixture.app.profile(&other).await), session_ended());
    fixture.change_email(&ada, "mallory@example.org", None).await.unwrap();
    let undo = fixture.mail("ada@example.org", "Your email address").await.token();
    let of_the_thief = fixture.mail("eve@example.org", "Your email address").await.token();

    // The confirmed address stays reserved, so that the undo cannot be prevented.
    let registration = crate::test_app::registration("ada");
    let registration =
        bodega_proto::identity::v1::RegisterRequest { username: "ada2".into(), ..registration };
    let taken = fixture.app.anonymous().register(registration).await;
    assert_eq!(rejection(taken), (Code::AlreadyExists, "email_taken".into()));
    let bob = fixture.app.register("bob").await;
    let taken = fixture.change_email(&bob, "ada@example.org", None).await;
    assert_eq!(rejection(taken), (Code::AlreadyExists, "email_taken".into()));

    let results = join_all((0..10).map(|_| fixture.undo(&undo))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert_eq!(rejection(fixture.app.profile(&ada).await), session_ended());
    let session = fixture.app.login("ada@example.org").await.unwrap();
    assert!(user(&session).email_verified);
    assert_eq!(rejection(fixture.undo(&of_the_thief).await), invalid_token());
    assert_eq!(fixture.app.profile(&session).await.unwrap().email, "ada@example.org");
}

#[tokio::test]
async fn an_admin_can_have_a_reset_mailed_and_see_failed_mails() {
    let fixture = Fixture::start().await;
    let (admin, ada) = (fixture.app.admin("admin").await, fixture.app.register("ada").await);
    let send = SendPasswordResetRequest { user_id: user(&ada).id.clone() };
    let mut recovery = fixture.recovery(Some(&ada)).await;
    assert_eq!(rejection(recovery.send_password_reset(send.clone()).await).1, "admin_only");
    fixture.mail("ada@example.org", "Confirm").await;
    fixture.server.set_fault(Fault::Permanent);
    let mut recovery = fixture.recovery(Some(&admin)).await;
    recovery.send_password_reset(send).await.unwrap();
    let unknown = SendPasswordResetRequest { user_id: uuid::Uuid::now_v7().to_string() };
    assert_eq!(rejection(recovery.send_password_reset(unknown).await).1, "user_not_found");

    let caller = fixture.app.verifier.verify(&admin.access_token).await.unwrap();
    let transport = Transport::unauthenticated(fixture.app.service.routes()).streaming();
    let mut mails = MailServiceClient::with_interceptor(transport, ActAs(Some(caller)));
    let list = ListMailsRequest { status: MailStatus::Failed.into(), ..Default::default() };
    let rejected = "select count(*) from identity.mails where rejection is not null";
    eventually("the mail is rejected", async || fixture.count(rejected).await > 0).await;
    let [failed] = mails.list_mails(list).await.unwrap().into_inner().mails.try_into().unwrap();
    assert_eq!((failed.kind.as_str(), failed.user_id.as_str()), ("password_reset", user(&ada).id.as_str()));
    assert!(failed.rejection.contains("550") && failed.attempts == 1, "{failed:?}");

    fixture.server.set_fault(Fault::None);
    mails.resend_mail(ResendMailRequest { id: failed.id.clone() }).await.unwrap();
    let mail = fixture.mail("ada@example.org", "Set a new password").await;
    assert_eq!(mail.id(), format!("<{}@shop.example>", failed.id), "the same message");
    fixture.reset(&mail.token(), NEW_PASSWORD).await.unwrap();
    assert!(fixture.app.audited(user(&ada)).await.contains(&"password.reset_requested".to_owned()));
    let again = mails.resend_mail(ResendMailRequest { id: failed.id }).await;
    assert_eq!(rejection(again), (Code::NotFound, "mail_not_found".into()));
}

#[tokio::test]
async fn a_password_set_on_the_command_line_is_mailed() {
    let fixture = Fixture::start().await;
    let changed = "select count(*) from identity.mails where kind = 'password_changed'";
    let (ada, settings) = (fixture.app.register("ada").await, settings());
    reset_password(&fixture.app.db, &settings, "ada", NEW_PASSWORD).await.unwrap();
    fixture.mail("ada@example.org", "Your password for").await;
    assert_eq!(fixture.count(changed).await, 1);

    create_admin(&fixture.app.db, &settings, "Eve", "eve@example.org", PASSWORD).await.unwrap();
    for (password, mails) in [(PASSWORD, 1), (NEW_PASSWORD, 2), (NEW_PASSWORD, 2)] {
        create_admin(&fixture.app.db, &settings, "Eve", "eve@example.org", password).await.unwrap();
        assert_eq!(fixture.count(changed).await, mails);
    }
    fixture.mail("eve@example.org", "Your password for").await;
    assert_eq!(fixture.app.audited(user(&ada)).await, ["user.registered", "password.reset"]);
}

#[tokio::test]
async fn mails_that_fail_are_retried_and_given_up_after_two_days() {
    let fixture = Fixture::start().await;
    fixture.server.set_fault(Fault::Transient);
    let ada = fixture.app.register("ada").await;
    fixture.server.wait_for_attempts(0).await;
    let attempts = "select count(*) from identity.mails where attempts = 1 and rejection is null and next_attempt_at > now() + interval '25 s'";
    eventually("the mail was tried", async || fixture.count(attempts).await > 0).await;
    let given_up = "select count(*) from identity.mails where rejection like 'not sent within 48 hours%'";
    eventually("the mail is given up", async || {
        // Again and again: the result of the first attempt may be recorded meanwhile, and postpones the next one.
        let late = "update identity.mails set next_attempt_at = now(), created_at = now() - interval '48 h'
                    where rejection is null";
        sqlx::query(late).execute(&fixture.app.db).await.unwrap();
        fixture.count(given_up).await > 0
    })
    .await;
    assert_eq!(fixture.app.profile(&ada).await.unwrap().id, id_of(user(&ada)).to_string());
}

#[tokio::test]
async fn a_mail_that_was_not_recorded_is_sent_again_with_the_same_id() {
    let fixture = Fixture::start().await;
    fixture.server.set_fault(Fault::HangAfterData);
    fixture.app.register("ada").await;
    let first = fixture.mail("ada@example.org", "Confirm").await;
    // The process is gone, and its lease has ended.
    fixture.app.shutdown.cancel();
    fixture.server.set_fault(Fault::None);
    let _replica = fixture.app.replica_with(with_mail(&fixture.server)).await;
    sqlx::query("update identity.mails set next_attempt_at = now()").execute(&fixture.app.db).await.unwrap();
    let mail = fixture.server.wait_for(2, |_| true).await.pop().unwrap();
    assert_eq!(mail.id(), first.id());
    let id: uuid::Uuid =
        sqlx::query_scalar("select id from identity.mails").fetch_one(&fixture.app.db).await.unwrap();
    assert_eq!(mail.id(), format!("<{id}@shop.example>"));
    fixture.verify(&first.token()).await.unwrap();
    fixture.verify(&mail.token()).await.unwrap();
}

#[tokio::test]
async fn without_a_mailer_calls_that_send_a_mail_fail_alike() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let caller = app.verifier.verify(&ada.access_token).await.unwrap();
    let transport = Transport::unauthenticated(app.service.routes()).streaming();
    let mut recovery = RecoveryServiceClient::with_interceptor(transport, ActAs(Some(caller)));
    for email in ["ada@example.org", "nobody@example.org"] {
        let request = RequestPasswordResetRequest { email: email.into() };
        assert_eq!(rejection(recovery.request_password_reset(request).await).1, "mail_not_configured");
    }
    let resent = recovery.resend_verification(ResendVerificationRequest {}).await;
    assert_eq!(rejection(resent).1, "mail_not_configured");
    let mails: i64 =
        sqlx::query_scalar("select count(*) from identity.mails").fetch_one(&app.db).await.unwrap();
    assert_eq!(mails, 0);
}

#[tokio::test]
async fn a_change_by_the_previous_version_takes_the_confirmation_back() {
    let fixture = Fixture::start().await;
    let ada = fixture.verified("ada").await;
    sqlx::query("update identity.users set email = 'eve@example.org', email_normalized = 'eve@example.org' where id = $1")
        .bind(id_of(user(&ada)))
        .execute(&fixture.app.db)
        .await
        .unwrap();
    assert!(!fixture.app.profile(&ada).await.unwrap().email_verified);
}
