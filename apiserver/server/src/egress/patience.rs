//! Asking again: with growing pauses, a few times (apiserver pkg/util/webhook, WithExponentialBackoff).

use super::{Answer, Target, post};
use std::time::Duration;

const ATTEMPTS: u32 = 5;
/// How much longer each pause is than the one before.
const GROWTH: f64 = 1.5;
/// By how much of itself a pause varies.
const JITTER: f64 = 0.2;

/// How patient a caller is.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) first_pause: Duration,
    /// What goes wrong in calling is tried again, too, and not only a server that is overloaded or failed.
    pub(crate) whatever: bool,
}

/// Posts JSON until it is taken; an answer that is none of success is an error in the end.
pub(crate) async fn post_patiently(
    target: &Target,
    body: Vec<u8>,
    within: Duration,
    patience: Patience,
) -> Result<Answer, String> {
    let mut pause = patience.first_pause;
    let mut attempt = 1;
    loop {
        let (why, again) = match post(target, "", body.clone(), within).await {
            Ok(answer) if (200..=206).contains(&answer.code) => return Ok(answer),
            Ok(Answer { code, .. }) => (
                format!("the webhook answered {code}"),
                code == 429 || code == 500 || patience.whatever,
            ),
            Err(why) => (why, patience.whatever),
        };
        if !again || attempt == ATTEMPTS {
            return Err(why);
        }
        attempt += 1;
        let more = 1.0 + JITTER * rand::random::<f64>();
        tokio::time::sleep(pause.mul_f64(more)).await;
        pause = pause.mul_f64(GROWTH);
    }
}
