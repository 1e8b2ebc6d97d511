//! Node ports, a health check's among them: a port in use is a key that names its service (kubernetes
//! pkg/registry/core/service/portallocator).

use super::band::Band;
use super::{invalid, lost, needs_health_check, needs_node_port, text};
use crate::api::Api;
use crate::registry::strategy::Extra;
use crate::registry::unavailable;
use bytes::Bytes;
use serde_json::Value;
use triad_machinery::meta;
use triad_machinery::status::{FieldError, Status};

pub(super) const PREFIX: &str = "/registry/ranges/nodeports/";
const ALLOCATED: &str = "provided port is already allocated";

fn entries(service: &Value) -> &[Value] {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    ports.map_or(&[], Vec::as_slice)
}

fn entries_mut(service: &mut Value) -> impl Iterator<Item = &mut Value> {
    let ports = service.pointer_mut("/spec/ports");
    ports.and_then(Value::as_array_mut).into_iter().flatten()
}

fn node_port(entry: &Value) -> i64 {
    entry.get("nodePort").and_then(Value::as_i64).unwrap_or(0)
}

fn health_check(service: &Value) -> i64 {
    let port = service.pointer("/spec/healthCheckNodePort");
    port.and_then(Value::as_i64).unwrap_or(0)
}

/// The node ports that a service holds.
pub(super) fn of(service: &Value) -> Vec<i64> {
    let mut all = Vec::new();
    if needs_node_port(service) {
        all.extend(entries(service).iter().map(node_port));
    }
    if needs_health_check(service) {
        all.push(health_check(service));
    }
    all.retain(|port| *port != 0);
    all.sort_unstable();
    all.dedup();
    all
}

pub(super) fn release(ports: impl IntoIterator<Item = i64>, extra: &mut Extra) {
    for port in ports {
        extra.release(key(port));
    }
}

pub(super) fn key(port: i64) -> Bytes {
    Bytes::from(format!("{PREFIX}{port}"))
}

/// Who holds a port, as it is written down.
pub(super) fn owner(service: &Value) -> Bytes {
    Bytes::from(format!(
        "{}/{}",
        meta::namespace(service),
        meta::name(service)
    ))
}

/// Ports that an update leaves out stay with the entries of the same name, unless another entry asks for the number.
pub(super) fn keep(object: &mut Value, old: &Value) {
    let asked: Vec<i64> = entries(object).iter().map(node_port).collect();
    let name = |entry: &Value| entry.get("name").cloned();
    for entry in entries_mut(object).filter(|entry| node_port(entry) == 0) {
        let before = entries(old)
            .iter()
            .rev()
            .find(|other| name(other) == name(entry));
        let kept = before.map_or(0, node_port);
        if kept != 0 && !asked.contains(&kept) {
            entry["nodePort"] = kept.into();
        }
    }
}

/// Ports of a service that no longer has any are dropped where the client only repeats them.
pub(super) fn drop_repeated(object: &mut Value, old: &Value) {
    let before: Vec<i64> = entries(old).iter().map(node_port).collect();
    let repeats = |entry: &Value| node_port(entry) == 0 || before.contains(&node_port(entry));
    if entries(object).iter().all(repeats) {
        for entry in entries_mut(object).filter_map(Value::as_object_mut) {
            entry.shift_remove("nodePort");
        }
    }
}

/// One write's dealings with ports.
struct Operation<'a> {
    api: &'a Api,
    dry_run: bool,
    /// Those that the stored service has.
    held: Vec<i64>,
    /// Those taken by this write.
    taken: Vec<i64>,
}

/// Why a port cannot be had.
enum Refusal {
    /// In words for whoever asked for it.
    Why(String),
    Failed(Status),
}

/// Takes the ports that a service asks for or lacks, gives back those that it no longer has.
pub(super) fn allocate(
    api: &Api,
    object: &mut Value,
    old: Option<&Value>,
    dry_run: bool,
    extra: &mut Extra,
) -> Result<(), Status> {
    let mut operation = Operation {
        api,
        dry_run,
        held: old.map(of).unwrap_or_default(),
        taken: Vec::new(),
    };
    if needs_node_port(object) {
        operation.fill(object)?;
    }
    if needs_health_check(object) {
        operation.fill_health_check(object, old)?;
    }
    release(lost(operation.held, &of(object)), extra);
    if dry_run {
        return Ok(());
    }
    for port in operation.taken {
        extra.take(key(port), owner(object));
    }
    Ok(())
}

impl Operation<'_> {
    fn fill(&mut self, object: &mut Value) -> Result<(), Status> {
        let balanced = text(object, "type") == "LoadBalancer";
        let allocates = !(balanced
            && object.pointer("/spec/allocateLoadBalancerNodePorts") == Some(&Value::Bool(false)));
        // Entries for one port of several protocols have one node port between them.
        let mut by_port: Vec<(i64, i64)> = Vec::new();
        for at in 0..entries(object).len() {
            let entry = &entries(object)[at];
            let port = entry.get("port").and_then(Value::as_i64).unwrap_or(0);
            let mut asked = node_port(entry);
            if asked == 0 && !allocates {
                continue;
            }
            let shared = by_port.iter().find(|(other, _)| *other == port);
            let shared = shared.map(|(_, number)| *number);
            if asked == 0 && shared.is_none() {
                let mut others = entries(object).iter();
                asked = others
                    .find(|other| other["port"] == port && node_port(other) != 0)
                    .map_or(0, node_port);
            }
            let number = match (asked, shared) {
                (0, Some(shared)) => shared,
                (0, None) => self.draw()?,
                (asked, Some(shared)) if asked == shared => asked,
                (asked, _) => {
                    self.take(asked).map_err(|refusal| match refusal {
                        Refusal::Failed(status) => status,
                        Refusal::Why(why) => {
                            let path = format!("spec.ports[{at}].nodePort");
                            invalid(object, FieldError::invalid(path, asked, why))
                        }
                    })?;
                    asked
                }
            };
            if shared.is_none() {
                by_port.push((port, number));
            }
            object["spec"]["ports"][at]["nodePort"] = number.into();
        }
        Ok(())
    }

    fn fill_health_check(&mut self, object: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        if old.is_some_and(needs_health_check) {
            return Ok(());
        }
        let asked = health_check(object);
        if asked == 0 {
            object["spec"]["healthCheckNodePort"] = self.draw()?.into();
            return Ok(());
        }
        self.take(asked).map_err(|refusal| match refusal {
            Refusal::Failed(status) => status,
            Refusal::Why(why) => Status::internal(format!(
                "failed to allocate requested HealthCheck NodePort {asked}: {why}"
            )),
        })
    }

    fn is_free(&self, port: i64) -> Result<bool, Status> {
        let entry = self.api.store.get(&key(port), None);
        let entry = entry.map_err(|error| unavailable(&error))?;
        Ok(entry.is_none() && !self.taken.contains(&port))
    }

    /// Takes a port that was asked for.
    fn take(&mut self, port: i64) -> Result<(), Refusal> {
        if self.held.contains(&port) {
            return Ok(());
        }
        let (first, last) = self.api.config.node_ports;
        if !self.dry_run && !(i64::from(first)..=i64::from(last)).contains(&port) {
            return Err(Refusal::Why(format!(
                "provided port is not in the valid range. The range of valid ports is {first}-{last}"
            )));
        }
        if !self.is_free(port).map_err(Refusal::Failed)? {
            return Err(Refusal::Why(ALLOCATED.to_owned()));
        }
        self.taken.push(port);
        Ok(())
    }

    /// Takes any port.
    fn draw(&mut self) -> Result<i64, Status> {
        let port =
            if self.dry_run {
                dry_port(&self.taken)
            } else {
                let (first, last) = self.api.config.node_ports;
                let number = |at: u128| i64::from(first) + at as i64;
                let band = Band::of_ports(u128::from(last.saturating_sub(first)) + 1);
                let found = band.find(|at| self.is_free(number(at)))?;
                number(found.ok_or_else(|| {
                    Status::internal("failed to allocate a nodePort: range is full")
                })?)
            };
        self.taken.push(port);
        Ok(port)
    }
}

/// The port that a dry run shows: one above those taken so far, whether it is free or not (portallocator's operation.go).
fn dry_port(taken: &[i64]) -> i64 {
    taken.iter().max().copied().unwrap_or(32768) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_dry_run_shows_the_port_above_those_asked_for_now() {
        assert_eq!(dry_port(&[]), 32769);
        assert_eq!(dry_port(&[30005, 30001]), 30006);
    }

    #[test]
    fn only_services_of_a_type_that_has_ports_hold_them() {
        let service = |kind: &str, policy: &str| {
            json!({"spec": {"type": kind, "externalTrafficPolicy": policy, "healthCheckNodePort": 30002,
            "ports": [{"nodePort": 30001}, {"nodePort": 30001}, {"port": 80}]}})
        };
        assert_eq!(of(&service("LoadBalancer", "Local")), [30001, 30002]);
        assert_eq!(of(&service("LoadBalancer", "Cluster")), [30001]);
        assert_eq!(of(&service("ClusterIP", "")), [0; 0]);
    }
}
