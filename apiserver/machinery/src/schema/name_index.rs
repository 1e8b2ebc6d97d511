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

/// Of both ends and the length, which tell the names of a struct apart for the most part, in two multiplications however long the name
/// is. The table is not reachable by chosen keys.
fn hash(name: &str) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let bytes = name.as_bytes();
    let (head, tail) = if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (head, tail) = (u32::from_le_bytes(*head), u32::from_le_bytes(*tail));
        (u64::from(head), u64::from(tail))
    } else {
        let fold = |all, byte: &u8| all << 8 | u64::from(*byte);
        (bytes.iter().fold(0, fold), 0)
    };
    let mixed = (head.wrapping_add(bytes.len() as u64).wrapping_mul(ODD) ^ tail).wrapping_mul(ODD);
    (mixed >> 32) as usize
}
