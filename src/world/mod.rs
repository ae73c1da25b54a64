//! A made-up sales business: the same settings give the same bytes, whoever runs it.
//!
//! `tidemark generate`, `tidemark demo` and the law tests need data with everything that makes
//! real sales data hard: duplicates, late and out-of-order arrivals, one fact scattered over
//! several events, reopened, re-owned, amended, merged, deleted and restored deals, dates without
//! a time. This module plays such a business and yields what a log would receive, in the order of
//! arrival. It promises a bounded memory: only open leads and deals, and events under way, are
//! held. It never reads a clock, never does I/O, and never needs a fold to know what it wrote.
//!
//! Randomness is a pure function of (seed, entity, step), so a drift in one territory changes the
//! outcome of that territory's deals and nothing else: two worlds can be compared deal by deal.

mod beside;
mod cast;
mod deal;
mod dice;
mod emit;
mod lead;
mod season;
mod settings;
mod wording;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

pub use cast::directory;
pub use deal::STAGES;
pub use emit::TENANT;
pub use settings::{Drift, WorldSettings};

use crate::model::event::EntityKind;
use crate::model::time::{LATEST, Timestamp};

use cast::Cast;
use deal::Deal;
use dice::{Dice, Fate, Stream};
use emit::Posting;
use lead::Lead;

/// An event on its way into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it reaches the log; never before the event's own time, never running backwards.
    pub at: Timestamp,
    /// When it happened, to the millisecond; the event itself may say it less exactly.
    pub time: Timestamp,
    /// Key on the events topic: `tenant/entity_type/entity_id`.
    pub key: String,
    /// What it is about.
    pub entity: EntityKind,
    /// The canonical event.
    pub json: String,
    /// Whether it was held up for hours or days.
    pub late: bool,
    /// Whether the same event was delivered before.
    pub duplicate: bool,
}

/// A world being played. Iterate it, or take what arrives before a moment with
/// [`World::next_before`].
pub struct World {
    settings: WorldSettings,
    cast: Cast,
    fate: Fate,
    queue: BinaryHeap<Reverse<Item>>,
    pushed: u64,
    births: [u64; 2],
    leads: u64,
    deals: u64,
    recent: VecDeque<u64>,
    end: i64,
    postings: Vec<Posting>,
}

/// The two ways into the business.
#[derive(Clone, Copy, Debug)]
enum Door {
    /// A lead, which may become a deal.
    Lead = 0,
    /// A deal without a lead.
    Deal = 1,
}

/// What is to happen, first by time and then by the order of planning.
struct Item {
    at: i64,
    number: u64,
    job: Job,
}

enum Job {
    Birth(Door),
    Lead(Box<Lead>),
    Deal(Box<Deal>),
    /// What a day has beside leads and deals.
    Day(i64),
    Arrive(Box<Arrival>),
}

impl PartialEq for Item {
    fn eq(&self, other: &Item) -> bool {
        self.number == other.number
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Item) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Item) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// What the people of the world see while they act.
struct Scene<'a> {
    settings: &'a WorldSettings,
    cast: &'a Cast,
    dice: &'a mut Dice,
    /// Numbers of recently created deals: what a duplicate deal is merged into.
    recent: &'a VecDeque<u64>,
    out: &'a mut Vec<Posting>,
}

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;
/// Milliseconds of 24 hours.
const DAY: i64 = 24 * HOUR;

/// How many recent deals a duplicate may be merged into.
const RECENT: usize = 64;

/// No day has so many things of one kind; numbers of things are unique by it.
const A_DAY: u64 = 1_000_000;

/// Share of the deals that begin as a lead.
const FROM_LEADS: f64 = 0.7;

/// Leads older than this are not carried over into a world that begins with open business.
const LEAD_OPENING_DAYS: i64 = 60;

impl World {
    /// A world at its beginning. Shares outside 0 to 1 are taken as the nearer bound, and at
    /// least one rep, territory and channel is assumed.
    pub fn new(settings: WorldSettings) -> World {
        let settings = settings.clamped();
        let start = settings.start.millis();
        let end = match settings.days {
            Some(days) => (start + i64::from(days) * DAY).min(LATEST.millis()),
            None => LATEST.millis(),
        };
        let mut world = World {
            cast: Cast::new(&settings),
            fate: Fate::new(settings.seed),
            queue: BinaryHeap::new(),
            pushed: 0,
            births: [0; 2],
            leads: 0,
            deals: 0,
            recent: VecDeque::with_capacity(RECENT),
            end,
            postings: Vec::new(),
            settings,
        };
        // Before the start nothing is sent; what is still open at the start is carried over.
        let opening = i64::from(world.settings.opening_days);
        world.plan_birth(Door::Lead, start - opening.min(LEAD_OPENING_DAYS) * DAY);
        world.plan_birth(Door::Deal, start - opening * DAY);
        if world.settings.others {
            world.push(start, Job::Day(start.div_euclid(DAY)));
        }
        world
    }

    /// The next arrival before `limit`. `None` means that nothing more arrives before it, so a
    /// caller that paces by its own clock asks again with a later limit.
    pub fn next_before(&mut self, limit: Timestamp) -> Option<Arrival> {
        let limit = limit.0.div_euclid(1000) + i64::from(limit.0.rem_euclid(1000) != 0);
        loop {
            if self.queue.peek()?.0.at >= limit {
                return None;
            }
            let Reverse(item) = self.queue.pop()?;
            match item.job {
                Job::Arrive(arrival) => return Some(*arrival),
                Job::Birth(door) => self.birth(door, item.at),
                Job::Lead(lead) => self.play_lead(lead),
                Job::Deal(deal) => self.play_deal(deal),
                Job::Day(day) => self.play_day(day),
            }
        }
    }

    /// How many things are planned or under way: what the memory is proportional to.
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// The settings in force.
    pub fn settings(&self) -> &WorldSettings {
        &self.settings
    }

    fn push(&mut self, at: i64, job: Job) {
        self.pushed += 1;
        self.queue.push(Reverse(Item { at, number: self.pushed, job }));
    }

    /// Draws the next birth by thinning: candidates come at the highest rate, and one is accepted
    /// with the share that its moment has of it.
    fn plan_birth(&mut self, door: Door, after: i64) {
        let conversion = self.cast.conversion();
        let (daily, before_start) = match door {
            Door::Lead => {
                let leads = self.settings.deals_per_day * FROM_LEADS / conversion;
                (leads, leads)
            }
            // Before the start the converted leads are not played, only the deals they became.
            Door::Deal => {
                (self.settings.deals_per_day * (1.0 - FROM_LEADS), self.settings.deals_per_day)
            }
        };
        let highest = daily.max(before_start) * season::HIGHEST;
        if highest <= 0.0 {
            return;
        }
        let stream = match door {
            Door::Lead => Stream::LeadBirths,
            Door::Deal => Stream::DealBirths,
        };
        let mut dice = self.fate.dice(stream, 0, self.births[door as usize]);
        self.births[door as usize] += 1;
        let start = self.settings.start.millis();
        let mut at = after as f64;
        loop {
            at += dice.exponential(DAY as f64 / highest);
            if at >= self.end as f64 {
                return;
            }
            let rate = if (at as i64) < start { before_start } else { daily };
            if dice.chance(rate * season::weight(at as i64) / highest) {
                return self.push(at as i64, Job::Birth(door));
            }
        }
    }

    fn birth(&mut self, door: Door, at: i64) {
        match door {
            Door::Lead => {
                self.leads += 1;
                let mut dice = self.fate.dice(Stream::Lead, self.leads, 0);
                let lead = Lead::born(self.leads, at, &self.settings, &self.cast, &mut dice);
                self.plan_lead(Box::new(lead));
            }
            Door::Deal => {
                self.deals += 1;
                let mut dice = self.fate.dice(Stream::Deal, self.deals, 0);
                let origin = deal::Origin::cold(&self.cast, &mut dice);
                let deal =
                    Deal::born(self.deals, at, origin, &self.settings, &self.cast, &mut dice);
                self.plan_deal(Box::new(deal));
            }
        }
        self.plan_birth(door, at);
    }

    fn plan_lead(&mut self, lead: Box<Lead>) {
        if let Some(at) = lead.due().filter(|at| *at < self.end) {
            self.push(at, Job::Lead(lead));
        }
    }

    fn plan_deal(&mut self, deal: Box<Deal>) {
        if let Some(at) = deal.due().filter(|at| *at < self.end) {
            self.push(at, Job::Deal(deal));
        }
    }

    fn play_lead(&mut self, mut lead: Box<Lead>) {
        let mut dice = self.fate.dice(Stream::Lead, lead.number, lead.take_step());
        let next_deal = self.deals + 1;
        let mut scene = Scene {
            settings: &self.settings,
            cast: &self.cast,
            dice: &mut dice,
            recent: &self.recent,
            out: &mut self.postings,
        };
        if let Some((at, origin)) = lead.act(&mut scene, next_deal) {
            self.deals = next_deal;
            let mut fresh = self.fate.dice(Stream::Deal, next_deal, 0);
            let deal = Deal::born(next_deal, at, origin, &self.settings, &self.cast, &mut fresh);
            self.plan_deal(Box::new(deal));
        }
        self.deliver(&mut dice);
        self.plan_lead(lead);
    }

    fn play_deal(&mut self, mut deal: Box<Deal>) {
        let step = deal.take_step();
        if step == 1 {
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(deal.number);
        }
        let mut dice = self.fate.dice(Stream::Deal, deal.number, step);
        deal.act(&mut Scene {
            settings: &self.settings,
            cast: &self.cast,
            dice: &mut dice,
            recent: &self.recent,
            out: &mut self.postings,
        });
        self.deliver(&mut dice);
        self.plan_deal(deal);
    }

    fn play_day(&mut self, day: i64) {
        let lasts = self.settings.start.millis()..self.end;
        for (part, step) in beside::PARTS.into_iter().zip(0..) {
            let first = day as u64 * A_DAY;
            let mut dice = self.fate.dice(Stream::Beside, first, step);
            let n = part.count(day, &self.settings, &mut dice);
            for i in (1..A_DAY).take(n as usize) {
                let mut dice = self.fate.dice(Stream::Beside, first + i, step);
                let mut scene = Scene {
                    settings: &self.settings,
                    cast: &self.cast,
                    dice: &mut dice,
                    recent: &self.recent,
                    out: &mut self.postings,
                };
                part.write(day, (i - 1, first + i), &mut scene);
                self.postings.retain(|posting| lasts.contains(&posting.moment));
                self.deliver(&mut dice);
            }
        }
        let next = (day + 1) * DAY;
        if next < self.end {
            self.push(next, Job::Day(day + 1));
        }
    }

    /// Sends what was written: each event on its own way, so that events of one entity overtake
    /// each other, as they do in webhooks.
    fn deliver(&mut self, dice: &mut Dice) {
        let mut postings = std::mem::take(&mut self.postings);
        for posting in postings.drain(..) {
            let Posting { moment, key, entity, json, latency } = posting;
            let late = dice.chance(self.settings.late);
            let delay = match late {
                true => dice.log_uniform(HOUR as f64, 4.0 * DAY as f64),
                false => 40.0 + dice.exponential(latency),
            };
            let at = moment + delay as i64;
            let duplicate = dice.chance(self.settings.duplicates).then(|| {
                // A retry after seconds, or a second run of somebody's export.
                let pause = match dice.chance(0.6) {
                    true => dice.exponential(30_000.0),
                    false => dice.log_uniform(60_000.0, 2.0 * DAY as f64),
                };
                at + 1 + pause as i64
            });
            let time = Timestamp::from_millis(moment);
            let arrival = Arrival {
                at: Timestamp::from_millis(at),
                time,
                key,
                entity,
                json,
                late,
                duplicate: false,
            };
            if let Some(at) = duplicate {
                let again =
                    Arrival { at: Timestamp::from_millis(at), duplicate: true, ..arrival.clone() };
                self.push(at, Job::Arrive(Box::new(again)));
            }
            self.push(at, Job::Arrive(Box::new(arrival)));
        }
        self.postings = postings;
    }
}

impl Iterator for World {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.next_before(Timestamp(i64::MAX))
    }
}
