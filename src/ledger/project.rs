//! What an entity contributes: `project` lists it, and an update emits the difference.
//!
//! Every rule about credit, closing and reopening lives here, as a function of the entity's state
//! alone. Late, corrected, reopened, re-owned, deleted and merged events need no rule of their
//! own: they change the state, and the difference does the rest.

mod activity;
mod amended;
mod credit;
mod customer;
mod cycle;
mod order;
mod own;
mod price;
mod response;
mod slots;
mod spend;
mod split;
mod stages;
mod subscription;
mod visits;

use credit::AsOf;
pub use slots::{CUSTOMER, DAY, day_of_id, slot};
use stages::{Meant, Named, Stand};
pub use visits::Visit;

use super::dimensions::Dimensions;
use super::entity::{Entity, Held, Kind, Slot, Stamp};
use super::own::Own;
use super::symbols::{Credit, Credits, Map, Symbols};
use crate::model::calendar::Calendar;
use crate::model::customers::Purchase;
use crate::model::definition::Definition;
use crate::model::event::Status;
use crate::model::measure::{Measure, MeasureKey};
use crate::model::money::Money;
use crate::model::own::Moment;
use crate::model::size;
use crate::model::time::Timestamp;
use crate::model::zones::ZoneSet;

/// Something that an entity adds to the slice of a moment, for everyone it is credited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contribution {
    /// The moment.
    pub at: Timestamp,
    /// Whom it is credited to.
    pub credit: Credit,
    /// What.
    pub key: MeasureKey,
    /// How much.
    pub n: i128,
}

/// What projecting needs beside the entity.
pub struct Projector<'a> {
    /// Definition.
    pub definition: &'a Definition,
    /// By which days are counted.
    pub calendar: &'a Calendar,
    /// The zones of what was credited.
    pub met: ZoneSet,
    /// Its dimensions.
    pub dimensions: &'a mut Dimensions,
    /// Measures of the user's own.
    pub own: &'a Own,
    /// Interned strings.
    pub symbols: &'a mut Symbols,
    /// Interned combinations.
    pub credits: &'a mut Credits,
    /// Memory to work in.
    pub buffers: &'a mut Buffers,
}

/// Memory kept between events.
#[derive(Debug, Default)]
pub struct Buffers {
    points: Vec<Stamp>,
    changes: Vec<(Stamp, Status)>,
    said: Vec<(Stamp, Said)>,
    /// Where the deal that is projected stood.
    stands: Vec<Stand>,
    /// What the stage table says of the stages met so far.
    meant: Map<Named, Option<Meant>>,
    /// The visits of the deal that was projected last.
    pub visits: Vec<Visit>,
}

/// What an event said of a deal's status.
#[derive(Clone, Copy, Debug)]
enum Said {
    /// In so many words; none where it was cleared.
    Outright(Option<Status>),
    /// By its stage; none where the stage table does not know it.
    Meant(Option<Status>),
}

/// How a deal stands: its status, and since which event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    status: Status,
    since: Stamp,
}

impl Projector<'_> {
    /// Lists what the entity contributes by the days of one calendar, in no particular order; equal
    /// entries may repeat. Whom it credits must not depend on the calendar. Visits of stages are noted
    /// in the buffers instead: most of them are as they were behind the next event too.
    pub fn project(&mut self, entity: &Entity, out: &mut Vec<Contribution>) {
        self.buffers.visits.clear();
        let Some(first) = entity.first_stamp() else {
            return;
        };
        if is_deleted(entity) {
            return;
        }
        match entity.kind {
            Kind::Lead | Kind::Deal => {}
            Kind::Activity => return self.activity(entity, out),
            Kind::Order | Kind::Invoice => return self.payment(entity, out),
            Kind::CampaignDay => return self.campaign_day(entity, out),
            Kind::SurveyResponse | Kind::Touch => return self.response(entity, out),
            Kind::Subscription => return self.subscription(entity, out),
        }
        let created = created_at(entity);
        let born = entity.first_creation().unwrap_or(first);
        let mut add = |at, credit, key, n| out.push(Contribution { at, credit, key, n });
        if entity.kind == Kind::Lead {
            if let Some(at) = created {
                let credit = self.credit(entity, born, at);
                add(at, credit, MeasureKey::plain(Measure::LeadsCreated), 1);
                if let Some(minutes) = answered(entity, at) {
                    add(at, credit, MeasureKey::days(Measure::ResponseMinutes, minutes), 1);
                }
                if let Some(named) = became_a_deal(entity, self.symbols) {
                    let days = self.calendar.days_between(at, named.time);
                    add(at, credit, MeasureKey::days(Measure::LeadsConverted, days), 1);
                }
                self.count_own(entity, Moment::Created, (at, credit), out);
            }
            return;
        }
        let mut changes = std::mem::take(&mut self.buffers.changes);
        self.status_changes(entity, &mut changes);
        self.note_visits(&changes);
        let standing = standing(&changes);
        let closed =
            standing.filter(|s| s.status != Status::Open).map(|s| (s, closed_at(entity, s)));
        if let Some(at) = created {
            let credit = self.credit(entity, born, at);
            add(at, credit, MeasureKey::plain(Measure::DealsCreated), 1);
            add(at, credit, self.outcome(at, closed), 1);
            self.count_own(entity, Moment::Created, (at, credit), out);
        }
        if let Some((standing, at)) = closed {
            let credit = self.credit(entity, standing.since, at);
            self.closing(entity, standing.status, at, created, credit, out);
            self.passed(standing, (at, credit), out);
            let moment = if standing.status == Status::Won { Moment::Won } else { Moment::Lost };
            self.count_own(entity, moment, (at, credit), out);
            self.count_own(entity, Moment::Closed, (at, credit), out);
            if standing.status == Status::Won {
                self.amended(entity, standing.since, (at, credit), out);
                self.shared(entity, (standing.since, at), credit, out);
            }
        }
        self.stock(entity, created.unwrap_or(first.time), &changes, closed, out);
        self.buffers.changes = changes;
    }

    /// What has become of a deal that was created then.
    fn outcome(&self, created: Timestamp, closed: Option<(Standing, Timestamp)>) -> MeasureKey {
        let calendar = self.calendar;
        let Some((Standing { status, .. }, at)) = closed else {
            return MeasureKey::day(Measure::CohortOpen, calendar.day_of(created));
        };
        let won = status == Status::Won;
        let measure = if won { Measure::CohortWon } else { Measure::CohortLost };
        MeasureKey::days(measure, calendar.days_between(created, at))
    }

    fn closing(
        &self,
        entity: &Entity,
        status: Status,
        at: Timestamp,
        created: Option<Timestamp>,
        credit: Credit,
        out: &mut Vec<Contribution>,
    ) {
        let mut add = |key, n| out.push(Contribution { at, credit, key, n });
        let won = status == Status::Won;
        let spread = self.definition.kpis.tell_of_distribution();
        let (count, sum, priced) = if won {
            (Measure::DealsWon, Measure::WonAmount, Measure::WonPriced)
        } else {
            (Measure::DealsLost, Measure::LostAmount, Measure::LostPriced)
        };
        add(MeasureKey::plain(count), 1);
        if let Some(Held::Money(money)) = entity.latest(Slot::AMOUNT).map(|(_, h)| h) {
            add(MeasureKey::currency(sum, money.currency), money.amount.exact().0);
            add(MeasureKey::currency(priced, money.currency), 1);
            let size = size::key(Measure::WonSizes, money.currency, money.amount.exact());
            if let Some(size) = size.filter(|_| won && self.definition.sizes) {
                add(size, 1);
            }
            if won && spread {
                let amount = money.amount.exact();
                add(size::amount_key(Measure::WonAmounts, money.currency, amount), 1);
            }
        }
        if won {
            self.purchase(entity, Purchase::Deals, (at, credit), out);
        }
        let mut add = |key, n| out.push(Contribution { at, credit, key, n });
        let cycle = if won { Measure::CycleWon } else { Measure::CycleLost };
        if let Some(began) = self.cycle_began(entity, created).filter(|_| won || spread) {
            add(MeasureKey::days(cycle, self.calendar.days_between(began, at)), 1);
        }
    }

    /// The open pipeline: the deal enters it when created and leaves it when closed; on the way it
    /// moves with its owner, its other dimensions and its amount, and with what the directory says
    /// of its owner.
    fn stock(
        &mut self,
        entity: &Entity,
        start: Timestamp,
        changes: &[(Stamp, Status)],
        closed: Option<(Standing, Timestamp)>,
        out: &mut Vec<Contribution>,
    ) {
        let mut points = std::mem::take(&mut self.buffers.points);
        points.clear();
        self.moves(entity, &mut points);
        points.extend(changes.iter().map(|(s, _)| *s));
        // A status said again moves nothing, but what is said behind it is dated no earlier.
        points.extend(entity.history(Slot::STATUS).map(|(s, _)| s));
        points.extend(entity.first_stamp());
        points.sort_unstable();
        points.dedup();
        let mut now = start;
        let mut held: Option<(Credit, Option<Money>)> = None;
        let mut first = true;
        let mut before = None;
        for stamp in points.drain(..) {
            let status =
                changes.iter().rev().find(|(s, _)| *s <= stamp).map_or(Status::Open, |c| c.1);
            let at = match closed {
                Some((standing, at)) if standing.since == stamp => at,
                _ if first => start,
                _ => stamp.time,
            };
            first = false;
            self.carry(entity, before, (now, now.max(at)), &mut held, |at, held, sign| {
                move_stock(at, held, sign, out);
            });
            (now, before) = (now.max(at), Some(stamp.order));
            let next = (status == Status::Open).then(|| {
                let money = match entity.as_of(Slot::AMOUNT, stamp.order) {
                    Some(Held::Money(money)) => Some(money),
                    _ => None,
                };
                (self.credit_as_of(entity, AsOf::stock(stamp.order, now)), money)
            });
            if next != held {
                move_stock(now, held, -1, out);
                move_stock(now, next, 1, out);
                held = next;
            }
        }
        self.carry(entity, before, (now, Timestamp(i64::MAX)), &mut held, |at, held, sign| {
            move_stock(at, held, sign, out);
        });
        self.buffers.points = points;
    }

    /// Status changes in order, of a deal that begins open; notes where it stood. What the source says
    /// outright holds until it says something else or the deal enters a stage that the table knows. A
    /// stage that the table does not know is open, but overrules nothing that was said outright.
    fn status_changes(&mut self, entity: &Entity, out: &mut Vec<(Stamp, Status)>) {
        out.clear();
        let mut said = std::mem::take(&mut self.buffers.said);
        said.clear();
        said.extend(entity.history(Slot::STATUS).map(|(stamp, held)| match held {
            Held::Status(status) => (stamp, Said::Outright(Some(status))),
            _ => (stamp, Said::Outright(None)),
        }));
        if !self.definition.stages.is_empty() {
            self.note_stands(entity);
            self.meanings(entity, &mut said);
        }
        said.sort_unstable_by_key(|(stamp, said)| (*stamp, matches!(said, Said::Meant(_))));
        let mut outright: Option<Status> = None;
        let mut spoken = None;
        let mut now = Status::Open;
        for (stamp, said) in said.drain(..) {
            let next = match said {
                Said::Outright(status) => {
                    outright = status;
                    spoken = Some(stamp);
                    status.unwrap_or(Status::Open)
                }
                // One event says both: the status is meant.
                Said::Meant(_) if spoken == Some(stamp) => continue,
                Said::Meant(Some(status)) => {
                    outright = outright.filter(|held| *held == status);
                    status
                }
                Said::Meant(None) if outright.is_none() => Status::Open,
                Said::Meant(None) => continue,
            };
            if next != now {
                out.push((stamp, next));
                now = next;
            }
        }
        self.buffers.said = said;
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
    add(MeasureKey::plain(Measure::OpenDeals), 1);
    if let Some(money) = money {
        add(MeasureKey::currency(Measure::OpenAmount, money.currency), money.amount.exact().0);
        add(MeasureKey::currency(Measure::OpenPriced, money.currency), 1);
    }
}

/// Whether it is gone, by what was said last.
fn is_deleted(entity: &Entity) -> bool {
    entity.latest(Slot::EXISTS).is_some_and(|(_, held)| held == Held::Bool(false))
}

/// When the entity came into being: as stated, else the time of its earliest creation; unknown
/// where neither was seen (a source connected in mid-life).
fn created_at(entity: &Entity) -> Option<Timestamp> {
    match entity.latest(Slot::CREATED_AT) {
        Some((_, Held::Time(at))) => Some(at),
        _ => entity.first_creation().map(|s| s.time),
    }
}

/// Whole minutes from a lead's creation to the first answer. What was known before, and became a
/// lead by being talked to, waited for no answer.
fn answered(entity: &Entity, created: Timestamp) -> Option<i32> {
    let told = slots::ANSWERS.into_iter().filter_map(|slot| match entity.latest(slot)? {
        (_, Held::Time(at)) => Some(at),
        _ => None,
    });
    let waited = told.min()?.0 - created.0;
    i32::try_from(waited.div_euclid(60_000_000)).ok().filter(|minutes| *minutes >= 0)
}

/// The event since which a lead's source names a deal that it became, whichever one.
fn became_a_deal(entity: &Entity, symbols: &Symbols) -> Option<Stamp> {
    let names = |held| matches!(held, Held::Text(deal) if !symbols.text(deal).is_empty());
    since(entity, slots::CONVERTED, names)
}

/// When an entity that happens once happened: as stated, else when it was created, else the time of
/// the first event of it; and the event that it is credited by.
fn happened(entity: &Entity) -> Option<(Timestamp, Stamp)> {
    let first = entity.first_stamp()?;
    let at = created_at(entity).unwrap_or(first.time);
    Some((at, entity.first_creation().unwrap_or(first)))
}

/// The event since which what a slot holds is of a sort: the first write of its last run.
fn since(entity: &Entity, slot: Slot, sort: impl Fn(Held) -> bool) -> Option<Stamp> {
    entity.history(slot).rev().take_while(|(_, held)| sort(*held)).last().map(|(stamp, _)| stamp)
}

/// How it stands now: a repeated win is no change, so it does not move the win (HubSpot's rule).
fn standing(changes: &[(Stamp, Status)]) -> Option<Standing> {
    changes.last().map(|(since, status)| Standing { status: *status, since: *since })
}

/// When it was closed: as stated at or behind the closing event, else that event's time.
fn closed_at(entity: &Entity, standing: Standing) -> Timestamp {
    match entity.latest(Slot::CLOSED_AT) {
        Some((stamp, Held::Time(at))) if stamp.order >= standing.since.order => at,
        _ => standing.since.time,
    }
}
