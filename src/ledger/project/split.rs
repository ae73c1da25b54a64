//! Shared deals: what splits move from the owner of a deal that was won to those who share in it.
//!
//! A deal counts whole for its owner in every measure. Splits add what is to be moved: nothing in
//! what all sharers have in common (the whole business, the product), all but the owner's own share
//! where they differ. So a deal that nobody shares adds nothing, and members sum to their total
//! whatever the shares are.

use super::credit::AsOf;
use super::{Contribution, Projector};
use crate::ledger::entity::{Entity, Held, Slot, Stamp};
use crate::ledger::symbols::{Credit, Symbol};
use crate::model::event::Field;
use crate::model::measure::{Measure, MeasureKey};
use crate::model::money::{EXACT_ONE, Money};
use crate::model::split::{SplitKind, divide, part, unpacked};
use crate::model::time::Timestamp;

/// Reps with the steps of their shares, each once, by id.
type Sharers = Vec<(Symbol, u32)>;

impl Projector<'_> {
    /// What splits move of a deal that was won by an event at a moment, out of the owner's credit.
    pub(super) fn shared(
        &mut self,
        entity: &Entity,
        (fact, at): (Stamp, Timestamp),
        own: Credit,
        out: &mut Vec<Contribution>,
    ) {
        if entity.history(Slot::SPLITS).next().is_none() {
            return;
        }
        let as_of = self.as_of(entity, fact, at);
        let Some(Held::Named(list, origin)) = self.held(entity, Slot::SPLITS, as_of) else {
            return;
        };
        let money = match entity.latest(Slot::AMOUNT) {
            Some((_, Held::Money(money))) => Some(money),
            _ => None,
        };
        let list = self.symbols.text(list).to_owned();
        let sharers = self.sharers(&list, SplitKind::Revenue, origin);
        if !sharers.is_empty() {
            let mut give = |credit, [deals, sum, n]: [i128; 3]| {
                let mut add = |key, n| out.push(Contribution { at, credit, key, n });
                add(MeasureKey::plain(Measure::SplitDeals), deals);
                add(MeasureKey::plain(Measure::SplitCredits), n);
                if let Some(Money { currency, .. }) = money {
                    add(MeasureKey::currency(Measure::SplitAmount, currency), sum);
                    add(MeasureKey::currency(Measure::SplitPriced, currency), n);
                }
            };
            let amount = money.map_or(0, |money| money.amount.exact().0);
            give(own, [-EXACT_ONE, -amount, -1]);
            let shares: Vec<u32> = sharers.iter().map(|(_, share)| *share).collect();
            let parts = divide(EXACT_ONE, &shares).into_iter().zip(divide(amount, &shares));
            for ((rep, _), (deals, sum)) in sharers.iter().zip(parts) {
                give(self.sharing(entity, *rep, as_of), [deals, sum, 1]);
            }
        }
        let Some(Money { amount, currency }) = money else { return };
        for (rep, share) in self.sharers(&list, SplitKind::Overlay, origin) {
            let credit = self.sharing(entity, rep, as_of);
            let mut add = |key, n| out.push(Contribution { at, credit, key, n });
            let sum = part(amount.exact().0, share);
            add(MeasureKey::currency(Measure::OverlayAmount, currency), sum);
            add(MeasureKey::currency(Measure::OverlayPriced, currency), 1);
        }
    }

    /// Who has shares of a kind. Sorted by id, never by symbol, since rounding favors the first.
    fn sharers(&mut self, list: &str, kind: SplitKind, origin: Symbol) -> Sharers {
        let mut out = Sharers::new();
        for (_, owner, share) in unpacked(list).filter(|(of, _, share)| *of == kind && *share > 0) {
            let owner = self.symbols.intern(owner);
            let rep = self.dimensions.rep_of(owner, origin, self.symbols);
            match out.iter_mut().find(|(known, _)| *known == rep) {
                Some((_, known)) => *known += share,
                None => out.push((rep, share)),
            }
        }
        out.sort_unstable_by(|a, b| self.symbols.text(a.0).cmp(self.symbols.text(b.0)));
        out
    }

    /// Where the share of a rep belongs: what the deal says of itself holds for all who share in it,
    /// but the team is the rep's own where the directory knows it.
    fn sharing(&mut self, entity: &Entity, rep: Symbol, as_of: AsOf) -> Credit {
        let owns = self.owner(entity, as_of) == Some(rep);
        let team = self.dimensions.names().iter().position(|name| name == Field::Team.as_str());
        let team = team.filter(|_| !owns);
        self.credit_to(entity, Some(rep), team, as_of)
    }
}
