//! The requests of a load with their responses and times.

use std::{cmp::Reverse, collections::BTreeMap, ops::Range, time::Duration};

use super::{connection::Response, virtual_user::Operation};

/// The longest latency at which a response is still useful.
pub(crate) const TIMELY: Duration = Duration::from_secs(2);
/// The length and the step of the window in the search for a recovered rate.
const WINDOW: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) operation: Operation,
    /// Since the start of the load.
    pub(crate) sent: Duration,
    /// Includes a retry; the timeout if there is no response.
    pub(crate) latency: Duration,
    pub(crate) response: Response,
}

impl Sample {
    pub(crate) fn is_success(&self) -> bool {
        self.response.status.is_ok_and(|status| (200..300).contains(&status))
    }

    /// Whether the response is final and in time.
    pub(crate) fn is_good(&self) -> bool {
        self.response.is_final() && self.latency <= TIMELY
    }

    pub(super) fn is_rejected(&self) -> bool {
        matches!(self.response.status, Ok(429 | 503))
    }

    pub(crate) fn is_rejected_with_retry_after(&self) -> bool {
        self.is_rejected() && self.response.has_retry_after
    }

    fn ended(&self) -> Duration {
        self.sent + self.latency
    }
}

#[derive(Debug)]
pub(crate) struct Recording {
    /// In the order of the responses.
    pub(crate) samples: Vec<Sample>,
    /// Requests that were due while every user waited for a response, and were not sent.
    pub(crate) skipped: u64,
    pub(crate) duration: Duration,
}

impl Recording {
    pub(crate) fn sent_in(&self, period: &Range<Duration>) -> Vec<Sample> {
        self.samples.iter().filter(|sample| period.contains(&sample.sent)).copied().collect()
    }

    /// Returns the responses per second within `period` that match `filter`.
    pub(crate) fn rate(&self, period: &Range<Duration>, filter: impl Fn(&Sample) -> bool) -> f64 {
        let matching =
            self.samples.iter().filter(|sample| period.contains(&sample.ended()) && filter(sample));
        let seconds = period.end.saturating_sub(period.start).as_secs_f64();
        if seconds > 0.0 { matching.count() as f64 / seconds } else { 0.0 }
    }

    /// Returns the time from `since` to the first second with this rate of successful requests.
    pub(crate) fn recovery_time(&self, since: Duration, rate: f64) -> Option<Duration> {
        let starts = (0_u32..).map(|step| since + STEP * step);
        starts
            .take_while(|start| *start + WINDOW <= self.duration)
            .find(|start| self.rate(&(*start..*start + WINDOW), Sample::is_success) >= rate)
            .map(|start| start - since)
    }
}

/// Formats the number of responses by status: `200: 17, 503: 4, broken response: 1`.
pub(crate) fn statuses<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> String {
    let mut counts = BTreeMap::<_, usize>::new();
    for Sample { response, .. } in samples {
        *counts.entry(response.status).or_default() += 1;
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

/// Formats [`statuses`] for each operation, the most frequent first.
pub(crate) fn statuses_by_operation<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> String {
    let mut operations = BTreeMap::<_, Vec<_>>::new();
    for sample in samples {
        operations.entry(sample.operation).or_default().push(sample);
    }
    if operations.is_empty() {
        return "none".to_owned();
    }
    let mut operations: Vec<_> = operations.into_iter().collect();
    operations.sort_by_key(|(_, samples)| Reverse(samples.len()));
    let operations =
        operations.into_iter().map(|(operation, samples)| format!("`{operation}` {}", statuses(samples)));
    operations.collect::<Vec<_>>().join("; ")
}

/// Returns the nearest-rank percentile, which is always one of the values; `share` is 0.99 for p99.
pub(crate) fn percentile(values: impl IntoIterator<Item = Duration>, share: f64) -> Option<Duration> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable();
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).or(values.last()).copied()
}

pub(crate) fn slowest<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Option<Duration> {
    samples.into_iter().map(|sample| sample.latency).max()
}

pub(crate) fn p99<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Option<Duration> {
    percentile(samples.into_iter().map(|sample| sample.latency), 0.99)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::load::connection::Failure;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn sample(sent: u64, latency: u64, status: Result<u16, Failure>) -> Sample {
        let response = Response { status, has_retry_after: false, is_retry: false };
        Sample { operation: Operation::Cart, sent: ms(sent), latency: ms(latency), response }
    }

    /// One response every 100 ms: 200 before 5 s, then 503 until 8 s, then 200 until 12 s.
    fn outage() -> Recording {
        let status = |sent| if (5_000..8_000).contains(&sent) { 503 } else { 200 };
        let samples = (0..12_000).step_by(100).map(|sent| sample(sent, 10, Ok(status(sent)))).collect();
        Recording { samples, skipped: 0, duration: ms(12_000) }
    }

    #[test]
    fn a_rate_counts_responses_in_a_period() {
        let recording = outage();
        assert_eq!(recording.rate(&(ms(0)..ms(5_000)), Sample::is_success), 10.0);
        assert_eq!(recording.rate(&(ms(4_000)..ms(6_000)), Sample::is_success), 5.0);
        assert_eq!(recording.rate(&(ms(4_000)..ms(6_000)), Sample::is_rejected), 5.0);
        assert_eq!(recording.rate(&(ms(1)..ms(1)), Sample::is_success), 0.0);
    }

    #[test]
    fn a_store_has_recovered_when_a_second_of_the_old_rate_begins() {
        let recording = outage();
        assert_eq!(recording.recovery_time(ms(6_000), 10.0), Some(ms(2_000)));
        assert_eq!(recording.recovery_time(ms(6_000), 9.0), Some(ms(1_900)), "nine of ten are enough");
        assert_eq!(recording.recovery_time(ms(6_000), 10.1), None);
    }

    #[test]
    fn an_unfinished_second_does_not_count_as_recovery() {
        assert_eq!(outage().recovery_time(ms(11_500), 0.0), None);
    }

    #[test]
    fn late_responses_and_rejections_are_not_good() {
        assert!(sample(0, 2_000, Ok(200)).is_good() && sample(0, 1, Ok(409)).is_good());
        for bad in [sample(0, 2_001, Ok(200)), sample(0, 1, Ok(429)), sample(0, 1, Ok(500))] {
            assert!(!bad.is_good(), "{bad:?}");
        }
        let rejected = Response { status: Ok(503), has_retry_after: true, is_retry: false };
        assert!(Sample { response: rejected, ..sample(0, 1, Ok(200)) }.is_rejected_with_retry_after());
        assert!(!sample(0, 1, Ok(503)).is_rejected_with_retry_after(), "without Retry-After");
        assert!(!sample(0, 1, Err(Failure::Timeout)).is_rejected());
    }

    #[test]
    fn counts_statuses() {
        let mut samples =
            [Ok(503), Ok(200), Err(Failure::Broken), Ok(503)].map(|status| sample(0, 1, status));
        assert_eq!(statuses(&samples), "200: 1, 503: 2, broken response: 1");
        assert_eq!(statuses([]), "none");
        samples[1].operation = Operation::PlaceOrder;
        let expected = "`GET /api/cart` 503: 2, broken response: 1; `POST /api/orders` 200: 1";
        assert_eq!(statuses_by_operation(&samples), expected);
    }

    #[test]
    fn a_percentile_is_the_nearest_rank_in_any_order() {
        let values = || (1..=100).rev().map(ms);
        assert_eq!(percentile(values(), 0.5), Some(ms(50)));
        assert_eq!(percentile(values(), 0.99), Some(ms(99)));
        assert_eq!(percentile(values(), 1.0), Some(ms(100)));
        assert_eq!(percentile([ms(7), ms(3)], 0.99), Some(ms(7)));
        assert_eq!(percentile([ms(7), ms(3)], 0.5), Some(ms(3)));
        assert_eq!(percentile([ms(7), ms(3)], 0.0), Some(ms(3)));
        assert_eq!(percentile([], 0.99), None);
    }
}
