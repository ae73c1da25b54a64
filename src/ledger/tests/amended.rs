//! What is amended long behind the close.

use super::*;
use crate::model::kpi::{Group, Kpis};

/// What was won then is still compared with a year later, so an amendment says something on time; of
/// how large deals were on a day that is gone it can say nothing.
#[test]
fn an_amendment_behind_the_retention_is_too_late_for_sizes_only() {
    let too_late = |kpis: Kpis| {
        let mut shard = Shard::new(Definition { kpis, ..definition() });
        shard.apply(&event(Op::Create, day(100), &[(Field::Amount, euros(2))]));
        shard.apply(&event(Op::Update, day(101), &[WON]));
        shard.beat(day(150));
        let applied = shard.apply(&event(Op::Update, day(150), &[(Field::Amount, euros(1))]));
        assert_eq!(shard.days("overall", Measure::WonAmount).len(), 1);
        applied.too_late
    };
    assert!(!too_late([Group::Deals, Group::Yields].into_iter().collect()));
    assert!(too_late([Group::Distribution].into_iter().collect()));
}
