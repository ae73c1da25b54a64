//! KPIs of money in one currency, and what of it no rate converts: that is in no sum, it stands
//! beside the value. Where nothing else is known of a sum, no quotient is made of it: 0 would say that
//! there was nothing.

use std::collections::BTreeMap;

use super::kpi::{Against, Formula, KpiValue, Number, View, quotient};
use super::measure::{Measure, MeasureKey, MeasureKind, Measures};
use super::money::{Currency, EXACT_ONE, Exact};
use super::quantile::quantile_of_amounts;
use super::size;

fn sum_of(of: &Measures, sum: Measure, own: Currency) -> Exact {
    Exact(of.at(MeasureKey::currency(sum, own)))
}

/// Whether there are amounts, and all of them in other currencies.
fn hollow(of: &Measures, priced: Measure, own: Currency) -> bool {
    of.at(MeasureKey::currency(priced, own)) == 0 && of.total(priced) != 0
}

/// What sums have in other currencies, together.
fn parked(of: &[(&Measures, Measure)], own: Currency) -> Vec<(Currency, Exact)> {
    let mut out: BTreeMap<Currency, i128> = BTreeMap::new();
    for (currency, n) in of.iter().flat_map(|(of, sum)| of.foreign(*sum, own)) {
        *out.entry(currency).or_default() += n.0;
    }
    out.into_iter().filter(|(_, n)| *n != 0).map(|(currency, n)| (currency, Exact(n))).collect()
}

/// A quotient of sums of money, with what it is made of.
fn made_of(out: KpiValue, of: &[(&Measures, Measure)], own: Currency) -> KpiValue {
    let hollow = of.iter().any(|(of, sum)| hollow(of, sum.counted(), own));
    let unconverted = parked(of, own);
    KpiValue { value: out.value.filter(|_| !hollow), unconverted, ..out }
}

impl Formula {
    /// What it is a sum of, so that the amounts of one sum are told once.
    pub(super) fn sum_of(&self) -> String {
        match self {
            Formula::Money(sum, _)
            | Formula::StockMoney(sum, _)
            | Formula::MeanMoney(sum, _)
            | Formula::MoneyPer(sum, ..)
            | Formula::StockMoneyPer(sum, ..) => sum.name(),
            Formula::QuantileMoney(..) => Measure::WonAmount.name(),
            // The same amounts, as they were.
            Formula::NetMoney(sum, Measure::AmendedAmount, _) => sum.name(),
            other => format!("{other:?}"),
        }
    }
}

/// A share of a whole that is above 0: of less than nothing there is none.
pub(super) fn of_something(out: KpiValue) -> KpiValue {
    let value = out.value.filter(|_| out.den.is_none_or(|den| den.0 > 0));
    KpiValue { value, ..out }
}

/// The mean of amounts.
pub(super) fn mean_money(of: &Measures, sum: Measure, priced: Measure, own: Currency) -> KpiValue {
    let n = of.at(MeasureKey::currency(priced, own));
    made_of(quotient(sum_of(of, sum, own), Exact::whole(n), n), &[(of, sum)], own)
}

/// A quantile of the amounts of deals won.
pub(super) fn quantile_money(of: &Measures, at: (i128, i128), own: Currency) -> KpiValue {
    let ranks = size::ranks(of, Measure::WonAmounts, own);
    made_of(quantile_of_amounts(ranks, at), &[(of, Measure::WonAmount)], own)
}

/// The share that one sum is of others together.
pub(super) fn money_share(
    of: &Measures,
    part: Measure,
    all: &[Measure],
    counts: &[Measure],
    own: Currency,
) -> KpiValue {
    let den = Exact(all.iter().map(|m| sum_of(of, *m, own).0).sum());
    let n = counts.iter().map(|m| of.at(MeasureKey::currency(*m, own))).sum();
    let part_of_it = (!all.contains(&part)).then_some((of, part));
    let sums: Vec<_> = all.iter().map(|m| (of, *m)).chain(part_of_it).collect();
    made_of(of_something(quotient(sum_of(of, part, own), den, n)), &sums, own)
}

/// By how much a sum grew against another window.
pub(super) fn growth(view: &View<'_>, m: Measure, against: Against) -> KpiValue {
    let own = view.currency;
    let before = view.before[against as usize];
    let net = |of| Exact(sum_of(of, m, own).0 - m.less().map_or(0, |less| sum_of(of, less, own).0));
    let now = net(view.flow);
    let then = before.map_or(Exact(0), net);
    let n = view.flow.at(MeasureKey::currency(m.counted(), own));
    let out = of_something(quotient(Exact(now.0 - then.0), then, n));
    let out = KpiValue { num: Some(now), ..out };
    let windows: Vec<_> =
        [Some(view.flow), before].into_iter().flatten().map(|of| (of, m)).collect();
    let mut out = made_of(out, &windows, own);
    if let Some(less) = m.less() {
        let mut net: BTreeMap<Currency, i128> =
            out.unconverted.iter().map(|(currency, n)| (*currency, n.0)).collect();
        let taken: Vec<_> = windows.iter().map(|(of, _)| (*of, less)).collect();
        for (currency, n) in parked(&taken, own) {
            *net.entry(currency).or_default() -= n.0;
        }
        let rest = net.into_iter().filter(|(_, n)| *n != 0);
        out.unconverted = rest.map(|(currency, n)| (currency, Exact(n))).collect();
    }
    out
}

/// What is left of one sum behind another, by that one.
pub(super) fn gained(view: &View<'_>, gain: Measure, cost: Measure) -> KpiValue {
    let own = view.currency;
    let [won, spent] = [gain, cost].map(|m| sum_of(view.flow, m, own).0);
    let n = view.flow.at(MeasureKey::currency(gain.counted(), own));
    let out = of_something(quotient(Exact(won - spent), Exact(spent), n));
    made_of(out, &[(view.flow, gain), (view.flow, cost)], own)
}

/// A sum, a piece of something else.
pub(super) fn money_per(view: &View<'_>, sum: Measure, priced: Measure, per: Measure) -> KpiValue {
    let at = |m| view.flow.at(MeasureKey::currency(m, view.currency));
    let n = view.flow.total(per);
    let den = match per.kind() {
        MeasureKind::Quantity => Exact(n),
        _ => Exact::whole(n),
    };
    let mut out = quotient(Exact(at(sum)), den, den.0 / EXACT_ONE);
    // Nobody said what it cost, which is not that it cost nothing.
    out.value = out.value.filter(|_| at(priced) != 0);
    out.unconverted = view.flow.foreign(sum, view.currency);
    out
}

/// A sum.
pub(super) fn money(of: &Measures, sum: Measure, priced: Measure, own: Currency) -> KpiValue {
    KpiValue {
        value: Some(Number::Exact(sum_of(of, sum, own))),
        n: of.at(MeasureKey::currency(priced, own)),
        unconverted: of.foreign(sum, own),
        hollow: hollow(of, priced, own),
        ..KpiValue::default()
    }
}

/// One sum less another.
pub(super) fn net_money(
    of: &Measures,
    sum: Measure,
    less: Measure,
    priced: Measure,
    own: Currency,
) -> KpiValue {
    let mut out = money(of, sum, priced, own);
    let mut net: BTreeMap<i64, i128> = of.of(sum).collect();
    of.of(less).for_each(|(code, n)| *net.entry(code).or_default() -= n);
    let own_net = net.remove(&own.code().into()).unwrap_or(0);
    out.value = Some(Number::Exact(Exact(own_net)));
    let others = net.into_iter().filter(|(_, n)| *n != 0);
    out.unconverted =
        others.filter_map(|(code, n)| Some((Currency::from_code(code)?, Exact(n)))).collect();
    // An amount may have been in another currency before it was amended to what is counted now.
    let amended = MeasureKey::currency(Measure::AmendedPriced, own);
    if less == Measure::AmendedAmount && of.at(amended) != 0 {
        out.hollow = own_net == 0 && !out.unconverted.is_empty();
    }
    out
}
