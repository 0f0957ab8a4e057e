//! What a load was told, and when.

use std::{cmp::Reverse, collections::BTreeMap, ops::Range, time::Duration};

use super::{
    connection::Answer,
    customer::{Step, is_definite},
    figures::percentile,
};

/// How long after it was sent an answer still helps whoever asked.
pub(super) const IN_TIME: Duration = Duration::from_secs(2);
/// What a rate is counted over when it is looked for.
const WINDOW: Duration = Duration::from_secs(1);
/// How exactly it is looked for.
const GRAIN: Duration = Duration::from_millis(100);

/// A request and its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// What was asked.
    pub(super) step: Step,
    /// When, since the load began.
    pub(super) sent: Duration,
    /// How long the answer took, a second try included; or how long it was waited for.
    pub(super) took: Duration,
    /// What came of it.
    pub(super) answer: Answer,
}

impl Sample {
    /// Whether it was answered with 2xx.
    pub(super) fn is_success(&self) -> bool {
        self.answer.status.is_ok_and(|status| (200..300).contains(&status))
    }

    /// Whether it was answered in time with what was asked for, or with a fault of the request.
    pub(super) fn is_good(&self) -> bool {
        self.answer.status.is_ok_and(is_definite) && self.took <= IN_TIME
    }

    /// Whether it was sent away: too much to do, or nobody there.
    pub(super) fn is_sent_away(&self) -> bool {
        matches!(self.answer.status, Ok(429 | 503))
    }

    /// Whether it was sent away, and told when to come back.
    pub(super) fn is_put_off(&self) -> bool {
        self.is_sent_away() && self.answer.retry_after
    }

    fn ended(&self) -> Duration {
        self.sent + self.took
    }
}

/// What a load was told.
#[derive(Debug)]
pub(super) struct Record {
    /// In the order the answers came.
    pub(super) samples: Vec<Sample>,
    /// Requests that were due while every customer waited for an answer, and were never sent.
    pub(super) unsent: u64,
    /// How long the load lasted.
    pub(super) lasted: Duration,
}

impl Record {
    /// Those sent in a time.
    pub(super) fn sent_in(&self, time: &Range<Duration>) -> Vec<Sample> {
        self.samples.iter().filter(|sample| time.contains(&sample.sent)).copied().collect()
    }

    /// How many a second, of those that are meant, were answered in a time.
    pub(super) fn rate(&self, time: &Range<Duration>, meant: impl Fn(&Sample) -> bool) -> f64 {
        let answered = self.samples.iter().filter(|sample| time.contains(&sample.ended()) && meant(sample));
        let length = time.end.saturating_sub(time.start).as_secs_f64();
        if length > 0.0 { answered.count() as f64 / length } else { 0.0 }
    }

    /// How long after a moment the first second began that had successes at this rate; `None` where none had.
    pub(super) fn recovered(&self, since: Duration, rate: f64) -> Option<Duration> {
        let starts = (0_u32..).map(|step| since + GRAIN * step);
        starts
            .take_while(|start| *start + WINDOW <= self.lasted)
            .find(|start| self.rate(&(*start..*start + WINDOW), Sample::is_success) >= rate)
            .map(|start| start - since)
    }
}

/// How many there were of each status, as in `200: 17, 503: 4, broken off: 1`; `none` of none.
pub(super) fn statuses<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> String {
    let mut counts = BTreeMap::<_, usize>::new();
    for Sample { answer, .. } in samples {
        *counts.entry(answer.status).or_default() += 1;
    }
    if counts.is_empty() {
        return "none".to_owned();
    }
    let counts = counts.into_iter().map(|(status, count)| match status {
        Ok(status) => format!("{status}: {count}"),
        Err(failure) => format!("{failure}: {count}"),
    });
    counts.collect::<Vec<_>>().join(", ")
}

/// The same for each kind of request, the most frequent first.
pub(super) fn statuses_by_step<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> String {
    let mut steps = BTreeMap::<_, Vec<_>>::new();
    for sample in samples {
        steps.entry(sample.step).or_default().push(sample);
    }
    if steps.is_empty() {
        return "none".to_owned();
    }
    let mut steps: Vec<_> = steps.into_iter().collect();
    steps.sort_by_key(|(_, samples)| Reverse(samples.len()));
    let steps = steps.into_iter().map(|(step, samples)| format!("`{step}` {}", statuses(samples)));
    steps.collect::<Vec<_>>().join("; ")
}

/// How long the slowest took.
pub(super) fn slowest<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Option<Duration> {
    samples.into_iter().map(|sample| sample.took).max()
}

/// The time that all but one in a hundred took at most.
pub(super) fn p99<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Option<Duration> {
    percentile(samples.into_iter().map(|sample| sample.took), 0.99)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::connection::Failure;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn sample(sent: u64, took: u64, status: Result<u16, Failure>) -> Sample {
        let answer = Answer { status, retry_after: false, retried: false };
        Sample { step: Step::Cart, sent: ms(sent), took: ms(took), answer }
    }

    /// One answer every 100 ms: 200 before 5 s, then 503 until 8 s, then 200 until 12 s.
    fn outage() -> Record {
        let status = |sent| if (5_000..8_000).contains(&sent) { 503 } else { 200 };
        let samples = (0..12_000).step_by(100).map(|sent| sample(sent, 10, Ok(status(sent)))).collect();
        Record { samples, unsent: 0, lasted: ms(12_000) }
    }

    #[test]
    fn a_rate_counts_what_was_answered_in_a_time() {
        let record = outage();
        assert_eq!(record.rate(&(ms(0)..ms(5_000)), Sample::is_success), 10.0);
        assert_eq!(record.rate(&(ms(4_000)..ms(6_000)), Sample::is_success), 5.0);
        assert_eq!(record.rate(&(ms(4_000)..ms(6_000)), Sample::is_sent_away), 5.0);
        assert_eq!(record.rate(&(ms(1)..ms(1)), Sample::is_success), 0.0);
    }

    #[test]
    fn a_store_has_recovered_when_a_second_of_the_old_rate_begins() {
        let record = outage();
        assert_eq!(record.recovered(ms(6_000), 10.0), Some(ms(2_000)));
        assert_eq!(record.recovered(ms(6_000), 9.0), Some(ms(1_900)), "nine of ten are enough");
        assert_eq!(record.recovered(ms(6_000), 10.1), None);
    }

    #[test]
    fn nothing_is_said_of_a_second_that_was_not_over() {
        assert_eq!(outage().recovered(ms(11_500), 0.0), None);
    }

    #[test]
    fn what_is_late_is_no_good_and_neither_is_what_was_sent_away() {
        assert!(sample(0, 2_000, Ok(200)).is_good() && sample(0, 1, Ok(409)).is_good());
        for bad in [sample(0, 2_001, Ok(200)), sample(0, 1, Ok(429)), sample(0, 1, Ok(500))] {
            assert!(!bad.is_good(), "{bad:?}");
        }
        let put_off = Answer { status: Ok(503), retry_after: true, retried: false };
        assert!(Sample { answer: put_off, ..sample(0, 1, Ok(200)) }.is_put_off());
        assert!(!sample(0, 1, Ok(503)).is_put_off(), "it is not told when to come back");
        assert!(!sample(0, 1, Err(Failure::Late)).is_sent_away());
    }

    #[test]
    fn statuses_are_counted() {
        let mut samples =
            [Ok(503), Ok(200), Err(Failure::Broken), Ok(503)].map(|status| sample(0, 1, status));
        assert_eq!(statuses(&samples), "200: 1, 503: 2, broken off: 1");
        assert_eq!(statuses([]), "none");
        samples[1].step = Step::Order;
        let told = "`GET /api/cart` 503: 2, broken off: 1; `POST /api/orders` 200: 1";
        assert_eq!(statuses_by_step(&samples), told);
    }
}
