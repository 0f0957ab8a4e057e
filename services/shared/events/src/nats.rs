//! The connection to NATS, and the stream of events.

use std::{path::PathBuf, time::Duration};

use async_nats::{
    ConnectOptions,
    connection::State,
    jetstream::{
        self, Context,
        context::PublishAckFuture,
        message::PublishMessage,
        stream::{Config, DiscardPolicy, StorageType},
    },
};
use bodega_runtime::timeouts::{EVENT_ACK, EVENT_CONNECT};

use crate::{
    config::{Credentials, Servers},
    event::Event,
};

/// The stream of events, which is created if it does not exist. An existing one keeps its configuration.
const STREAM: &str = "BODEGA";
const SUBJECTS: &str = "bodega.>";
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
const MAX_BYTES: i64 = 1024 * 1024 * 1024;
/// Time for which JetStream drops repeated ids.
pub(crate) const DUPLICATE_WINDOW: Duration = Duration::from_secs(10 * 60);

/// A NATS server or cluster.
#[derive(Clone, Debug)]
pub struct Nats {
    pub(crate) servers: Servers,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) ca_file: Option<PathBuf>,
    /// Number of servers that store the events.
    pub(crate) replicas: usize,
}

/// The error of a connection or of a publication.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NatsError {
    #[error("cannot connect: {0}")]
    Connect(#[from] async_nats::ConnectError),
    #[error("connection timed out")]
    Timeout,
    #[error("no stream {STREAM}, and it cannot be created: {0}")]
    Stream(#[from] jetstream::context::CreateStreamError),
    #[error("{0}")]
    Publish(#[from] jetstream::context::PublishError),
    #[error("{0:#}")]
    Event(anyhow::Error),
}

impl Nats {
    /// Connects, and creates the stream if it does not exist.
    pub(crate) async fn connect(&self, name: &str) -> Result<Connection, NatsError> {
        let Servers(addresses) = &self.servers;
        let options = self
            .options()
            .name(format!("bodega-{name}"))
            .connection_timeout(EVENT_CONNECT)
            .request_timeout(Some(EVENT_CONNECT))
            .ping_interval(Duration::from_secs(10))
            .ignore_discovered_servers()
            // A lost connection is replaced by a new one, without the messages that were sent on it.
            .max_reconnects(addresses.len());
        let connect = async {
            let client = options.connect(addresses.as_slice()).await?;
            let jetstream = jetstream::ContextBuilder::new()
                .timeout(EVENT_ACK)
                .ack_timeout(EVENT_ACK)
                .backpressure_on_inflight(true)
                .build(client);
            jetstream.get_or_create_stream(self.stream()).await?;
            Ok(Connection(jetstream))
        };
        tokio::time::timeout(EVENT_CONNECT, connect).await.unwrap_or(Err(NatsError::Timeout))
    }

    /// Returns how to authenticate and to verify the server.
    pub(crate) fn options(&self) -> ConnectOptions {
        let options = match self.credentials.clone() {
            Some(Credentials::Password { user, password }) => {
                ConnectOptions::with_user_and_password(user, password)
            }
            Some(Credentials::Token(token)) => ConnectOptions::with_token(token),
            None => ConnectOptions::new(),
        };
        match &self.ca_file {
            Some(file) => options.add_root_certificates(file.clone()),
            None => options,
        }
    }

    fn stream(&self) -> Config {
        Config {
            name: STREAM.to_owned(),
            description: Some("Events of bodega".to_owned()),
            subjects: vec![SUBJECTS.to_owned()],
            storage: StorageType::File,
            max_age: MAX_AGE,
            max_bytes: MAX_BYTES,
            discard: DiscardPolicy::Old,
            duplicate_window: DUPLICATE_WINDOW,
            num_replicas: self.replicas,
            ..Config::default()
        }
    }
}

/// A connection to NATS, with the stream.
pub(crate) struct Connection(Context);

impl Connection {
    /// Returns whether the connection is open, as far as this side knows.
    pub(crate) fn is_open(&self) -> bool {
        self.0.client().connection_state() == State::Connected
    }

    /// Sends an event. The result resolves once JetStream has stored it.
    pub(crate) async fn send(&self, event: &Event) -> Result<PublishAckFuture, NatsError> {
        let payload = event.to_json().map_err(NatsError::Event)?;
        let message = PublishMessage::build()
            .payload(payload.into())
            .message_id(event.message_id())
            .header("Content-Type", "application/cloudevents+json");
        Ok(self.0.send_publish(event.subject(), message).await?)
    }
}
