//! The time from a source record to the rows that it changes, by the clock of the wall: a record of
//! the test says when it came.

use std::sync::Arc;

use tidemark::clock::wall_ms;
use tidemark::http::metrics::{Format, expose};
use tidemark::log::memory::MemoryLog;
use tidemark::log::{Outgoing, Partition};
use tidemark::runtime::{Context, Worker};

use super::instance::{Clocks, context};
use super::{job, open, won};

fn feed(log: &MemoryLog, id: u32, seconds_ago: i64) {
    let out = Outgoing {
        topic: "source".into(),
        partition: Partition(0),
        key: None,
        value: Some(won(id).into_bytes()),
        headers: Vec::new(),
    };
    log.append(out, Some(wall_ms() - seconds_ago * 1_000)).unwrap();
}

fn all(context: &Context) -> [Box<dyn Worker>; 3] {
    ["intake", "ledger", "rollup"].map(|stage| open(stage, context))
}

/// How many were measured, and their seconds together.
fn measured(context: &Context) -> (u64, f64) {
    let families = context.telemetry.registry().gather();
    let of = families.iter().find(|f| f.name() == "tidemark_event_latency_seconds").unwrap();
    let histogram = of.get_metric()[0].get_histogram();
    (histogram.get_sample_count(), histogram.get_sample_sum())
}

fn work(workers: &mut [Box<dyn Worker>], clocks: &Clocks, steps: u32) {
    for _ in 0..steps {
        clocks.pass(300);
        workers.iter_mut().for_each(|worker| worker.step().unwrap());
    }
}

fn page(context: &Context) -> String {
    expose(&context.telemetry, &context.pages, Format::OpenMetrics).unwrap()
}

#[test]
fn each_publish_of_rows_is_measured_by_its_oldest_record_and_no_repetition_is() {
    let (config, log, clocks) = job("");
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut workers = all(&context);
    work(&mut workers, &clocks, 20);
    assert!(page(&context).contains("tidemark_records_taken_total{topic=\"source\"} 0\n"));
    assert_eq!(measured(&context).0, 0);
    feed(&log, 1, 50);
    feed(&log, 2, 200);
    work(&mut workers, &clocks, 20);
    let (count, seconds) = measured(&context);
    assert!(count == 1 && (200.0..230.0).contains(&seconds), "{count} {seconds}");
    let exemplar =
        "tidemark_event_latency_seconds_bucket{le=\"300\"} 1 # {kind=\"deal\",id=\"2\"} 2";
    assert!(page(&context).contains(exemplar), "{}", page(&context));
    // A record twice, and what is repeated over a quarter of an hour, are no news.
    feed(&log, 2, 7_000);
    work(&mut workers, &clocks, 3_000);
    assert_eq!(measured(&context).0, 1);
    // Nor is what a new owner restores.
    workers.into_iter().for_each(|worker| worker.finish().unwrap());
    let mut workers = all(&context);
    work(&mut workers, &clocks, 20);
    assert_eq!(measured(&context).0, 1);
    feed(&log, 3, 10);
    work(&mut workers, &clocks, 20);
    let (count, both) = measured(&context);
    assert!(count == 2 && (10.0..40.0).contains(&(both - seconds)), "{count} {both}");
    // Nor is that which no image holds yet, and what is dated ahead.
    workers.into_iter().for_each(|worker| worker.finish().unwrap());
    let mut workers = all(&context);
    work(&mut workers, &clocks, 20);
    assert_eq!(measured(&context).0, 2);
    feed(&log, 4, -3_600);
    work(&mut workers, &clocks, 20);
    assert_eq!(measured(&context).0, 2);
    for stage in ["ledger", "rollup"] {
        let series = format!("tidemark_publish_seconds_count{{stage=\"{stage}\"}} 0");
        assert!(!page(&context).contains(&series), "{stage} measured no publish");
    }
}

#[test]
fn nobody_is_named_where_exemplars_are_off() {
    let (config, log, clocks) = job("[http]\nexemplars = false\n");
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut workers = all(&context);
    work(&mut workers, &clocks, 20);
    feed(&log, 1, 50);
    work(&mut workers, &clocks, 20);
    assert_eq!(measured(&context).0, 1);
    assert!(!page(&context).contains(" # {"), "{}", page(&context));
}

#[test]
fn what_another_instance_names_is_not_named_where_exemplars_are_off() {
    let (named, log, clocks) = job("");
    let (plain, ..) = job("[http]\nexemplars = false\n");
    let [named, plain] =
        [named, plain].map(|config| context(&config, Arc::new(log.clone()), &clocks));
    let mut workers = [open("intake", &named), open("ledger", &named), open("rollup", &plain)];
    work(&mut workers, &clocks, 20);
    feed(&log, 1, 50);
    work(&mut workers, &clocks, 20);
    assert_eq!(measured(&plain).0, 1);
    assert!(!page(&plain).contains(" # {"), "{}", page(&plain));
    // Nor does an instance where they are off name any for another one.
    workers.into_iter().for_each(|worker| worker.finish().unwrap());
    let mut workers = [open("intake", &named), open("ledger", &plain), open("rollup", &named)];
    work(&mut workers, &clocks, 20);
    feed(&log, 2, 50);
    work(&mut workers, &clocks, 20);
    assert_eq!(measured(&named).0, 1);
    assert!(!page(&named).contains(" # {"), "{}", page(&named));
}
