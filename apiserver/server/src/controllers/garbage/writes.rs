//! What garbage collection writes: each write bears the uid and the version that it was decided on (operations.go, patch.go).

use super::GarbageCollector;
use crate::cacher::{Lineage, Owner};
use crate::controllers::client::Target;
use crate::controllers::event::Record;
use crate::controllers::run::Trouble;
use crate::registry::Stored;
use serde_json::{Value, json};
use triad_machinery::meta;
use triad_machinery::status::{Status, reason};

impl GarbageCollector {
    /// Deletes what was judged. When something else about the object changed meanwhile, its owners alone decide.
    pub(super) async fn delete(
        &self,
        target: Target<'_>,
        lineage: &Lineage,
        live: &Stored,
        policy: &str,
    ) -> Result<(), Trouble> {
        let mut options = json!({"propagationPolicy": policy, "preconditions": {"uid": &*lineage.uid, "resourceVersion": meta::resource_version(&live.object)}});
        for _ in 0..2 {
            match self.client.delete(target, options.clone()).await {
                Err(status) if status.is(reason::CONFLICT) => match self.read(target).await? {
                    Some(now) if Lineage::of(&now.object).owners == lineage.owners => {
                        options["preconditions"] = json!({"uid": &*lineage.uid});
                    }
                    Some(_) => return Err(status.into()),
                    None => return Ok(()),
                },
                other => return gone_is_fine(other),
            }
        }
        Err(Trouble::Later("the object keeps changing".to_owned()))
    }

    pub(super) async fn drop_owners(
        &self,
        target: Target<'_>,
        live: &Stored,
        uids: &[&str],
    ) -> Result<(), Trouble> {
        self.rewrite(target, live, "ownerReferences", |owners| {
            owners.retain(|owner| {
                let uid = owner.get("uid").and_then(Value::as_str).unwrap_or("");
                !uids.contains(&uid)
            });
        })
        .await
    }

    pub(super) async fn stop_blocking(
        &self,
        target: Target<'_>,
        live: &Stored,
    ) -> Result<(), Trouble> {
        self.rewrite(target, live, "ownerReferences", |owners| {
            for owner in owners {
                if owner.get("blockOwnerDeletion").is_some() {
                    owner["blockOwnerDeletion"] = false.into();
                }
            }
        })
        .await
    }

    pub(super) async fn drop_finalizer(
        &self,
        target: Target<'_>,
        live: &Stored,
        finalizer: &str,
    ) -> Result<(), Trouble> {
        self.rewrite(target, live, "finalizers", |finalizers| {
            finalizers.retain(|f| f != finalizer);
        })
        .await
    }

    /// Changes a list in metadata, if the change makes a difference, at the version it was read at.
    async fn rewrite(
        &self,
        target: Target<'_>,
        live: &Stored,
        field: &str,
        change: impl FnOnce(&mut Vec<Value>),
    ) -> Result<(), Trouble> {
        let list = live.object.pointer(&format!("/metadata/{field}"));
        let Some(list) = list.and_then(Value::as_array) else {
            return Ok(());
        };
        let mut changed = list.clone();
        change(&mut changed);
        if changed == *list {
            return Ok(());
        }
        let mut metadata = json!({"uid": meta::uid(&live.object), "resourceVersion": meta::resource_version(&live.object)});
        metadata[field] = changed.into();
        gone_is_fine(
            self.client
                .patch(target, &json!({"metadata": metadata}))
                .await,
        )
    }

    /// Tells of references to an object that is there, but in another namespace: they count as broken.
    pub(super) async fn report_foreign_owners(
        &self,
        target: Target<'_>,
        lineage: &Lineage,
        dangling: &[&str],
    ) -> Result<(), Trouble> {
        let resource = target.registry.resource();
        let broken = |owner: &&Owner| dangling.contains(&&*owner.uid);
        for owner in lineage.owners.iter().filter(broken) {
            let namespace = self.kinds.namespace_of(owner);
            if namespace.is_none_or(|namespace| namespace == target.namespace) {
                continue;
            }
            let message = format!(
                "ownerRef [{}/{}, namespace: {}, name: {}, uid: {}] does not exist in namespace {:?}",
                owner.api_version,
                owner.kind,
                target.namespace,
                owner.name,
                owner.uid,
                target.namespace
            );
            let record = Record {
                kind: &resource.kind,
                api_version: &resource.group_version(),
                namespace: target.namespace,
                name: target.name,
                uid: &lineage.uid,
                reason: "OwnerRefInvalidNamespace",
                message: &message,
            };
            self.recorder.warn(&record).await?;
        }
        Ok(())
    }
}

fn gone_is_fine(result: Result<(), Status>) -> Result<(), Trouble> {
    match result {
        Err(status) if !status.is(reason::NOT_FOUND) => Err(status.into()),
        _ => Ok(()),
    }
}
