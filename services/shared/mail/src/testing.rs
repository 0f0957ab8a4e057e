//! An SMTP server for tests, with faults on demand.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    sync::watch,
    task::AbortHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::{MailArgs, Mailer};

/// Longer than any test needs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A received message.
#[derive(Clone, Debug)]
pub struct Received {
    /// Arguments of the commands RCPT.
    pub recipients: Vec<String>,
    /// The message, with dots removed.
    pub data: String,
    /// Whether the connection was encrypted.
    pub encrypted: bool,
}

impl Received {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> String {
        let (headers, _) = self.data.split_once("\r\n\r\n").unwrap_or((&self.data, ""));
        let prefix = format!("{name}: ");
        headers.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
    }

    /// Returns the `Message-ID`.
    pub fn id(&self) -> String {
        self.header("Message-ID")
    }

    /// Returns the token of a link, with soft line breaks of quoted-printable removed.
    pub fn token(&self) -> String {
        let text = self.data.replace("=\r\n", "").replace("=3D", "=");
        let token = text.split_once("#token=").map_or("", |(_, rest)| rest);
        token.chars().take_while(|c| c.is_ascii_alphanumeric() || ['-', '_'].contains(c)).collect()
    }
}

/// What the server does at the next commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Accepts all mails.
    #[default]
    None,
    /// Responds to RCPT with 451.
    Transient,
    /// Responds to RCPT with 550.
    Permanent,
    /// Closes the connection after RCPT.
    Close,
    /// Never responds to RCPT.
    HangAtRecipient,
    /// Discards the message, and never responds.
    HangAtData,
    /// Receives the message, and never responds.
    HangAfterData,
    /// Responds to the greeting without offering STARTTLS.
    NoStartTls,
    /// Rejects the password.
    RejectLogin,
}

struct State {
    fault: watch::Sender<Fault>,
    received: Mutex<Vec<Received>>,
    /// Number of RCPT commands, including those that failed.
    attempts: watch::Sender<usize>,
    tls: TlsAcceptor,
    implicit_tls: bool,
}

/// A running SMTP server; stopped when dropped.
pub struct SmtpServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate of `localhost`, as PEM.
    pub certificate: String,
    state: Arc<State>,
    task: AbortHandle,
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmtpServer {
    /// Starts a server that offers STARTTLS.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start() -> Self {
        Self::start_with(false).await
    }

    /// Starts a server whose connections are encrypted from the start.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start_with_tls() -> Self {
        Self::start_with(true).await
    }

    #[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    async fn start_with(implicit_tls: bool) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let state = Arc::new(State {
            fault: watch::Sender::default(),
            received: Mutex::default(),
            attempts: watch::Sender::default(),
            tls: TlsAcceptor::from(Arc::new(config)),
            implicit_tls,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = accepting.clone();
                tokio::spawn(async move {
                    if !state.implicit_tls {
                        return serve(&state, BufReader::new(stream)).await;
                    }
                    let stream = state.tls.accept(stream).await?;
                    converse(&state, &mut BufReader::new(stream), true).await.map(drop)
                });
            }
        });
        Self { address, certificate: cert.pem(), state, task: task.abort_handle() }
    }

    /// Returns the URL of an unencrypted connection.
    pub fn url(&self) -> String {
        format!("smtp://{}?tls=off", self.address)
    }

    /// Returns a mailer of the shop `https://shop.example` that sends to this server.
    ///
    /// # Panics
    /// When a built-in template is invalid.
    #[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    pub fn mailer(&self) -> Mailer {
        let mail = MailArgs {
            smtp_url: Some(self.url().parse().unwrap()),
            smtp_ca_file: None,
            mail_from: "Shop <shop@shop.example>".parse().unwrap(),
            public_url: Some("https://shop.example".parse().unwrap()),
            templates_dir: None,
        };
        mail.smtp_mailer().unwrap().unwrap()
    }

    /// Sets what the server does from now on. Connections that hang are closed.
    pub fn set_fault(&self, fault: Fault) {
        self.state.fault.send_replace(fault);
    }

    /// Returns the received messages.
    ///
    /// # Panics
    /// When a connection has panicked.
    #[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// Returns the number of attempts to send a mail.
    pub fn attempts(&self) -> usize {
        *self.state.attempts.borrow()
    }

    /// Waits until more than `count` attempts to send a mail were made.
    ///
    /// # Panics
    /// When they are not made in time.
    pub async fn wait_for_attempts(&self, count: usize) {
        let mut attempts = self.state.attempts.subscribe();
        let more = tokio::time::timeout(TIMEOUT, attempts.wait_for(|attempts| *attempts > count)).await;
        assert!(more.is_ok(), "no more than {count} attempts");
    }

    /// Waits for messages that match.
    ///
    /// # Panics
    /// When fewer than `count` arrive in time.
    pub async fn wait_for(&self, count: usize, matches: impl Fn(&Received) -> bool) -> Vec<Received> {
        let started = Instant::now();
        loop {
            let received: Vec<_> = self.received().into_iter().filter(|mail| matches(mail)).collect();
            if received.len() >= count {
                return received;
            }
            let subjects: Vec<_> = self.received().iter().map(|mail| mail.header("Subject")).collect();
            assert!(started.elapsed() < TIMEOUT, "{} of {count} mails among {subjects:?}", received.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Serves a connection that begins unencrypted.
async fn serve(state: &State, mut stream: BufReader<tokio::net::TcpStream>) -> std::io::Result<()> {
    if converse(state, &mut stream, false).await? {
        let stream = state.tls.accept(stream.into_inner()).await?;
        converse(state, &mut BufReader::new(stream), true).await?;
    }
    Ok(())
}

/// Serves commands until the client quits or, which returns `true`, begins TLS.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    state: &State,
    stream: &mut BufReader<S>,
    encrypted: bool,
) -> std::io::Result<bool> {
    let mut recipients = Vec::new();
    if !encrypted || state.implicit_tls {
        stream.write_all(b"220 test\r\n").await?;
    }
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        let fault = *state.fault.borrow();
        let command = line.trim_end().to_owned();
        let response = match command.split([' ', ':']).next().unwrap_or_default().to_uppercase().as_str() {
            "EHLO" if encrypted || fault == Fault::NoStartTls => "250-test\r\n250 AUTH PLAIN",
            "EHLO" => "250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN",
            "STARTTLS" => {
                stream.write_all(b"220 go ahead\r\n").await?;
                return Ok(true);
            }
            "AUTH" if fault == Fault::RejectLogin => "535 wrong password",
            "AUTH" => "235 welcome",
            "RCPT" => {
                state.attempts.send_modify(|attempts| *attempts += 1);
                recipients.push(command);
                match fault {
                    Fault::Transient => "451 try again",
                    Fault::Permanent => "550 no such mailbox",
                    Fault::Close => return Ok(false),
                    Fault::HangAtRecipient => return hang(state).await,
                    _ => "250 ok",
                }
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let data = read_message(stream).await?;
                if fault == Fault::HangAtData {
                    return hang(state).await;
                }
                let recipients = std::mem::take(&mut recipients);
                if let Ok(mut received) = state.received.lock() {
                    received.push(Received { recipients, data, encrypted });
                }
                if fault == Fault::HangAfterData {
                    return hang(state).await;
                }
                "250 accepted"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(false);
            }
            _ => "250 ok",
        };
        stream.write_all(format!("{response}\r\n").as_bytes()).await?;
    }
}

/// Waits until the fault is changed, and closes the connection.
async fn hang(state: &State) -> std::io::Result<bool> {
    let mut fault = state.fault.subscribe();
    let hangs =
        |fault: &Fault| [Fault::HangAtRecipient, Fault::HangAtData, Fault::HangAfterData].contains(fault);
    let _ = fault.wait_for(|fault| !hangs(fault)).await;
    Ok(false)
}

async fn read_message<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
