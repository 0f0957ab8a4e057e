//! Summaries of SQL statements: `INSERT orders.outbox`.

/// Maximum length of a summary by OpenTelemetry's conventions.
const MAX_LENGTH: usize = 255;

/// The operations of a statement and the tables that it names.
pub(super) struct Summary {
    pub(super) text: String,
    /// The operation, if there is only one.
    pub(super) operation: Option<String>,
}

/// Summarizes a statement. Tables are recognized by their schema, which all statements name.
pub(super) fn summary(statement: &str) -> Summary {
    let words = statement
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$')))
        .filter(|word| !word.is_empty());
    let mut text = String::new();
    let (mut first, mut previous) = ("", "");
    // The operation whose table has not been read, and the number of those that have tables.
    let (mut pending, mut operations) = ("", 0);
    for word in words {
        let names_a_table = matches!(previous, "from" | "join" | "into" | "update") && word.contains('.');
        if names_a_table && text.len() + pending.len() + word.len() + 2 <= MAX_LENGTH {
            for part in [&*pending.to_ascii_uppercase(), word] {
                if !part.is_empty() && !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(part);
            }
            operations += usize::from(!pending.is_empty());
            pending = "";
        }
        match word {
            // `for update`, `for no key update` and `do update` are parts of other operations.
            "update" if matches!(previous, "for" | "key" | "do") => {}
            "select" | "insert" | "update" | "delete" => pending = word,
            _ => {}
        }
        if first.is_empty() {
            first = word;
        }
        // `is distinct from` is not followed by a table.
        previous = if previous == "distinct" { "" } else { word };
    }
    if text.is_empty() {
        text = first.to_ascii_uppercase();
    }
    let operation = (operations <= 1).then(|| text.split(' ').next().unwrap_or_default().to_owned());
    Summary { text, operation }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_the_operations_and_the_tables() {
        for (statement, text, operation) in [
            ("begin", "BEGIN", Some("BEGIN")),
            ("select 1", "SELECT", Some("SELECT")),
            ("delete from orders.outbox where order_id = $1", "DELETE orders.outbox", Some("DELETE")),
            (
                "select id from orders.orders o where id = $1 for no key update",
                "SELECT orders.orders",
                Some("SELECT"),
            ),
            (
                "with due as (select id from orders.outbox for update skip locked)
                 update orders.outbox d set attempts = 1 from due, orders.orders o where d.id is distinct from o.id",
                "SELECT orders.outbox UPDATE orders.outbox",
                None,
            ),
            (
                "with new as (select * from unnest($1)) insert into cart.carts select id from new",
                "INSERT cart.carts",
                Some("INSERT"),
            ),
            (
                "insert into cart.carts as c (id) values ($1) on conflict (id) do update set id = excluded.id",
                "INSERT cart.carts",
                Some("INSERT"),
            ),
        ] {
            let summary = summary(statement);
            assert_eq!((&*summary.text, summary.operation.as_deref()), (text, operation), "{statement}");
        }
    }

    #[test]
    fn is_bounded() {
        let statement = "select 1 from orders.orders ".repeat(100);
        assert!((200..=MAX_LENGTH).contains(&summary(&statement).text.len()));
    }
}
