//! Counts the SQL statements that sqlx reports to `tracing`, per request.
//!
//! A request is a span with the field `request.id`; a statement counts for the outermost such span, so that a request
//! includes the calls that other services make for it in the same process. `BEGIN`, `COMMIT` and `ROLLBACK` are not
//! counted.

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

/// Statements by request id. The first use installs the process's global subscriber, which must happen before `tracing`
/// caches that statements have no subscriber.
static COUNTS: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(|| {
    // With another global subscriber all counts stay 0, which the tests notice.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Counter));
    Mutex::default()
});

/// Runs `work` and returns its output with the number of statements it executed. Spawned tasks are not counted.
pub async fn count<T>(work: impl Future<Output = T>) -> (T, usize) {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let id = format!("count {}", CALLS.fetch_add(1, Ordering::Relaxed));
    of_request(&id);
    let output = work.instrument(info_span!("request", request.id = id)).await;
    (output, of_request(&id))
}

/// Returns the number of statements executed so far for the request with this id. The first call starts counting, so it
/// must precede the request.
pub fn of_request(id: &str) -> usize {
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    *counts.entry(id.to_owned()).or_default()
}

/// A subscriber layer that counts statements for the requests in [`COUNTS`].
struct Counter;

/// Stored in the extensions of a request's span.
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

/// Reads one text field.
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
