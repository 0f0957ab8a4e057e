//! Spans of SQL statements, from the events that sqlx logs after each statement.
//!
//! All values are bound: the text of a statement contains none. Statements outside of an exported call have no span.

use std::{
    cell::RefCell,
    fmt::Debug,
    sync::{PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use sqlx::postgres::PgConnectOptions;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer,
    filter::{DynFilterFn, dynamic_filter_fn},
    layer::Context as LayerContext,
    registry::LookupSpan,
};

use super::{provider::tracer, summary::summary};
use crate::{context::CallContext, database::IsConflict};

const TARGET: &str = "sqlx::query";

/// The layer that turns events into spans.
pub(super) fn layer<S: Subscriber + for<'span> LookupSpan<'span>>() -> impl Layer<S> {
    let is_query = |metadata: &Metadata<'_>| metadata.target() == TARGET && *metadata.level() <= Level::DEBUG;
    let filter: DynFilterFn<S, _, _> =
        dynamic_filter_fn(move |metadata, _| {
            is_query(metadata) && CallContext::with_trace(|trace| trace.span().is_some()) == Some(true)
        })
        .with_callsite_filter(move |metadata| {
            if is_query(metadata) { Interest::sometimes() } else { Interest::never() }
        });
    Statements.with_filter(filter.with_max_level_hint(LevelFilter::DEBUG))
}

struct Statements;

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
        let Some(tracer) = tracer() else { return };
        let mut statement = Statement::default();
        event.record(&mut statement);
        CallContext::with_trace(|trace| {
            let Some(parent) = trace.span() else { return };
            let others = trace.others();
            let span = statement.start(tracer, parent, others, others.len());
            // Each trace of a combined statement has a span for it, linked to the one of the first caller.
            let executed = [span.span_context().clone()];
            let copies = others.iter().map(|other| {
                let parent = Context::new().with_remote_span_context(other.clone());
                statement.start(tracer, &parent, &executed, others.len())
            });
            let ended = Ended { at: SystemTime::now(), spans: std::iter::once(span).chain(copies).collect() };
            // Outside of `observe`, the spans end at once.
            let _ = LAST.try_with(|last| last.replace(Some(ended)));
        });
    }
}

#[derive(Default)]
struct Statement {
    summary: String,
    text: String,
    elapsed: Duration,
    rows: u64,
}

impl Statement {
    fn start(&self, tracer: &SdkTracer, parent: &Context, links: &[SpanContext], other_calls: usize) -> Span {
        // sqlx leaves the text out if it is as short as its summary.
        let text = if self.text.is_empty() { &self.summary } else { &self.text };
        let summary = summary(text);
        let mut attributes = vec![
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.query.text", text.clone()),
            KeyValue::new("db.query.summary", summary.text.clone()),
            KeyValue::new("db.response.returned_rows", i64::try_from(self.rows).unwrap_or(i64::MAX)),
        ];
        if let Some(operation) = summary.operation {
            attributes.push(KeyValue::new("db.operation.name", operation));
        }
        if other_calls > 0 {
            let calls = i64::try_from(other_calls + 1).unwrap_or(i64::MAX);
            attributes.push(KeyValue::new("bodega.combined_calls", calls));
        }
        if let Database::One(server) = &*DATABASE.read().unwrap_or_else(PoisonError::into_inner) {
            attributes.extend(server.iter().cloned());
        }
        let begun = SystemTime::now().checked_sub(self.elapsed).unwrap_or_else(SystemTime::now);
        SpanBuilder::from_name(summary.text)
            .with_kind(SpanKind::Client)
            .with_start_time(begun)
            .with_attributes(attributes)
            .with_links(links.iter().cloned().map(Link::with_context).collect())
            .start_with_context(tracer, parent)
    }
}

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.trim().clone_into(&mut self.text),
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "rows_returned" {
            self.rows = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// The spans of a statement that has ended.
struct Ended {
    at: SystemTime,
    spans: Vec<Span>,
}

impl Ended {
    fn fail(&mut self, error: &sqlx::Error) {
        let code = error.as_database_error().and_then(|error| error.code());
        for span in &mut self.spans {
            if let Some(code) = &code {
                span.set_attribute(KeyValue::new("db.response.status_code", code.to_string()));
            }
            span.set_attribute(KeyValue::new("error.type", code.as_deref().unwrap_or("_OTHER").to_owned()));
            span.set_status(Status::error(""));
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.spans.iter_mut().for_each(|span| span.end_with_timestamp(self.at));
    }
}

tokio::task_local! {
    /// The last statement of this work: it may turn out to have failed, which sqlx does not log.
    static LAST: RefCell<Option<Ended>>;
}

/// Runs statements. An error of the database is recorded in the span of the last one.
pub(crate) async fn observe<T, E: IsConflict>(
    statements: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    LAST.scope(RefCell::default(), async {
        let result = statements.await;
        if let Some(error) = result.as_ref().err().and_then(E::database_error) {
            LAST.with(|last| last.borrow_mut().iter_mut().for_each(|last| last.fail(error)));
        }
        result
    })
    .await
}

/// The database of this process.
enum Database {
    Unknown,
    One(Vec<KeyValue>),
    /// Of several services in one process.
    Several,
}

static DATABASE: RwLock<Database> = RwLock::new(Database::Unknown);

/// Sets the attributes of the database that this process uses.
pub(crate) fn set_database(options: &PgConnectOptions) {
    let mut server = vec![
        KeyValue::new("server.address", options.get_host().to_owned()),
        KeyValue::new("server.port", i64::from(options.get_port())),
    ];
    if let Some(name) = options.get_database() {
        server.push(KeyValue::new("db.namespace", name.to_owned()));
    }
    let mut database = DATABASE.write().unwrap_or_else(PoisonError::into_inner);
    *database = match &*database {
        Database::Unknown => Database::One(server),
        Database::One(known) if *known == server => return,
        Database::One(_) | Database::Several => Database::Several,
    };
}
