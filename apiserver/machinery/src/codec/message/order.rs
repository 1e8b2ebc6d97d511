//! What writing a struct as JSON needs to know of it, worked out at its first use: the keys as they are written, and whether
//! records come in the order of the JSON fields, as those of most structs do.

use crate::schema::{Field, ProtoSlot, Struct, TypeId, schema};
use std::sync::OnceLock;

pub(super) struct Order {
    pub(super) shape: &'static Struct,
    pub(super) steps: Vec<Step>,
    /// Records and fields can be walked side by side.
    pub(super) in_step: bool,
    /// The fields that must be looked at even where they are absent, in order.
    speaking: Vec<usize>,
    /// The same as bits; all of them where there are more fields than bits.
    speaking_bits: Option<u128>,
    /// Where resourceVersion is.
    pub(super) version: Option<usize>,
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
        let steps: Vec<Step> = shape.fields.iter().map(step).collect();
        let special = |position: &usize| {
            let name = shape.fields[*position].name.as_ref();
            steps[*position].speaks || matches!(name, "metadata" | "resourceVersion")
        };
        let speaking: Vec<usize> = (0..steps.len()).filter(special).collect();
        let bits = speaking.iter().fold(0, |bits, position| {
            bits | 1_u128.checked_shl(*position as u32).unwrap_or(0)
        });
        Some(Order {
            shape,
            in_step: places.is_some_and(|places| places.is_sorted()),
            speaking_bits: (steps.len() <= u128::BITS as usize).then_some(bits),
            version: shape.position("resourceVersion"),
            speaking,
            steps,
        })
    }

    /// The fields from `from` up to `to` that must be looked at although they are absent.
    #[inline]
    pub(super) fn speaking(&self, from: usize, to: usize) -> impl Iterator<Item = usize> + '_ {
        let rest = self.speaking.iter().copied();
        rest.skip_while(move |position| *position < from)
            .take_while(move |position| *position < to)
    }

    /// The fields to be looked at of a message that has those of the bits given, in order.
    pub(super) fn positions(&self, present: u128) -> impl Iterator<Item = usize> + '_ {
        let mut bits = self.speaking_bits.map(|speaking| speaking | present);
        let mut next = 0;
        std::iter::from_fn(move || {
            let position = match &mut bits {
                Some(0) => return None,
                Some(bits) => {
                    let position = bits.trailing_zeros() as usize;
                    *bits &= *bits - 1;
                    position
                }
                None => next,
            };
            next = position + 1;
            (position < self.steps.len()).then_some(position)
        })
    }
}

fn step(field: &Field) -> Step {
    Step {
        key: format!(",\"{}\":", field.name).into_bytes().into(),
        speaks: field.is_written_at_zero(),
        of_type: matches!(field.name.as_ref(), "kind" | "apiVersion"),
    }
}
