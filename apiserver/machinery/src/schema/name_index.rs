//! A small open-addressing table from JSON name to field position, sized once: looked up for every key that is decoded.

/// Positions by name; names themselves stay in the fields.
#[derive(Debug, Default)]
pub(super) struct NameIndex {
    slots: Vec<u16>,
}

const FREE: u16 = u16::MAX;

impl NameIndex {
    pub(super) fn new<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let mut slots = vec![FREE; (names.len() * 2).next_power_of_two()];
        let mask = slots.len() - 1;
        for (position, name) in names.enumerate() {
            let mut at = hash(name) & mask;
            while slots[at] != FREE {
                at = (at + 1) & mask;
            }
            slots[at] = position as u16;
        }
        NameIndex { slots }
    }

    pub(super) fn find<'a>(&self, name: &str, name_at: impl Fn(usize) -> &'a str) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash(name) & mask;
        while self.slots[at] != FREE {
            let position = self.slots[at] as usize;
            if name_at(position) == name {
                return Some(position);
            }
            at = (at + 1) & mask;
        }
        None
    }
}

/// FNV-1a: names are short, and the table is not reachable by chosen keys.
fn hash(name: &str) -> usize {
    name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    }) as usize
}
