//! What is done to the members while clients are at work, as the dice fall.

use std::time::Duration;

use triad_fault::Dice;

use crate::bed::Bed;
use crate::road::Weather;

const EIO: u64 = 5;
/// How far a clock jumps at most, either way: two stay within the hour by which certificates are dated back.
const CLOCK_SECONDS: u64 = 1500;

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
    let kinds = if bed.net.real { 15 } else { 10 };
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
            bed.lose_power(one, dice);
            tokio::time::sleep(a_while / 4).await;
            bed.start(one, None);
            format!("m{one} loses power")
        }
        4 => {
            for n in 0..count {
                bed.kill(n);
            }
            for n in 0..count {
                bed.lose_power(n, dice);
                bed.start(n, None);
            }
            "all lose power".to_owned()
        }
        5 => {
            let microseconds = 10_000 + dice.below(200_000);
            bed.disk(one).delay_syncs("", microseconds);
            tokio::time::sleep(a_while).await;
            bed.disk(one).delay_syncs("", 0);
            format!("syncs of m{one} take {} ms more", microseconds / 1000)
        }
        6 => {
            let part = ["/log/", "/state", ""][pick(dice, 3)];
            bed.disk(one).fail_syncs(part, EIO);
            tokio::time::sleep(a_while).await;
            bed.disk(one).fail_syncs("", 0);
            format!("syncs of m{one} fail ({part})")
        }
        7 => {
            let bytes = dice.below(200_000).cast_signed();
            bed.disk(one).set_space(Some(bytes));
            tokio::time::sleep(a_while).await;
            bed.disk(one).set_space(None);
            format!("m{one}'s disk is full after {bytes} bytes")
        }
        8 => {
            let seconds = dice.below(2 * CLOCK_SECONDS).cast_signed() - CLOCK_SECONDS.cast_signed();
            bed.disk(one).shift_clock(seconds * 1_000_000);
            format!("the clock of m{one} is {seconds} s wrong")
        }
        9 => {
            // One that was replaced a moment ago does not vote yet: two disks at once are more than three members bear.
            for n in (0..count).filter(|n| *n != one) {
                if !bed.ready(n).await {
                    bed.replace(n).await;
                    return format!("m{n} is found damaged: it is replaced");
                }
            }
            bed.stop(one);
            let file = bed.flip(one, dice);
            bed.start(one, None);
            tokio::time::sleep(a_while).await;
            let name = file
                .map(|file| file.display().to_string())
                .unwrap_or_default();
            if bed.is_lost(one) {
                bed.replace(one).await;
                format!("a bit of m{one} turns ({name}): it is replaced")
            } else {
                format!("a bit of m{one} turns ({name})")
            }
        }
        10 => {
            // Off from everybody else.
            for n in (0..count).filter(|n| *n != one) {
                bed.net.cut(one, n);
                bed.net.cut(n, one);
            }
            tokio::time::sleep(a_while).await;
            bed.net.heal();
            format!("cut m{one} off")
        }
        11 => {
            bed.net.cut(one, other);
            tokio::time::sleep(a_while).await;
            bed.net.heal();
            format!("cut m{one} off m{other}, one way")
        }
        12 => {
            // The third is a bridge between the two.
            bed.net.cut(one, other);
            bed.net.cut(other, one);
            tokio::time::sleep(a_while).await;
            bed.net.heal();
            format!("cut m{one} and m{other} apart")
        }
        13 => {
            let delay_ms = 5 + dice.below(150);
            let slow = Weather {
                delay_ms,
                jitter_ms: dice.below(2 * delay_ms),
                // Half of them are narrow as well: from a modem's to a good line's.
                bytes_per_second: dice.below(2) * (4_000 << dice.below(8)),
                ..Weather::default()
            };
            let roads = spoil(bed, slow, one, other, dice);
            tokio::time::sleep(a_while).await;
            clear(bed);
            format!("slow link {roads}: {slow:?}")
        }
        _ => {
            let lossy = Weather {
                lost: 2 + dice.below(60),
                jitter_ms: dice.below(20),
                ..Weather::default()
            };
            let roads = spoil(bed, lossy, one, other, dice);
            // Long enough for what is lost to be sent again a few times.
            tokio::time::sleep(2 * a_while).await;
            clear(bed);
            format!("lossy link {roads}: {} % lost", lossy.lost)
        }
    }
}

/// Sets the weather between a member and another, one way or both, or between a member and everybody.
fn spoil(bed: &Bed, weather: Weather, one: usize, other: usize, dice: &mut Dice) -> String {
    let others: Vec<usize> = (0..bed.count()).filter(|n| *n != one).collect();
    let (roads, told): (Vec<(usize, usize)>, String) = match dice.below(3) {
        0 => (vec![(one, other)], format!("from m{one} to m{other}")),
        1 => (
            vec![(one, other), (other, one)],
            format!("between m{one} and m{other}"),
        ),
        _ => (
            others.iter().flat_map(|n| [(one, *n), (*n, one)]).collect(),
            format!("of m{one}"),
        ),
    };
    for (from, to) in roads {
        if let Some(links) = &bed.links {
            links.set(from, to, weather);
        }
    }
    told
}

fn clear(bed: &Bed) {
    if let Some(links) = &bed.links {
        links.clear();
    }
}
