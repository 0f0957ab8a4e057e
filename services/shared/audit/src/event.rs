//! Recording events.

use bodega_runtime::{auth::Caller, context::CallContext};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgConnection, types::Json};
use uuid::Uuid;

use crate::AuditLog;

/// A longer text is not in the details of an event.
const MAX_VALUE_BYTES: usize = 200;

/// Who has caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in user.
    User(Uuid),
    /// An API key.
    ApiKey(Uuid),
    /// A client that is not signed in.
    Anonymous,
    /// The command line or a worker.
    System,
}

impl Actor {
    fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::ApiKey(_) => "api_key",
            Self::Anonymous => "anonymous",
            Self::System => "system",
        }
    }

    fn id(self) -> Option<Uuid> {
        match self {
            Self::User(id) | Self::ApiKey(id) => Some(id),
            Self::Anonymous | Self::System => None,
        }
    }
}

impl From<&Caller> for Actor {
    fn from(caller: &Caller) -> Self {
        if caller.is_api_key() { Self::ApiKey(caller.user_id) } else { Self::User(caller.user_id) }
    }
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    kind: &'static str,
    id: String,
}

impl Subject {
    /// A user. The log contains a pseudonym, which is erased with the user.
    pub fn user(id: Uuid) -> Self {
        Self { kind: "user", id: id.to_string() }
    }

    /// Something else, whose id is not personal: `Subject::new("product", 7)`.
    pub fn new(kind: &'static str, id: impl ToString) -> Self {
        Self { kind, id: id.to_string() }
    }
}

/// An event to record. It contains no personal data but the ids of users and the address of the client.
#[derive(Clone, Debug)]
pub struct Event {
    id: Uuid,
    action: &'static str,
    actor: Actor,
    client_address: Option<String>,
    subject: Option<Subject>,
    details: Value,
    before: Option<String>,
    after: Option<String>,
}

impl Event {
    /// An event from the client of the call being served. `action` is the kind of the subject and a past participle, such
    /// as `product.updated`.
    pub fn new(action: &'static str, actor: impl Into<Actor>) -> Self {
        Self {
            id: Uuid::now_v7(),
            action,
            actor: actor.into(),
            client_address: CallContext::client_address().map(|address| address.to_canonical().to_string()),
            subject: None,
            details: json!({}),
            before: None,
            after: None,
        }
    }

    /// Sets the subject.
    #[must_use]
    pub fn on(self, subject: Subject) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// Adds a JSON object that describes what has happened, without personal data.
    #[must_use]
    pub fn details(self, details: Value) -> Self {
        Self { details, ..self }
    }

    /// Adds the states of the subject before and after the change, of which digests are stored. `None` if it did not exist.
    #[must_use]
    pub fn states(self, before: Option<String>, after: Option<String>) -> Self {
        Self { before, after, ..self }
    }

    /// Adds the states of a subject without personal data, as JSON objects: their digests, and as details the fields that
    /// differ, with the old and the new value. Longer values are left out.
    #[must_use]
    pub fn change(self, before: Option<&Value>, after: Option<&Value>) -> Self {
        let details = match (before, after) {
            (Some(before), Some(after)) => json!({ "changed": changed(before, after) }),
            (_, Some(state)) | (Some(state), None) => json!({ "state": short_fields(state) }),
            (None, None) => json!({}),
        };
        self.details(details).states(before.map(Value::to_string), after.map(Value::to_string))
    }

    /// Sets the id, which orders the list of events. A UUIDv7.
    #[must_use]
    pub fn with_id(self, id: Uuid) -> Self {
        Self { id, ..self }
    }

    /// Sets the address of another client than that of the call being served.
    #[must_use]
    pub fn from_client(self, address: Option<String>) -> Self {
        Self { client_address: address, ..self }
    }

    /// The id of the event.
    pub fn id(&self) -> Uuid {
        self.id
    }
}

/// The fields that differ, with the old and the new value.
fn changed(before: &Value, after: &Value) -> Map<String, Value> {
    let fields = after.as_object().into_iter().flatten();
    let differing = fields.filter(|(field, value)| before.get(field) != Some(value));
    differing
        .map(|(field, value)| (field.clone(), json!([short(before.get(field)), short(Some(value))])))
        .collect()
}

fn short_fields(state: &Value) -> Map<String, Value> {
    let fields = state.as_object().into_iter().flatten();
    fields.map(|(field, value)| (field.clone(), short(Some(value)))).collect()
}

/// A value, or null for a long text.
fn short(value: Option<&Value>) -> Value {
    value
        .filter(|value| value.as_str().is_none_or(|text| text.len() <= MAX_VALUE_BYTES))
        .cloned()
        .unwrap_or_default()
}

impl AuditLog {
    /// Records an event, in the transaction of its change.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record(self, transaction: &mut PgConnection, event: Event) -> sqlx::Result<()> {
        let sql =
            format!("select {}.record_audit_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", self.schema,);
        let (subject_kind, subject_id) = event.subject.map(|subject| (subject.kind, subject.id)).unzip();
        sqlx::query(AssertSqlSafe(sql))
            .bind(event.id)
            .bind(event.action)
            .bind(event.actor.kind())
            .bind(event.actor.id())
            .bind(event.client_address)
            .bind(subject_kind)
            .bind(subject_id)
            .bind(Json(event.details))
            .bind(event.before)
            .bind(event.after)
            .execute(transaction)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_the_fields_that_differ() {
        let before = json!({"price": 5, "stock": 1, "text": "x".repeat(500)});
        let after = json!({"price": 7, "stock": 1, "text": "y".repeat(500)});
        let event = Event::new("product.updated", Actor::System).change(Some(&before), Some(&after));
        assert_eq!(event.details, json!({"changed": {"price": [5, 7], "text": [null, null]}}));
        assert_eq!((event.before, event.after), (Some(before.to_string()), Some(after.to_string())));
    }
}
