//! What was measured, beside what was wanted.

use std::{fmt, time::Duration};

/// What came of an experiment. Displayed, it is a table in Markdown, with what was done above it.
#[derive(Debug)]
pub(crate) struct Figures {
    /// What was done, in a sentence.
    name: String,
    rows: Vec<Row>,
}

/// A figure.
#[derive(Debug)]
struct Row {
    what: String,
    wanted: String,
    seen: String,
    /// `None` where nothing was wanted.
    reached: Option<bool>,
}

impl Figures {
    /// Those of an experiment, with none yet.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), rows: Vec::new() }
    }

    /// Adds what is only good to know.
    pub(super) fn note(&mut self, what: impl Into<String>, seen: impl Into<String>) {
        self.rows.push(Row { what: what.into(), wanted: String::new(), seen: seen.into(), reached: None });
    }

    /// Adds what should be as it was wanted.
    pub(super) fn want(
        &mut self,
        what: impl Into<String>,
        wanted: impl Into<String>,
        seen: impl Into<String>,
        reached: bool,
    ) {
        self.rows.push(Row {
            what: what.into(),
            wanted: wanted.into(),
            seen: seen.into(),
            reached: Some(reached),
        });
    }

    /// Adds a time that should be at most so long. `None`, which nothing took, is never too long.
    pub(super) fn want_at_most(&mut self, what: impl Into<String>, most: Duration, seen: Option<Duration>) {
        let reached = seen.is_none_or(|seen| seen <= most);
        self.want(what, format!("at most {}", time(Some(most))), time(seen), reached);
    }

    /// Adds a number of things of which there should be none.
    pub(super) fn want_none(&mut self, what: impl Into<String>, count: usize, seen: impl Into<String>) {
        self.want(what, "none", if count == 0 { "none".to_owned() } else { seen.into() }, count == 0);
    }

    /// Whether all is as it was wanted.
    pub(crate) fn reached(&self) -> bool {
        self.rows.iter().all(|row| row.reached != Some(false))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n| figure | wanted | seen | |\n|---|---|---|---|", self.name)?;
        for Row { what, wanted, seen, reached } in &self.rows {
            let mark = match reached {
                Some(true) => "reached",
                Some(false) => "**missed**",
                None => "",
            };
            writeln!(f, "| {what} | {wanted} | {seen} | {mark} |")?;
        }
        Ok(())
    }
}

/// The time that this share of all times does not exceed, such as 0.99; `None` of none. It is one of them: the nearest
/// rank, never an average of two.
pub(super) fn percentile(times: impl IntoIterator<Item = Duration>, share: f64) -> Option<Duration> {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_unstable();
    let rank = (share * times.len() as f64).ceil() as usize;
    times.get(rank.saturating_sub(1)).or(times.last()).copied()
}

/// A time as a person reads it: `34 ms`, `1.52 s`.
pub(super) fn time(time: Option<Duration>) -> String {
    match time {
        Some(time) if time < Duration::from_millis(10) => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        Some(time) if time < Duration::from_secs(1) => format!("{} ms", time.as_millis()),
        Some(time) => format!("{:.2} s", time.as_secs_f64()),
        None => "–".to_owned(),
    }
}

/// A rate as a person reads it: `187/s`.
pub(super) fn rate(per_second: f64) -> String {
    format!("{per_second:.0}/s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_percentile_is_the_nearest_rank_whatever_the_order() {
        let times = || (1..=100).rev().map(ms);
        assert_eq!(percentile(times(), 0.5), Some(ms(50)));
        assert_eq!(percentile(times(), 0.99), Some(ms(99)));
        assert_eq!(percentile(times(), 1.0), Some(ms(100)));
        assert_eq!(percentile([ms(7), ms(3)], 0.99), Some(ms(7)));
        assert_eq!(percentile([ms(7), ms(3)], 0.5), Some(ms(3)));
        assert_eq!(percentile([ms(7), ms(3)], 0.0), Some(ms(3)));
        assert_eq!(percentile([], 0.99), None);
    }

    #[test]
    fn figures_are_reached_when_every_one_is() {
        let mut figures = Figures::new("A test.");
        figures.note("a thing", "7");
        figures.want_at_most("a time", ms(2_000), Some(ms(2_000)));
        figures.want_none("a fault", 0, "");
        assert!(figures.reached());
        figures.want_at_most("another", ms(100), Some(ms(101)));
        assert!(!figures.reached());
    }

    #[test]
    fn a_fault_that_was_seen_is_missed_and_named() {
        let mut figures = Figures::new("A test.");
        figures.want_none("a fault", 2, "500: 2");
        assert!(!figures.reached());
        let table = figures.to_string();
        assert!(table.starts_with("A test.\n\n| figure | wanted | seen | |\n|---|---|---|---|\n"), "{table}");
        assert!(table.ends_with("| a fault | none | 500: 2 | **missed** |\n"), "{table}");
    }

    #[test]
    fn times_are_read_in_the_unit_that_fits() {
        let times = [Duration::from_micros(1_234), ms(34), ms(1_519)].map(|it| time(Some(it)));
        assert_eq!(times, ["1.2 ms", "34 ms", "1.52 s"]);
    }
}
