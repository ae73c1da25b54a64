//! Faults that are aimed, each test named for what holds under them.

use std::time::Duration;

use tidemark::clock;

use crate::process::pause;
use crate::proxy::{Api, Effect, Rule, Way};
use crate::stage::{Play, ground};

/// Lets time pass on purpose: the fault is how long something lasts.
fn last(time: Duration) {
    let until = clock::monotonic() + time;
    while clock::monotonic() < until {
        pause();
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// The brokers took what was written and committed, and the answer never came: the client cannot
/// know, and does it again.
#[test]
fn lost_answers_repeat_nothing() {
    let Some(ground) = ground() else { return };
    let mut play = Play::new(&ground, "answers", 31);
    let mut instances = play.start(["a", "b"]);
    let lose = |api| Rule::new(Effect::Swallow).responses(api).after(2).times(8);
    let produce = ground.proxy.set(lose(&[Api::PRODUCE]));
    let commit = ground.proxy.set(lose(&[Api::OFFSET_COMMIT]));
    play.feed_until_struck(&[&produce, &commit], 4);
    play.heal_and_check(&mut instances);
    play.end(&mut instances);
}

/// What is written arrives long after it was sent; then nothing that is read arrives at all.
#[test]
fn late_writes_and_a_black_hole_for_reads_change_no_number() {
    let Some(ground) = ground() else { return };
    let mut play = Play::new(&ground, "late", 32);
    let mut instances = play.start(["a", "b"]);
    let held = Rule::new(Effect::Hold(10 * SECOND)).requests(&[Api::PRODUCE]).times(4);
    let held = ground.proxy.set(held);
    play.feed_until_struck(&[&held], 4);
    let hole = Rule { apis: &[Api::FETCH], ..Rule::new(Effect::Swallow) };
    let hole = ground.proxy.set(hole.way(Way::Both));
    play.feed_until_struck(&[&hole], 10);
    last(4 * SECOND);
    play.heal_and_check(&mut instances);
    play.end(&mut instances);
}
