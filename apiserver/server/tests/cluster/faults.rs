//! What is done to the members while clients are at work, as the dice fall.

use std::time::Duration;

use triad_fault::Dice;

use crate::bed::Bed;

/// A number below `end`.
pub(crate) fn pick(dice: &mut Dice, end: usize) -> usize {
    usize::try_from(dice.below(end as u64)).unwrap()
}

/// One fault: it is done, lasts a while, and is undone. Its name is printed.
pub(crate) async fn strike(bed: &mut Bed, dice: &mut Dice) -> String {
    let count = bed.count();
    let one = pick(dice, count);
    let other = (one + 1 + pick(dice, count - 1)) % count;
    let a_while = Duration::from_millis(200 + dice.roll() % 900);
    let kinds = if bed.net.real { 7 } else { 3 };
    match pick(dice, kinds) {
        0 => {
            // One that is back before the others miss it has the longest way to what was committed.
            let away = if dice.below(2) == 0 {
                a_while
            } else {
                a_while / 20
            };
            bed.kill(one);
            tokio::time::sleep(away).await;
            bed.start(one, None);
            format!("kill m{one} for {} ms", away.as_millis())
        }
        1 => {
            bed.pause(one);
            tokio::time::sleep(a_while).await;
            bed.resume(one);
            format!("pause m{one}")
        }
        2 => {
            bed.stop(one);
            tokio::time::sleep(a_while / 4).await;
            bed.start(one, None);
            format!("restart m{one}")
        }
        3 => {
            // Off from everybody else.
            for n in (0..count).filter(|n| *n != one) {
                bed.net.cut(one, n);
                bed.net.cut(n, one);
            }
            tokio::time::sleep(a_while).await;
            bed.net.heal();
            format!("cut m{one} off")
        }
        4 => {
            bed.net.cut(one, other);
            tokio::time::sleep(a_while).await;
            bed.net.heal();
            format!("cut m{one} off m{other}, one way")
        }
        5 => {
            // The third is a bridge between the two.
            bed.net.cut(one, other);
            bed.net.cut(other, one);
            tokio::time::sleep(a_while).await;
            bed.net.heal();
            format!("cut m{one} and m{other} apart")
        }
        _ => {
            let done = bed.net.slow(one, 20 + dice.roll() % 80, dice.roll() % 20);
            tokio::time::sleep(a_while).await;
            bed.net.heal();
            if done {
                format!("slow m{one}")
            } else {
                "nothing: this kernel cannot slow a link down".to_owned()
            }
        }
    }
}
