//! What is to be told of a token's use: in the audit event and the answer of the request, and in counters under upstream's names
//! (kubernetes pkg/serviceaccount: metrics.go, legacy.go, claims.go).

use crate::audit::Trail;
use crate::metrics::{head, line};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is said of one request. The request's trail begins only when it is known who asks: until then it is kept here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(super) annotations: Vec<(&'static str, String)>,
    pub(crate) warnings: Vec<String>,
}

impl Told {
    pub(crate) fn annotate(&self, trail: &Trail) {
        for (key, value) in &self.annotations {
            trail.annotate(key, value.as_str());
        }
    }
}

/// A kind of use that is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use {
    /// Of a token without audiences, which lies in a Secret.
    Legacy,
    /// Of a token that should have been read anew.
    Stale,
    Valid,
    LegacyManual,
    LegacyAuto,
    LegacyInvalid,
}

const ALL: [(Use, &str, &str); 6] = [
    (
        Use::Legacy,
        "serviceaccount_legacy_tokens_total",
        "Cumulative legacy service account tokens used",
    ),
    (
        Use::Stale,
        "serviceaccount_stale_tokens_total",
        "Cumulative stale projected service account tokens used",
    ),
    (
        Use::Valid,
        "serviceaccount_valid_tokens_total",
        "Cumulative valid projected service account tokens used",
    ),
    (
        Use::LegacyManual,
        "serviceaccount_legacy_manual_token_uses_total",
        "Cumulative manually created legacy tokens used",
    ),
    (
        Use::LegacyAuto,
        "serviceaccount_legacy_auto_token_uses_total",
        "Cumulative auto-generated legacy tokens used",
    ),
    (
        Use::LegacyInvalid,
        "serviceaccount_invalid_legacy_auto_token_uses_total",
        "Cumulative invalid auto-generated legacy tokens used",
    ),
];

#[derive(Default)]
pub(crate) struct Uses([AtomicU64; ALL.len()]);

impl Uses {
    pub(super) fn count(&self, one: Use) {
        self.0[one as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn render(&self, out: &mut String) {
        for (one, name, help) in ALL {
            head(out, name, "counter", help);
            line(out, name, &[], self.0[one as usize].load(Ordering::Relaxed));
        }
    }
}
