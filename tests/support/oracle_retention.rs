//! The recount of retention of revenue: from what each subscription brought, step by step.

use jiff::civil::Date;

use crate::recount::{Credit, Facts};

/// What became of the monthly revenue that there was at a window's start, in hundredths.
#[derive(Default)]
pub struct Kept {
    pub start: i128,
    pub n: i128,
    /// By how much it changed.
    pub net: i128,
    /// By how much it fell below what it had been at least so far.
    pub lost: i128,
}

impl Kept {
    /// Subscription by subscription, step by step; `days` are the window's first, and that behind it.
    pub fn of(
        facts: &[Facts],
        mine: &dyn Fn(&Credit) -> bool,
        currency: &str,
        days: (Date, Date),
    ) -> Kept {
        let mut out = Kept::default();
        for facts in facts {
            let eve = days.0.yesterday().expect("in range");
            let Some((mut owner, Some((start, of)))) = facts.runs(eve).cloned() else { continue };
            if of != currency {
                continue;
            }
            if mine(&owner) {
                (out.start, out.n) = (out.start + start, out.n + 1);
            }
            let (mut now, mut least) = (start, start);
            for (_, step) in facts.running.iter().filter(|s| days.0 <= s.0 && s.0 < days.1) {
                let next = match step {
                    None => 0,
                    Some((credit, Some((n, of)))) if of == currency => {
                        owner = credit.clone();
                        *n
                    }
                    Some(_) => break,
                };
                if mine(&owner) {
                    out.net += next - now;
                    out.lost += (least - next).max(0);
                }
                (now, least) = (next, least.min(next));
                if step.is_none() {
                    break;
                }
            }
        }
        out
    }
}
