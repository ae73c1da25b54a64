//! Subscriptions: when they started and ended, and what they bring a month while they run.

use super::price::Price;
use super::slots::{ENDED_AT, STARTED_AT};
use super::{AsOf, Contribution, Projector, created_at, since};
use crate::ledger::entity::{Entity, Held, Slot, Stamp};
use crate::ledger::symbols::{Credit, Symbols};
use crate::model::measure::{Measure, MeasureKey};
use crate::model::money::Money;
use crate::model::own::Moment;
use crate::model::time::Timestamp;

/// Statuses of what does not run yet, since nobody has paid.
const BEFORE: [&str; 6] =
    ["trialing", "trial", "incomplete", "incomplete_expired", "pending", "future"];
/// Statuses of what runs no more.
const AFTER: [&str; 5] = ["canceled", "cancelled", "expired", "ended", "terminated"];

impl Projector<'_> {
    pub(super) fn subscription(&mut self, entity: &Entity, out: &mut Vec<Contribution>) {
        let Some((started, start)) = start(entity, self.symbols) else {
            return;
        };
        // What ends before it began has not been.
        let end = end(entity, self.symbols).map(|(fact, at)| (fact, at.max(start)));
        let calendar = self.calendar;
        let (at, first_day) = (start, calendar.day_of(start));
        let credit = self.credit(entity, started, at);
        let mut add = |key, n| out.push(Contribution { at, credit, key, n });
        add(MeasureKey::plain(Measure::SubscriptionsStarted), 1);
        let first = first_money(entity, started);
        add_money(first, [Measure::NewMrr, Measure::NewMrrPriced], add);
        let last = self.running(entity, (started, start), end.map(|(_, at)| at), out);
        self.count_own(entity, Moment::Started, (at, credit), out);
        if let Some((ended, at)) = end {
            let credit = self.credit(entity, ended, at);
            let mut add = |key, n| out.push(Contribution { at, credit, key, n });
            add(MeasureKey::day(Measure::SubscriptionsEnded, first_day), 1);
            let measures = [Measure::ChurnedMrr, Measure::ChurnedMrrPriced];
            add_money(last.or(first), measures, add);
            self.count_own(entity, Moment::Ended, (at, credit), out);
        }
    }

    /// The stock: it enters when it starts and leaves when it ends; on the way it moves with its
    /// dimensions and its price. A change of the price is of whoever has it from then on, its end of
    /// whoever had it. Returns the price at the end, where it ran until then and had one: a price that
    /// changed behind the notice, but before the end, is the one that is lost.
    fn running(
        &mut self,
        entity: &Entity,
        (started, start): (Stamp, Timestamp),
        end: Option<Timestamp>,
        out: &mut Vec<Contribution>,
    ) -> Option<Money> {
        let mut points = std::mem::take(&mut self.buffers.points);
        points.clear();
        self.moves(entity, &mut points);
        points.retain(|stamp| *stamp > started);
        points.insert(0, started);
        let mut now = start;
        let mut held: Option<(Credit, Option<Money>)> = None;
        let mut price = Price::default();
        let (until, mut before) = (end.unwrap_or(Timestamp(i64::MAX)), None);
        for (i, stamp) in points.drain(..).enumerate() {
            let at = if i == 0 { start } else { stamp.time };
            let then = now.max(at).min(until);
            self.carry(entity, before, (now, then), &mut held, |at, held, sign| {
                move_stock(at, held, sign, out);
            });
            now = now.max(at);
            if end.is_some_and(|end| now >= end) {
                break;
            }
            before = Some(stamp.order);
            let money = match entity.as_of(Slot::AMOUNT, stamp.order) {
                Some(Held::Money(money)) => Some(money),
                _ => None,
            };
            let credit = self.credit_as_of(entity, AsOf::stock(stamp.order, now));
            price.turn(money, self.calendar.day_of(now), |key, n| {
                out.push(Contribution { at: now, credit, key, n });
            });
            let next = Some((credit, money));
            if next != held {
                move_stock(now, held, -1, out);
                move_stock(now, next, 1, out);
                held = next;
            }
        }
        self.carry(entity, before, (now, until), &mut held, |at, held, sign| {
            move_stock(at, held, sign, out);
        });
        if let (Some(at), Some((credit, _))) = (end, held) {
            move_stock(at, held, -1, out);
            price.end(|key, n| out.push(Contribution { at, credit, key, n }));
        }
        self.buffers.points = points;
        end.and(held).and_then(|(_, money)| money)
    }
}

fn move_stock(
    at: Timestamp,
    held: Option<(Credit, Option<Money>)>,
    sign: i128,
    out: &mut Vec<Contribution>,
) {
    let Some((credit, money)) = held else { return };
    let mut add = |key, n: i128| out.push(Contribution { at, credit, key, n: n * sign });
    add(MeasureKey::plain(Measure::ActiveSubscriptions), 1);
    add_money(money, [Measure::Mrr, Measure::MrrPriced], add);
}

fn add_money(
    money: Option<Money>,
    [sum, priced]: [Measure; 2],
    mut add: impl FnMut(MeasureKey, i128),
) {
    if let Some(Money { amount, currency }) = money {
        add(MeasureKey::currency(sum, currency), amount.exact().0);
        add(MeasureKey::currency(priced, currency), 1);
    }
}

fn is_one(held: Held, words: &[&str], symbols: &Symbols) -> bool {
    match held {
        Held::Text(text) => words.iter().any(|w| w.eq_ignore_ascii_case(symbols.text(text))),
        _ => false,
    }
}

/// Since which event it runs or ran, and from when on. A trial starts when it is paid for.
fn start(entity: &Entity, symbols: &Symbols) -> Option<(Stamp, Timestamp)> {
    let before = |held: Held| is_one(held, &BEFORE, symbols);
    let first = entity.first_stamp()?;
    let stated = entity.latest(STARTED_AT);
    let at = match stated {
        Some((_, Held::Time(at))) => at,
        _ => created_at(entity).unwrap_or(first.time),
    };
    match entity.latest(Slot::STATUS) {
        Some((_, held)) if before(held) => None,
        _ => {
            let paid = since(entity, Slot::STATUS, |held| !before(held));
            let waited = entity.history(Slot::STATUS).any(|(_, held)| before(held));
            match paid.filter(|_| waited) {
                Some(paid) => Some((paid, at.max(paid.time))),
                None => {
                    let fact = since(entity, STARTED_AT, |held| matches!(held, Held::Time(_)));
                    Some((fact.or(entity.first_creation()).unwrap_or(first), at))
                }
            }
        }
    }
}

/// The event that ended it, and when that was or will be.
fn end(entity: &Entity, symbols: &Symbols) -> Option<(Stamp, Timestamp)> {
    if let Some((_, Held::Time(at))) = entity.latest(ENDED_AT) {
        let fact = since(entity, ENDED_AT, |held| matches!(held, Held::Time(_)))?;
        return Some((fact, at));
    }
    let (_, held) = entity.latest(Slot::STATUS)?;
    let after = |held: Held| is_one(held, &AFTER, symbols);
    if !after(held) {
        return None;
    }
    let fact = since(entity, Slot::STATUS, after)?;
    Some((fact, fact.time))
}

/// What it brought a month when it started, else what was first said of it since.
fn first_money(entity: &Entity, started: Stamp) -> Option<Money> {
    let money = |held: Option<Held>| match held {
        Some(Held::Money(money)) => Some(money),
        _ => None,
    };
    money(entity.as_of(Slot::AMOUNT, started.order)).or_else(|| {
        let mut later = entity.history(Slot::AMOUNT).filter(|(stamp, _)| *stamp > started);
        later.find_map(|(_, held)| money(Some(held)))
    })
}
