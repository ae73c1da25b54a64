//! What a business leaves behind beside leads and deals: activities, orders, invoices,
//! subscriptions, spend by campaign and day, touches and answers to surveys.
//!
//! A thing is written at once, with what becomes of it on later days. It has an owner and a channel
//! from its beginning, where it has them at all.

use super::cast::{self, Cast, System};
use super::dice::Dice;
use super::emit::{Draft, Subject, entity_id};
use super::season;
use super::settings::WorldSettings;
use super::{DAY, HOUR, Scene};
use crate::model::event::{EntityKind, Field, Op};
use crate::model::time::Precision;

/// The kinds whose things a day has many of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Activities,
    Orders,
    Invoices,
    Subscriptions,
    Spend,
    Touches,
    Answers,
}

/// All of them, each with dice of its own.
pub(super) const PARTS: [Part; 7] = [
    Part::Activities,
    Part::Orders,
    Part::Invoices,
    Part::Subscriptions,
    Part::Spend,
    Part::Touches,
    Part::Answers,
];

/// Words of activities, by how often they are what a rep does.
const ACTIVITIES: [(&str, f64); 6] = [
    ("call", 0.40),
    ("email", 0.25),
    ("meeting", 0.14),
    ("task", 0.10),
    ("demo", 0.06),
    ("note", 0.05),
];
const TOUCHES: [(&str, f64); 5] =
    [("visit", 0.45), ("open", 0.30), ("click", 0.15), ("form", 0.06), ("reply", 0.04)];

/// One thing being written.
struct Thing {
    subject: Subject,
    /// It happens to it last.
    at: i64,
}

impl Thing {
    fn new(kind: EntityKind, id: String, cast: &Cast, dice: &mut Dice, at: i64) -> Thing {
        // Where two things of a day cannot be told apart, a later word does not say when.
        let system = loop {
            let system: &'static System = cast.draw_system(dice);
            if system.precision != Precision::Day {
                break system;
            }
        };
        Thing { subject: Subject { kind, id, system, test: false, written: 0 }, at }
    }

    fn write(&mut self, op: Op, scene: &mut Scene<'_>, fill: impl FnOnce(&mut Draft)) {
        let mut draft = self.subject.draft(op, self.at);
        fill(&mut draft);
        self.subject.post(draft, self.at, "", scene.out);
    }

    /// What happens to it next does so a while later.
    fn later(&mut self, ms: f64) -> i64 {
        self.at += 1_000 + ms as i64;
        self.at
    }
}

impl Part {
    /// How many of them a day has. `day` counts from the epoch.
    pub(super) fn count(self, day: i64, settings: &WorldSettings, dice: &mut Dice) -> u64 {
        let deals = settings.deals_per_day;
        let daily = match self {
            // Every channel, every day.
            Part::Spend => return settings.channels.len() as u64,
            Part::Activities => f64::from(settings.reps) * 2.0,
            Part::Orders => deals * 0.6,
            Part::Invoices => deals * 0.2,
            Part::Subscriptions => deals * 0.15,
            Part::Touches => deals * 1.5,
            Part::Answers => deals * 0.3,
        };
        (daily * season::of_day(day) + dice.unit()) as u64
    }

    /// Writes one of a day: the `i`-th, with a number of its own among all days.
    pub(super) fn write(self, day: i64, (i, number): (u64, u64), scene: &mut Scene<'_>) {
        let at = day * DAY + 7 * HOUR + scene.dice.below(11 * HOUR as usize) as i64;
        match self {
            Part::Activities => activity(number, at, scene),
            Part::Orders => sale(EntityKind::Order, number, at, scene),
            Part::Invoices => sale(EntityKind::Invoice, number, at, scene),
            Part::Subscriptions => subscription(number, at, scene),
            Part::Spend => spend(day, i as usize, scene),
            Part::Touches => touch(number, at, scene),
            Part::Answers => answer(number, at, scene),
        }
    }
}

fn thing(kind: EntityKind, number: u64, at: i64, scene: &mut Scene<'_>) -> Thing {
    Thing::new(kind, entity_id(kind, number), scene.cast, scene.dice, at)
}

fn word(words: &[(&'static str, f64)], dice: &mut Dice) -> &'static str {
    let mut rest = dice.unit();
    for (word, share) in words {
        if rest < *share {
            return word;
        }
        rest -= share;
    }
    words[0].0
}

/// Logged when it was done, or planned first: then it is done, moved, taken over by another one, or
/// nothing comes of it.
fn activity(number: u64, at: i64, scene: &mut Scene<'_>) {
    let mut it = thing(EntityKind::Activity, number, at, scene);
    let rep = scene.cast.draw_rep(scene.dice);
    let owner = &scene.cast.reps[rep].id;
    let kind = word(&ACTIVITIES, scene.dice);
    let precision = it.subject.system.precision;
    let seconds = scene.dice.log_normal(240.0, 0.9) as u32;
    if scene.dice.chance(0.6) {
        it.write(Op::Create, scene, |d| {
            d.text(Field::ActivityKind, kind).text(Field::Owner, owner);
            d.flag(Field::Done, true).time(Field::DoneAt, at, precision);
            if kind == "call" {
                d.whole(Field::Duration, seconds);
            }
        });
    } else {
        let mut planned = at + DAY + scene.dice.below(6 * DAY as usize) as i64;
        it.write(Op::Create, scene, |d| {
            d.text(Field::ActivityKind, kind).text(Field::Owner, owner);
            d.flag(Field::Done, false).time(Field::PlannedAt, planned, precision);
        });
        if scene.dice.chance(0.12) {
            planned += DAY;
            it.later(6.0 * HOUR as f64);
            it.write(Op::Update, scene, |d| _ = d.time(Field::PlannedAt, planned, precision));
        }
        match scene.dice.unit() {
            share if share < 0.72 => {
                it.at = planned + scene.dice.below(4 * HOUR as usize) as i64;
                let done = it.at;
                it.write(Op::Update, scene, |d| {
                    d.flag(Field::Done, true).time(Field::DoneAt, done, precision);
                    if kind == "call" {
                        d.whole(Field::Duration, seconds);
                    }
                });
            }
            share if share < 0.80 => {
                it.later(7.0 * HOUR as f64);
                it.write(Op::Update, scene, |d| _ = d.text(Field::Outcome, "rescheduled"));
            }
            _ => {}
        }
    }
    if scene.dice.chance(0.01) {
        it.later(2.0 * DAY as f64);
        it.write(Op::Delete, scene, |_| ());
    }
}

/// An order or an invoice: placed, mostly paid, now and then amended, refunded or deleted.
fn sale(kind: EntityKind, number: u64, at: i64, scene: &mut Scene<'_>) {
    let mut it = thing(kind, number, at, scene);
    let precision = it.subject.system.precision;
    let currency = scene.settings.draw_currency(scene.dice);
    // A guest of the shop is nobody's account.
    let is_guest = kind == EntityKind::Order && scene.dice.chance(0.06);
    let account = cast::draw_account(scene.dice).to_string();
    let channel = scene.cast.draw_channel(scene.dice);
    let channel = &scene.cast.channels[channel].name;
    let cents = (scene.dice.log_normal(12_000.0, 0.8) as i64).max(100);
    it.write(Op::Create, scene, |d| {
        if !is_guest {
            d.texts(Field::Account, &["c-", &account]);
        }
        d.text(Field::Channel, channel);
        d.money(Field::Amount, cents, currency);
        // Every third order says what was taken off its price, of them every fourth nothing.
        if kind == EntityKind::Order && number.is_multiple_of(3) {
            d.money(Field::Discount, cents * (number % 4) as i64 / 20, currency);
        }
    });
    if scene.dice.chance(0.92) {
        let paid = it.later(scene.dice.exponential(9.0 * HOUR as f64));
        it.write(Op::Update, scene, |d| _ = d.time(Field::PaidAt, paid, precision));
    }
    if scene.dice.chance(0.04) {
        it.later(scene.dice.exponential(2.0 * DAY as f64));
        it.write(Op::Update, scene, |d| _ = d.money(Field::Amount, cents + 950, currency));
    }
    if scene.dice.chance(0.05) {
        let part = [cents, cents / 2, cents / 5][scene.dice.below(3)];
        it.later(scene.dice.exponential(9.0 * DAY as f64));
        it.write(Op::Update, scene, |d| _ = d.money(Field::Refunded, part, currency));
    }
    if scene.dice.chance(0.01) {
        it.later(DAY as f64);
        it.write(Op::Delete, scene, |_| ());
    }
}

/// Starts, perhaps with a trial; its price may change, and it may end.
fn subscription(number: u64, at: i64, scene: &mut Scene<'_>) {
    let mut it = thing(EntityKind::Subscription, number, at, scene);
    let precision = it.subject.system.precision;
    let currency = scene.settings.currency;
    let channel = scene.cast.draw_channel(scene.dice);
    let channel = &scene.cast.channels[channel].name;
    let cents = [1_900, 4_900, 9_900, 24_900][scene.dice.below(4)];
    let on_trial = scene.dice.chance(0.35);
    it.write(Op::Create, scene, |d| {
        d.text(Field::Channel, channel).money(Field::Mrr, cents, currency);
        d.text(Field::Status, if on_trial { "trialing" } else { "active" });
        if !on_trial {
            d.time(Field::StartedAt, at, precision);
        }
    });
    if on_trial {
        it.later(14.0 * DAY as f64);
        let status = if scene.dice.chance(0.6) { "active" } else { "incomplete_expired" };
        it.write(Op::Update, scene, |d| _ = d.text(Field::Status, status));
        if status != "active" {
            return;
        }
    }
    if scene.dice.chance(0.15) {
        it.later(scene.dice.exponential(30.0 * DAY as f64));
        it.write(Op::Update, scene, |d| _ = d.money(Field::Mrr, cents * 2, currency));
    }
    if scene.dice.chance(0.12) {
        it.later(scene.dice.exponential(30.0 * DAY as f64));
        it.write(Op::Update, scene, |d| _ = d.money(Field::Mrr, cents / 2, currency));
    }
    if scene.dice.chance(0.4) {
        let ended = it.later(scene.dice.exponential(60.0 * DAY as f64));
        let stated = scene.dice.chance(0.5);
        it.write(Op::Update, scene, |d| {
            d.text(Field::Status, "canceled");
            if stated {
                d.time(Field::EndedAt, ended, precision);
            }
        });
    }
}

/// Told as a whole the morning after, and told again two days later, when the platform knows more.
fn spend(day: i64, channel: usize, scene: &mut Scene<'_>) {
    let currency = scene.settings.currency;
    let date = season::date(day).to_string();
    let name = &scene.cast.channels[channel].name;
    let id = ["ads/", name, "/", &date].concat();
    let at = (day + 1) * DAY + 5 * HOUR + scene.dice.below(HOUR as usize) as i64;
    let mut it = Thing::new(EntityKind::CampaignDay, id, scene.cast, scene.dice, at);
    let cents = scene.dice.log_normal(40_000.0, 0.4) as i64;
    let clicks = scene.dice.below(400) as u32 + 20;
    for (cents, clicks) in [(cents, clicks), (cents + cents / 50, clicks + 3)] {
        it.write(Op::Snapshot, scene, |d| {
            d.text(Field::Channel, name).money(Field::Spend, cents, currency);
            d.whole(Field::Impressions, clicks * 47).whole(Field::Clicks, clicks);
            d.hundredths(Field::Conversions, clicks * 4);
        });
        it.later(2.0 * DAY as f64);
    }
}

fn touch(number: u64, at: i64, scene: &mut Scene<'_>) {
    let mut it = thing(EntityKind::Touch, number, at, scene);
    let kind = word(&TOUCHES, scene.dice);
    let channel = scene.cast.draw_channel(scene.dice);
    let channel = &scene.cast.channels[channel].name;
    it.write(Op::Create, scene, |d| {
        d.text(Field::ActivityKind, kind).text(Field::Channel, channel);
    });
}

/// A score, which somebody may think better of.
fn answer(number: u64, at: i64, scene: &mut Scene<'_>) {
    let mut it = thing(EntityKind::SurveyResponse, number, at, scene);
    let rep = scene.cast.draw_rep(scene.dice);
    let owner = &scene.cast.reps[rep].id;
    let (metric, top) = [("nps", 10), ("csat", 5), ("ces", 7)][scene.dice.below(3)];
    let luck = scene.dice.unit().max(scene.dice.unit());
    let score = (luck * f64::from(top + 1)) as u32;
    it.write(Op::Create, scene, |d| {
        d.text(Field::Metric, metric).whole(Field::ScaleMax, top);
        d.whole(Field::Score, score).text(Field::Owner, owner);
    });
    if scene.dice.chance(0.05) {
        it.later(HOUR as f64);
        it.write(Op::Update, scene, |d| _ = d.whole(Field::Score, score.saturating_sub(1)));
    }
}
