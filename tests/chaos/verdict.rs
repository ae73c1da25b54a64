//! What a seeded run came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::fault::Kind;
use crate::rows::Expected;
use crate::verify::{Account, Tail};

/// Most memory that an instance may have had, kB: for a job of this size.
const MOST_KB: u64 = 300_000;

#[derive(Default)]
pub struct Verdict {
    seed: u64,
    minutes: f64,
    tally: BTreeMap<Kind, (u64, u64)>,
    pub instances: usize,
    /// Records acknowledged by the source topic.
    pub fed: usize,
    /// Rows compared, over all instances.
    pub compared: usize,
    /// Numbers of the replay compared with an independent recount; `None` where several companies
    /// were fed, whose ids collide.
    pub recounted: Option<usize>,
    rows: (u64, u64, usize),
    account: Account,
    /// From the end of the last fault to exact rows everywhere.
    pub healed: Duration,
    pub peak_kb: u64,
    pub faults: Vec<String>,
}

impl Verdict {
    pub fn new(seed: u64, minutes: f64) -> Verdict {
        Verdict { seed, minutes, ..Verdict::default() }
    }

    pub fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// A fault that never happened proves nothing.
    pub fn happened(&mut self, tally: &BTreeMap<Kind, (u64, u64)>) {
        self.tally = tally.clone();
        for (kind, (drawn, struck)) in tally {
            if *drawn > 0 && *struck == 0 {
                self.faults.push(format!("{kind:?} was drawn {drawn} times and never struck"));
            }
        }
    }

    /// The rows as a reader of the results topic saw them. At midnight the numbers of a running
    /// window change, and its version does not.
    pub fn rows_published(&mut self, tail: &Tail, expected: &Expected, same_day: bool) {
        self.rows = (tail.read, tail.stale, tail.shown.len());
        if same_day {
            self.faults.extend(tail.broken.iter().take(5).cloned());
        }
        let shown = tail.shown.iter().map(|(key, (_, kpis))| (key.clone(), kpis.clone())).collect();
        if let Err(difference) = expected.compare(&shown) {
            self.faults.push(format!("the results topic: {difference}"));
        }
    }

    pub fn conserved(&mut self, account: Account) {
        self.faults.extend(account.faults.iter().take(10).cloned());
        if account.source < self.fed {
            self.faults.push("the source topic lost what it had acknowledged".to_owned());
        }
        self.account = account;
    }

    pub fn passed(&mut self) -> bool {
        if self.peak_kb > MOST_KB {
            let peak = self.peak_kb;
            self.faults
                .push(format!("an instance had {peak} kB of memory; the bound is {MOST_KB}"));
        }
        self.faults.is_empty()
    }

    /// How to have it again.
    pub fn again(&self) -> String {
        format!("again: make chaos SEED={} MINUTES={}", self.seed, self.minutes)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: String| writeln!(f, "  {name:<40} {value}");
        line("seed", self.seed.to_string())?;
        line("minutes", self.minutes.to_string())?;
        for (kind, (drawn, struck)) in &self.tally {
            line(kind.counts(), format!("{struck} (drawn {drawn})"))?;
        }
        let (read, stale, keys) = self.rows;
        line("instances started", self.instances.to_string())?;
        line("records fed", self.fed.to_string())?;
        line(
            "became events",
            format!("{} ({} repeated)", self.account.events, self.account.repeated),
        )?;
        line("became dead letters", self.account.dead_letters.to_string())?;
        line("dropped as test data", self.account.tests.to_string())?;
        line("rows published", format!("{read} ({stale} behind a newer one) of {keys} keys"))?;
        line("rows compared with the replay", self.compared.to_string())?;
        let recounted =
            self.recounted.map_or("none: several companies".to_owned(), |n| n.to_string());
        line("numbers of the replay recounted", recounted)?;
        line("from healing to exact rows", format!("{:.1} s", self.healed.as_secs_f64()))?;
        line(
            "peak memory of an instance",
            format!("{} MB (bound {})", self.peak_kb / 1_000, MOST_KB / 1_000),
        )?;
        line("verdict", if self.faults.is_empty() { "PASS" } else { "FAIL" }.to_owned())
    }
}
