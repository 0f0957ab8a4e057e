//! Conversations with an SMTP server.

use std::time::Duration;

use clap::Parser;
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    Letter, MailArgs, Mailer, Template,
    smtp::SendError,
    testing::{Fault, SmtpServer},
};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    mail: MailArgs,
}

fn mailer(url: &str, authorities: Option<&str>) -> Mailer {
    let arguments = ["test", "--smtp-url", url, "--public-url", "https://shop.example"];
    let from = ["--mail-from", "Corner Shop <shop@shop.example>"];
    let authorities = authorities.into_iter().flat_map(|file| ["--smtp-ca-file", file]);
    let cli = Cli::parse_from(arguments.into_iter().chain(from).chain(authorities));
    cli.mail.smtp_mailer().unwrap().unwrap()
}

fn letter() -> Letter {
    let data = json!({"name": "Zoë\r\nBcc: eve@evil.example", "link": "https://shop.example/#token=AbC-_9", "hours": 1});
    Letter { to: "ada@example.org".into(), template: Template::PasswordReset, data }
}

/// Writes the certificate of the server to a file.
fn authorities(server: &SmtpServer) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &server.certificate).unwrap();
    file
}

fn url(scheme: &str, server: &SmtpServer) -> String {
    format!("{scheme}://shop:secret@localhost:{}", server.address.port())
}

#[tokio::test]
async fn sends_over_starttls_and_over_tls_with_a_trusted_certificate() {
    for (scheme, server) in
        [("smtp", SmtpServer::start().await), ("smtps", SmtpServer::start_with_tls().await)]
    {
        let authorities = authorities(&server);
        let mailer = mailer(&url(scheme, &server), authorities.path().to_str());
        let id = Uuid::now_v7();
        mailer.send(id, &letter()).await.unwrap();
        let [mail] = server.received().try_into().unwrap();
        assert!(mail.encrypted);
        assert_eq!(mail.recipients, ["RCPT TO:<ada@example.org>"]);
        assert_eq!(mail.id(), format!("<{id}@shop.example>"));
        assert_eq!(mail.header("Subject"), "Set a new password for Corner Shop");
        assert_eq!(mail.token(), "AbC-_9");
        let (headers, body) = mail.data.split_once("\r\n\r\n").unwrap();
        assert!(!headers.contains("evil") && body.contains("text/plain") && body.contains("text/html"));
    }
}

#[tokio::test]
async fn sends_nothing_without_a_trusted_certificate_or_starttls() {
    let server = SmtpServer::start().await;
    let error = mailer(&url("smtp", &server), None).send(Uuid::now_v7(), &letter()).await;
    assert!(matches!(error, Err(SendError::Failed(_))), "an unknown authority: {error:?}");

    let authorities = authorities(&server);
    let mailer = mailer(&url("smtp", &server), authorities.path().to_str());
    server.set_fault(Fault::NoStartTls);
    let error = mailer.send(Uuid::now_v7(), &letter()).await;
    assert!(matches!(&error, Err(SendError::Failed(reason)) if reason.contains("STARTTLS")), "{error:?}");
    assert_eq!(server.attempts(), 0);

    server.set_fault(Fault::None);
    mailer.send(Uuid::now_v7(), &letter()).await.unwrap();
}

#[tokio::test]
async fn only_a_rejected_mail_is_final() {
    let server = SmtpServer::start().await;
    let mailer = mailer(&server.url(), None);
    for (fault, is_final) in [(Fault::Transient, false), (Fault::Permanent, true), (Fault::Close, false)] {
        server.set_fault(fault);
        let error = mailer.send(Uuid::now_v7(), &letter()).await.unwrap_err();
        assert_eq!(matches!(error, SendError::Rejected(_)), is_final, "{fault:?}: {error:?}");
    }
    server.set_fault(Fault::None);
    mailer.send(Uuid::now_v7(), &letter()).await.unwrap();
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_wrong_password_rejects_no_mail() {
    let server = SmtpServer::start().await;
    let authorities = authorities(&server);
    server.set_fault(Fault::RejectLogin);
    let mailer = mailer(&url("smtp", &server), authorities.path().to_str());
    let error = mailer.send(Uuid::now_v7(), &letter()).await;
    assert!(matches!(&error, Err(SendError::Failed(reason)) if reason.contains("535")), "{error:?}");
}

#[tokio::test]
async fn a_server_that_does_not_respond_fails_in_time() {
    join_all([Fault::HangAtRecipient, Fault::HangAtData].map(async |fault| {
        let server = SmtpServer::start().await;
        server.set_fault(fault);
        let mailer = mailer(&server.url(), None);
        let sent = timeout(Duration::from_secs(60), mailer.send(Uuid::now_v7(), &letter())).await;
        assert!(matches!(sent.unwrap(), Err(SendError::Failed(_))), "{fault:?}");
    }))
    .await;
}
