//! What defaulting has to do at each type, worked out once from the schema: rules, markers, functions, and which fields lead on
//! to types that have any.

use std::sync::OnceLock;

use serde_json::Value;

use super::rule::Rule;
use super::{Hook, apiextensions, autoscaling, core, resource};
use crate::codec::is_zero;
use crate::schema::{Field, FieldType, Name, ProtoSlot, Schema, TypeId, schema};

/// Work by type.
pub(super) struct Plan {
    types: Vec<TypePlan>,
}

#[derive(Default)]
pub(super) struct TypePlan {
    pub(super) rules: Vec<Rule>,
    /// Values of absent fields that have a `default=`.
    pub(super) markers: Vec<(Name, Value)>,
    pub(super) hook: Option<Hook>,
    pub(super) inlines: Vec<TypeId>,
    pub(super) children: Vec<Child>,
    /// Whether there is anything to do, here or below.
    pub(super) active: bool,
    /// Whether a message of nothing has nothing to be done.
    pub(super) empty_settled: OnceLock<bool>,
}

/// A field that leads to work.
pub(super) struct Child {
    pub(super) name: Name,
    /// The field's place in its type: children are in this order.
    pub(super) position: usize,
    pub(super) pointer: bool,
    pub(super) holder: Holder,
}

pub(super) enum Holder {
    Struct(TypeId),
    List(TypeId),
    Map(TypeId),
    /// core/v1.ResourceList, whose amounts are rounded.
    ResourceList,
}

impl Plan {
    pub(super) fn of(&self, id: TypeId) -> &TypePlan {
        &self.types[id.index()]
    }
}

/// The plan of the built-in schema.
pub(super) fn plan() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| match build(schema()) {
        Ok(plan) => plan,
        Err(error) => panic!("the embedded defaulting rules are broken: {error}"),
    })
}

pub(super) fn build(schema: &Schema) -> Result<Plan, String> {
    let resource_list = schema.type_named("core/v1.ResourceList");
    let mut types = Vec::with_capacity(schema.types().len());
    for id in schema.type_ids() {
        types.push(own(schema, id, resource_list)?);
    }
    // What lies below counts too; a few rounds reach the deepest.
    loop {
        let mut changed = false;
        for at in 0..types.len() {
            let below = types[at]
                .children
                .iter()
                .any(|c| c.holder.target().is_none_or(|id| types[id.index()].active));
            let inlined = types[at].inlines.iter().any(|id| types[id.index()].active);
            if (below || inlined) && !types[at].active {
                types[at].active = true;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let active: Vec<bool> = types.iter().map(|t| t.active).collect();
    for ty in &mut types {
        ty.children
            .retain(|c| c.holder.target().is_none_or(|id| active[id.index()]));
        ty.inlines.retain(|id| active[id.index()]);
    }
    Ok(Plan { types })
}

impl Holder {
    fn target(&self) -> Option<TypeId> {
        match self {
            Holder::Struct(id) | Holder::List(id) | Holder::Map(id) => Some(*id),
            Holder::ResourceList => None,
        }
    }
}

fn own(schema: &Schema, id: TypeId, resource_list: Option<TypeId>) -> Result<TypePlan, String> {
    let ty = schema.get(id);
    let mut plan = TypePlan {
        hook: hook(&ty.name),
        ..TypePlan::default()
    };
    let Some(shape) = schema.struct_of(id) else {
        return Ok(plan);
    };
    for text in &ty.defaults {
        plan.rules.push(
            Rule::parse(schema, id, text)
                .map_err(|error| format!("{}: {text}: {error}", ty.name))?,
        );
    }
    for (position, field) in shape.fields.iter().enumerate() {
        // Markers of embedded structs come with their own types.
        if let Some(value) = field
            .default
            .as_ref()
            .filter(|v| field.nested_in.is_none() && counts(field, v))
        {
            plan.markers.push((field.name.clone(), value.clone()));
        }
        if let Some(holder) = holder(field, resource_list) {
            plan.children.push(Child {
                name: field.name.clone(),
                position,
                pointer: field.pointer,
                holder,
            });
        }
    }
    plan.inlines = shape
        .proto
        .iter()
        .filter_map(|p| {
            if let ProtoSlot::Inline(id) = p.slot {
                Some(id)
            } else {
                None
            }
        })
        .collect();
    plan.active = !plan.rules.is_empty() || !plan.markers.is_empty() || plan.hook.is_some();
    Ok(plan)
}

/// A zero is only worth writing behind a pointer.
fn counts(field: &Field, value: &Value) -> bool {
    field.pointer || !is_zero(&field.ty, value)
}

fn holder(field: &Field, resource_list: Option<TypeId>) -> Option<Holder> {
    if field.alias.is_some()
        && field.alias == resource_list
        && matches!(field.ty, FieldType::Map(_))
    {
        return Some(Holder::ResourceList);
    }
    match &field.ty {
        FieldType::Struct(id) => Some(Holder::Struct(*id)),
        FieldType::List(element) => element.struct_inside().map(Holder::List),
        FieldType::Map(element) => element.struct_inside().map(Holder::Map),
        _ => None,
    }
}

fn hook(name: &str) -> Option<Hook> {
    Some(match name {
        "core/v1.Pod" => core::pod,
        "core/v1.PodSpec" => core::pod_spec,
        "core/v1.PodStatus" => core::pod_status,
        "core/v1.Container" | "core/v1.EphemeralContainer" => core::container,
        "core/v1.Volume" => core::volume,
        "core/v1.Service" => core::service,
        "core/v1.Namespace" => core::namespace,
        "core/v1.LimitRangeItem" => core::limit_range_item,
        "autoscaling/v1.HorizontalPodAutoscaler" => autoscaling::horizontal_pod_autoscaler_v1,
        "autoscaling/v2.HorizontalPodAutoscaler" => autoscaling::horizontal_pod_autoscaler,
        "apiextensions/v1.CustomResourceDefinition" => apiextensions::custom_resource_definition,
        "resource/v1.DeviceTaint"
        | "resource/v1beta2.DeviceTaint"
        | "resource/v1beta1.DeviceTaint"
        | "resource/v1alpha3.DeviceTaint" => resource::device_taint,
        _ => return None,
    })
}
