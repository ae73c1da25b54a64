//! An entity: for each field the writes that any event made, in the order of events, whatever the
//! order in which they arrived. The newest write of a field is its value (last writer wins), the
//! older ones say what held when.
//!
//! A set of writes only grows, joins by union, and breaks ties by content, so every permutation
//! and repetition of the same events gives the same state: a state-based CRDT.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::symbols::{MAX_DIMENSIONS, Symbol, Symbols};
use crate::model::channel::Origins;
use crate::model::event::{EntityKind, Op, Order, Status};
use crate::model::money::{Amount, Currency, Money};
use crate::model::time::Timestamp;

/// Most writes kept a field: the newest ones by order, and of fields that say whose it is the first
/// one too, which [`Attribution::AtCreate`](crate::model::definition::Attribution::AtCreate) asks
/// for. Keeping the least and the greatest `n` of a set is itself independent of arrival order.
pub const HISTORY_LIMIT: usize = 256;

/// When a write was made: compared by order, then kind of operation, then time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Position of the event among its entity's events.
    pub order: Order,
    /// Creation before update, so that an update of the same instant wins.
    pub rank: u8,
    /// Event time.
    pub time: Timestamp,
}

impl Stamp {
    /// The stamp of an event.
    pub fn of(order: Order, op: Op, time: Timestamp) -> Stamp {
        Stamp { order, rank: op as u8, time }
    }

    /// Whether the event created the entity.
    pub fn creates(&self) -> bool {
        self.rank == Op::Create as u8
    }
}

/// A field as the ledger numbers it: the fixed ones, then the dimensions of the definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot(pub u8);

impl Slot {
    /// Whether the entity exists.
    pub const EXISTS: Slot = Slot(0);
    /// Outcome.
    pub const STATUS: Slot = Slot(1);
    /// Stage.
    pub const STAGE: Slot = Slot(2);
    /// Pipeline.
    pub const PIPELINE: Slot = Slot(3);
    /// Amount.
    pub const AMOUNT: Slot = Slot(4);
    /// When it came into being.
    pub const CREATED_AT: Slot = Slot(5);
    /// When it was closed.
    pub const CLOSED_AT: Slot = Slot(6);
    /// Account of a deal, an order or an invoice, whether or not it is a dimension.
    pub const ACCOUNT: Slot = Slot(7);
    /// Who shares in a deal.
    pub const SPLITS: Slot = Slot(8);
    /// Owner, whether or not it is a dimension: the directory is asked by it.
    pub const OWNER: Slot = Slot(9);
    /// First dimension.
    pub const DIMENSIONS: u8 = 10;
    /// First of the fields that tell a channel, in the order of [`Origins::FIELDS`], behind all
    /// dimensions that there can be.
    pub const ORIGINS: u8 = Slot::DIMENSIONS + MAX_DIMENSIONS as u8;
    /// First of the fields that are kept for measures of the user's own alone.
    pub const OWN: u8 = Slot::ORIGINS + Origins::FIELDS.len() as u8;

    /// Whether its first write is kept, however many follow.
    fn keeps_first(self) -> bool {
        self >= Slot::SPLITS && self.0 < Slot::OWN
    }

    /// Whether a channel is told by it.
    pub fn tells_channel(self) -> bool {
        (Slot::ORIGINS..Slot::OWN).contains(&self.0)
    }
}

/// A value as the ledger keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Cleared.
    Null,
    /// Text.
    Text(Symbol),
    /// Text that means something only in the system that said it, and where it was said: see
    /// [`Symbols::origin`]. Of an account, the tenant that it is one of.
    Named(Symbol, Symbol),
    /// Money.
    Money(Money),
    /// Instant.
    Time(Timestamp),
    /// Outcome.
    Status(Status),
    /// Yes or no.
    Bool(bool),
    /// Decimal number.
    Number(Amount),
}

/// One write, packed into 16 bytes: a live deal holds a dozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Write {
    slot: u8,
    tag: u8,
    /// Index into the entity's stamps.
    stamp: u16,
    /// Symbol, or currency and scale.
    aux: u32,
    /// Mantissa, or microseconds, or number.
    bits: i64,
}

impl Write {
    fn pack(slot: Slot, stamp: u16, held: Held) -> Write {
        let (tag, aux, bits) = match held {
            Held::Null => (0, 0, 0),
            Held::Text(s) => (1, s.0, 0),
            Held::Money(m) => {
                let (mantissa, scale) = m.amount.parts();
                (2, (m.currency.code() as u32) << 8 | u32::from(scale), mantissa)
            }
            Held::Time(t) => (3, 0, t.0),
            Held::Status(s) => (4, 0, s as i64),
            Held::Bool(b) => (5, 0, i64::from(b)),
            Held::Named(s, origin) => (6, s.0, i64::from(origin.0)),
            Held::Number(n) => {
                let (mantissa, scale) = n.parts();
                (7, u32::from(scale), mantissa)
            }
        };
        Write { slot: slot.0, tag, stamp, aux, bits }
    }

    fn held(&self) -> Held {
        match self.tag {
            1 => Held::Text(Symbol(self.aux)),
            2 => match Currency::from_code((self.aux >> 8) as i32) {
                Some(currency) => {
                    let amount = Amount::from_parts(self.bits, (self.aux & 0xff) as u8);
                    Held::Money(Money { amount, currency })
                }
                None => Held::Null,
            },
            3 => Held::Time(Timestamp(self.bits)),
            4 => Held::Status(Status::ALL[(self.bits as usize).min(2)].0),
            5 => Held::Bool(self.bits != 0),
            6 => Held::Named(Symbol(self.aux), Symbol(self.bits as u32)),
            7 => Held::Number(Amount::from_parts(self.bits, (self.aux & 0xff) as u8)),
            _ => Held::Null,
        }
    }

    /// Breaks a tie of two writes with the same stamp by their contents, never by symbol number,
    /// which depends on arrival.
    fn compare(&self, other: &Write, symbols: &Symbols) -> Ordering {
        match (self.held(), other.held()) {
            (Held::Text(a), Held::Text(b)) => symbols.text(a).cmp(symbols.text(b)),
            (Held::Named(a, from), Held::Named(b, other)) => {
                let text = |s| symbols.text(s);
                (text(a), text(from)).cmp(&(text(b), text(other)))
            }
            (Held::Money(a), Held::Money(b)) => {
                (a.amount.exact(), a.currency).cmp(&(b.amount.exact(), b.currency))
            }
            (Held::Number(a), Held::Number(b)) => a.exact().cmp(&b.exact()),
            _ => (self.tag, self.bits).cmp(&(other.tag, other.bits)),
        }
    }
}

/// The state of one entity.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// What it is.
    pub kind: Kind,
    stamps: Vec<Stamp>,
    /// Sorted by slot, then stamp.
    writes: Vec<Write>,
}

impl Clone for Entity {
    fn clone(&self) -> Entity {
        Entity { kind: self.kind, stamps: self.stamps.clone(), writes: self.writes.clone() }
    }

    /// In the memory that it has.
    fn clone_from(&mut self, other: &Entity) {
        self.kind = other.kind;
        self.stamps.clone_from(&other.stamps);
        self.writes.clone_from(&other.writes);
    }
}

/// The kinds that the ledger keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Lead.
    Lead,
    /// Deal.
    Deal,
    /// Activity.
    Activity,
    /// Order.
    Order,
    /// Invoice.
    Invoice,
    /// Spend of a campaign on a day.
    CampaignDay,
    /// Answer to a survey.
    SurveyResponse,
    /// Touch.
    Touch,
    /// Subscription.
    Subscription,
}

impl Kind {
    /// The kind of an entity, if the ledger keeps it.
    pub fn of(kind: EntityKind) -> Option<Kind> {
        match kind {
            EntityKind::Lead => Some(Kind::Lead),
            EntityKind::Deal => Some(Kind::Deal),
            EntityKind::Activity => Some(Kind::Activity),
            EntityKind::Order => Some(Kind::Order),
            EntityKind::Invoice => Some(Kind::Invoice),
            EntityKind::CampaignDay => Some(Kind::CampaignDay),
            EntityKind::SurveyResponse => Some(Kind::SurveyResponse),
            EntityKind::Touch => Some(Kind::Touch),
            EntityKind::Subscription => Some(Kind::Subscription),
            EntityKind::Rep => None,
        }
    }
}

impl Entity {
    /// An entity of which nothing is known.
    pub fn new(kind: Kind) -> Entity {
        Entity { kind, stamps: Vec::new(), writes: Vec::new() }
    }

    /// Takes the writes of one event. Returns whether anything was new.
    pub fn join(&mut self, stamp: Stamp, values: &[(Slot, Held)], symbols: &Symbols) -> bool {
        let (index, mut changed) = self.stamp_index(stamp);
        if values.len() > self.writes.capacity() - self.writes.len() {
            self.writes.reserve_exact(values.len());
        }
        for (slot, held) in values {
            changed |= self.join_one(*slot, index, *held, symbols);
        }
        changed
    }

    fn stamp_index(&mut self, stamp: Stamp) -> (u16, bool) {
        if let Some(i) = self.stamps.iter().rposition(|s| *s == stamp) {
            return (i as u16, false);
        }
        if self.stamps.len() >= 1024 {
            self.drop_unused_stamps();
        }
        self.stamps.reserve_exact(1);
        self.stamps.push(stamp);
        ((self.stamps.len() - 1) as u16, true)
    }

    /// The slots are bounded and each keeps a bounded history, so the stamps in use are bounded
    /// too; the first event and the first creation are kept, since they date the entity.
    fn drop_unused_stamps(&mut self) {
        let first = [self.first_stamp(), self.first_creation()];
        let mut used = vec![false; self.stamps.len()];
        for w in &self.writes {
            used[usize::from(w.stamp)] = true;
        }
        let mut moved = vec![0u16; self.stamps.len()];
        let mut kept = Vec::new();
        for (i, stamp) in self.stamps.iter().enumerate() {
            if used[i] || first.contains(&Some(*stamp)) {
                moved[i] = kept.len() as u16;
                kept.push(*stamp);
            }
        }
        self.stamps = kept;
        for w in &mut self.writes {
            w.stamp = moved[usize::from(w.stamp)];
        }
    }

    fn join_one(&mut self, slot: Slot, stamp: u16, held: Held, symbols: &Symbols) -> bool {
        let new = Write::pack(slot, stamp, held);
        let at = self.stamps[usize::from(stamp)];
        let (from, to) = self.range(slot);
        let place = self.writes[from..to]
            .iter()
            .rposition(|w| self.stamps[usize::from(w.stamp)] <= at)
            .map_or(from, |i| from + i + 1);
        if place > from && self.stamps[usize::from(self.writes[place - 1].stamp)] == at {
            let known = &mut self.writes[place - 1];
            let wins = new.compare(known, symbols) == Ordering::Greater;
            if wins {
                *known = new;
            }
            return wins;
        }
        if to - from < HISTORY_LIMIT {
            self.writes.insert(place, new);
            true
        } else if !slot.keeps_first() {
            // Full: the oldest write makes room.
            place > from && self.replace(from, place, new)
        } else if place == from {
            self.writes[from] = new;
            true
        } else {
            place > from + 1 && self.replace(from + 1, place, new)
        }
    }

    fn replace(&mut self, old: usize, place: usize, new: Write) -> bool {
        self.writes.remove(old);
        self.writes.insert(place - 1, new);
        true
    }

    fn range(&self, slot: Slot) -> (usize, usize) {
        let from = self.writes.partition_point(|w| w.slot < slot.0);
        let to = from + self.writes[from..].iter().take_while(|w| w.slot == slot.0).count();
        (from, to)
    }

    /// The writes of a slot, oldest first.
    pub fn history(
        &self,
        slot: Slot,
    ) -> impl DoubleEndedIterator<Item = (Stamp, Held)> + Clone + '_ {
        let (from, to) = self.range(slot);
        self.writes[from..to].iter().map(|w| (self.stamps[usize::from(w.stamp)], w.held()))
    }

    /// The newest write of a slot.
    pub fn latest(&self, slot: Slot) -> Option<(Stamp, Held)> {
        self.history(slot).next_back()
    }

    /// What held in a slot as of a position: the last write not behind it.
    pub fn as_of(&self, slot: Slot, order: Order) -> Option<Held> {
        self.history(slot).rev().find(|(s, _)| s.order <= order).map(|(_, h)| h)
    }

    /// The earliest event known of it.
    pub fn first_stamp(&self) -> Option<Stamp> {
        self.stamps.iter().min().copied()
    }

    /// The earliest creation known of it, by time.
    pub fn first_creation(&self) -> Option<Stamp> {
        self.stamps.iter().filter(|s| s.creates()).min_by_key(|s| (s.time, **s)).copied()
    }

    /// All stamps of writes in the given slots, in order, without repetition.
    pub fn points(&self, slots: impl Fn(Slot) -> bool, out: &mut Vec<Stamp>) {
        out.extend(
            self.writes
                .iter()
                .filter(|w| slots(Slot(w.slot)))
                .map(|w| self.stamps[usize::from(w.stamp)]),
        );
        out.sort_unstable();
        out.dedup();
    }

    /// Whether anything was ever written to such slots.
    pub fn holds(&self, slots: impl Fn(Slot) -> bool) -> bool {
        self.writes.iter().any(|w| slots(Slot(w.slot)))
    }

    /// Memory beside the struct itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        self.stamps.capacity() * size_of::<Stamp>() + self.writes.capacity() * size_of::<Write>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: Timestamp = Timestamp(0);

    fn stamp(order: i64) -> Stamp {
        Stamp::of([order, 0], Op::Update, Timestamp(order))
    }

    #[test]
    fn a_write_takes_sixteen_bytes_and_keeps_its_value() {
        assert_eq!(size_of::<Write>(), 16);
        let mut symbols = Symbols::default();
        let money =
            Money { amount: "-12.345".parse().unwrap(), currency: Currency::parse("ZZZ").unwrap() };
        for held in [
            Held::Null,
            Held::Text(symbols.intern("x")),
            Held::Named(symbols.intern("x"), Symbol(u32::MAX)),
            Held::Money(money),
            Held::Time(Timestamp(-5)),
            Held::Status(Status::Lost),
            Held::Bool(true),
            Held::Number("-0.5".parse().unwrap()),
        ] {
            assert_eq!(Write::pack(Slot(3), 0, held).held(), held);
        }
    }

    #[test]
    fn creation_loses_a_tie_against_an_update() {
        let symbols = Symbols::default();
        let mut e = Entity::new(Kind::Deal);
        let status = |s| [(Slot::STATUS, Held::Status(s))];
        assert!(e.join(Stamp::of([5, 0], Op::Update, T), &status(Status::Won), &symbols));
        assert!(e.join(Stamp::of([5, 0], Op::Create, T), &status(Status::Open), &symbols));
        assert_eq!(e.latest(Slot::STATUS).unwrap().1, Held::Status(Status::Won));
        assert!(!e.join(Stamp::of([5, 0], Op::Create, T), &status(Status::Open), &symbols));
    }

    #[test]
    fn history_is_bounded_and_keeps_the_newest() {
        let symbols = Symbols::default();
        let n = HISTORY_LIMIT as i64 + 50;
        let fill = |orders: &mut dyn Iterator<Item = i64>| {
            let mut e = Entity::new(Kind::Deal);
            for i in orders {
                e.join(stamp(i), &[(Slot::STATUS, Held::Time(Timestamp(i)))], &symbols);
            }
            e.history(Slot::STATUS).map(|(s, _)| s.order[0]).collect::<Vec<_>>()
        };
        let forth = fill(&mut (0..n));
        assert_eq!(forth, fill(&mut (0..n).rev()));
        assert_eq!((forth.len(), forth[0]), (HISTORY_LIMIT, 50));
    }

    #[test]
    fn of_who_has_it_the_first_is_kept_too() {
        let symbols = Symbols::default();
        let n = HISTORY_LIMIT as i64 + 50;
        let fill = |orders: &mut dyn Iterator<Item = i64>| {
            let mut e = Entity::new(Kind::Deal);
            for i in orders {
                e.join(stamp(i), &[(Slot::OWNER, Held::Time(Timestamp(i)))], &symbols);
            }
            e.history(Slot::OWNER).map(|(s, _)| s.order[0]).collect::<Vec<_>>()
        };
        let forth = fill(&mut (0..n));
        assert_eq!(forth, fill(&mut (0..n).rev()));
        assert_eq!(forth, fill(&mut (0..n).map(|i| i * 211 % n)));
        assert_eq!((forth.len(), forth[0], forth[1]), (HISTORY_LIMIT, 0, 51));
    }

    proptest! {
        #[test]
        fn every_permutation_and_repetition_gives_the_same_history(
            writes in proptest::collection::vec((0i64..6, 0u8..3, 0u8..4), 1..20),
            seed in any::<u64>(),
        ) {
            let mut symbols = Symbols::default();
            let texts = ["a", "b", "c", "d"].map(|t| symbols.intern(t));
            let run = |list: &[(i64, u8, u8)], symbols: &Symbols| {
                let mut e = Entity::new(Kind::Deal);
                for (order, slot, text) in list {
                    e.join(stamp(*order), &[(Slot(*slot), Held::Text(texts[*text as usize]))], symbols);
                }
                (0..3).map(|s| e.history(Slot(s)).collect::<Vec<_>>()).collect::<Vec<_>>()
            };
            let mut shuffled = writes.clone();
            let n = shuffled.len();
            for i in 0..n {
                shuffled.swap(i, (seed as usize).wrapping_mul(31).wrapping_add(i * 7) % n);
            }
            shuffled.extend_from_slice(&writes[..n / 2]);
            prop_assert_eq!(run(&writes, &symbols), run(&shuffled, &symbols));
        }
    }
}
