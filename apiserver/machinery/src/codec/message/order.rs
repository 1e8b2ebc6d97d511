//! What writing a struct as JSON needs to know of it, worked out at its first use: the keys as they are written, and whether
//! records come in the order of the JSON fields, as those of most structs do.

use crate::codec::json::is_go_struct;
use crate::schema::{Field, ProtoSlot, Struct, TypeId, schema};
use std::sync::OnceLock;

pub(super) struct Order {
    pub(super) shape: &'static Struct,
    pub(super) steps: Vec<Step>,
    /// Records and fields can be walked side by side.
    pub(super) in_step: bool,
}

/// One field.
pub(super) struct Step {
    /// `,"name":`
    pub(super) key: Box<[u8]>,
    /// Something is written where it is absent.
    pub(super) speaks: bool,
    /// kind or apiVersion.
    pub(super) of_type: bool,
}

impl Order {
    /// None for what is no struct.
    pub(super) fn of(id: TypeId) -> Option<&'static Order> {
        static ORDERS: OnceLock<Vec<OnceLock<Option<Box<Order>>>>> = OnceLock::new();
        let all = ORDERS.get_or_init(|| schema().types().iter().map(|_| OnceLock::new()).collect());
        let order = all.get(id.index())?;
        order.get_or_init(|| Self::new(id).map(Box::new)).as_deref()
    }

    fn new(id: TypeId) -> Option<Self> {
        let shape = schema().struct_of(id)?;
        let places = shape.proto.iter().map(|record| match record.slot {
            ProtoSlot::Field(position) => Some(position),
            ProtoSlot::Inline(_) => None,
        });
        let places: Option<Vec<u16>> = places.collect();
        Some(Order {
            shape,
            steps: shape.fields.iter().map(step).collect(),
            in_step: places.is_some_and(|places| places.is_sorted()),
        })
    }
}

fn step(field: &Field) -> Step {
    let empty_struct = is_go_struct(&field.ty) && !field.pointer;
    Step {
        key: format!(",\"{}\":", field.name).into_bytes().into(),
        speaks: !(field.omitzero || field.omitempty && !empty_struct),
        of_type: matches!(field.name.as_ref(), "kind" | "apiVersion"),
    }
}
