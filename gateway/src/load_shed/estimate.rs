//! Estimation of the time until a waiting request has been served.
//!
//! By Little's law (J. D. C. Little, "A Proof for the Queuing Formula: L = λW", Operations Research 9(3), 1961), `n` requests
//! in progress that take `t` on average complete at a rate of `n / t`, so the request behind `k` others in the queue gets a
//! permit after `(k + 1) * t / n`. The time `t` is measured as TCP measures its round trips (V. Jacobson, "Congestion
//! Avoidance and Control", SIGCOMM 1988): a moving average, and a moving average of the deviation from it.

use std::time::Duration;

use tokio::time::Instant;

/// Minimum weight of the averages relative to a new measurement.
const AVERAGE_WEIGHT: u32 = 31;

/// Measures how long requests take that have a permit.
#[derive(Debug)]
pub(super) struct ServiceTime {
    permits: u32,
    epoch: Instant,
    /// Averages of the completed requests.
    mean: Option<Duration>,
    deviation: Duration,
    /// Requests in progress, and the sum of the times at which they started, since `epoch`.
    in_progress: u32,
    started_sum: Duration,
}

impl ServiceTime {
    /// Measures the requests that share this many permits.
    pub(super) fn new(permits: u32) -> Self {
        let (mean, deviation, started_sum) = (None, Duration::ZERO, Duration::ZERO);
        Self { permits, epoch: Instant::now(), mean, deviation, in_progress: 0, started_sum }
    }

    /// Records the start of a request.
    pub(super) fn start(&mut self, now: Instant) {
        self.in_progress += 1;
        self.started_sum += now - self.epoch;
    }

    /// Records the end of a request.
    pub(super) fn finish(&mut self, started: Instant, now: Instant) {
        self.in_progress -= 1;
        self.started_sum -= started - self.epoch;
        let time = now - started;
        let Some(mean) = self.mean else {
            (self.mean, self.deviation) = (Some(time), time / 2);
            return;
        };
        // The requests in progress at the same time are similar, so the average follows after twice as many.
        let weight = self.permits.saturating_mul(2).max(AVERAGE_WEIGHT);
        let average = |average: Duration, new| {
            average.mul_f64(f64::from(weight) / (f64::from(weight) + 1.0)) + new / (weight + 1)
        };
        self.deviation = average(self.deviation, mean.abs_diff(time));
        self.mean = Some(average(mean, time));
    }

    /// Returns the expected time for the request behind `ahead` others, until it gets a permit, and until it has been
    /// served.
    pub(super) fn expected(&self, ahead: u32, now: Instant) -> (Duration, Duration) {
        // The requests in progress may take longer than those before them: a service that hangs completes none.
        let mean = self.mean.unwrap_or_default().max(self.mean_age(now));
        let wait = mean * (ahead + 1) / self.permits;
        (wait, wait + mean)
    }

    /// Returns the time by which a request that is expected to wait this long often takes longer.
    pub(super) fn reserve(&self, wait: Duration) -> Duration {
        wait / 8 + 2 * self.deviation
    }

    /// Mean time since the start of the requests in progress.
    fn mean_age(&self, now: Instant) -> Duration {
        let started = self.started_sum.checked_div(self.in_progress);
        started.map_or(Duration::ZERO, |started| (now - self.epoch).saturating_sub(started))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn expects_the_measured_time_divided_by_the_permits_for_each_request_ahead() {
        let mut times = ServiceTime::new(4);
        let start = Instant::now();
        assert_eq!(times.expected(100, start), (Duration::ZERO, Duration::ZERO), "not measured yet");
        times.start(start);
        times.finish(start, start + 80 * MS);
        assert_eq!(times.expected(9, start), (200 * MS, 280 * MS));
        for _ in 0..100 {
            times.start(start);
            times.finish(start, start + 40 * MS);
        }
        let (wait, served) = times.expected(9, start);
        assert!((100..110).contains(&wait.as_millis()), "{wait:?}");
        assert!((140..155).contains(&served.as_millis()), "{served:?}");
    }

    #[tokio::test]
    async fn expects_more_when_the_requests_in_progress_take_longer_than_before() {
        let mut times = ServiceTime::new(2);
        let start = Instant::now();
        times.start(start);
        times.start(start + 20 * MS);
        let (wait, served) = times.expected(0, start + 110 * MS);
        assert_eq!((wait.as_millis(), served.as_millis()), (50, 150));
        times.finish(start, start + 110 * MS);
        times.finish(start + 20 * MS, start + 110 * MS);
        assert_eq!((times.in_progress, times.mean_age(start + 200 * MS)), (0, Duration::ZERO));
    }

    #[tokio::test]
    async fn reserves_twice_the_deviation_of_the_measured_times() {
        let mut times = ServiceTime::new(1);
        let start = Instant::now();
        for index in 0..400 {
            times.start(start);
            times.finish(start, start + if index % 2 == 0 { 50 } else { 150 } * MS);
        }
        let reserve = times.reserve(80 * MS).as_millis();
        assert!((105..115).contains(&reserve), "{reserve}");
    }
}
