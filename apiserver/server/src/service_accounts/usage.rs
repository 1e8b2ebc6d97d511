//! When tokens that lie in Secrets were last used, by the day, as a label of the Secret: kube-controller-manager takes away
//! those that nobody uses (kubernetes pkg/serviceaccount/legacy.go, KEP-2800).

use crate::clock::Clock;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use triad_machinery::meta;

const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
/// Secrets waiting for their label. When full, a use is not noted: the token's next one will be.
const WAITING: usize = 64;

pub(crate) struct Usage {
    used: mpsc::Sender<Used>,
    waiting: Mutex<Option<mpsc::Receiver<Used>>>,
}

/// A Secret whose token was used, and what it is to say.
pub(crate) struct Used {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) patch: Value,
}

impl Usage {
    pub(super) fn new() -> Self {
        let (used, waiting) = mpsc::channel(WAITING);
        Usage {
            used,
            waiting: Mutex::new(Some(waiting)),
        }
    }

    /// Takes note that the token in a Secret was used, unless it says so already.
    pub(super) fn note(&self, secret: &Value) {
        let today = Clock.today();
        if meta::label(secret, LAST_USED) == Some(&today) {
            return;
        }
        let patch = json!({"metadata": {"uid": meta::uid(secret), "labels": {LAST_USED: today}}});
        let used = Used {
            namespace: meta::namespace(secret).to_owned(),
            name: meta::name(secret).to_owned(),
            patch,
        };
        let _ = self.used.try_send(used);
    }

    /// The Secrets to be labelled; for the one task that does it.
    pub(crate) fn take(&self) -> Option<mpsc::Receiver<Used>> {
        self.waiting.lock().take()
    }
}
