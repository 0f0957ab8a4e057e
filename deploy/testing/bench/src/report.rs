//! Prints results as Markdown.

use std::collections::BTreeMap;

use crate::outcome::{Costs, LoadResult, Outcome, median};

/// All results of a run, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Report {
    results: Vec<(String, Outcome)>,
}

impl Report {
    /// Adds a result of a server and prints it on one line of standard error.
    pub(crate) fn add(&mut self, server: &str, outcome: Outcome) {
        eprintln!("{server}: {}", line(&outcome));
        self.results.push((server.to_owned(), outcome));
    }

    /// Returns tables with the medians. `servers` are those to compare; ratios are those of the first one to each other one.
    pub(crate) fn tables(&self, servers: &[String]) -> String {
        let mut loads = vec![LOAD_HEADER.map(str::to_owned).to_vec()];
        let mut ratios = vec![RATIO_HEADER.map(str::to_owned).to_vec()];
        let mut others = vec![["work", "server", "result"].map(str::to_owned).to_vec()];
        for label in self.labels() {
            let of_first = servers.first().map(|server| self.loads(&label, server)).unwrap_or_default();
            for (index, server) in servers.iter().enumerate() {
                let measured = self.loads(&label, server);
                if let Some(row) = load_row(&label, server, &measured) {
                    loads.push(row);
                }
                if index > 0
                    && let Some(row) = ratio_row(&label, server, &of_first, &measured)
                {
                    ratios.push(row);
                }
                if let Some(text) = self.other(&label, server) {
                    others.push(vec![label.clone(), server.clone(), text]);
                }
            }
        }
        let tables = [loads, ratios, others];
        tables.iter().filter(|rows| rows.len() > 1).map(|rows| table(rows)).collect::<Vec<_>>().join("\n")
    }

    fn labels(&self) -> Vec<String> {
        let mut labels = Vec::new();
        for (_, outcome) in &self.results {
            let label = outcome.label();
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        labels
    }

    fn loads(&self, label: &str, server: &str) -> Vec<&LoadResult> {
        let of_server =
            self.results.iter().filter(|(name, outcome)| name == server && outcome.label() == label);
        let loads = of_server.filter_map(|(_, outcome)| match outcome {
            Outcome::Load(load) => Some(load),
            _ => None,
        });
        loads.collect()
    }

    /// Returns the median of the values, or all different texts.
    fn other(&self, label: &str, server: &str) -> Option<String> {
        let of_server =
            self.results.iter().filter(|(name, outcome)| name == server && outcome.label() == label);
        let (mut values, mut texts, mut of) = (Vec::new(), Vec::new(), "");
        for (_, outcome) in of_server {
            match outcome {
                Outcome::Value { value, unit, .. } => {
                    values.push(*value);
                    of = unit;
                }
                Outcome::Text { text, .. } if !texts.contains(text) => texts.push(text.clone()),
                _ => {}
            }
        }
        if !values.is_empty() {
            return Some(format!("{} {of}", number(median(&values))));
        }
        (!texts.is_empty()).then(|| texts.join("; then "))
    }
}

const LOAD_HEADER: [&str; 10] = [
    "work",
    "server",
    "rate/s",
    "p50 ms",
    "p99 ms",
    "CPU ms",
    "server + Postgres",
    "statements + BEGIN, COMMIT",
    "commits that write",
    "not successful",
];

const RATIO_HEADER: [&str; 5] = ["work", "compared with", "rate", "of each round", "CPU time"];

fn load_row(label: &str, server: &str, measured: &[&LoadResult]) -> Option<Vec<String>> {
    if measured.is_empty() {
        return None;
    }
    let middle =
        |of: fn(&LoadResult) -> f64| median(&measured.iter().map(|load| of(load)).collect::<Vec<_>>());
    let mut errors = BTreeMap::<&str, u64>::new();
    for (status, count) in measured.iter().flat_map(|load| &load.errors) {
        *errors.entry(status).or_default() += count;
    }
    let errors: Vec<_> = errors.iter().map(|(status, count)| format!("{count} x {status}")).collect();
    Some(vec![
        label.to_owned(),
        server.to_owned(),
        number(middle(|load| load.rate)),
        number(middle(|load| load.p50_ms)),
        number(middle(|load| load.p99_ms)),
        optional(cost(measured, |costs| costs.cpu_ms())),
        both(cost(measured, |costs| costs.server_ms), cost(measured, |costs| costs.postgres_ms)),
        both(cost(measured, |costs| costs.statements), cost(measured, |costs| costs.transaction_control)),
        optional(cost(measured, |costs| costs.writes)),
        if errors.is_empty() { "none".to_owned() } else { errors.join(", ") },
    ])
}

/// Returns how many times the rate and the CPU time of `other` the first server has.
fn ratio_row(label: &str, server: &str, first: &[&LoadResult], other: &[&LoadResult]) -> Option<Vec<String>> {
    if first.is_empty() || other.is_empty() {
        return None;
    }
    let rates: Vec<_> = first.iter().zip(other).map(|(first, other)| first.rate / other.rate).collect();
    if rates.iter().any(|rate| !rate.is_finite()) {
        return None;
    }
    let each: Vec<_> = rates.iter().map(|rate| format!("{rate:.2}")).collect();
    let of_cpu = cost(first, |costs| costs.cpu_ms())
        .zip(cost(other, |costs| costs.cpu_ms()))
        .map(|(first, other)| format!("{:.2}x", first / other));
    Some(vec![
        label.to_owned(),
        server.to_owned(),
        format!("{:.2}x", median(&rates)),
        each.join(", "),
        of_cpu.unwrap_or_else(|| "-".to_owned()),
    ])
}

/// Returns the median of a cost, if it is known.
fn cost(measured: &[&LoadResult], of: fn(&Costs) -> Option<f64>) -> Option<f64> {
    let known: Vec<_> = measured.iter().filter_map(|load| of(&load.costs)).collect();
    (!known.is_empty()).then(|| median(&known))
}

fn line(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Load(load) => {
            let errors: Vec<_> =
                load.errors.iter().map(|(status, count)| format!(", {count} x {status}")).collect();
            format!(
                "{}: {}/s, p50 {} ms, p99 {} ms, CPU {} ms{}",
                outcome.label(),
                number(load.rate),
                number(load.p50_ms),
                number(load.p99_ms),
                both(load.costs.server_ms, load.costs.postgres_ms),
                errors.concat()
            )
        }
        Outcome::Value { value, unit, .. } => format!("{}: {} {unit}", outcome.label(), number(*value)),
        Outcome::Text { text, .. } => format!("{}: {text}", outcome.label()),
    }
}

/// Formats a number with about three significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size < 0.0005 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), number)
}

fn both(first: Option<f64>, second: Option<f64>) -> String {
    first
        .zip(second)
        .map_or_else(|| "-".to_owned(), |(first, second)| format!("{} + {}", number(first), number(second)))
}

/// Formats rows, of which the first is the header.
fn table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
        if index == 0 {
            text.push_str(&format!("|{}\n", "---|".repeat(row.len())));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rate: f64, cpu_ms: f64) -> Outcome {
        let costs =
            Costs { server_ms: Some(cpu_ms / 2.0), postgres_ms: Some(cpu_ms / 2.0), ..Costs::default() };
        let errors = BTreeMap::from([("503".to_owned(), 1)]);
        let name = "list".to_owned();
        LoadResult { name, connections: 32, flows: 1, rate, p50_ms: 1.0, p99_ms: 2.0, errors, costs }.into()
    }

    #[test]
    fn tables_have_medians_and_ratios() {
        let mut report = Report::default();
        for (new, old) in [(300.0, 100.0), (400.0, 100.0), (900.0, 100.0)] {
            report.add("new", load(new, 1.0));
            report.add("old", load(old, 4.0));
        }
        report.add("new", Outcome::value("first start", 1000.0, "ms"));
        let expected = "\
| work | server | rate/s | p50 ms | p99 ms | CPU ms | server + Postgres | statements + BEGIN, COMMIT | commits that write | not successful |
|---|---|---|---|---|---|---|---|---|---|
| list, 32 connections | new | 400 | 1.00 | 2.00 | 1.00 | 0.500 + 0.500 | - | - | 3 x 503 |
| list, 32 connections | old | 100 | 1.00 | 2.00 | 4.00 | 2.00 + 2.00 | - | - | 3 x 503 |

| work | compared with | rate | of each round | CPU time |
|---|---|---|---|---|
| list, 32 connections | old | 4.00x | 3.00, 4.00, 9.00 | 0.25x |

| work | server | result |
|---|---|---|
| first start | new | 1000 ms |
";
        assert_eq!(report.tables(&["new".to_owned(), "old".to_owned()]), expected);
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(
            [12345.6, 12.34, 1.234, 0.0312, 0.0001].map(number),
            ["12346", "12.3", "1.23", "0.031", "0"]
        );
    }
}
