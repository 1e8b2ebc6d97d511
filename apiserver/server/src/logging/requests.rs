//! A line for each request, where that is asked for (apiserver pkg/server/httplog), and one for each that took long, with what took
//! how long (k8s.io/utils/trace).

use super::REQUESTS;
use http::HeaderMap;
use http::header::USER_AGENT;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use triad_machinery::duration::GoDuration;

/// Where lines of requests come from, for --vmodule.
pub(super) const MODULE: &str = module_path!();
/// A request that takes longer is told of, unless it is one that takes as long as the client likes.
const SLOW: Duration = Duration::from_millis(500);

/// When a request got how far.
pub(crate) struct Steps {
    began: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    pub(crate) fn begin() -> Self {
        Steps {
            began: Instant::now(),
            done: Vec::with_capacity(4),
        }
    }

    pub(crate) fn done(&mut self, step: &'static str) {
        self.done.push((step, self.began.elapsed()));
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// `"Authorized" 1ms, ...`: each with the time that it took by itself.
    fn told(&self, total: Duration) -> String {
        let mut before = Duration::ZERO;
        let all = self.done.iter().copied().chain([("Answered", total)]);
        let each = all.map(|(step, at)| {
            let took = at.saturating_sub(before);
            before = at;
            format!("---\"{step}\" {}", shown(took))
        });
        each.collect::<Vec<_>>().join(" ")
    }
}

fn shown(time: Duration) -> String {
    GoDuration(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)).to_string()
}

/// A request that was answered.
pub(crate) struct Request<'a> {
    pub(crate) verb: &'a str,
    pub(crate) uri: &'a dyn Fn() -> String,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) id: &'a str,
    pub(crate) peer: IpAddr,
    pub(crate) code: u16,
    pub(crate) long_running: bool,
}

pub(crate) fn log_request(request: &Request<'_>, steps: &Steps) {
    let lines = REQUESTS.load(Ordering::Relaxed);
    let took = steps.began.elapsed();
    let slow = took > SLOW && !request.long_running;
    if !lines && !slow {
        return;
    }
    let agent = request.headers.get(USER_AGENT);
    let agent = agent
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or_default();
    let (uri, latency) = ((request.uri)(), shown(took));
    if lines {
        tracing::info!(verb = request.verb, URI = uri, latency, userAgent = agent, "audit-ID" = request.id,
            srcIP = %request.peer, resp = request.code, "HTTP");
    }
    if slow {
        tracing::info!(
            verb = request.verb,
            URI = uri,
            userAgent = agent,
            "audit-ID" = request.id,
            total = latency,
            steps = steps.told(took),
            "Trace"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::logged;
    use super::super::text::line;
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_slow_request_tells_where_its_time_went_and_others_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static("kubectl"));
        let request = |long_running| Request {
            verb: "get",
            uri: &|| "/api/v1/pods?x=%0a".to_owned(),
            headers: &headers,
            id: "id-1",
            peer: [127, 0, 0, 1].into(),
            code: 200,
            long_running,
        };
        let mut slow = Steps::begin();
        slow.began -= SLOW * 2;
        slow.done("Authorized");
        let others = logged(line, || {
            log_request(&request(true), &slow);
            log_request(&request(false), &Steps::begin());
        });
        assert_eq!(others, "");
        let text = logged(line, || log_request(&request(false), &slow));
        assert!(text.contains("\"Trace\" verb=\"get\" URI=\"/api/v1/pods?x=%0a\" userAgent=\"kubectl\" audit-ID=\"id-1\" total=\"1."), "{text}");
        assert!(
            text.contains("---\\\"Authorized\\\" 1.") && text.contains("---\\\"Answered\\\""),
            "{text}"
        );
    }
}
