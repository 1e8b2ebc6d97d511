//! ValidatingAdmissionWebhook: all that are for a request are asked at once; the first of them that objects is heard.

use super::{Trouble, Webhooks, exempt, failed};
use crate::admission::Lookup;
use crate::admission::dynamic::Subject;
use crate::egress::kubeconfig::Users;
use crate::filters::authorize::Authorizer;
use futures_util::future::join_all;
use std::sync::Arc;
use triad_machinery::status::Status;

pub(in crate::admission) struct Validating(Webhooks);

impl Validating {
    pub(in crate::admission) fn new(
        lookup: &Arc<Lookup>,
        authorizer: &Arc<Authorizer>,
        users: Users,
    ) -> Self {
        Validating(Webhooks::new(
            &lookup.validating_webhooks,
            lookup,
            authorizer,
            users,
        ))
    }

    pub(in crate::admission) async fn review(
        &self,
        subject: Subject<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let current = self.0.current();
        if current.1.is_empty() || exempt(subject.at) {
            return Ok(());
        }
        let mut called = Vec::new();
        for hook in &current.1 {
            if let Some(matched) = self.0.called(hook, subject)? {
                called.push((hook, matched));
            }
        }
        let calls = called.iter().map(|(hook, matched)| async move {
            let mut warned = Vec::new();
            let result = self
                .0
                .call(hook, subject, matched, false, &mut warned)
                .await;
            (result, warned)
        });
        let mut objection = None;
        let answers = join_all(calls).await.into_iter().zip(&called);
        for (number, ((result, warned), (hook, _))) in answers.enumerate() {
            warnings.extend(warned);
            let status = match result {
                Ok(_) => continue,
                Err(Trouble::Rejected(status) | Trouble::Refused(status)) => status,
                Err(Trouble::Failed(why)) if hook.ignores_failure => {
                    tracing::warn!(
                        webhook = hook.name,
                        why,
                        "failed calling a webhook, which does not count"
                    );
                    let key = format!(
                        "failed-open.validating.webhook.admission.k8s.io/round_0_index_{number}"
                    );
                    subject.at.trail.annotate(&key, hook.name.as_str());
                    continue;
                }
                Err(Trouble::Failed(why)) => Status::internal(failed(hook, &why)),
            };
            objection = objection.or(Some(status));
        }
        objection.map_or(Ok(()), Err)
    }
}
