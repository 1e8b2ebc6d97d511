//! How a free number is found in a range: from a random place in the upper band all round, then in the lower band, which is kept
//! for those who ask for a number of their own as long as the upper one lasts (KEP-3070 for addresses, KEP-3668 for ports).

use rand::Rng as _;

/// A range of `size` numbers counted from 0, of which the first `reserved` are drawn last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Band {
    size: u128,
    reserved: u128,
}

impl Band {
    /// Of addresses: a sixteenth is reserved, 16 to 256 of them; nothing in a range of 16 or fewer.
    /// `network` is the size of the whole network, which the reserved part is measured by.
    pub(super) fn of_addresses(size: u128, network: u128) -> Self {
        let reserved = if network <= 16 {
            0
        } else {
            (network / 16).clamp(16, 256)
        };
        Band {
            size,
            reserved: reserved.min(size),
        }
    }

    /// Of node ports: a thirty-second is reserved, 16 to 128 of them; nothing in a range of 16 or fewer.
    pub(super) fn of_ports(size: u128) -> Self {
        let reserved = if size <= 16 {
            0
        } else {
            (size / 32).clamp(16, 128)
        };
        Band {
            size,
            reserved: reserved.min(size),
        }
    }

    /// The first number that is free; none when all are taken.
    pub(super) fn find<E>(
        self,
        mut free: impl FnMut(u128) -> Result<bool, E>,
    ) -> Result<Option<u128>, E> {
        for (first, end) in [(self.reserved, self.size), (0, self.reserved)] {
            if first == end {
                continue;
            }
            let start = rand::rng().random_range(first..end);
            for number in (start..end).chain(first..start) {
                if free(number)? {
                    return Ok(Some(number));
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Draws until nothing is left.
    fn drain(band: Band) -> Vec<u128> {
        let mut taken = HashSet::new();
        let mut order = Vec::new();
        while let Ok(Some(number)) = band.find(|n| Ok::<_, ()>(!taken.contains(&n))) {
            taken.insert(number);
            order.push(number);
        }
        order
    }

    #[test]
    fn the_last_free_number_is_found() {
        let band = Band::of_ports(2768);
        let found = band.find(|number| Ok::<_, ()>(number == 2767));
        assert_eq!(found, Ok(Some(2767)));
        assert_eq!(band.find(|_| Ok::<_, ()>(false)), Ok(None));
    }

    #[test]
    fn the_lower_band_is_drawn_last() {
        let order = drain(Band::of_addresses(254, 256));
        assert_eq!(order.len(), 254);
        assert!(order[..238].iter().all(|number| *number >= 16));
        assert!(order[238..].iter().all(|number| *number < 16));
    }

    #[test]
    fn small_and_empty_ranges_have_no_bands() {
        assert_eq!(drain(Band::of_addresses(6, 8)).len(), 6);
        assert_eq!(drain(Band::of_addresses(0, 1)).len(), 0);
        assert_eq!(Band::of_ports(2768).reserved, 86);
        assert_eq!(Band::of_ports(16).reserved, 0);
        assert_eq!(Band::of_addresses(65534, 65536).reserved, 256);
    }
}
