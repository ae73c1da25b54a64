//! What passes of deals that are won or lost, for whoever watches events come in. The numbers of
//! deals are those of the rows; these count transitions, once each, as this process folds them.

use super::Context;
use crate::clock::wall_ms;
use crate::config::PLACES;
use crate::ledger::{Closed, Ledger};
use crate::model::segment::UNKNOWN;
use crate::telemetry::{Named, SoldIn};

fn most(context: &Context) -> usize {
    context.config.limits.max_series_per_family.min(PLACES)
}

/// Where deals may be closed is known in advance as far as the directory has it: series begin at 0.
pub fn begin(context: &Context) {
    let definition = &context.config.definition;
    let known = |dimension: &str| {
        let alone = |set: &Vec<String>| matches!(set.as_slice(), [one] if one == dimension);
        match definition.segments.iter().any(alone) {
            true => definition.known(dimension).into_iter().chain([UNKNOWN]).collect(),
            false => vec![""],
        }
    };
    let (territories, channels) = (known("territory"), known("channel"));
    let most = most(context);
    let pairs = territories.iter().flat_map(|t| channels.iter().map(move |c| (t, c)));
    for (territory, channel) in pairs.take(most) {
        context.telemetry.sells_in(SoldIn { territory, channel }, most);
    }
}

/// A deal was closed by an event that nobody folded before.
pub fn note(context: &Context, ledger: &Ledger, closed: &Closed, deal: &str) {
    let of = |dimension| ledger.value_of(closed, dimension).unwrap_or_default();
    let at = SoldIn { territory: of("territory"), channel: of("channel") };
    let currency = closed.amount.map(|(_, currency)| currency.to_string()).unwrap_or_default();
    let amount = closed.amount.filter(|_| context.config.http.exemplars);
    let named = amount.map(|(amount, _)| Named {
        deal,
        amount: amount.to_f64(),
        currency: &currency,
        at_ms: wall_ms(),
    });
    let most = most(context);
    context.telemetry.deal_closed(closed.won, at, most, named);
}
