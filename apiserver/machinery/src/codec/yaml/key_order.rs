//! The order in which go-yaml writes keys: letters after everything else, numbers inside names by their size.

use std::cmp::Ordering;

/// Compares two keys.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else {
        return a.len().cmp(&b.len());
    };
    let (x, y) = (a[at], b[at]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => x.cmp(&y),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => numbers(&a, &b, at).then(x.cmp(&y)),
    }
}

/// The numbers that begin where the keys part; zeros behind other digits count as digits.
fn numbers(a: &[char], b: &[char], at: usize) -> Ordering {
    let zero = a[at] == '0' || b[at] == '0';
    let digits_before = a[..at].iter().rev().take_while(|c| c.is_numeric());
    let start = i64::from(zero && digits_before.into_iter().any(|c| *c != '0'));
    let number = |key: &[char]| {
        let digits = key[at..].iter().take_while(|c| c.is_numeric());
        let size = digits.clone().fold(start, |n, c| {
            n.wrapping_mul(10)
                .wrapping_add(i64::from(u32::from(*c)) - 48)
        });
        (size, digits.count())
    };
    number(a).cmp(&number(b))
}
