//! POST to a collection (apiserver pkg/endpoints/handlers/create.go).

use super::Call;
use super::params::WriteOptions;
use crate::admission::resource_quota::charge;
use crate::admission::{Attributes, Operation};
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::negotiate::Offer;
use crate::registry::Outcome;
use crate::registry::before::{GENERATE_ATTEMPTS, has_status};
use crate::reply::Reply;
use serde_json::Value;
use triad_machinery::custom;
use triad_machinery::managed_fields;
use triad_machinery::meta;
use triad_machinery::schema::{TypeId, schema};
use triad_machinery::scheme::scheme;
use triad_machinery::status::{Status, reason};

/// Creates the object in the body.
pub(crate) async fn create(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Table)?;
    let options = WriteOptions::parse(&call.query, "CreateOptions", false)?;
    let mut object = call.decode_object(options.validation)?;
    match_namespace(call, &mut object)?;
    let manager = call.manager(&options.field_manager);
    track(call, None, &mut object, &manager, "");
    let created = insert(call, object, options.dry_run).await?;
    call.answer_outcome(201, created, &accepted)
}

/// Admits and stores an object of the served version; the stored one. Generated names that clash are drawn again.
pub(crate) async fn insert(
    call: &mut Call,
    object: Value,
    dry_run: bool,
) -> Result<Outcome, Status> {
    let registry = call.registry()?.clone();
    let mut object = call.endpoint.to_storage(object);
    registry.fill_system_fields(&mut object);
    let generated = !meta::generate_name(&object).is_empty() && call_names_nothing(call);
    registry.strategy.attribute_to(&mut object, &call.user);
    call.dedup_owners(&mut object, "");
    let attributes = Attributes::new(call, Operation::Create, "");
    call.warnings.extend(
        call.api
            .clone()
            .admission
            .admit(&attributes, &mut object, None)
            .await?,
    );
    call.dedup_owners(&mut object, super::AFTER_ADMISSION);
    let mut attempt = 0;
    let warned = call.warnings.len();
    loop {
        call.warnings.truncate(warned);
        let mut candidate = object.clone();
        // What the object takes from elsewhere is part of what is validated.
        let mut extra = registry
            .strategy
            .allocate(&call.api, &mut candidate, None, dry_run)?;
        let warnings = registry.before_create(call.written(), &mut candidate)?;
        call.warnings.extend(warnings);
        call.warnings.extend(
            call.api
                .clone()
                .admission
                .validate(&attributes, Some(&candidate), None)
                .await?,
        );
        attempt += 1;
        call.check_escalation(&candidate, None)?;
        let mut charge = charge(&call.api, &attributes, &candidate, None, dry_run).await?;
        charge.guard(&call.api, &mut extra);
        let inserted = registry.insert(candidate, extra, dry_run).await;
        charge.settle(&call.api, inserted.is_ok()).await;
        match inserted {
            Err(status)
                if status.is(reason::ALREADY_EXISTS)
                    && generated
                    && attempt < GENERATE_ATTEMPTS =>
            {
                meta::set(&mut object, "name", "");
                registry.fill_system_fields(&mut object);
            }
            Err(status) if status.is(reason::CONFLICT) && attempt < GENERATE_ATTEMPTS => {}
            Err(status) if status.is(reason::ALREADY_EXISTS) && generated => {
                return Err(Status::generate_name_conflict(
                    registry.group_resource(),
                    meta::name(&object),
                    1,
                ));
            }
            other => return other,
        }
    }
}

fn call_names_nothing(call: &Call) -> bool {
    call.info.path_name().is_none()
}

/// The object's namespace is the path's; a different one in the body is refused.
pub(crate) fn match_namespace(call: &Call, object: &mut Value) -> Result<(), Status> {
    let (asked, given) = (call.namespace(), meta::namespace(object));
    if !call.endpoint.resource.namespaced {
        // What is in no namespace names none, whatever the body says.
        if let (false, Some(metadata)) = (given.is_empty(), meta::metadata_mut(object)) {
            metadata.shift_remove("namespace");
        }
        return Ok(());
    }
    if given.is_empty() {
        let asked = asked.to_owned();
        meta::set(object, "namespace", &asked);
        return Ok(());
    }
    if given == asked {
        Ok(())
    } else {
        Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ))
    }
}

/// Records who set which fields; `live` is the object before, in the same version.
pub(crate) fn track(
    call: &Call,
    live: Option<&Value>,
    object: &mut Value,
    manager: &str,
    subresource: &str,
) {
    if let (None, Some(metadata)) = (live, meta::metadata_mut(object)) {
        // Nobody creates what is on its way out (rest.WipeObjectMetaSystemFields).
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            metadata.shift_remove(field);
        }
    }
    in_context(&call.endpoint, manager, subresource, |context| {
        managed_fields::update(live, object, context)
    });
}

/// Calls with what a write is: its type, its author and its time.
pub(crate) fn in_context<T>(
    endpoint: &Endpoint,
    manager: &str,
    subresource: &str,
    work: impl FnOnce(&managed_fields::Context<'_>) -> T,
) -> T {
    let resource = endpoint.resource;
    let with_status = has_status(resource);
    let reset_fields = match &endpoint.custom {
        Some(_) => managed_fields::custom_reset_fields(subresource, with_status),
        None => managed_fields::reset_fields(
            &resource.group,
            &resource.plural,
            subresource,
            with_status,
        ),
    };
    work(&managed_fields::Context {
        schema: schema(),
        type_id: endpoint.ty,
        api_version: &resource.group_version(),
        kind: &resource.kind,
        manager,
        subresource,
        now: &Clock.now(),
        reset_fields: &reset_fields,
        versions: &ServedVersions(endpoint),
        custom: endpoint
            .custom
            .as_ref()
            .map(|custom| custom.version.schema()),
    })
}

/// The versions that one resource is served in, for managed fields that were set in another.
struct ServedVersions<'a>(&'a Endpoint);

impl managed_fields::Versions for ServedVersions<'_> {
    fn convert(&self, object: &Value, api_version: &str) -> Option<(Value, TypeId)> {
        let (group, version) = meta::group_version(api_version);
        // Another group's name for the same kind is none of this resource's versions.
        if group != self.0.resource.group {
            return None;
        }
        let target = scheme().resource_of_kind(group, version, &self.0.resource.kind)?;
        let converted = crate::endpoint::convert(object.clone(), self.0.resource, target);
        Some((converted, target.type_id()?))
    }

    fn convert_custom(
        &self,
        object: &Value,
        api_version: &str,
    ) -> Option<(Value, &custom::Schema)> {
        self.0.custom.as_ref()?.in_version(object, api_version)
    }
}
