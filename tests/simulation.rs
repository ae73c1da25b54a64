//! Deterministic simulation: the real workers of several instances over one memory log, stepped in
//! a seeded order, with crashes, takeovers, frozen owners whose writes land late, lost
//! acknowledgements, failing calls, repetitions, disorder, poison, stale writes, compaction and wrong
//! clocks. At the end the rows are the replay's, exactly, no version had two values, and every record
//! is an event or a dead letter. A failing schedule is had again by its seed:
//! `TIDEMARK_SEED=n cargo test --test simulation`; `TIDEMARK_SCHEDULES=n` runs more or fewer.

#[path = "support/instance.rs"]
mod instance;
#[path = "support/process.rs"]
mod process;
#[path = "support/rows.rs"]
mod rows;
mod support;

mod simulation {
    pub mod dice;
    pub mod faulty;
    pub mod schedule;
    pub mod witness;
}

use simulation::dice::Faults;
use simulation::schedule::Schedule;

/// Schedules of one run.
const SCHEDULES: u64 = 2_000;

#[test]
fn any_schedule_of_faults_ends_with_the_exact_rows() {
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get() as u64);
    let only = std::env::var("TIDEMARK_SEED").ok().map(|s| s.parse().unwrap());
    let many = std::env::var("TIDEMARK_SCHEDULES").ok().map_or(SCHEDULES, |n| n.parse().unwrap());
    let seeds: Vec<u64> = only.map_or_else(|| (0..many).collect(), |seed| vec![seed]);
    let alone = seeds.len() == 1;
    let share = |k: u64| seeds.iter().copied().filter(move |s| s % threads == k);
    let totals = std::thread::scope(|scope| {
        let run = |k| move || share(k).map(one).fold(Faults::default(), Faults::plus);
        let workers: Vec<_> = (0..threads).map(|k| scope.spawn(run(k))).collect();
        workers
            .into_iter()
            .map(|w| w.join().expect("a schedule failed: its seed is above"))
            .fold(Faults::default(), Faults::plus)
    });
    println!("{} schedules: {totals:?}", seeds.len());
    // A fault that never happened proves nothing.
    assert!(alone || totals.all_happened(), "{totals:?}");
}

/// Runs one schedule; names its seed where it fails.
fn one(seed: u64) -> Faults {
    let outcome = std::panic::catch_unwind(|| Schedule::new(seed).run());
    match outcome {
        Ok(Ok(faults)) => faults,
        Ok(Err(difference)) => panic!("TIDEMARK_SEED={seed}: {difference}"),
        Err(panic) => {
            println!("TIDEMARK_SEED={seed} panicked");
            std::panic::resume_unwind(panic)
        }
    }
}
