//! Containers of every sort: regular, init and ephemeral ones (pkg/apis/core/validation/validation.go, validateContainers).

use std::collections::HashSet;

use super::at::{At, Errors};
use super::pods::Settings;
use super::{env, formats, go_value, mounts, probes, resources, security};

/// What the containers of one pod share.
pub(crate) struct Pod<'a, 'b> {
    pub(crate) spec: &'b At<'a>,
    pub(crate) volumes: Vec<At<'a>>,
    pub(crate) claims: Vec<&'a str>,
    pub(crate) settings: &'b Settings,
}

/// Every container with the list that it stands in: init, regular, ephemeral ones (as VisitContainersWithPath).
pub(crate) fn all<'a>(spec: &At<'a>) -> Vec<(&'static str, At<'a>)> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    let all = lists
        .into_iter()
        .flat_map(|list| spec.get(list).items().map(move |c| (list, c)));
    all.collect()
}

impl Pod<'_, '_> {
    fn grace(&self) -> Option<i64> {
        self.spec
            .get("terminationGracePeriodSeconds")
            .value
            .as_i64()
    }

    pub(crate) fn containers(&self, errors: &mut Errors) {
        let list = self.spec.get("containers");
        if list.empty() {
            return errors.required(&list, "");
        }
        let mut names = HashSet::new();
        for container in list.items() {
            self.common(&container, errors);
            let name = container.get("name");
            if !names.insert(name.text()) {
                errors.duplicate(&name);
            }
            let lifecycle = container.get("lifecycle");
            if lifecycle.given() {
                probes::lifecycle(&lifecycle, self.grace(), &self.spec.get("os"), errors);
            }
            probes::probes(&container, self.grace(), errors);
            restart_policy(&container, errors);
        }
        host_ports(&list.items().collect::<Vec<_>>(), errors);
    }

    pub(crate) fn init_containers(&self, errors: &mut Errors) {
        let mut names: HashSet<&str> = self
            .spec
            .get("containers")
            .items()
            .map(|c| c.get("name").text())
            .collect();
        let list = self.spec.get("initContainers");
        for container in list.items() {
            self.common(&container, errors);
            init_restart_policy(&container, errors);
            let name = container.get("name");
            if names.contains(name.text()) {
                errors.duplicate(&name);
            } else if !name.empty() {
                names.insert(name.text());
            }
            host_ports(&[container.shown_at(format!("{}[0]", list.path))], errors);
            let stays = container.get("restartPolicy").text() == "Always";
            if stays {
                let lifecycle = container.get("lifecycle");
                if lifecycle.given() {
                    probes::lifecycle(&lifecycle, self.grace(), &self.spec.get("os"), errors);
                }
                probes::probes(&container, self.grace(), errors);
                continue;
            }
            for field in [
                "lifecycle",
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
            ] {
                if container.get(field).given() {
                    errors.forbidden(
                        &container.get(field),
                        "may not be set for init containers without restartPolicy=Always",
                    );
                }
            }
            for policy in container.get("resizePolicy").items() {
                let restart = policy.get("restartPolicy");
                if restart.text() == "RestartContainer" {
                    errors.invalid(
                        &restart,
                        "must not be set to 'RestartContainer' for non-sidecar initContainers",
                    );
                }
            }
        }
    }

    pub(crate) fn ephemeral_containers(&self, errors: &mut Errors) {
        const ERROR: &str = "cannot be set for an Ephemeral Container";
        let mut others = HashSet::new();
        for list in ["containers", "initContainers"] {
            others.extend(self.spec.get(list).items().map(|c| c.get("name").text()));
        }
        let mut names = others.clone();
        for container in self.spec.get("ephemeralContainers").items() {
            self.common(&container, errors);
            trimmed_image(&container, errors);
            let (name, target) = (container.get("name"), container.get("targetContainerName"));
            if !names.insert(name.text()) {
                errors.duplicate(&name);
            }
            if !target.empty() && !others.contains(target.text()) {
                errors.not_found(&target);
            }
            let set = |field: &&&str| {
                !container.get(field).empty()
                    || (container.get(field).given() && **field == "restartPolicy")
            };
            for field in NOT_EPHEMERAL.iter().filter(set) {
                errors.forbidden(&container.get(field), ERROR);
            }
            for mount in container.get("volumeMounts").items() {
                for field in ["subPath", "subPathExpr"] {
                    if !mount.get(field).empty() {
                        errors.forbidden(&mount.get(field), ERROR);
                    }
                }
            }
        }
    }

    fn common(&self, at: &At<'_>, errors: &mut Errors) {
        if errors.need(&at.get("name")) {
            formats::label(&at.get("name"), errors);
        }
        errors.need(&at.get("image"));
        errors.need_one_of(
            &at.get("terminationMessagePolicy"),
            &["File", "FallbackToLogsOnError"],
        );
        ports(&at.get("ports"), errors);
        env::variables(&at.get("env"), errors);
        env::from(&at.get("envFrom"), errors);
        mounts::mounts(at, &self.volumes, errors);
        mounts::devices(at, &self.volumes, errors);
        errors.need_one_of(
            &at.get("imagePullPolicy"),
            &["Always", "IfNotPresent", "Never"],
        );
        resources::requirements(
            &at.get("resources"),
            resources::Owner::Container,
            &self.claims,
            errors,
        );
        resize_policy(
            &at.get("resizePolicy"),
            self.spec.get("restartPolicy").text(),
            errors,
        );
        let host_users = self.spec.get("hostUsers").value.as_bool().unwrap_or(true);
        security::container(
            &at.get("securityContext"),
            host_users,
            self.settings,
            errors,
        );
    }
}

/// Fields that ephemeral containers share with others and may not have.
const NOT_EPHEMERAL: &[&str] = &[
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

pub(crate) fn trimmed_image(container: &At<'_>, errors: &mut Errors) {
    let image = container.get("image");
    if image.text().trim() != image.text() {
        errors.invalid(&image, "must not have leading or trailing whitespace");
    }
}

fn ports(at: &At<'_>, errors: &mut Errors) {
    let mut names = HashSet::new();
    for port in at.items() {
        let (name, number, host) = (
            port.get("name"),
            port.get("containerPort"),
            port.get("hostPort"),
        );
        if !name.empty() {
            let problems = formats::port_name(name.text());
            if problems.is_empty() && !names.insert(name.text()) {
                errors.duplicate(&name);
            }
            errors.each(&name, problems);
        }
        if number.int() == 0 {
            errors.required(&number, "");
        } else {
            errors.each(&number, formats::port(number.int()));
        }
        if host.int() != 0 {
            errors.each(&host, formats::port(host.int()));
        }
        errors.need_one_of(&port.get("protocol"), &["SCTP", "TCP", "UDP"]);
    }
}

/// No two containers take the same port of the host.
fn host_ports(containers: &[At<'_>], errors: &mut Errors) {
    let mut taken = HashSet::new();
    for container in containers {
        for port in container.get("ports").items() {
            let host = port.get("hostPort");
            let key = format!(
                "{}/{}/{}",
                port.get("protocol").text(),
                port.get("hostIP").text(),
                host.int()
            );
            if host.int() != 0 && !taken.insert(key.clone()) {
                errors.duplicate_value(&host, key);
            }
        }
    }
}

fn resize_policy(at: &At<'_>, pod_policy: &str, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for policy in at.items() {
        let (resource, restart) = (policy.get("resourceName"), policy.get("restartPolicy"));
        if !seen.insert(resource.text()) {
            errors.duplicate_value(&policy, resource.text());
        }
        errors.need_one_of(&resource.shown_at(&at.path), &["cpu", "memory"]);
        let restart = restart.shown_at(&at.path);
        errors.need_one_of(&restart, &["NotRequired", "RestartContainer"]);
        if pod_policy == "Never" && restart.text() != "NotRequired" {
            errors.invalid(
                &restart,
                "must be 'NotRequired' when pod `restartPolicy` is 'Never'",
            );
        }
    }
}

/// Rules without a policy are not looked into.
fn init_restart_policy(container: &At<'_>, errors: &mut Errors) {
    if container.get("restartPolicy").given() {
        restart_policy(container, errors);
    } else if !container.get("restartPolicyRules").empty() {
        errors.required(&container.get("restartPolicy"), RULES_WITHOUT_POLICY);
    }
}

const RULES_WITHOUT_POLICY: &str = "must specify restartPolicy when restart rules are used";

/// A restart policy of the container's own, and its rules.
fn restart_policy(container: &At<'_>, errors: &mut Errors) {
    let (policy, rules) = (
        container.get("restartPolicy"),
        container.get("restartPolicyRules"),
    );
    if !policy.given() {
        if rules.empty() {
            return;
        }
        errors.required(&policy, RULES_WITHOUT_POLICY);
    } else {
        errors.one_of(&policy, &["Always", "Never", "OnFailure"]);
    }
    if rules.count() > 20 {
        errors.too_many(&rules, rules.count(), 20);
    }
    for rule in rules.items() {
        errors.one_of(&rule.get("action"), &["Restart", "RestartAllContainers"]);
        let codes = rule.get("exitCodes");
        if codes.given() {
            errors.one_of(&codes.get("operator"), &["In", "NotIn"]);
            let values = codes.get("values");
            if values.count() > 255 {
                errors.too_many(&values, values.count(), 255);
            }
        } else {
            errors.required(&codes, "must be specified");
        }
    }
}

/// Claims for devices that containers may name.
pub(crate) fn pod_claims(spec: &At<'_>, mirror: bool, errors: &mut Errors) {
    let mut names = HashSet::new();
    for claim in spec.get("resourceClaims").items() {
        if mirror {
            errors.forbidden(
                &At::absent(""),
                "static pods do not support resource claims",
            );
            continue;
        }
        let name = claim.get("name");
        if errors.need(&name) {
            if names.insert(name.text()) {
                formats::label(&name, errors);
            } else {
                errors.duplicate(&name);
            }
        }
        let (direct, template) = (
            claim.get("resourceClaimName"),
            claim.get("resourceClaimTemplateName"),
        );
        let shown = go_value::internal("core/v1.PodResourceClaim", claim.value);
        match (direct.given(), template.given()) {
            (true, true) => errors.invalid_value(&claim, shown, "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"),
            (false, false) => errors.invalid_value(&claim, shown, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            _ => {}
        }
        for name in [direct, template] {
            if name.given() {
                formats::subdomain(&name, errors);
            }
        }
    }
}
