//! What is counted of logs and streams, under upstream's names (apiserver pkg/util/proxy/metrics, kubernetes
//! pkg/registry/core/pod/rest/metrics.go).

use super::{head, line};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Coded = Mutex<BTreeMap<u16, u64>>;

/// Codes and names are of fixed sets: no client can make these grow.
#[derive(Default)]
pub(crate) struct Streams {
    translated: Coded,
    tunnelled: Coded,
    routed: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    logs: Mutex<BTreeMap<&'static str, u64>>,
    mistrusted: AtomicU64,
}

impl Streams {
    pub(crate) fn translated(&self, code: u16) {
        *self.translated.lock().entry(code).or_default() += 1;
    }

    pub(crate) fn tunnelled(&self, code: u16) {
        *self.tunnelled.lock().entry(code).or_default() += 1;
    }

    /// How many translated streams have ended.
    #[cfg(test)]
    pub(crate) fn ended(&self) -> u64 {
        self.translated.lock().values().sum()
    }

    /// A stream of a subresource goes to a kubelet, by itself or translated.
    pub(crate) fn routed(&self, subresource: &'static str, by_kubelet: bool) {
        let by = match by_kubelet {
            true => "proxied_to_kubelet",
            false => "translated_at_apiserver",
        };
        *self.routed.lock().entry((subresource, by)).or_default() += 1;
    }

    pub(crate) fn logs_asked(&self, insecure: bool) {
        let usage = match insecure {
            true => "skip_tls_allowed",
            false => "enforce_tls",
        };
        *self.logs.lock().entry(usage).or_default() += 1;
    }

    /// A kubelet's certificate was not believed.
    pub(crate) fn logs_mistrusted(&self) {
        self.mistrusted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn render(self: &Arc<Self>, out: &mut String) {
        for (name, help, counts) in [
            (
                "apiserver_stream_translator_requests_total",
                "Total number of requests that were handled by the StreamTranslatorProxy, which processes streaming RemoteCommand/V5",
                &self.translated,
            ),
            (
                "apiserver_stream_tunnel_requests_total",
                "Total number of requests that were handled by the StreamTunnelProxy, which processes streaming PortForward/V2",
                &self.tunnelled,
            ),
        ] {
            head(out, name, "counter", help);
            for (code, count) in counts.lock().iter() {
                line(out, name, &[("code", &code.to_string())], *count);
            }
        }
        let name = "apiserver_websocket_streaming_requests_total";
        let help = "Total number of WebSocket streaming requests (exec/attach/portforward) routed by the API server, labeled by subresource and proxy_type. proxy_type is proxied_to_kubelet when the kubelet handles the request directly; otherwise translated_at_apiserver.";
        head(out, name, "counter", help);
        for ((subresource, by), count) in self.routed.lock().iter() {
            let labels = [("subresource", *subresource), ("proxy_type", *by)];
            line(out, name, &labels, *count);
        }
        let name = "kube_apiserver_pod_logs_insecure_backend_total";
        let help = "Total number of requests for pods/logs sliced by usage type: enforce_tls, skip_tls_allowed, skip_tls_denied";
        head(out, name, "counter", help);
        for (usage, count) in self.logs.lock().iter() {
            line(out, name, &[("usage", *usage)], *count);
        }
        let name = "kube_apiserver_pod_logs_backend_tls_failure_total";
        let help = "Total number of requests for pods/logs that failed due to kubelet server TLS verification";
        head(out, name, "counter", help);
        line(out, name, &[], self.mistrusted.load(Ordering::Relaxed));
    }
}
