//! The envelope of events: CloudEvents 1.0 in structured mode.

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// An event of an aggregate.
#[derive(Clone, Debug)]
pub struct Event {
    /// Unique for the source; the same each time the event is published.
    pub id: String,
    /// The service: `order`.
    pub source: &'static str,
    /// What happened, without a version: `order.placed`.
    pub kind: &'static str,
    /// Version of the schema of `data`.
    pub version: u8,
    /// Id of the aggregate.
    pub aggregate: String,
    /// Grows with each event of the aggregate, not necessarily by one.
    pub sequence: i64,
    /// When it happened.
    pub time: OffsetDateTime,
    /// The W3C trace context of the call that the event follows from.
    pub traceparent: Option<String>,
    /// What happened, by the schema of the kind and version.
    pub data: serde_json::Value,
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    sequence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    data: &'a serde_json::Value,
}

impl Event {
    /// Returns the subject in NATS: `bodega.order.placed.v1`.
    pub(crate) fn subject(&self) -> String {
        format!("bodega.{}.v{}", self.kind, self.version)
    }

    /// Returns the id for deduplication, which is unique for all services.
    pub(crate) fn message_id(&self) -> String {
        format!("{}/{}", self.source, self.id)
    }

    /// Returns the event as JSON.
    ///
    /// # Errors
    /// When the time has no representation in RFC 3339.
    pub fn to_json(&self) -> anyhow::Result<Vec<u8>> {
        let envelope = Envelope {
            specversion: "1.0",
            id: &self.id,
            source: format!("/bodega/{}", self.source),
            kind: self.subject(),
            subject: &self.aggregate,
            time: self.time.format(&Rfc3339)?,
            datacontenttype: "application/json",
            // As long as any other, so that the order of the texts is that of the numbers.
            sequence: format!("{:019}", self.sequence),
            traceparent: self.traceparent.as_deref(),
            data: &self.data,
        };
        Ok(serde_json::to_vec(&envelope)?)
    }
}
