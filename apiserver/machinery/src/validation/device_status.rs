//! What allocation writes into a claim's status (pkg/apis/resource/validation/validation.go).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::devices::{self, LIST_MAX, up_to};
use super::{conditions, formats, selectors, volume_drivers};

const RESERVED_MAX: usize = 256;
const CONFIG_MAX: usize = 2 * LIST_MAX;
const CONDITIONS_MAX: usize = 8;
const DATA_MAX_BYTES: usize = 10 * 1024;
const IPS_MAX: usize = 16;

pub(crate) fn status(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    let (status, was) = (object.get("status"), old.get("status"));
    let known = devices::request_names(&object.get("spec"));
    let (reserved, allocation) = (status.get("reservedFor"), status.get("allocation"));
    for consumer in up_to(&reserved, RESERVED_MAX) {
        for field in ["resource", "name", "uid"] {
            errors.need(&consumer.get(field));
        }
    }
    let allocated = allocated(&allocation);
    for device in status.get("devices").items() {
        self::device(&device, &allocated, errors);
    }
    if !reserved.empty() {
        reservation(
            object,
            &reserved,
            &was.get("reservedFor"),
            &allocation,
            errors,
        );
    }
    if allocation.given() && !was.get("allocation").given() {
        self::allocation(&allocation, &known, errors);
    }
}

fn reservation(
    object: &At<'_>,
    reserved: &At<'_>,
    before: &At<'_>,
    allocation: &At<'_>,
    errors: &mut Errors,
) {
    if !allocation.given() {
        return errors.forbidden(reserved, "may not be specified when `allocated` is not set");
    }
    let ends = object.get("metadata").get("deletionTimestamp").given();
    let kept = |consumer: &At<'_>| before.items().any(|old| old.value == consumer.value);
    if ends && !reserved.items().all(|consumer| kept(&consumer)) {
        errors.forbidden(reserved, "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set");
    }
}

/// Driver, pool, device and share of what was allocated.
type Id = [String; 4];

fn id(at: &At<'_>) -> Id {
    ["driver", "pool", "device", "shareID"].map(|field| at.get(field).text().to_owned())
}

fn allocated(allocation: &At<'_>) -> HashSet<Id> {
    let results = allocation.get("devices").get("results");
    results.items().map(|result| id(&result)).collect()
}

fn device(at: &At<'_>, allocated: &HashSet<Id>, errors: &mut Errors) {
    volume_drivers::csi_driver_name(&at.get("driver"), errors);
    devices::pool_name(&at.get("pool"), errors);
    formats::label(&at.get("device"), errors);
    let id = id(at);
    if !allocated.contains(&id) {
        let [driver, pool, device, share] = &id;
        let share = if share.is_empty() {
            serde_json::Value::Null
        } else {
            share.as_str().into()
        };
        let shown =
            serde_json::json!({"Driver": driver, "Pool": pool, "Device": device, "ShareID": share});
        errors.invalid_value(at, shown, "must be an allocated device in the claim");
    }
    let list = at.get("conditions");
    if list.count() > CONDITIONS_MAX {
        errors.too_many(&list, list.count(), CONDITIONS_MAX);
    }
    conditions::all(&list, errors);
    if at.get("data").given() {
        devices::raw_object(&at.get("data"), DATA_MAX_BYTES, errors);
    }
    for address in up_to(&at.get("networkData").get("ips"), IPS_MAX) {
        formats::interface_address(&address, errors);
    }
}

fn allocation(at: &At<'_>, known: &HashSet<String>, errors: &mut Errors) {
    let found = at.get("devices");
    for result in up_to(&found.get("results"), LIST_MAX) {
        devices::request_ref(&result.get("request"), known, errors);
        formats::label(&result.get("device"), errors);
        devices::bindings(&result, errors);
        for toleration in result.get("tolerations").items() {
            devices::toleration(&toleration, errors);
        }
        devices::skipped_operations(&result.get("skipNodeOperations"), errors);
    }
    for config in up_to(&found.get("config"), CONFIG_MAX) {
        devices::request_refs(&config.get("requests"), known, errors);
        devices::configuration(&config, errors);
    }
    let nodes = at.get("nodeSelector");
    if nodes.given() {
        selectors::node_selector(&nodes, errors);
    }
}
