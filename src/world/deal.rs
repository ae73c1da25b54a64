//! The life of a deal: what is planned at its birth, and what each act leads to.
//!
//! The plan fixes *when*; the outcome is drawn at the closing itself, so that a drift acts by the
//! date of closing, as a new competitor would.

use super::cast::{self, Cast, PRODUCTS, Product, Style, System};
use super::dice::Dice;
use super::emit::{Subject, entity_id};
use super::season;
use super::settings::WorldSettings;
use super::{DAY, HOUR, Scene};
use crate::model::event::{EntityKind, Status};
use crate::model::money::Currency;
use crate::model::time::Precision;

/// The stages of a deal in order, with what each means: enough to fill a stage table. Every
/// closing states its `status` too, so a job needs no table to read a world.
pub const STAGES: [(&str, Status); 6] = [
    ("qualified", Status::Open),
    ("demo", Status::Open),
    ("proposal", Status::Open),
    ("negotiation", Status::Open),
    ("closed_won", Status::Won),
    ("closed_lost", Status::Lost),
];

/// Acts keep at least this distance, so that what belongs to one act is never mistaken for what
/// settles another (sources are given seconds to settle).
const APART: i64 = 60_000;

/// Closings of one deal, at most.
const CLOSINGS: u32 = 4;

/// Where a deal or a lead comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub system: &'static System,
    pub rep: usize,
    pub channel: usize,
    pub account: u32,
}

/// A deal that may still change.
pub(super) struct Deal {
    pub number: u64,
    step: u64,
    pub(super) subject: Subject,
    pub(super) account: u32,
    pub(super) product: &'static Product,
    pub(super) owner: Option<usize>,
    /// As stated; where a system does not state it, the territory of the first owner.
    pub(super) territory: usize,
    pub(super) channel: usize,
    /// Whether the channel was ever recorded.
    pub(super) channel_known: bool,
    pub(super) cents: i64,
    pub(super) currency: Currency,
    /// Whether the amount is recorded at the moment.
    pub(super) priced: bool,
    pub(super) stage: usize,
    pub(super) status: Status,
    pub(super) created: i64,
    pub(super) closed: i64,
    closings: u32,
    last: i64,
    /// What is to come, the next one last.
    plan: Vec<(i64, Act)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Create,
    /// Its creation was never sent: it turns up as a snapshot.
    Appear,
    /// Was there before the world began.
    Open,
    Stage(u8),
    Touch,
    Price,
    Clear,
    Assign,
    Disown,
    Reown,
    Rechannel,
    Snapshot,
    Close,
    Amend,
    Reopen,
    Delete,
    Restore,
    Merge,
}

impl Origin {
    pub(super) fn cold(cast: &Cast, dice: &mut Dice) -> Origin {
        Origin {
            system: cast.draw_system(dice),
            rep: cast.draw_rep(dice),
            channel: cast.draw_channel(dice),
            account: cast::draw_account(dice),
        }
    }
}

impl Deal {
    pub(super) fn born(
        number: u64,
        at: i64,
        origin: Origin,
        settings: &WorldSettings,
        cast: &Cast,
        dice: &mut Dice,
    ) -> Deal {
        let product = &PRODUCTS[cast.draw_product(dice)];
        let scattered = origin.system.style == Style::Scattered;
        let owner = (!(scattered && dice.chance(0.01))).then_some(origin.rep);
        let mut deal = Deal {
            number,
            step: 0,
            subject: Subject {
                kind: EntityKind::Deal,
                id: entity_id(EntityKind::Deal, number),
                system: origin.system,
                test: dice.chance(0.003),
                written: 0,
            },
            account: origin.account,
            product,
            owner,
            territory: cast.reps[origin.rep].territory,
            channel: origin.channel,
            channel_known: !dice.chance(0.01),
            cents: (product.price * dice.log_normal(100.0, 0.35)) as i64,
            currency: settings.currency,
            priced: !dice.chance(0.12),
            stage: 0,
            status: Status::Open,
            created: at,
            closed: at,
            closings: 0,
            last: at - APART,
            plan: Vec::with_capacity(8),
        };
        let start = if dice.chance(0.005) { Act::Appear } else { Act::Create };
        deal.add(at, start);
        if owner.is_none() {
            deal.add(at + APART + dice.exponential(HOUR as f64) as i64, Act::Assign);
        }
        deal.plan_cycle(at, cast.channels[origin.channel].cycle, settings, dice);
        deal.carry_over(settings.start.millis());
        deal.currency = settings.draw_currency(dice);
        deal
    }

    /// When it acts next; `None` when it is done.
    pub(super) fn due(&self) -> Option<i64> {
        self.plan.last().map(|(at, _)| *at)
    }

    pub(super) fn take_step(&mut self) -> u64 {
        self.step += 1;
        self.step
    }

    /// Whether its events state the territory.
    pub(super) fn states_territory(&self) -> bool {
        let system = self.subject.system;
        system.style == Style::Grouped && system.precision != Precision::Day
    }

    fn plan_cycle(&mut self, at: i64, pace: f64, settings: &WorldSettings, dice: &mut Dice) {
        let days = dice.log_normal(self.product.cycle * pace, 0.65).clamp(0.05, 900.0);
        let cycle = days * DAY as f64;
        let close = season::closing(at + cycle as i64, dice)
            .max(at + HOUR + dice.exponential(6.0 * HOUR as f64) as i64);
        let length = (close - at) as f64;
        self.add(close, Act::Close);
        let mut last = at;
        for (stage, low) in [(1, 0.1), (2, 0.4), (3, 0.7)] {
            let wished = at + (length * dice.between(low, low + 0.25)) as i64;
            // Short deals leave stages out.
            let when = season::at_work(wished, dice).max(last + APART);
            if when < close - APART {
                self.add(when, Act::Stage(stage));
                last = when;
            }
        }
        let mut maybe = |share: f64, low: f64, high: f64, act: Act| {
            if dice.chance(share) {
                let when = at + (length * dice.between(low, high)) as i64;
                self.add(when.max(at + APART), act);
            }
        };
        maybe(0.30, 0.3, 0.9, Act::Price);
        maybe(0.35, 0.05, 0.95, Act::Touch);
        maybe(0.015, 0.1, 0.6, Act::Clear);
        maybe(0.01, 0.1, 1.2, Act::Rechannel);
        maybe(0.03, 0.2, 1.8, Act::Snapshot);
        maybe(settings.merge, 0.1, 0.6, Act::Merge);
        maybe(settings.delete, 0.1, 1.6, Act::Delete);
        if dice.chance(settings.reown) {
            let when = at + (length * dice.between(0.1, 0.9)) as i64;
            self.add(when, Act::Reown);
            // Somebody left: nobody owns it for a while.
            if dice.chance(0.15) {
                self.add(when - (length * dice.between(0.05, 0.1)) as i64, Act::Disown);
            }
        }
    }

    /// What was done before the world began is forgotten; what is still open comes in at the start.
    fn carry_over(&mut self, start: i64) {
        if self.created >= start {
            return;
        }
        let over = |(at, act): &(i64, Act)| {
            *at < start + APART && matches!(act, Act::Close | Act::Delete | Act::Merge)
        };
        if self.plan.iter().any(over) {
            self.plan.clear();
            return;
        }
        for (at, act) in self.plan.iter().rev() {
            if let (true, Act::Stage(stage)) = (*at < start, act) {
                self.stage = (*stage).into();
            }
        }
        self.priced = true;
        self.plan.retain(|(at, _)| *at >= start + APART);
        self.add(start + (self.number as i64 % APART), Act::Open);
    }

    /// Puts an act into the plan, behind those of the same moment.
    fn add(&mut self, at: i64, act: Act) {
        let place = self.plan.partition_point(|(other, _)| *other > at);
        self.plan.insert(place, (at, act));
    }

    /// Does what is due.
    pub(super) fn act(&mut self, scene: &mut Scene<'_>) {
        let Some((planned, act)) = self.plan.pop() else {
            return;
        };
        let at = planned.max(self.last + APART);
        self.last = at;
        match act {
            Act::Create => self.tell_create(at, scene),
            Act::Appear => self.tell_snapshot(at, "", Act::Appear, scene),
            Act::Open => self.tell_snapshot(at, "import", Act::Open, scene),
            Act::Snapshot => self.tell_snapshot(at, "", Act::Snapshot, scene),
            Act::Stage(stage) if self.status == Status::Open => self.advance(stage, at, scene),
            Act::Stage(_) => {}
            Act::Touch => self.tell_touch(at, scene),
            Act::Price => self.reprice(0.9, 1.2, at, scene),
            Act::Clear => {
                self.priced = false;
                self.tell_no_price(at, scene);
                self.add(at + scene.dice.exponential(2.0 * DAY as f64) as i64, Act::Price);
            }
            Act::Assign => self.assign(at, scene),
            Act::Disown => {
                self.owner = None;
                self.tell_owner(at, scene);
            }
            Act::Reown => self.reown(at, scene),
            Act::Rechannel => {
                self.channel = scene.cast.draw_channel(scene.dice);
                self.channel_known = true;
                self.tell_channel(at, scene);
            }
            Act::Close => self.close(at, scene),
            Act::Amend => self.amend(at, scene),
            Act::Reopen => self.reopen(at, scene),
            Act::Delete => self.delete(at, scene),
            Act::Restore => self.tell_restore(at, scene),
            Act::Merge => self.merge(at, scene),
        }
    }

    fn advance(&mut self, stage: u8, at: i64, scene: &mut Scene<'_>) {
        self.stage = stage.into();
        // A proposal needs a price, mostly.
        let price = stage >= 2 && !self.priced && scene.dice.chance(0.6);
        self.priced |= price;
        self.tell_stage(price, at, scene);
    }

    fn reprice(&mut self, low: f64, high: f64, at: i64, scene: &mut Scene<'_>) {
        self.cents = (self.cents as f64 * scene.dice.between(low, high)) as i64 + 1;
        self.priced = true;
        self.tell_price(at, scene);
    }

    /// The owner of a deal that came in without one.
    fn assign(&mut self, at: i64, scene: &mut Scene<'_>) {
        let heirs = |rep: &cast::Rep| rep.territory == self.territory;
        self.owner = match self.owner {
            Some(owner) => Some(owner),
            None => scene.cast.reps.iter().position(heirs),
        };
        self.tell_owner(at, scene);
    }

    fn reown(&mut self, at: i64, scene: &mut Scene<'_>) {
        let next = match self.owner {
            Some(owner) => scene.cast.draw_successor(owner, scene.dice),
            None => scene.cast.draw_rep(scene.dice),
        };
        self.owner = Some(next);
        let home = scene.cast.reps[next].territory;
        if self.states_territory() && home != self.territory && scene.dice.chance(0.6) {
            self.territory = home;
            self.tell_owner_and_territory(at, scene);
        } else {
            self.tell_owner(at, scene);
        }
    }

    fn win_chance(&self, at: i64, scene: &Scene<'_>) -> f64 {
        let cast = scene.cast;
        let skill = self.owner.map_or(0.5, |owner| cast.reps[owner].skill);
        let chance = skill + self.product.win + cast.channels[self.channel].win;
        let territory = match self.owner {
            Some(owner) if !self.states_territory() => cast.reps[owner].territory,
            _ => self.territory,
        };
        let factor = match &scene.settings.drift {
            Some(drift)
                if at >= drift.at.millis() && drift.territory == cast.territory(territory) =>
            {
                drift.win_factor
            }
            _ => 1.0,
        };
        chance.clamp(0.02, 0.98) * factor
    }

    fn close(&mut self, at: i64, scene: &mut Scene<'_>) {
        let won = scene.dice.unit() < self.win_chance(at, scene);
        (self.status, self.stage) = if won { (Status::Won, 4) } else { (Status::Lost, 5) };
        self.closed = at;
        self.closings += 1;
        let price =
            if self.priced { won && scene.dice.chance(0.35) } else { scene.dice.chance(0.8) };
        if price {
            self.cents = (self.cents as f64 * scene.dice.between(0.88, 1.04)) as i64 + 1;
            self.priced = true;
        }
        let share = scene.settings.split;
        if won && share > 0.0 && scene.dice.chance(share) {
            self.tell_splits(at, scene);
        }
        self.tell_close(price, at, scene);
        if scene.dice.chance(scene.settings.amend) {
            let pause = 2 * HOUR + scene.dice.exponential(8.0 * DAY as f64) as i64;
            self.add(season::at_work(at + pause, scene.dice), Act::Amend);
        }
        if scene.dice.chance(scene.settings.reopen) && self.closings < CLOSINGS {
            let pause = HOUR + scene.dice.log_normal(5.0 * DAY as f64, 0.8) as i64;
            self.add(season::at_work(at + pause, scene.dice), Act::Reopen);
        }
    }

    /// A corrected amount, or a corrected date where the system states one.
    fn amend(&mut self, at: i64, scene: &mut Scene<'_>) {
        let dated = self.status != Status::Open && self.subject.system.style != Style::Terse;
        if dated && scene.dice.chance(0.25) {
            let days = 1 + scene.dice.below(4) as i64;
            self.closed = (self.closed - days * DAY).max(self.created);
            return self.tell_closed_at(at, scene);
        }
        self.reprice(0.7, 1.15, at, scene);
    }

    fn reopen(&mut self, at: i64, scene: &mut Scene<'_>) {
        if self.status == Status::Open {
            return;
        }
        (self.status, self.stage) = (Status::Open, 3);
        self.tell_reopen(at, scene);
        let again = scene.dice.log_normal(10.0 * DAY as f64, 0.7) as i64;
        let when = season::at_work(at + again, scene.dice).max(at + HOUR);
        self.add(when, Act::Close);
    }

    fn delete(&mut self, at: i64, scene: &mut Scene<'_>) {
        self.tell_delete(at, scene);
        if !scene.dice.chance(scene.settings.restore) {
            return self.plan.clear();
        }
        // Nothing happens to a deleted deal: what was planned waits until it is back.
        let pause = HOUR + scene.dice.exponential(1.5 * DAY as f64) as i64;
        for (when, _) in &mut self.plan {
            *when += pause;
        }
        self.add(at + pause, Act::Restore);
    }

    fn merge(&mut self, at: i64, scene: &mut Scene<'_>) {
        let others = scene.recent.len();
        let target = scene.recent.get(scene.dice.below(others)).filter(|n| **n != self.number);
        let Some(target) = target else { return };
        self.tell_merge(*target, at, scene);
        self.plan.clear();
    }
}
