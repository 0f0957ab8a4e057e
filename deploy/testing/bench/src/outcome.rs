//! Results of flows.

use std::collections::BTreeMap;

use crate::{statements::Statements, usage::CpuTime, wrk::Observed};

/// A result of a flow.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Load(LoadResult),
    Value { name: String, value: f64, unit: &'static str },
    Text { name: String, text: String },
}

/// The result of a flow under load.
#[derive(Clone, Debug)]
pub(crate) struct LoadResult {
    pub(crate) name: String,
    pub(crate) connections: usize,
    pub(crate) flows: u64,
    /// Flows per second.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Responses that are not successful, by status.
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) costs: Costs,
}

/// The costs of a flow; `None` if they are not known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Costs {
    pub(crate) server_ms: Option<f64>,
    pub(crate) postgres_ms: Option<f64>,
    pub(crate) statements: Option<f64>,
    pub(crate) transaction_control: Option<f64>,
    pub(crate) writes: Option<f64>,
}

impl Costs {
    /// Returns the CPU time of server and Postgres.
    pub(crate) fn cpu_ms(&self) -> Option<f64> {
        Some(self.server_ms? + self.postgres_ms?)
    }
}

impl LoadResult {
    pub(crate) fn of(name: &str, connections: usize, observed: Observed) -> Self {
        Self {
            name: name.to_owned(),
            connections,
            flows: observed.flows,
            rate: observed.rate(),
            p50_ms: observed.p50_ms(),
            p99_ms: observed.p99_ms(),
            errors: observed.errors(),
            costs: Costs::default(),
        }
    }

    /// Adds what all flows together cost.
    pub(crate) fn add_costs(&mut self, cpu: Option<CpuTime>, statements: Statements) {
        let flows = self.flows as f64;
        let each = |total: f64| (flows > 0.0).then(|| total / flows);
        self.costs = Costs {
            server_ms: cpu.and_then(|cpu| each(cpu.server.as_secs_f64() * 1000.0)),
            postgres_ms: cpu.and_then(|cpu| each(cpu.postgres.as_secs_f64() * 1000.0)),
            statements: statements.statements.and_then(each),
            transaction_control: statements.transaction_control.and_then(each),
            writes: each(statements.writes),
        };
    }
}

impl From<LoadResult> for Outcome {
    fn from(result: LoadResult) -> Self {
        Outcome::Load(result)
    }
}

impl Outcome {
    pub(crate) fn value(name: &str, value: f64, unit: &'static str) -> Self {
        Outcome::Value { name: name.to_owned(), value, unit }
    }

    pub(crate) fn text(name: &str, text: String) -> Self {
        Outcome::Text { name: name.to_owned(), text }
    }

    /// Returns the name of the work, with the number of connections.
    pub(crate) fn label(&self) -> String {
        match self {
            Outcome::Load(load) => format!("{}, {} connections", load.name, load.connections),
            Outcome::Value { name, .. } | Outcome::Text { name, .. } => name.clone(),
        }
    }

    pub(crate) fn remove_costs(&mut self) {
        if let Outcome::Load(load) = self {
            load.costs = Costs::default();
        }
    }
}

/// Returns the median; the mean of the middle two if their number is even, and 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => 0.0,
        (length, middle) if length % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        (_, middle) => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn costs_are_for_one_flow() {
        let mut result = LoadResult {
            name: "add".to_owned(),
            connections: 32,
            flows: 200,
            rate: 100.0,
            p50_ms: 1.0,
            p99_ms: 2.0,
            errors: BTreeMap::new(),
            costs: Costs::default(),
        };
        let cpu = CpuTime { server: Duration::from_millis(100), postgres: Duration::from_millis(300) };
        let statements = Statements { statements: Some(400.0), transaction_control: None, writes: 200.0 };
        result.add_costs(Some(cpu), statements);
        assert_eq!((result.costs.server_ms, result.costs.cpu_ms()), (Some(0.5), Some(2.0)));
        assert_eq!((result.costs.statements, result.costs.writes), (Some(2.0), Some(1.0)));
        assert_eq!(result.costs.transaction_control, None);
    }
}
