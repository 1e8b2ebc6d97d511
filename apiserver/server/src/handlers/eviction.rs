//! POST pods/NAME/eviction: deletes a pod unless a disruption budget speaks against it (kubernetes
//! pkg/registry/core/pod/storage/eviction.go).

mod budget;

use super::Call;
use super::params::{DeleteOptions, WriteOptions};
use super::subresource::{admit, carried_out, created};
use crate::negotiate::Offer;
use crate::registry::before::Part;
use crate::reply::Reply;
use serde_json::{Value, json};
use triad_machinery::meta;
use triad_machinery::status::{FieldError, GroupKind, OBJECT_MODIFIED, Status, reason};

/// How often an eviction is tried again when others write the pod meanwhile.
const ATTEMPTS: u32 = 20;

pub(super) async fn evict(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Plain)?;
    let options = WriteOptions::parse(&call.query, "CreateOptions", false)?;
    let mut eviction = call.decode_named("policy", "Eviction", &["v1beta1"], options.validation)?;
    admit(call, "eviction", &mut eviction).await?;
    if meta::name(&eviction) != call.name() {
        return Err(Status::bad_request(
            "name in URL does not match name in Eviction object",
        ));
    }
    let mut delete = delete_options(&eviction, call.name())?;
    delete.dry_run |= options.dry_run;
    carried_out(call, "eviction", &eviction).await?;
    if !evict_without_budget(call, &delete).await? {
        evict_within_budget(call, delete).await?;
    }
    Ok(created(&accepted))
}

fn delete_options(eviction: &Value, name: &str) -> Result<DeleteOptions, Status> {
    let Some(options) = eviction.get("deleteOptions") else {
        return Ok(DeleteOptions::default());
    };
    const DANGEROUS: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";
    if options[DANGEROUS] == true {
        let why = "can not be set for pod eviction, try after removing the option";
        let error = FieldError::invalid(format!("deleteOptions.{DANGEROUS}"), true, why);
        let kind = GroupKind {
            group: "policy",
            kind: "Eviction",
        };
        return Err(Status::invalid(kind, name, &[error]));
    }
    DeleteOptions::from_object(options)
}

/// Deletes a pod whose end disrupts nothing; false: it may disrupt something.
async fn evict_without_budget(call: &Call, options: &DeleteOptions) -> Result<bool, Status> {
    let mut attempt = 0;
    loop {
        let pod = call.fetch().await?.object;
        let over = ended(&pod);
        if !over && phase(&pod) != "Pending" {
            return Ok(false);
        }
        let mut as_is = options.clone();
        if !over && as_is.resource_version.is_none() {
            // A pod that gets ready meanwhile is judged anew.
            as_is.resource_version = Some(meta::resource_version(&pod).to_owned());
        }
        attempt += 1;
        match mark_and_delete(call, &as_is).await {
            Err(status)
                if status.is(reason::CONFLICT)
                    && options.resource_version.is_none()
                    && attempt < ATTEMPTS => {}
            done => return done.map(|()| true),
        }
    }
}

async fn evict_within_budget(call: &Call, mut options: DeleteOptions) -> Result<(), Status> {
    let pod = call.fetch().await?.object;
    let allowed = budget::ask(call, &pod, options.dry_run).await?;
    let named = options.resource_version.is_some();
    if let budget::Allowed::AsItIs(_) = &allowed {
        options.resource_version = Some(meta::resource_version(&pod).to_owned());
    }
    match (mark_and_delete(call, &options).await, allowed) {
        (Err(status), budget::Allowed::AsItIs(name)) if status.is(reason::CONFLICT) && !named => {
            Err(budget::unsettled(&name))
        }
        (done, _) => done,
    }
}

fn phase(pod: &Value) -> &str {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    phase.unwrap_or("")
}

/// Whether nothing runs any more, or its end has begun.
fn ended(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed") || !meta::deletion_timestamp(pod).is_empty()
}

/// Writes into the pod's status why it goes, and deletes it.
async fn mark_and_delete(call: &Call, options: &DeleteOptions) -> Result<(), Status> {
    let registry = call.registry()?.clone();
    let mut options = options.clone();
    if !options.dry_run {
        let marked = mark(call, &options).await?;
        if options.resource_version.is_some() {
            // The mark is this eviction's own write.
            options.resource_version = Some(meta::resource_version(&marked).to_owned());
        }
    }
    registry
        .delete(call.namespace(), call.name(), &options)
        .await?;
    Ok(())
}

async fn mark(call: &Call, options: &DeleteOptions) -> Result<Value, Status> {
    let registry = call.registry()?;
    for _ in 0..ATTEMPTS {
        let old = call.fetch().await?;
        registry.preconditions(&old.object, options)?;
        let mut object = old.object.clone();
        crate::registry::set_pod_condition(
            &mut object,
            json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting"}),
        );
        registry.before_update(
            registry.resource(),
            Part::Sub("status"),
            &mut object,
            &old.object,
        )?;
        let written = registry.replace(&old, object, Default::default(), false);
        if let Some(outcome) = written.await? {
            return outcome.into_object(registry);
        }
    }
    Err(Status::conflict(
        registry.group_resource(),
        call.name(),
        OBJECT_MODIFIED,
    ))
}
