//! What is amended long behind the close.

use super::*;

/// What was won then is still compared with a year later, so an amendment says something on time.
#[test]
fn an_amendment_behind_the_retention_is_not_too_late() {
    let mut shard = Shard::new(definition());
    shard.apply(&event(Op::Create, day(100), &[(Field::Amount, euros(2))]));
    shard.apply(&event(Op::Update, day(101), &[WON]));
    shard.beat(day(150));
    let applied = shard.apply(&event(Op::Update, day(150), &[(Field::Amount, euros(1))]));
    assert!(!applied.too_late);
    assert_eq!(shard.days("overall", Measure::WonAmount).len(), 1);
}
