//! Whether a stored message has all its defaults already, so that it can be shown without making a tree of it. Whoever stores an
//! object has filled it in before; a tree is needed only for what an older version stored.

use serde_json::Key;

use super::plan::{Child, Holder, Plan, plan};
use super::rule::{Condition, Rule, Source, Step, Test};
use crate::codec::{Message, is_plain};
use crate::quantity::Quantity;
use crate::schema::{TypeId, schema};

/// Whether `apply_defaults` would leave the object as it is. False means only that this was not seen.
#[must_use]
pub fn settled(message: &Message<'_>) -> bool {
    visit(plan(), message).is_some()
}

/// Something to do, or something that cannot be told without a tree, is None.
fn visit(plan: &Plan, message: &Message<'_>) -> Option<()> {
    let ty = plan.of(message.id());
    if !ty.active {
        return message.is_sound().then_some(());
    }
    own_rules(plan, message, message.id())?;
    for position in message.present() {
        match ty
            .children
            .binary_search_by_key(&position, |child| child.position)
        {
            Ok(at) => below(plan, message, &ty.children[at])?,
            Err(_) => message.is_sound_at(position).then_some(())?,
        }
    }
    // Defaulting makes structs that are no pointers where there are none.
    let mut made = ty.children.iter().filter(|child| !child.pointer);
    made.all(|child| match &child.holder {
        Holder::Struct(id) => message.has_at(child.position) || empty(plan, *id),
        _ => true,
    })
    .then_some(())
}

/// A field that is there and leads to work.
fn below(plan: &Plan, message: &Message<'_>, child: &Child) -> Option<()> {
    match &child.holder {
        Holder::Struct(_) => visit(plan, &message.message(&child.name)?)?,
        Holder::List(id) => {
            for item in message.each(&child.name) {
                visit(plan, &Message::open(item, *id)?)?;
            }
        }
        Holder::Map(id) => {
            for value in message.entry_values(&child.name) {
                visit(plan, &Message::open(value?, *id)?)?;
            }
        }
        Holder::ResourceList => {
            for value in message.entry_values(&child.name) {
                whole_in_milli(value?)?;
            }
        }
    }
    Some(())
}

fn empty(plan: &Plan, id: TypeId) -> bool {
    let settled = || Message::open(&[], id).is_some_and(|m| visit(plan, &m).is_some());
    *plan.of(id).empty_settled.get_or_init(settled)
}

/// Rules of the type and of the structs embedded in it, whose fields are the message's own.
fn own_rules(plan: &Plan, message: &Message<'_>, id: TypeId) -> Option<()> {
    let ty = plan.of(id);
    for rule in &ty.rules {
        (!fires(rule, message)?).then_some(())?;
    }
    if ty.hook.is_some() {
        hook(id, message)?;
    }
    for (name, _) in &ty.markers {
        message.says(name)?.then_some(())?;
    }
    for inline in &ty.inlines {
        own_rules(plan, message, *inline)?;
    }
    Some(())
}

fn fires(rule: &Rule, message: &Message<'_>) -> Option<bool> {
    for condition in &rule.conditions {
        if !holds(condition, message)? {
            return Some(false);
        }
    }
    if let Source::Copy(path) = &rule.value
        && !is_set(message, path)?
    {
        return Some(false);
    }
    fills(message, &rule.path)
}

fn holds(condition: &Condition, message: &Message<'_>) -> Option<bool> {
    Some(match &condition.test {
        Test::Set => is_set(message, &condition.path)?,
        Test::Unset => !is_set(message, &condition.path)?,
        Test::Is(values) => {
            let text = text_at(message, &condition.path)?;
            values.iter().any(|value| *value == text)
        }
    })
}

/// Whether there is something at a path; empty lists count as nothing.
fn is_set(message: &Message<'_>, path: &[Key]) -> Option<bool> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return message.says(first);
    }
    match message.message(first) {
        Some(inner) => is_set(&inner, rest),
        None => (!message.has(first)).then_some(false),
    }
}

fn text_at<'a>(message: &Message<'a>, path: &[Key]) -> Option<&'a str> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return message.text(first);
    }
    match message.message(first) {
        Some(inner) => text_at(&inner, rest),
        None => (!message.has(first)).then_some(""),
    }
}

/// Whether filling in the path would change something.
fn fills(message: &Message<'_>, path: &[Step]) -> Option<bool> {
    let (step, rest) = path.split_first()?;
    if rest.is_empty() {
        return Some(!message.says(&step.name)?);
    }
    if step.each {
        for item in message.messages(&step.name)? {
            if fills(&item, rest)? {
                return Some(true);
            }
        }
        return Some(false);
    }
    match message.message(&step.name) {
        Some(inner) => fills(&inner, rest),
        None if message.has(&step.name) => None,
        None => Some(step.make),
    }
}

/// An amount that rounding to thousandths leaves alone.
fn whole_in_milli(data: &[u8]) -> Option<()> {
    let text = crate::codec::quantity(data)?;
    if is_plain(&text) {
        return Some(());
    }
    let mut quantity = Quantity::parse(&text).ok()?;
    quantity.round_up(-3);
    (quantity.to_string() == *text).then_some(())
}

/// What the functions beside the table would do. Kinds without a line here are read as trees.
fn hook(id: TypeId, message: &Message<'_>) -> Option<()> {
    match schema().get(id).name.as_ref() {
        "core/v1.Pod" => pod(message),
        "core/v1.PodSpec" => {
            let (new, old) = (
                message.text("serviceAccountName")?,
                message.text("serviceAccount")?,
            );
            (new == old).then_some(())
        }
        "core/v1.PodStatus" => pod_status(message),
        "core/v1.Container" | "core/v1.EphemeralContainer" => {
            message.says("imagePullPolicy")?.then_some(())
        }
        "core/v1.Volume" => volume(message),
        "core/v1.Service" => service(message),
        "core/v1.Namespace" => namespace(message),
        // Only a time is filled in, and only for new ones.
        "resource/v1.DeviceTaint"
        | "resource/v1beta2.DeviceTaint"
        | "resource/v1beta1.DeviceTaint"
        | "resource/v1alpha3.DeviceTaint" => Some(()),
        _ => None,
    }
}

fn pod(pod: &Message<'_>) -> Option<()> {
    let spec = pod.message("spec")?;
    let on_host = spec.number("hostNetwork")? != 0;
    for list in ["containers", "initContainers"] {
        for container in spec.messages(list)? {
            if let Some(resources) = container.message("resources") {
                let requests: Vec<_> = resources.entry_keys("requests").collect();
                resources
                    .entry_keys("limits")
                    .all(|limit| requests.contains(&limit))
                    .then_some(())?;
            } else if container.has("resources") {
                return None;
            }
            for port in container.messages("ports")?.iter().filter(|_| on_host) {
                port.says("hostPort")?.then_some(())?;
            }
        }
    }
    (spec.number("terminationGracePeriodSeconds")? >= 0).then_some(())
}

fn pod_status(status: &Message<'_>) -> Option<()> {
    let ip = status.text("podIP")?;
    let all = status.messages("podIPs")?;
    let first = match all.first() {
        Some(first) => first.text("ip")?,
        None => "",
    };
    (ip == first).then_some(())
}

fn volume(volume: &Message<'_>) -> Option<()> {
    let mut sources = volume.fields().filter(|field| field.name != "name");
    sources.any(|field| volume.has(&field.name)).then_some(())?;
    match volume.message("image") {
        Some(image) => image.says("pullPolicy")?.then_some(()),
        None => (!volume.has("image")).then_some(()),
    }
}

fn service(service: &Message<'_>) -> Option<()> {
    let spec = service.message("spec")?;
    (spec.text("type")? != "LoadBalancer").then_some(())?;
    match spec.text("sessionAffinity")? {
        "None" => (!spec.has("sessionAffinityConfig")).then_some(())?,
        "" => {}
        _ => return None,
    }
    for port in spec.messages("ports")? {
        port.says("targetPort")?.then_some(())?;
        let (_, target) = port.int_or_string("targetPort")?;
        (target != Some("")).then_some(())?;
    }
    Some(())
}

fn namespace(namespace: &Message<'_>) -> Option<()> {
    let metadata = namespace.message("metadata")?;
    let name = metadata.text("name")?;
    let own = ("kubernetes.io/metadata.name", name);
    metadata.pairs("labels")?.contains(&own).then_some(())
}
