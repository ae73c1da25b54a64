//! Faults that are aimed, each test named for what holds under them.

use std::time::Duration;

use tidemark::clock;

use crate::process::{Process, pause};
use crate::proxy::{Api, Effect, Rule, Way};
use crate::stage::{BROKERS, Play, coordinator, ground};
use crate::support::await_some;

/// Lets time pass on purpose: the fault is how long something lasts.
fn last(time: Duration) {
    let until = clock::monotonic() + time;
    while clock::monotonic() < until {
        pause();
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// The brokers took what was written and committed, and the answer never came: the client cannot
/// know, and does it again. Then writes are lost on the way, and their writer is killed: what it
/// had read was not committed, so another reads it again.
#[test]
fn lost_answers_repeat_nothing_and_lost_writes_lose_nothing() {
    let Some(ground) = ground() else { return };
    let mut play = Play::new(&ground, "lost", 31);
    let mut instances = play.start(["victim", "other"]);
    let lose = |api| Rule::new(Effect::Swallow).responses(api).after(2).times(8);
    let produce = ground.proxy.set(lose(&[Api::PRODUCE]));
    let commit = ground.proxy.set(lose(&[Api::OFFSET_COMMIT]));
    play.feed_until_struck(&[&produce, &commit], 4);
    play.heal_and_check(&mut instances);

    let lose = Rule::new(Effect::Swallow).client("victim").requests(&[Api::PRODUCE]);
    let lost = ground.proxy.set(lose);
    play.feed(4);
    // Intake commits every half second, if it may.
    await_some("writes are lost", Duration::from_secs(30), || {
        pause();
        (lost.struck() > 2).then_some(())
    });
    last(SECOND);
    let [victim, other] = &mut instances;
    victim.kill();
    play.heal_and_check(std::slice::from_mut(other));
    play.end(std::slice::from_mut(other));
}

/// What is written arrives long after it was sent; then nothing that is read arrives at all.
#[test]
fn late_writes_and_a_black_hole_for_reads_change_no_number() {
    let Some(ground) = ground() else { return };
    let mut play = Play::new(&ground, "late", 32);
    let mut instances = play.start(["a", "b"]);
    let held = Rule::new(Effect::Hold(6 * SECOND)).requests(&[Api::PRODUCE]).times(4);
    let held = ground.proxy.set(held);
    play.feed_until_struck(&[&held], 4);
    last(6 * SECOND);
    let hole = Rule { apis: &[Api::FETCH], ..Rule::new(Effect::Swallow) };
    let hole = ground.proxy.set(hole.way(Way::Both));
    play.feed_until_struck(&[&hole], 10);
    last(4 * SECOND);
    play.heal_and_check(&mut instances);
    play.end(&mut instances);
}

/// One of two members falls silent to the group and loses its partitions, while it goes on reading
/// and believes to own them. What it wrote is on its way all the while, and arrives behind what the
/// new owner wrote.
#[test]
fn a_member_that_lost_its_session_and_writes_late_changes_no_number() {
    let Some(ground) = ground() else { return };
    let mut play = Play::new(&ground, "session", 33);
    let mut instances = play.start(["silent", "other"]);
    play.feed(6);
    play.check(&mut instances[1]);
    let [silent, other] = &mut instances;
    const SHARDS: &str = "tidemark_entities{";
    await_some("both own shards and parts of the rollup", Duration::from_secs(60), || {
        pause();
        let mut both = |names: [&str; 2]| {
            let owns = |of: &mut Process| series_with(of, names).count > 0;
            owns(silent) && owns(other)
        };
        (both([SHARDS, ""]) && both(["tidemark_cells{", "stage=\"rollup\""])).then_some(())
    });
    // Progress alone is shorter. What else it writes passes: an image that is held would hold up
    // the partials that this is about.
    let hold = |topic| {
        let hold = Rule::new(Effect::Hold(600 * SECOND)).client("silent").naming(topic);
        ground.proxy.set(hold.requests(&[Api::PRODUCE]).least(1_500))
    };
    let held = [hold(".partials"), hold(".kpis")];
    await_some("partials and rows are on their way", Duration::from_secs(60), || {
        play.feed_if_any(60);
        last(200 * MILLISECOND);
        held.iter().all(|rule| rule.struck() > 0).then_some(())
    });
    const GROUP: &[Api] = &[Api::HEARTBEAT, Api::JOIN_GROUP, Api::SYNC_GROUP];
    let mute = ground.proxy.set(Rule::new(Effect::Swallow).client("silent").requests(GROUP));
    // It is given everything only once the session has run out.
    await_some("the other owns every shard", Duration::from_secs(60), || {
        play.feed_if_any(40);
        pause();
        (series(other, SHARDS).count == 6).then_some(())
    });
    assert!(mute.struck() > 1, "{}", mute.struck());
    play.feed_if_any(6);
    play.check(other);
    const STALE: &str = "tidemark_partials_stale_total";
    let (before, rows) = (series(other, STALE).sum, play.rows_published());
    // Frozen, it cannot come back and repeat everything, which would mend what it broke.
    silent.freeze();
    held.iter().for_each(|rule| ground.proxy.lift(rule));
    await_some("stale partials and rows arrive", Duration::from_secs(60), || {
        pause();
        (series(other, STALE).sum > before && play.rows_published() > rows).then_some(())
    });
    play.check(other);
    silent.wake();
    play.heal_and_check(&mut instances);
    play.end(&mut instances);
}

/// Series of an instance's metrics page.
struct Series {
    count: usize,
    sum: f64,
}

/// The series that begin so.
fn series(of: &mut Process, name: &str) -> Series {
    series_with(of, [name, ""])
}

/// The series that begin so, and have that in them.
fn series_with(of: &mut Process, [name, label]: [&str; 2]) -> Series {
    let (_, page) = of.get("/metrics").unwrap_or_default();
    let lines = page.lines().filter(|l| l.starts_with(name) && l.contains(label));
    let values: Vec<f64> =
        lines.filter_map(|l| l.rsplit(' ').next().and_then(|v| v.parse().ok())).collect();
    Series { count: values.len(), sum: values.iter().sum() }
}

/// Far, narrow and crumbling lines, and connections that are cut again and again.
#[test]
fn slow_lines_and_cut_connections_change_no_number() {
    let Some(ground) = ground() else { return };
    let mut play = Play::new(&ground, "slow", 34);
    let mut instances = play.start(["a", "b"]);
    let bytewise = ground.proxy.set(Rule::new(Effect::Trickle));
    play.feed_until_struck(&[&bytewise], 300);
    ground.proxy.heal();
    let far = ground.proxy.set(Rule::new(Effect::Hold(200 * MILLISECOND)).way(Way::Responses));
    let narrow = ground.proxy.set(Rule::new(Effect::Slow(100_000)).broker(1));
    play.feed_until_struck(&[&far, &narrow], 100);
    ground.proxy.heal();
    let mut cut = 0;
    for _ in 0..8 {
        play.feed(40);
        last(400 * MILLISECOND);
        cut += ground.proxy.cut(None);
    }
    assert!(cut > 50, "{cut} connections were cut");
    play.heal_and_check(&mut instances);
    play.end(&mut instances);
}

/// No way to one broker, then to any.
#[test]
fn a_network_that_parts_and_heals_changes_no_number() {
    let Some(ground) = ground() else { return };
    let mut play = Play::new(&ground, "parted", 35);
    let mut instances = play.start(["a", "b"]);
    play.feed(6);
    let hole = ground.proxy.set(Rule::new(Effect::Swallow).broker(0));
    ground.proxy.set(Rule::new(Effect::Refuse).broker(0));
    for _ in 0..3 {
        play.feed(12);
        last(SECOND);
    }
    assert!(hole.struck() > 0, "{} messages swallowed", hole.struck());
    ground.proxy.heal();
    // One way only: the brokers hear everything, and their answers are lost.
    let deaf = ground.proxy.set(Rule::new(Effect::Swallow).way(Way::Responses));
    play.feed_until_struck(&[&deaf], 20);
    last(2 * SECOND);
    ground.proxy.heal();
    let hole = ground.proxy.set(Rule::new(Effect::Swallow));
    ground.proxy.set(Rule::new(Effect::Refuse));
    play.feed(6);
    // Longer than a session: the groups have lost every member.
    last(7 * SECOND);
    assert!(hole.struck() > 20, "{} messages swallowed", hole.struck());
    play.heal_and_check(&mut instances);
    play.end(&mut instances);
}

/// Every broker is killed in its turn, the coordinator of the groups and the leader of each
/// partition among them, and comes back with its data.
#[test]
fn brokers_killed_one_after_another_change_no_number() {
    let Some(ground) = ground() else { return };
    let mut play = Play::new(&ground, "rolling", 36);
    let mut instances = play.start(["a", "b"]);
    let group = format!("{}.intake", play.job.config.topics().events);
    let bootstrap = &ground.cluster.bootstrap;
    let first = coordinator(bootstrap, &group);
    let mut moved = 0;
    for broker in (0..BROKERS).map(|i| (first + i - 1) % BROKERS + 1) {
        let led = coordinator(bootstrap, &group);
        ground.cluster.kill(broker);
        play.feed(8);
        if led == broker {
            await_some("another broker coordinates", Duration::from_secs(30), || {
                pause();
                (coordinator(bootstrap, &group) != broker).then_some(())
            });
            moved += 1;
        }
        ground.cluster.restart(broker);
        play.feed(8);
    }
    assert!(moved > 0, "the coordinator never moved");
    play.heal_and_check(&mut instances);
    play.end(&mut instances);
}

/// Two of three brokers are gone: too few replicas are in sync, so nothing is acknowledged, and a
/// write that is not acknowledged is none.
#[test]
fn with_too_few_replicas_it_waits_and_goes_on() {
    let Some(ground) = ground() else { return };
    let mut play = Play::new(&ground, "replicas", 37);
    let mut instances = play.start(["a", "b"]);
    play.feed(3);
    ground.cluster.kill(2);
    ground.cluster.kill(3);
    last(7 * SECOND);
    for instance in &mut instances {
        assert!(instance.ended().is_none(), "{}", instance.said());
        assert_eq!(instance.get("/livez").unwrap().0, 200);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| ground.cluster.restart(2));
        scope.spawn(|| ground.cluster.restart(3));
    });
    play.feed(3);
    play.heal_and_check(&mut instances);
    play.end(&mut instances);
}

/// Asked to end while no broker answers: the process ends all the same, soon and in order, and
/// what it had not got out is done again by who starts next.
#[test]
fn asked_to_end_behind_a_black_hole_it_ends_in_time() {
    let Some(ground) = ground() else { return };
    let mut play = Play::new(&ground, "ending", 38);
    let mut instances = play.start(["a", "b"]);
    play.feed(2);
    let hole = ground.proxy.set(Rule::new(Effect::Swallow));
    play.feed(2);
    await_some("all messages are swallowed", Duration::from_secs(30), || {
        pause();
        (hole.struck() > 20).then_some(())
    });
    let asked = clock::monotonic();
    instances.iter().for_each(Process::ask_to_end);
    for instance in &mut instances {
        let status = instance.wait(Duration::from_secs(30));
        let took = clock::monotonic() - asked;
        assert_eq!(status.code(), Some(0), "{}", instance.said());
        assert!(took < Duration::from_secs(15), "{took:?}\n{}", instance.said());
    }
    ground.proxy.heal();
    let mut instances = play.start(["c"]);
    play.heal_and_check(&mut instances);
    play.end(&mut instances);
}
