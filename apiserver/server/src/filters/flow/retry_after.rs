//! How long those that are refused are asked to stay away: the longer, the more of them there are (apiserver
//! pkg/util/flowcontrol/dropped_requests_tracker.go).

use std::collections::VecDeque;

/// In seconds.
const LONGEST: u64 = 32;

/// One level's refusals. Times are whole seconds of any clock that does not go back.
#[derive(Debug)]
pub(super) struct RetryAfter {
    seconds: u64,
    raised_at: Option<u64>,
    /// Refusals by second, of the last `LONGEST`.
    refused: VecDeque<(u64, u64)>,
}

impl Default for RetryAfter {
    fn default() -> Self {
        RetryAfter {
            seconds: 1,
            raised_at: None,
            refused: VecDeque::new(),
        }
    }
}

impl RetryAfter {
    /// Counts a refusal; what to say with it.
    pub(super) fn refused(&mut self, now: u64) -> u64 {
        match self.refused.back_mut() {
            Some((second, count)) if *second == now => *count += 1,
            _ => {
                self.adjust(now);
                self.refused.push_back((now, 1));
            }
        }
        self.seconds
    }

    /// By the refusals of the last so many seconds: thrice as many double the time, fewer shorten it.
    fn adjust(&mut self, now: u64) {
        while self
            .refused
            .front()
            .is_some_and(|(at, _)| now - at > LONGEST)
        {
            self.refused.pop_front();
        }
        let recent = self.refused.iter().rev();
        let recent = recent.take_while(|(at, _)| now - at <= self.seconds);
        let count: u64 = recent.map(|(_, count)| count).sum();
        let rested = self.raised_at.is_none_or(|at| now - at >= self.seconds);
        if rested && count >= 3 * self.seconds {
            self.seconds = (self.seconds * 2).min(LONGEST);
            self.raised_at = Some(now);
        } else if count < self.seconds && self.seconds > 1 {
            self.seconds -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_doubles_under_load_and_shrinks_after_it() {
        let mut after = RetryAfter::default();
        let mut said = Vec::new();
        for second in 0..70 {
            for _ in 0..100 {
                after.refused(second);
            }
            said.push(after.seconds);
        }
        assert_eq!(said[..4], [1, 2, 2, 4]);
        assert_eq!(said.last(), Some(&LONGEST));
        for minute in 1..=40 {
            after.refused(60 * minute + 70);
        }
        assert_eq!(after.seconds, 1);
        assert!(after.refused.len() <= 33);
    }
}
