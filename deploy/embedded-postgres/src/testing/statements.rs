//! Counting SQL statements: those that sqlx tells tracing about, by the request they were made for.
//!
//! A request is a span with a field `request.id`; statements count for the outermost one around them, so that a request
//! pays for all that is done for it in the process. The begin and the end of a transaction are no statements here.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tracing::{
    Event, Instrument as _, Metadata, Subscriber,
    field::{Field, Visit},
    info_span,
    span::{Attributes, Id},
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt as _},
    registry::LookupSpan,
};

const SQL: &str = "sqlx::query";
const REQUEST_ID: &str = "request.id";

/// Statements by request. Tracing decides once, for the whole process, whether anybody wants to hear of statements;
/// so this is also where the process starts to listen.
static COUNTS: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(|| {
    // Somebody else listening would keep every count at 0, which no budget of a working call is.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Counter));
    Mutex::default()
});

/// Runs `work`; its outcome, and the number of statements it made. What it spawns is not counted.
pub async fn count<T>(work: impl Future<Output = T>) -> (T, usize) {
    static COUNTED: AtomicUsize = AtomicUsize::new(0);
    let id = format!("counted {}", COUNTED.fetch_add(1, Ordering::Relaxed));
    of_request(&id);
    let outcome = work.instrument(info_span!("request", request.id = id)).await;
    (outcome, of_request(&id))
}

/// Statements made so far for the request of this id. To be asked once before the request: then it starts to count.
pub fn of_request(id: &str) -> usize {
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    *counts.entry(id.to_owned()).or_default()
}

/// Counts each statement for the request it was made for, where somebody has asked for it.
struct Counter;

/// The id of a request, at its span.
struct RequestId(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Counter {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == SQL || metadata.fields().field(REQUEST_ID).is_some()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut request_id = Text { name: REQUEST_ID, value: String::new() };
        attributes.record(&mut request_id);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(RequestId(request_id.value));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut statement = Text { name: "summary", value: String::new() };
        event.record(&mut statement);
        if statement.value.is_empty() || ["BEGIN", "COMMIT", "ROLLBACK"].contains(&&*statement.value) {
            return;
        }
        let Some(scope) = context.event_scope(event) else { return };
        let Some(outermost) = scope.from_root().next() else { return };
        let extensions = outermost.extensions();
        let Some(RequestId(id)) = extensions.get() else { return };
        let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(id) {
            *count += 1;
        }
    }
}

/// The text of one field.
struct Text {
    name: &'static str,
    value: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == self.name {
            value.clone_into(&mut self.value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == self.name {
            self.value = format!("{value:?}");
        }
    }
}
