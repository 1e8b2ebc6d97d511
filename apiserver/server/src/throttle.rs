//! So many a second, and after a pause so many at once (client-go util/flowcontrol, a token bucket).

use std::time::Duration;
use tokio::time::{Instant, sleep_until};

pub(crate) struct Throttle {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Throttle {
    pub(crate) fn new((rate, burst): (f64, usize)) -> Self {
        Throttle {
            rate,
            burst: burst as f64,
            tokens: burst as f64,
            at: Instant::now(),
        }
    }

    fn earn(&mut self) -> Instant {
        let now = Instant::now();
        let earned = now.duration_since(self.at).as_secs_f64() * self.rate;
        (self.tokens, self.at) = ((self.tokens + earned).min(self.burst), now);
        now
    }

    /// Waits for its turn.
    pub(crate) async fn pass(&mut self) {
        let now = self.earn();
        self.tokens -= 1.0;
        if self.tokens < 0.0 {
            sleep_until(now + Duration::from_secs_f64(-self.tokens / self.rate)).await;
        }
    }

    /// Whether one more may pass at once.
    pub(crate) fn lets_pass(&mut self) -> bool {
        self.earn();
        let free = self.tokens >= 1.0;
        if free {
            self.tokens -= 1.0;
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_throttle_lets_a_burst_through_and_then_a_rate() {
        let mut throttle = Throttle::new((100.0, 3));
        let began = Instant::now();
        for _ in 0..3 {
            throttle.pass().await;
        }
        assert!(throttle.tokens >= 0.0, "nothing was waited for");
        for _ in 0..5 {
            throttle.pass().await;
        }
        let took = began.elapsed().as_millis();
        assert!(took >= 49, "{took}");
    }

    #[tokio::test]
    async fn who_does_not_wait_is_turned_away() {
        let mut throttle = Throttle::new((0.001, 2));
        assert!(throttle.lets_pass() && throttle.lets_pass() && !throttle.lets_pass());
    }
}
