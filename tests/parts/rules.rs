//! Instances with different rules of drift: nothing is judged, and it is said.

use std::sync::Arc;

use super::instance::context;
use super::{feed, job, open, won, work};

#[test]
fn while_a_shard_runs_with_other_rules_of_drift_it_is_said() {
    let (config, log, clocks) = job("");
    let (other, ..) = job("\n[drift]\nkpis = []\n");
    let [here, there] = [config, other].map(|c| context(&c, Arc::new(log.clone()), &clocks));
    let said = || here.health.notes().into_iter().find(|(name, _)| name == "drift").map(|n| n.1);
    feed(&log, 0, [won(1)]);
    let mut rollup = open("rollup", &here);
    let mut shard = ["intake", "ledger"].map(|stage| open(stage, &there));
    shard.iter_mut().for_each(|worker| work(worker, &clocks));
    work(&mut rollup, &clocks);
    let why = said().expect("a note").expect_err("at odds");
    assert!(why.contains("another [drift]: nothing is judged"), "{why}");
    assert!(here.health.checks().iter().all(|(name, state)| name != "rollup" || state.is_ok()));
    for worker in shard {
        worker.finish().unwrap();
    }
    let mut shard = ["intake", "ledger"].map(|stage| open(stage, &here));
    shard.iter_mut().for_each(|worker| work(worker, &clocks));
    work(&mut rollup, &clocks);
    assert_eq!(said(), Some(Ok(())));
}
