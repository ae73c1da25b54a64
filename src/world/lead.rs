//! The life of a lead.

use super::cast::{Cast, Style};
use super::deal::Origin;
use super::dice::Dice;
use super::emit::{Draft, Subject, entity_id};
use super::settings::WorldSettings;
use super::{DAY, HOUR, Scene, cast, season};
use crate::model::event::{EntityKind, Field, Op};
use crate::model::time::Precision;

/// A lead that may still do something.
pub(super) struct Lead {
    pub number: u64,
    step: u64,
    subject: Subject,
    origin: Origin,
    created: i64,
    stage: &'static str,
    /// What is to come, the next one last.
    plan: Vec<(i64, Act)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Create,
    /// Was there before the world began.
    Open,
    Stage(&'static str),
    Convert,
    Reown,
    Answer,
    Delete,
}

/// The fields in which sources tell of an answer.
const ANSWERS: [Field; 3] = [Field::RespondedAt, Field::FirstCallAt, Field::FirstEmailAt];

impl Lead {
    pub(super) fn born(
        number: u64,
        at: i64,
        settings: &WorldSettings,
        cast: &Cast,
        dice: &mut Dice,
    ) -> Lead {
        let origin = Origin::cold(cast, dice);
        let mut plan = vec![(at, Act::Create)];
        // Faster than a deal: days, not weeks.
        let pace = dice.log_normal(5.0, 0.7) * DAY as f64;
        let step = |share: f64, after: i64, dice: &mut Dice| {
            let wished = season::at_work(at + (share * pace) as i64, dice);
            wished.max(after + 600_000 + dice.exponential(3_600_000.0) as i64)
        };
        let mut last = at;
        if dice.chance(0.7) {
            last = step(0.3, last, dice);
            plan.push((last, Act::Stage("mql")));
        }
        if dice.chance(0.02) {
            last = step(0.5, last, dice);
            plan.push((last, Act::Reown));
        }
        if dice.chance(cast.channels[origin.channel].conversion) {
            last = step(0.7, last, dice);
            plan.push((last, Act::Stage("sql")));
            last = step(1.0, last, dice);
            plan.push((last, Act::Convert));
        } else if dice.chance(0.8) {
            last = step(1.5, last, dice);
            plan.push((last, Act::Stage("disqualified")));
        }
        if dice.chance(settings.delete) {
            plan.push((step(2.0, last, dice), Act::Delete));
        }
        if settings.answer > 0.0 && dice.chance(settings.answer) {
            let when = at + 60_000 + dice.log_normal(45.0 * 60_000.0, 1.2) as i64;
            plan.insert(plan.partition_point(|(other, _)| *other <= when), (when, Act::Answer));
        }
        plan.reverse();
        let subject = Subject {
            kind: EntityKind::Lead,
            id: entity_id(EntityKind::Lead, number),
            system: origin.system,
            test: false,
            written: 0,
        };
        let mut lead = Lead { number, step: 0, subject, origin, created: at, stage: "new", plan };
        lead.carry_over(settings.start.millis());
        lead
    }

    /// When it acts next; `None` when it is done.
    pub(super) fn due(&self) -> Option<i64> {
        self.plan.last().map(|(at, _)| *at)
    }

    pub(super) fn take_step(&mut self) -> u64 {
        self.step += 1;
        self.step
    }

    /// Does what is due. A conversion gives the moment and the origin of a deal, which is to have
    /// the number `next_deal`.
    pub(super) fn act(&mut self, scene: &mut Scene<'_>, next_deal: u64) -> Option<(i64, Origin)> {
        let (at, act) = self.plan.pop()?;
        match act {
            Act::Create => self.create(at, Op::Create, "", scene),
            Act::Open => self.create(at, Op::Snapshot, "import", scene),
            Act::Stage(stage) => {
                self.stage = stage;
                self.write(at, Op::Update, scene, |d| _ = d.text(Field::Stage, stage));
            }
            Act::Reown => {
                self.origin.rep = scene.cast.draw_successor(self.origin.rep, scene.dice);
                let owner = &scene.cast.reps[self.origin.rep].id;
                self.write(at, Op::Update, scene, |d| _ = d.text(Field::Owner, owner));
            }
            Act::Answer => self.answer(at, scene),
            Act::Delete => self.write(at, Op::Delete, scene, |_| ()),
            Act::Convert => {
                let deal = entity_id(EntityKind::Deal, next_deal);
                self.write(at, Op::Update, scene, |d| {
                    d.text(Field::Stage, "converted").text(Field::ConvertedDeal, &deal);
                });
                let pause = 500 + scene.dice.exponential(120_000.0) as i64;
                return Some((at + pause, self.origin));
            }
        }
        None
    }

    /// What was done before the world began is forgotten; what is still open comes in at the start.
    fn carry_over(&mut self, start: i64) {
        if self.created >= start {
            return;
        }
        let over = self.plan.iter().any(|(at, act)| *at < start && *act == Act::Convert);
        if over || self.plan.first().is_none_or(|(at, _)| *at < start) {
            self.plan.clear();
            return;
        }
        for (at, act) in self.plan.iter().rev() {
            if let (true, Act::Stage(stage)) = (*at < start, act) {
                self.stage = stage;
            }
        }
        self.plan.retain(|(at, _)| *at >= start + 60_000);
        self.plan.push((start + (self.number % 60_000) as i64, Act::Open));
    }

    fn write(&mut self, at: i64, op: Op, scene: &mut Scene<'_>, fill: impl FnOnce(&mut Draft)) {
        let mut draft = self.subject.draft(op, at);
        fill(&mut draft);
        self.subject.post(draft, at, "", scene.out);
    }

    /// Some tell of two answers, and some were talked to before they became leads.
    fn answer(&mut self, at: i64, scene: &mut Scene<'_>) {
        let first = scene.dice.below(ANSWERS.len());
        let again = scene.dice.chance(0.25).then(|| scene.dice.below(6 * HOUR as usize) as i64);
        let told = if scene.dice.chance(0.04) { self.created - DAY } else { at };
        let precision = self.subject.system.precision;
        self.write(at, Op::Update, scene, |d| {
            d.time(ANSWERS[first], told, precision);
            if let Some(later) = again {
                d.time(ANSWERS[(first + 1) % ANSWERS.len()], at - HOUR + later, precision);
            }
        });
    }

    fn create(&mut self, at: i64, op: Op, flags: &str, scene: &mut Scene<'_>) {
        let Origin { system, rep, channel, account, .. } = self.origin;
        let rep = &scene.cast.reps[rep];
        let mut draft = self.subject.draft(op, at);
        let (first, second) = cast::company(account);
        draft.texts(Field::Name, &[first, " ", second]).text(Field::Stage, self.stage);
        if system.style != Style::Terse || op == Op::Snapshot {
            draft.time(Field::CreatedAt, self.created, system.precision);
        }
        draft.text(Field::Channel, &scene.cast.channels[channel].name);
        if system.style == Style::Scattered && op == Op::Create {
            self.subject.post(draft, at, flags, scene.out);
            let later = at + 5 + scene.dice.below(60) as i64;
            self.write(later, Op::Update, scene, |d| _ = d.text(Field::Owner, &rep.id));
            return;
        }
        draft.text(Field::Owner, &rep.id);
        if system.style == Style::Grouped && system.precision != Precision::Day {
            draft.text(Field::Territory, scene.cast.territory(rep.territory));
        }
        self.subject.post(draft, at, flags, scene.out);
    }
}
