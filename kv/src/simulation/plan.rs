//! What a run consists of, and the faults that strike in it, as the dice fall.

use std::time::Duration;

use super::clock::sleep;
use triad_fault::Dice;

use super::client::propose;
use super::disk::Flaws;
use super::network::Weather;
use super::world::World;
use crate::Revision;
use crate::command::Command;

#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) members: u64,
    /// Members that come and go besides.
    pub(super) guests: u64,
    pub(super) clients_each: u64,
    pub(super) faults: u64,
    /// How often each kind strikes: the others' share is out of the sum.
    pub(super) crashes: u64,
    pub(super) cuts: u64,
    pub(super) weather: u64,
    pub(super) elections: u64,
    pub(super) flaws: Flaws,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            members: 3,
            guests: 0,
            clients_each: 1,
            faults: 8,
            crashes: 4,
            cuts: 3,
            weather: 2,
            elections: 1,
            flaws: Flaws::default(),
        }
    }
}

fn pick(dice: &mut Dice, ids: &[u64]) -> u64 {
    ids[usize::try_from(dice.below(ids.len() as u64)).unwrap()]
}

/// One fault: it begins, lasts and is undone.
pub(super) async fn strike(world: &World, dice: &mut Dice) {
    let plan = world.plan;
    let ids = world.ids();
    let one = pick(dice, &ids);
    let other = pick(dice, &ids);
    let a_while = Duration::from_millis(100 + dice.below(1_500));
    let mut roll = dice.below(plan.crashes + plan.cuts + plan.weather + plan.elections);
    if roll < plan.crashes {
        return crash(world, dice, one, a_while).await;
    }
    roll -= plan.crashes;
    if roll < plan.cuts {
        cut(world, dice, (one, other));
        sleep(a_while).await;
        return world.net.heal();
    }
    roll -= plan.cuts;
    if roll < plan.weather {
        return worsen(world, dice, one, a_while).await;
    }
    if plan.guests > 0 && dice.one_in(2) {
        return super::world::move_guest(world, dice).await;
    }
    match (dice.below(3), world.member(one).alive()) {
        (0, Some(alive)) => drop(alive.raft.trigger().transfer_leader(other).await),
        (1, Some(alive)) => alive.flush(),
        _ => compact(world, one).await,
    }
    sleep(a_while / 4).await;
}

/// One or all of them end at once and come back later, one of them sometimes at the moment that its state is flushed.
async fn crash(world: &World, dice: &mut Dice, one: u64, a_while: Duration) {
    let ids = if dice.one_in(4) {
        world.ids()
    } else {
        vec![one]
    };
    for id in &ids {
        let alive = world.member(*id).alive().filter(|_| dice.one_in(4));
        if let Some(alive) = alive {
            alive.flush();
        }
        world.crash(*id);
    }
    let away = if dice.one_in(2) {
        a_while
    } else {
        a_while / 20
    };
    sleep(away).await;
    for id in ids {
        world.start(id).await;
    }
}

fn cut(world: &World, dice: &mut Dice, (one, other): (u64, u64)) {
    let cut = Weather {
        cut: true,
        ..Weather::default()
    };
    match dice.below(3) {
        0 => {
            for id in world.ids() {
                world.net.set(one, id, cut);
                world.net.set(id, one, cut);
            }
        }
        1 => world.net.set(one, other, cut),
        _ => {
            world.net.set(one, other, cut);
            world.net.set(other, one, cut);
        }
    }
}

/// Slow or lossy links, or a slow disk.
async fn worsen(world: &World, dice: &mut Dice, one: u64, a_while: Duration) {
    if dice.one_in(3) {
        let disk = &world.member(one).disk;
        disk.set_slowness(20 + dice.below(400));
        sleep(a_while).await;
        return disk.set_slowness(0);
    }
    let bad = Weather {
        cut: false,
        delay_ms: 10 + dice.below(250),
        lost: dice.below(2) * dice.below(40),
    };
    for id in world.ids() {
        world.net.set(one, id, bad);
        if dice.one_in(2) {
            world.net.set(id, one, bad);
        }
    }
    sleep(a_while).await;
    world.net.heal();
}

/// Gives up history that every watcher has been told.
async fn compact(world: &World, one: u64) {
    let told = world.told_all();
    if told > 1 {
        let command = Command::compact(Revision(told / 2), world.clock(one));
        // Lost or not, it gives up nothing that anybody needs.
        let _ = propose(world, one, &command).await;
    }
}
