//! What a world is made from.

use super::dice::Dice;
use crate::model::money::Currency;
use crate::model::time::Timestamp;

/// What a world is made from: equal settings, equal bytes. Shares are between 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldSettings {
    /// Seed of all randomness.
    pub seed: u64,
    /// First moment of the world; nothing arrives before it.
    pub start: Timestamp,
    /// Length in days: what happens before its end is sent, even if it arrives after it. `None`
    /// never ends (until the last date that events may carry).
    pub days: Option<u32>,
    /// How much open business the world begins with, as days of history: open deals and leads
    /// come in as snapshots in the first minute. 0 begins with an empty pipeline.
    pub opening_days: u32,
    /// Number of reps, `r-001` and on.
    pub reps: u32,
    /// Number of territories; not more than reps.
    pub territories: u32,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Deals created a day, on average over a year. Leads come on top, about three a deal.
    pub deals_per_day: f64,
    /// Currency of all amounts.
    pub currency: Currency,
    /// Share of events that are delivered again, byte by byte the same.
    pub duplicates: f64,
    /// Share of events that are held up for one hour to four days.
    pub late: f64,
    /// Share of closings that are undone; the deal closes again later.
    pub reopen: f64,
    /// Share of deals that change hands before they close.
    pub reown: f64,
    /// Share of closings that are amended later: another amount, or another close date.
    pub amend: f64,
    /// Share of deals that are deleted.
    pub delete: f64,
    /// Share of deleted deals that are restored after hours or days.
    pub restore: f64,
    /// Share of deals that are merged into another one.
    pub merge: f64,
    /// Share of won deals that two reps share, some of them with an overlay for a third. 0 leaves every
    /// world as it was without.
    pub split: f64,
    /// Share of leads that tell when they were first answered. 0 leaves every world as it was without.
    pub answer: f64,
    /// Share of deals, orders and invoices in pounds. 0 leaves every world as it was without.
    pub foreign: f64,
    /// Whether there are activities, orders, invoices, subscriptions, campaign days, touches and
    /// answers to surveys too. Leads and deals are the same with them and without.
    pub others: bool,
    /// A change for the worse (or better) in one territory.
    pub drift: Option<Drift>,
}

/// From a moment on, the chance of winning in one territory is multiplied.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// From when; closings before it are untouched.
    pub at: Timestamp,
    /// Where, by name; the first four territories are `north`, `south`, `west` and `east`.
    pub territory: String,
    /// What the chance of winning is multiplied with: 0.6 turns 55 % into 33 %.
    pub win_factor: f64,
}

impl Default for WorldSettings {
    fn default() -> WorldSettings {
        WorldSettings {
            seed: 1,
            // 2025-01-01T00:00:00Z
            start: Timestamp(1_735_689_600_000_000),
            days: Some(120),
            opening_days: 180,
            reps: 24,
            territories: 4,
            channels: ["web", "referral", "outbound", "events", "partner"].map(String::from).into(),
            deals_per_day: 40.0,
            currency: Currency::parse("EUR").expect("three letters are a currency"),
            duplicates: 0.02,
            late: 0.03,
            reopen: 0.02,
            reown: 0.04,
            amend: 0.05,
            delete: 0.005,
            restore: 0.4,
            merge: 0.004,
            split: 0.0,
            answer: 0.0,
            foreign: 0.0,
            others: false,
            drift: None,
        }
    }
}

impl WorldSettings {
    /// The currency of a thing, which is drawn only where there are several.
    pub(super) fn draw_currency(&self, dice: &mut Dice) -> Currency {
        match self.foreign > 0.0 && dice.chance(self.foreign) {
            true => Currency::parse("GBP").expect("three letters are a currency"),
            false => self.currency,
        }
    }

    /// With every value inside its bounds, so that the world itself has no cases to refuse.
    pub(super) fn clamped(mut self) -> WorldSettings {
        for share in [
            &mut self.duplicates,
            &mut self.late,
            &mut self.reopen,
            &mut self.reown,
            &mut self.amend,
            &mut self.delete,
            &mut self.restore,
            &mut self.merge,
            &mut self.split,
            &mut self.answer,
            &mut self.foreign,
        ] {
            *share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        }
        if !self.deals_per_day.is_finite() {
            self.deals_per_day = 0.0;
        }
        // A thousandth of the day's milliseconds: births stay apart in time.
        self.deals_per_day = self.deals_per_day.clamp(0.0, 1e6);
        self.reps = self.reps.clamp(1, 10_000);
        self.territories = self.territories.clamp(1, self.reps);
        if self.channels.is_empty() {
            self.channels.push("direct".to_owned());
        }
        self
    }
}
