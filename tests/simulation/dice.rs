//! The dice of a schedule, and the count of what they brought.

use std::collections::BTreeMap;

/// SplitMix64: small, seeded, the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D))
    }

    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below.max(1)
    }
}

/// Every kind of fault that a schedule can bring.
pub const KINDS: [&str; 14] = [
    "clock jumps",
    "compactions",
    "crashes",
    "failed calls",
    "freezes",
    "joins",
    "late landings",
    "leaves",
    "lost acknowledgements",
    "poison records",
    "repetitions",
    "stage crashes",
    "stale writes",
    "torn writes",
];

/// How often each fault happened.
#[derive(Clone, Debug, Default)]
pub struct Faults(BTreeMap<&'static str, u64>);

impl Faults {
    pub fn note(&mut self, kind: &'static str, n: u64) {
        assert!(KINDS.contains(&kind), "{kind} is not declared");
        *self.0.entry(kind).or_default() += n;
    }

    pub fn plus(mut self, other: Faults) -> Faults {
        other.0.into_iter().for_each(|(kind, n)| self.note(kind, n));
        self
    }

    pub fn all_happened(&self) -> bool {
        KINDS.iter().all(|kind| self.0.get(kind).is_some_and(|n| *n > 0))
    }
}
