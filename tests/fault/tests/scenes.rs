//! What brings a member to a point: it follows, leads, is elected, joins, takes another in, and so on. The first member founds
//! the cluster; the victim is called `v`.

use std::time::{Duration, Instant};

use triad_fault::Dice;

use crate::company::{Company, LIMIT, Outcome, PAUSE};
use crate::victim::Victim;
use crate::{Case, passage};

/// As many writes as a newcomer gets as a state, instead of the log that held them, and is not caught up without.
const WRITTEN: u64 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// It is one of three that another leads.
    Follows,
    Leads,
    /// The leadership goes round.
    IsElected,
    /// It led, and has in its log what nobody else has.
    WasAhead,
    /// It is new, and is sent the state.
    Joins,
    /// It leads, and sends the state to one that is new.
    Invites,
    /// It is closed in the middle of it all.
    Closes,
    /// It makes a cluster, alone.
    Founds,
}

pub(crate) fn play(case: &Case, seed: u64) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let mut dice = Dice::new(seed);
    for byte in case.point.bytes() {
        dice = Dice::new(dice.roll() ^ u64::from(byte));
    }
    runtime.expect("a runtime").block_on(async {
        let mut play = Play {
            company: Company::new(seed),
            order: format!(
                "{}:{}:{}",
                case.point,
                passage(case, &mut dice),
                if case.fails { "fail" } else { "die" }
            ),
            case,
            dice,
            victim: 0,
        };
        play.run()
            .await
            .map_err(|what| format!("{what} ({})", play.order))?;
        let order = play.order;
        play.company
            .judge()
            .await
            .map_err(|what| format!("{what} ({order})"))
    })
}

struct Play<'a> {
    company: Company,
    case: &'a Case,
    order: String,
    dice: Dice,
    victim: usize,
}

impl Play<'_> {
    async fn run(&mut self) -> Outcome<()> {
        let newcomer = match self.case.scene {
            Scene::Founds => {
                self.victim = self.company.seat("v");
                None
            }
            Scene::Joins => {
                self.found().await?;
                self.fill().await?;
                self.victim = self.company.seat("v");
                None
            }
            Scene::Invites => {
                self.form().await?;
                Some(self.company.seat("c"))
            }
            _ => {
                self.form().await?;
                None
            }
        };
        if self.case.scene == Scene::WasAhead {
            self.run_ahead().await?;
        }
        let mut victim = self.company.launch(self.victim, Some(self.order.clone()));
        self.drive(&mut victim, newcomer).await?;
        self.end(victim, newcomer).await
    }

    /// Two members in this process.
    async fn found(&mut self) -> Outcome<()> {
        let (first, second) = (self.company.seat("a"), self.company.seat("b"));
        self.company.open(first).await?;
        self.company.admit(second).await
    }

    /// Those and the victim, which is then away.
    async fn form(&mut self) -> Outcome<()> {
        self.found().await?;
        self.victim = self.company.seat("v");
        self.company.admit(self.victim).await?;
        self.company.shut(self.victim).await;
        Ok(())
    }

    /// Writes what a newcomer gets as a state: the log of it is gone.
    async fn fill(&mut self) -> Outcome<()> {
        self.company.write(0);
        let (began, store) = (Instant::now(), self.company.store(0).clone());
        while store.revision().0 < WRITTEN {
            late(began, "nothing is written")?;
            tokio::time::sleep(PAUSE).await;
        }
        for n in [0, 1] {
            let store = self.company.store(n);
            let before = store.metrics().purged_index;
            while store.metrics().purged_index <= before.max(WRITTEN) {
                late(began, "the log is not purged")?;
                store.flush().await.map_err(|e| e.to_string())?;
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// The victim leads alone for a while, writes what nobody acknowledges, and is killed; the others go on without it.
    async fn run_ahead(&mut self) -> Outcome<()> {
        let mut victim = self.company.launch(self.victim, None);
        self.lead(&mut victim).await?;
        for n in [0, 1] {
            self.company.shut(n).await;
        }
        let before = victim.count("try");
        victim.tell("write");
        victim.wait_for_more("try", before + 2);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let said = victim.kill();
        self.company.disk.reset();
        self.company.hear(&said)?;
        for n in [0, 1] {
            self.company.open(n).await?;
        }
        self.company.write(1);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Ok(())
    }

    fn hit(&self, victim: &mut Victim) -> bool {
        victim.ended().is_some() || self.company.told().contains("failpoint ")
    }

    /// Waits until the victim has opened its files, or has been hit before that.
    async fn opened(&self, victim: &mut Victim) -> Outcome<()> {
        let began = Instant::now();
        while victim.word("member").is_none() && !self.hit(victim) {
            late(began, "it does not open")?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Has the victim lead.
    async fn lead(&self, victim: &mut Victim) -> Outcome<()> {
        self.opened(victim).await?;
        let began = Instant::now();
        while self.company.leader().as_deref() != Some("v") && !self.hit(victim) {
            late(began, "it does not lead")?;
            // Tried until it has caught up.
            let _ = self.company.store(0).transfer("v").await;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Leads the victim to the point.
    async fn drive(&mut self, victim: &mut Victim, newcomer: Option<usize>) -> Outcome<()> {
        let leads = matches!(self.case.scene, Scene::Leads | Scene::Invites);
        if leads {
            self.lead(victim).await?;
        } else {
            self.opened(victim).await?;
        }
        if self.case.scene == Scene::Founds {
            return self.wait(victim).await;
        }
        victim.tell("write");
        self.company.write(0);
        match self.case.scene {
            Scene::Closes => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                victim.tell("stop");
            }
            Scene::IsElected => return self.send_round(victim).await,
            Scene::Joins => {
                if let Some(id) = victim.word("member").and_then(|id| id.parse().ok()) {
                    let company = &self.company;
                    let hit = || victim.ended().is_some() || company.told().contains("failpoint ");
                    company.take_in(self.victim, id, hit).await?;
                }
            }
            Scene::Invites => {
                let newcomer = newcomer.ok_or("nobody is new")?;
                // Until its log no longer holds the beginning.
                tokio::time::sleep(Duration::from_millis(1300)).await;
                self.company.open(newcomer).await?;
                let identity = self.company.store(newcomer).identity();
                let id = identity.map_err(|e| e.to_string())?.node;
                let company = &self.company;
                let hit = || victim.ended().is_some();
                company.take_in(newcomer, id, hit).await?;
            }
            _ => {}
        }
        self.wait(victim).await
    }

    async fn send_round(&mut self, victim: &mut Victim) -> Outcome<()> {
        let began = Instant::now();
        for name in ["v", "b", "a"].iter().cycle() {
            if self.hit(victim) {
                break;
            }
            late(began, "it is not passed")?;
            // Whoever does not lead after it leads after the next.
            let _ = self.company.store(0).transfer(name).await;
            tokio::time::sleep(5 * PAUSE).await;
        }
        self.wait(victim).await
    }

    /// Waits until the point has been passed as often as it was to be.
    async fn wait(&self, victim: &mut Victim) -> Outcome<()> {
        let began = Instant::now();
        while !self.hit(victim) {
            let said = victim.last_words();
            late(began, &format!("the point is not reached: {said}"))?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The victim is dead, or has gone on by itself; it is opened here, where it can be looked at.
    async fn end(&mut self, mut victim: Victim, newcomer: Option<usize>) -> Outcome<()> {
        let told = self.company.told();
        if !told.contains("failpoint ") {
            return Err(format!(
                "it ended before the point ({:?}): {told}",
                victim.ended()
            ));
        }
        let said = if self.case.fails {
            self.recover(&mut victim).await?;
            victim.tell("stop");
            let began = Instant::now();
            while victim.ended().is_none() {
                late(began, "it does not stop")?;
                tokio::time::sleep(PAUSE).await;
            }
            victim.bury()
        } else {
            self.died(&mut victim).await?;
            let said = victim.bury();
            if self.dice.one_in(2) {
                self.company.lose_power(&mut self.dice);
            } else {
                self.company.disk.reset();
            }
            said
        };
        self.company.open(self.victim).await?;
        if self.case.scene == Scene::Joins {
            let identity = self.company.store(self.victim).identity();
            let id = identity.map_err(|e| e.to_string())?.node;
            self.company.take_in(self.victim, id, || false).await?;
        }
        if let Some(newcomer) = newcomer {
            let identity = self.company.store(newcomer).identity();
            let id = identity.map_err(|e| e.to_string())?.node;
            self.company.take_in(newcomer, id, || false).await?;
        }
        // A moment more of everything.
        tokio::time::sleep(10 * PAUSE).await;
        self.company.rest().await?;
        self.company.hear(&said)
    }

    /// It ended by its own hand and no other.
    async fn died(&self, victim: &mut Victim) -> Outcome<()> {
        use std::os::unix::process::ExitStatusExt;
        const SIGABRT: i32 = 6;
        let began = Instant::now();
        loop {
            match victim.ended() {
                Some(status) if status.signal() == Some(SIGABRT) => return Ok(()),
                Some(status) => {
                    return Err(format!("it ended by {status}: {}", self.company.told()));
                }
                None => late(began, "it does not die")?,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// After a failure it serves again by itself.
    async fn recover(&self, victim: &mut Victim) -> Outcome<()> {
        let (began, before) = (Instant::now(), victim.count("ack"));
        let mut id = victim.word("member").and_then(|id| id.parse().ok());
        while victim.count("ack") < before + 10 {
            if let (Scene::Joins, Some(id)) = (self.case.scene, id.take()) {
                self.company.take_in(self.victim, id, || false).await?;
            }
            if let Some(status) = victim.ended() {
                return Err(format!("it ended by {status}: {}", self.company.told()));
            }
            late(
                began,
                &format!("it does not go on: {}", victim.last_words()),
            )?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

fn late(began: Instant, what: &str) -> Outcome<()> {
    if began.elapsed() < LIMIT {
        Ok(())
    } else {
        Err(what.to_owned())
    }
}
