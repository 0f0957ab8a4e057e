//! Delivery to an SMTP server. Each mail has a connection of its own.

use std::time::Duration;

use anyhow::Context as _;
use bodega_runtime::timeouts::{MAIL_CONNECT, MAIL_SEND};
use lettre::{
    Message,
    transport::smtp::{
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
    },
};
use tokio::time::timeout;

use crate::config::{Security, SmtpUrl};

/// Time limit for the end of the conversation, after the server has accepted the mail.
const QUIT: Duration = Duration::from_secs(1);

/// Why a mail was not sent.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The server has rejected it for good (5xx).
    Rejected(String),
    /// Worth a retry.
    Failed(String),
}

#[derive(Clone)]
pub(crate) struct Smtp {
    server: (String, u16),
    security: Security,
    tls: TlsParameters,
    hello: ClientId,
    credentials: Option<Credentials>,
}

impl Smtp {
    pub(crate) fn new(url: &SmtpUrl, hello: &str, authorities: Option<&[u8]>) -> anyhow::Result<Self> {
        let mut tls = TlsParameters::builder(url.host.clone());
        if let Some(pem) = authorities {
            let certificates = Certificate::from_pem(pem).context("BODEGA_SMTP_CA_FILE is not a PEM file")?;
            tls = tls.add_root_certificate(certificates);
        }
        let credentials = url.credentials.clone();
        Ok(Self {
            server: (url.host.clone(), url.port),
            security: url.security,
            tls: tls.build().context("BODEGA_SMTP_URL: cannot use TLS")?,
            hello: ClientId::Domain(hello.to_owned()),
            credentials: credentials.map(|(user, password)| Credentials::new(user, password)),
        })
    }

    pub(crate) async fn send(&self, message: &Message) -> Result<(), SendError> {
        match timeout(MAIL_SEND, self.converse(message)).await {
            Ok(sent) => sent,
            Err(_) => Err(SendError::Failed(format!("the SMTP server did not respond within {MAIL_SEND:?}"))),
        }
    }

    async fn converse(&self, message: &Message) -> Result<(), SendError> {
        // A mail is not rejected because of the server's or our configuration.
        let mut connection = self.connect().await.map_err(|error| SendError::Failed(describe(&error)))?;
        let sent = connection.send(message.envelope(), &message.formatted()).await;
        let sent = sent.map(drop).map_err(|error| match error.is_permanent() {
            true => SendError::Rejected(describe(&error)),
            false => SendError::Failed(describe(&error)),
        });
        // The mail is accepted or rejected: the end of the conversation changes nothing.
        let _ = timeout(QUIT, connection.quit()).await;
        sent
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, lettre::transport::smtp::Error> {
        let (host, port) = &self.server;
        let wrapper = (self.security == Security::Tls).then(|| self.tls.clone());
        let connected = AsyncSmtpConnection::connect_tokio1(
            (host.as_str(), *port),
            Some(MAIL_CONNECT),
            &self.hello,
            wrapper,
            None,
        );
        let mut connection = connected.await?;
        if self.security == Security::StartTls {
            connection.starttls(self.tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// The error with its causes: lettre's own text has the code and the text of a response.
fn describe(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
