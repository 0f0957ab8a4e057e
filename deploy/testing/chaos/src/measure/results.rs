//! Observed values beside the expected ones.

use std::{fmt, time::Duration};

/// Results of an experiment. `Display` writes a Markdown table below the description.
#[derive(Debug)]
pub(crate) struct Results {
    description: String,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    metric: String,
    expected: String,
    observed: String,
    /// `None` if nothing is expected.
    passed: Option<bool>,
}

impl Results {
    pub(super) fn new(description: impl Into<String>) -> Self {
        Self { description: description.into(), rows: Vec::new() }
    }

    /// Adds a value for information only.
    pub(super) fn note(&mut self, metric: impl Into<String>, observed: impl Into<String>) {
        let (metric, observed) = (metric.into(), observed.into());
        self.rows.push(Row { metric, expected: String::new(), observed, passed: None });
    }

    pub(super) fn expect(
        &mut self,
        metric: impl Into<String>,
        expected: impl Into<String>,
        observed: impl Into<String>,
        passed: bool,
    ) {
        let (metric, expected, observed) = (metric.into(), expected.into(), observed.into());
        self.rows.push(Row { metric, expected, observed, passed: Some(passed) });
    }

    /// Expects a duration of at most `limit`; `None` passes.
    pub(super) fn expect_at_most(
        &mut self,
        metric: impl Into<String>,
        limit: Duration,
        observed: Option<Duration>,
    ) {
        let passed = observed.is_none_or(|observed| observed <= limit);
        let expected = format!("at most {}", format_duration(Some(limit)));
        self.expect(metric, expected, format_duration(observed), passed);
    }

    /// Expects a count of 0; `observed` is shown for any other.
    pub(super) fn expect_none(
        &mut self,
        metric: impl Into<String>,
        count: usize,
        observed: impl Into<String>,
    ) {
        let observed = if count == 0 { "none".to_owned() } else { observed.into() };
        self.expect(metric, "none", observed, count == 0);
    }

    pub(crate) fn passed(&self) -> bool {
        self.rows.iter().all(|row| row.passed != Some(false))
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n| metric | expected | observed | result |\n|---|---|---|---|", self.description)?;
        for Row { metric, expected, observed, passed } in &self.rows {
            let result = match passed {
                Some(true) => "passed",
                Some(false) => "**failed**",
                None => "",
            };
            writeln!(f, "| {metric} | {expected} | {observed} | {result} |")?;
        }
        Ok(())
    }
}

/// Formats a duration: `3.4 ms`, `34 ms`, `1.52 s`.
pub(super) fn format_duration(duration: Option<Duration>) -> String {
    match duration {
        Some(time) if time < Duration::from_millis(10) => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        Some(time) if time < Duration::from_secs(1) => format!("{} ms", time.as_millis()),
        Some(time) => format!("{:.2} s", time.as_secs_f64()),
        None => "–".to_owned(),
    }
}

/// Formats a rate: `187/s`.
pub(super) fn format_rate(per_second: f64) -> String {
    format!("{per_second:.0}/s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn results_pass_if_every_row_passes() {
        let mut results = Results::new("A test.");
        results.note("a value", "7");
        results.expect_at_most("a time", ms(2_000), Some(ms(2_000)));
        results.expect_none("a failure", 0, "");
        assert!(results.passed());
        results.expect_at_most("another time", ms(100), Some(ms(101)));
        assert!(!results.passed());
    }

    #[test]
    fn shows_an_unexpected_value_as_failed() {
        let mut results = Results::new("A test.");
        results.expect_none("a failure", 2, "500: 2");
        assert!(!results.passed());
        let table = results.to_string();
        let header = "A test.\n\n| metric | expected | observed | result |\n|---|---|---|---|\n";
        assert!(table.starts_with(header), "{table}");
        assert!(table.ends_with("| a failure | none | 500: 2 | **failed** |\n"), "{table}");
    }

    #[test]
    fn formats_durations_in_a_fitting_unit() {
        let durations = [Duration::from_micros(1_234), ms(34), ms(1_519)].map(|it| format_duration(Some(it)));
        assert_eq!(durations, ["1.2 ms", "34 ms", "1.52 s"]);
    }
}
