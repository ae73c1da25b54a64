//! The faults that a seeded run draws from.

use std::sync::Arc;
use std::time::Duration;

use crate::proxy::{Active, Api, Effect, Rule, Way};

/// SplitMix64: small, seeded, the same everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below.max(1)
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u64) as usize]
    }

    /// A time between two, in milliseconds.
    pub fn time(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.roll(to - from + 1))
    }
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    AnswersLost,
    Held,
    CutAtARequest,
    CutAll,
    BlackHole,
    OneWay,
    Refused,
    Crumbling,
    Far,
    Killed,
    Frozen,
    Terminated,
    Joined,
    BrokerKilled,
    BrokerStopped,
}

use Kind::*;

pub const KINDS: [Kind; 15] = [
    AnswersLost,
    Held,
    CutAtARequest,
    CutAll,
    BlackHole,
    OneWay,
    Refused,
    Crumbling,
    Far,
    Killed,
    Frozen,
    Terminated,
    Joined,
    BrokerKilled,
    BrokerStopped,
];

impl Kind {
    /// What one strike of it is.
    pub fn counts(self) -> &'static str {
        match self {
            AnswersLost => "answers lost behind a delivered request",
            Held => "requests held for seconds",
            CutAtARequest => "connections cut at a request",
            CutAll => "connections cut, all at once",
            BlackHole => "messages swallowed, both ways",
            OneWay => "messages swallowed, one way",
            Refused => "connections refused",
            Crumbling => "messages sent a byte at a time",
            Far => "messages 200 ms late",
            Killed => "instances killed (SIGKILL)",
            Frozen => "instances frozen past their session",
            Terminated => "instances asked to end (SIGTERM)",
            Joined => "instances that joined",
            BrokerKilled => "brokers killed (SIGKILL)",
            BrokerStopped => "brokers stopped",
        }
    }
}

/// Requests that flow all the time, so that a rule for one of them strikes soon, if not at every
/// broker: a group has one coordinator.
const STEADY: [&[Api]; 5] = [
    &[Api::PRODUCE],
    &[Api::FETCH],
    &[Api::OFFSET_COMMIT],
    &[Api::HEARTBEAT],
    &[Api::LIST_OFFSETS],
];

/// A rule of the proxy for a kind of fault, and how long it holds; `None` where it takes none. A
/// broker that is `down` has no traffic that could be hurt.
pub fn rule(kind: Kind, dice: &mut Dice, down: Option<usize>) -> Option<(Rule, Duration)> {
    let steady = dice.pick(&STEADY);
    let broker = dice.pick(&[None, Some(0), Some(1), Some(2)]).filter(|b| Some(b + 1) != down);
    let some = |rule: Rule| Rule { broker, ..rule };
    let times = 1 + dice.roll(6);
    Some(match kind {
        AnswersLost => {
            let lost = Rule::new(Effect::Swallow).responses(steady).times(times);
            (lost, dice.time(1_000, 4_000))
        }
        Held => {
            let time = dice.time(1_000, 8_000);
            (Rule::new(Effect::Hold(time)).requests(steady).times(times), time)
        }
        CutAtARequest => {
            let cut = Rule::new(Effect::Cut).requests(steady);
            (cut.after(dice.roll(10)).times(times), dice.time(1_000, 4_000))
        }
        BlackHole => (some(Rule::new(Effect::Swallow)), dice.time(2_000, 9_000)),
        OneWay => {
            let way = dice.pick(&[Way::Requests, Way::Responses]);
            (some(Rule::new(Effect::Swallow)).way(way), dice.time(2_000, 7_000))
        }
        Refused => (some(Rule::new(Effect::Refuse)), dice.time(2_000, 6_000)),
        Crumbling => (some(Rule::new(Effect::Trickle)), dice.time(2_000, 5_000)),
        Far => {
            let late = Rule::new(Effect::Hold(Duration::from_millis(200)));
            (some(late.way(Way::Responses)), dice.time(2_000, 6_000))
        }
        _ => return None,
    })
}

/// Something that is to end: what it undoes, and for which kind its strikes count.
pub struct Ending {
    pub at: std::time::Instant,
    pub kind: Kind,
    pub undo: Undo,
}

impl Ending {
    /// Whether it has not done yet what it was drawn for.
    pub fn waits(&self) -> bool {
        matches!(&self.undo, Undo::Lift(rule) if rule.struck() == 0)
    }
}

pub enum Undo {
    Lift(Arc<Active>),
    /// Lets the instance with this number go on.
    Wake(usize),
    /// Starts the broker with this number again.
    Restart(usize),
}

/// Deals every kind once, in an order of its own, before it deals one again: a run that is long
/// enough has had them all.
pub struct Deck {
    left: Vec<Kind>,
}

impl Deck {
    pub fn new() -> Deck {
        Deck { left: Vec::new() }
    }

    pub fn draw(&mut self, dice: &mut Dice) -> Kind {
        if self.left.is_empty() {
            self.left = KINDS.to_vec();
        }
        self.left.swap_remove(dice.roll(self.left.len() as u64) as usize)
    }
}
