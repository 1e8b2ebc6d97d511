//! Events go to a server that a kubeconfig names, as an EventList (apiserver plugin/pkg/audit/webhook). Whatever goes wrong is tried
//! again a few times, with growing pauses.

use super::event::Written;
use crate::egress::{Patience, Target, kubeconfig, post_patiently};
use crate::options::Webhook;
use anyhow::{Result, anyhow};
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Hook {
    target: Target,
    pause: Duration,
}

impl Hook {
    pub(super) fn new(options: &Webhook) -> Result<Self> {
        let target = kubeconfig::target(&options.config_file);
        Ok(Hook {
            target: target.map_err(|why| anyhow!("initializing audit webhook: {why}"))?,
            pause: options.initial_backoff,
        })
    }

    pub(super) async fn keep(&self, events: &[Arc<Written>]) -> Result<(), String> {
        let patience = Patience {
            first_pause: self.pause,
            whatever: true,
        };
        post_patiently(&self.target, list(events), TIMEOUT, patience)
            .await
            .map(drop)
    }
}

fn list(events: &[Arc<Written>]) -> Vec<u8> {
    let length: usize = events.iter().map(|event| event.len()).sum();
    let mut body = Vec::with_capacity(length + 128);
    body.extend_from_slice(
        br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#,
    );
    for (at, event) in events.iter().enumerate() {
        body.extend_from_slice(if at == 0 { b"{" } else { b",{" });
        body.extend_from_slice(&event.listed());
    }
    body.extend_from_slice(b"]}");
    body
}
