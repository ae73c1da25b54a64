//! Deals that are seen to be won and lost: counted once each as they pass, with the newest one beside.

use std::sync::Arc;

use tidemark::app;
use tidemark::config::Config;
use tidemark::http::metrics::{Format, expose};
use tidemark::log::memory::MemoryLog;
use tidemark::model::time::Timestamp;
use tidemark::runtime::{Context, Worker};

use super::instance::{Clocks, context};
use super::{feed, metric, open};

const CONFIG: &str = r#"
[app]
name = "t"
[[sources]]
name = "crm"
topics = ["source"]
[topology]
shards = 1
partitions = 1
[windows]
rolling = []
calendar = ["day"]
[segments]
sets = ["overall", "territory", "channel"]
[time]
idle_after = "1s"
[[directory.territory]]
id = "south"
region = "emea"
"#;

fn job(extra: &str) -> (Arc<Config>, MemoryLog, Clocks) {
    let config = Config::from_toml(&format!("{CONFIG}{extra}"), "t.toml", std::iter::empty());
    let (config, log) = (Arc::new(config.unwrap()), MemoryLog::default());
    app::create_sources(&config, &log, 1).unwrap();
    app::create_topics(&config, &log).unwrap();
    // 2026-03-02T12:00:00Z
    (config, log, Clocks::new(Timestamp(1_772_452_800_000_000)))
}

/// What is said of a deal in the minute `at`.
fn said(deal: &str, at: u32, set: &str) -> String {
    format!(
        "{{\"id\":\"{deal}-{at}\",\"entity\":{{\"type\":\"deal\",\"id\":\"{deal}\"}},\
         \"time\":\"2026-03-02T10:{at:02}:00Z\",\"set\":{{\"territory\":\"north\",\"channel\":\"web\",{set}}}}}"
    )
}

fn amount(value: &str) -> String {
    format!("\"amount\":{{\"value\":\"{value}\",\"currency\":\"EUR\"}}")
}

fn both(context: &Context) -> [Box<dyn Worker>; 2] {
    ["intake", "ledger"].map(|stage| open(stage, context))
}

fn work(workers: &mut [Box<dyn Worker>], clocks: &Clocks) {
    for _ in 0..20 {
        clocks.pass(300);
        workers.iter_mut().for_each(|worker| worker.step().unwrap());
    }
}

fn page(context: &Context) -> String {
    expose(&context.telemetry, &context.pages, Format::OpenMetrics).unwrap()
}

const WON: &str = "tidemark_deals_won_total{channel=\"web\",territory=\"north\"}";
const LOST: &str = "tidemark_deals_lost_total{channel=\"web\",territory=\"north\"}";

#[test]
fn each_deal_is_counted_once_as_it_is_won_and_the_newest_stands_beside() {
    let (config, log, clocks) = job("");
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut workers = both(&context);
    work(&mut workers, &clocks);
    let of_directory = "tidemark_deals_won_total{channel=\"unknown\",territory=\"south\"} 0\n";
    assert!(page(&context).contains(of_directory), "{}", page(&context));
    let won = |deal, at, value| said(deal, at, &format!("\"status\":\"won\",{}", amount(value)));
    feed(&log, 0, [won("D-1", 1, "12000.50"), said("D-2", 2, "\"status\":\"open\"")]);
    work(&mut workers, &clocks);
    let first = format!("{WON} 1 # {{deal_id=\"D-1\",currency=\"EUR\"}} 12000.5 ");
    assert!(page(&context).contains(&first), "{}", page(&context));
    // Said twice, amended, moved to another day: still one deal that was won.
    feed(&log, 0, [won("D-1", 1, "12000.50"), said("D-1", 3, &amount("13000"))]);
    feed(&log, 0, [said("D-1", 4, "\"closed_at\":\"2026-03-01T10:00:00Z\"")]);
    feed(&log, 0, [said("D-2", 5, &format!("\"status\":\"lost\",{}", amount("7")))]);
    work(&mut workers, &clocks);
    assert!(page(&context).contains(&first), "{}", page(&context));
    let lost = format!("{LOST} 1 # {{deal_id=\"D-2\",currency=\"EUR\"}} 7 ");
    assert!(page(&context).contains(&lost), "{}", page(&context));
    // Nor is it counted again by a restore; a correction takes nothing back.
    workers.into_iter().for_each(|worker| worker.finish().unwrap());
    let mut workers = both(&context);
    feed(&log, 0, [said("D-1", 6, "\"status\":\"open\"")]);
    work(&mut workers, &clocks);
    assert_eq!(metric(&context, "tidemark_deals_won_total"), 1.0);
    feed(&log, 0, [won("D-3", 7, "5")]);
    work(&mut workers, &clocks);
    assert!(page(&context).contains(&format!("{WON} 2 # {{deal_id=\"D-3\"")), "{}", page(&context));
    let plain = expose(&context.telemetry, &context.pages, Format::Text).unwrap();
    assert!(plain.contains(&format!("{WON} 2\n")), "{plain}");
}

#[test]
fn no_deal_is_named_where_exemplars_are_off() {
    let (config, log, clocks) = job("[http]\nexemplars = false\n");
    let context = context(&config, Arc::new(log.clone()), &clocks);
    let mut workers = both(&context);
    work(&mut workers, &clocks);
    feed(&log, 0, [said("D-1", 1, &format!("\"status\":\"won\",{}", amount("5")))]);
    work(&mut workers, &clocks);
    assert!(page(&context).contains(&format!("{WON} 1\n")), "{}", page(&context));
    assert!(!page(&context).contains(" # {"), "{}", page(&context));
}
