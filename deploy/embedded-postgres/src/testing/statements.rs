//! Counts the SQL statements that sqlx reports to `tracing`, per request.
//!
//! A request is a span with the field `request.id`; a statement counts for the outermost such span, so that a request
//! includes the calls that other services make for it in the same process. The beginnings and ends of transactions are
//! counted separately, and so are the checks of connections that returned to their pool in an unknown state.

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
/// Target of the events for the checks of connections.
const CHECK: &str = "bodega_runtime::database::pool::connection";
const REQUEST_ID: &str = "request.id";

/// What a request has sent to the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Statements, without those below.
    pub statements: usize,
    /// Statements that began a transaction.
    pub begins: usize,
    /// Statements that committed one.
    pub commits: usize,
    /// Statements that rolled one back.
    pub rollbacks: usize,
    /// Checks of connections in an unknown state.
    pub checks: usize,
}

impl Counts {
    /// Counts of this many statements and committed transactions, without any check.
    pub const fn of(statements: usize, transactions: usize) -> Self {
        Self { statements, begins: transactions, commits: transactions, rollbacks: 0, checks: 0 }
    }
}

/// Counts by request id. The first use installs the process's global subscriber, which must happen before `tracing`
/// caches that statements have no subscriber.
static COUNTS: LazyLock<Mutex<HashMap<String, Counts>>> = LazyLock::new(|| {
    // With another global subscriber all counts stay 0, which the tests notice.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Counter));
    Mutex::default()
});

/// Runs `work` and returns its output with the number of statements it executed. Spawned tasks are not counted.
pub async fn count<T>(work: impl Future<Output = T>) -> (T, usize) {
    let (output, counts) = count_all(work).await;
    (output, counts.statements)
}

/// As [`count`], with all that is counted.
pub async fn count_all<T>(work: impl Future<Output = T>) -> (T, Counts) {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let id = format!("count {}", CALLS.fetch_add(1, Ordering::Relaxed));
    of_request(&id);
    let output = work.instrument(info_span!("request", request.id = id)).await;
    (output, of_request(&id))
}

/// Returns the counts so far of the request with this id. The first call starts counting, so it must precede the request.
pub fn of_request(id: &str) -> Counts {
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    *counts.entry(id.to_owned()).or_default()
}

/// A subscriber layer that counts statements for the requests in [`COUNTS`].
struct Counter;

/// Stored in the extensions of a request's span.
struct RequestId(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Counter {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        matches!(metadata.target(), SQL | CHECK) || metadata.fields().field(REQUEST_ID).is_some()
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
        let is_check = event.metadata().target() == CHECK;
        if statement.value.is_empty() && !is_check {
            return;
        }
        let Some(scope) = context.event_scope(event) else { return };
        let Some(outermost) = scope.from_root().next() else { return };
        let extensions = outermost.extensions();
        let Some(RequestId(id)) = extensions.get() else { return };
        let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(id) {
            let statement = statement.value.to_ascii_lowercase();
            *match statement.split([';', ' ']).next() {
                _ if is_check => &mut count.checks,
                Some("begin") => &mut count.begins,
                Some("commit") => &mut count.commits,
                Some("rollback") => &mut count.rollbacks,
                _ => &mut count.statements,
            } += 1;
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
