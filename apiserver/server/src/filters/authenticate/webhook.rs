//! Tokens that another server knows: it is asked with a TokenReview, and its answers are kept for a while (apiserver
//! plugin/pkg/authenticator/token/webhook, pkg/authentication/token/cache).

use crate::egress::{Patience, Target, kubeconfig, post_patiently};
use crate::filters::kept::Kept;
use crate::user::User;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::time::Duration;
use triad_machinery::pod::texts;

const TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// Answers kept.
const KEPT: usize = 4096;

#[derive(Clone, Debug)]
pub struct Options {
    pub config_file: PathBuf,
    /// `v1` or `v1beta1`.
    pub version: String,
    pub ttl: Duration,
}

type Known = Option<(User, Vec<String>)>;

pub(super) struct Webhook {
    target: Target,
    version: String,
    ttl: Duration,
    /// By a digest of token and audiences: tokens themselves are not kept.
    kept: Kept<[u8; 32], Known>,
}

impl Webhook {
    pub(super) fn new(options: &Options) -> Result<Self, String> {
        Ok(Webhook {
            target: kubeconfig::target(&options.config_file)?,
            version: options.version.clone(),
            ttl: options.ttl,
            kept: Kept::new(KEPT),
        })
    }

    /// Who a token stands for and which of the audiences it is meant for; none where the server does not know it. The error says
    /// why it could not be asked, or what it has against the token.
    pub(super) async fn check(&self, token: &str, audiences: &[String]) -> Result<Known, String> {
        let key = digest(token, audiences);
        if let Some(known) = self.kept.get(&key) {
            return Ok(known);
        }
        let known = self.ask(token, audiences).await?;
        self.kept.put(key, known.clone(), self.ttl);
        Ok(known)
    }

    async fn ask(&self, token: &str, audiences: &[String]) -> Result<Known, String> {
        let mut spec = json!({"token": token});
        if !audiences.is_empty() {
            spec["audiences"] = json!(audiences);
        }
        let review = json!({"kind": "TokenReview", "apiVersion": format!("authentication.k8s.io/{}", self.version),
            "metadata": {}, "spec": spec, "status": {"user": {}}});
        let patience = Patience {
            first_pause: PAUSE,
            whatever: false,
        };
        let body = review.to_string().into_bytes();
        let answer = post_patiently(&self.target, body, TIMEOUT, patience).await?;
        let answer: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("the answer is no review: {error}"))?;
        known(&answer["status"], audiences)
    }
}

/// One that does not say for whom the token is, is taken to mean all that were asked about.
fn known(status: &Value, audiences: &[String]) -> Result<Known, String> {
    let error = status["error"].as_str().unwrap_or_default();
    if status["authenticated"] != true {
        return match error {
            "" => Ok(None),
            error => Err(error.to_owned()),
        };
    }
    let user = &status["user"];
    let text = |field: &str| user[field].as_str().unwrap_or_default().to_owned();
    let found = User {
        name: text("username"),
        uid: text("uid"),
        groups: texts(&user["groups"]),
        extra: user["extra"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, values)| (key.to_string(), texts(values)))
            .collect(),
    };
    let meant = texts(&status["audiences"]);
    let matching: Vec<String> = match meant.is_empty() {
        true => audiences.to_vec(),
        false => {
            let matching = audiences.iter().filter(|asked| meant.contains(asked));
            matching.cloned().collect()
        }
    };
    Ok((audiences.is_empty() || !matching.is_empty()).then_some((found, matching)))
}

fn digest(token: &str, audiences: &[String]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in std::iter::once(token).chain(audiences.iter().map(String::as_str)) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}
