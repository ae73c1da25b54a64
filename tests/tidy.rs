//! What text can hold of the house rules (`CONTRIBUTING.md`, `ARCHITECTURE.md`). Each check reads
//! the whole tree, and is then shown files that break its rule: a check that cannot fail is none.
//!
//! Comments and the contents of strings are blanked before code is looked at, so neither can hide
//! a fault or make one up. "Shipped" is code without its tests.

#[path = "tidy/check.rs"]
mod check;
#[path = "tidy/source.rs"]
mod source;

use std::sync::Arc;

use check::Faults;
use source::{Source, Tree, tree};

const LINES_A_FILE: usize = 500;
const LINES_A_FUNCTION: usize = 70;

/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] =
    &[("src/model/catalogue.rs", "the catalogue of KPIs is a table")];

/// The folds and what they are made of: a function of their arguments, nothing else.
const CORE: &[&str] = &[
    "model", "intake", "ledger", "drift", "notify", "rollup", "replay", "world", "verify",
    "observe",
];

/// What each module may know of the others. Who is not listed may not exist.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &[]),
    ("intake", &["model"]),
    ("ledger", &["model"]),
    ("drift", &["model"]),
    ("rollup", &["model", "drift"]),
    ("world", &["model"]),
    ("replay", &["model", "intake", "ledger", "rollup"]),
    ("verify", &["model"]),
    ("notify", &["model"]),
    ("config", &["model", "notify", "verify"]),
    ("telemetry", &["model"]),
    ("log", &["model", "clock"]),
    ("http", &["model", "verify", "telemetry", "clock"]),
    ("export", &["model", "http"]),
    ("observe", &["model"]),
    ("reference", &["model", "intake", "telemetry"]),
    (
        "runtime",
        &[
            "model",
            "intake",
            "ledger",
            "rollup",
            "notify",
            "log",
            "http",
            "config",
            "telemetry",
            "clock",
        ],
    ),
    ("app", &["model", "log", "runtime", "http", "config", "telemetry", "clock"]),
    (
        "cli",
        &[
            "model",
            "intake",
            "ledger",
            "rollup",
            "replay",
            "reference",
            "observe",
            "log",
            "runtime",
            "http",
            "export",
            "config",
            "telemetry",
            "clock",
            "app",
            "world",
        ],
    ),
];

/// What a function of its arguments does not use.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::Condvar",
    "std::sync::atomic",
    "std::sync::mpsc",
    "tokio",
    "tracing",
    "prometheus",
    "rand",
    "rand_chacha",
    "rdkafka",
    "fjall",
    "axum",
    "async",
    "jiff::tz::TimeZone::system",
    "TimeZone::system",
];
const IMPURE_MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "thread_local"];
/// The made-up company draws from a generator that is seeded by its settings.
const SEEDED: &str = "src/world/dice.rs";

/// Files of the core with floats, each with its reason. `world` is no state and may have them.
const FLOATS: &[(&str, &str)] = &[
    (
        "src/drift/amounts.rs",
        "as below: logarithms are taken when days are judged, cells have none",
    ),
    ("src/drift/arl.rs", "statistics, derived from exact counts each time and no state"),
    ("src/drift/baseline.rs", "as above"),
    ("src/drift/calibrate.rs", "as above"),
    ("src/drift/chart.rs", "as above"),
    ("src/drift/explain.rs", "as above"),
    ("src/drift/judge.rs", "as above"),
    ("src/drift/many.rs", "as above"),
    ("src/drift/mix.rs", "as above"),
    ("src/drift/shrink.rs", "as above"),
    ("src/drift/siblings.rs", "as above"),
    ("src/drift/supply.rs", "as above"),
    ("src/intake/avro/read.rs", "a double of Avro becomes its shortest text, and no number here"),
    ("src/model/forecast.rs", "forecasts are estimates, made anew each time and no state"),
    ("src/model/forecast/pipeline.rs", "the same"),
    ("src/model/interval.rs", "intervals of counts, for showing"),
    ("src/model/formula/fraction.rs", "a fraction is rounded once, when a row is due"),
    ("src/model/alert.rs", "an alert shows what the statistics say"),
    ("src/model/alert_choice.rs", "as the alert that it is part of"),
    ("src/model/explained.rs", "as the alert that it is part of"),
    ("src/model/kpi.rs", "quotients are taken from exact sums when a row is due"),
    ("src/model/money.rs", "`Exact::to_f64` is the way out, to quotients and Prometheus"),
    ("src/model/row.rs", "a row shows quotients and the share of its window that is complete"),
    ("src/model/survival.rs", "shares of a cohort, from exact counts by age when a row is due"),
    ("src/model/target.rs", "attainment and pace are quotients, taken when a row is due"),
    ("src/model/target_json.rs", "the JSON of these"),
    ("src/model/time.rs", "`Timestamp::seconds_f64` is the way out, to Prometheus"),
    ("src/notify/alert.rs", "an alert says what its record says"),
    ("src/notify/text.rs", "it is told in words, with the digits that people read"),
    ("src/rollup/judging.rs", "hands on how strong the evidence of siblings is"),
    ("src/rollup/rows.rs", "the share of a window that is complete"),
];

/// What reads a clock.
const CLOCKS: &[&str] =
    &["Instant::now", "SystemTime::now", "Utc::now", "Local::now", "Zoned::now", "Timestamp::now"];

/// Holds the check against the tree, then shows it each file that breaks its rule.
fn hold(check: fn(&Tree) -> Faults, breaks: &[(&str, String)]) {
    let faults = check(tree());
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
    for (path, text) in breaks {
        let mut planted = tree().clone();
        planted.insert((*path).to_owned(), Arc::new(Source::new(path, text.clone())));
        let seen = check(&planted).iter().any(|fault| fault.contains(path));
        assert!(seen, "the check does not see what is wrong with {path}: {text}");
    }
}

macro_rules! hold {
    ($($check:ident [$($path:literal $text:expr),* $(,)?])*) => {
        $(#[test]
        fn $check() {
            hold(check::$check, &[$(($path, $text.to_string())),*]);
        })*
    };
}

hold! {
    imports_point_one_way [
        "src/ledger/planted.rs" "use crate::{intake::Decoder, model};",
        "src/ledger/planted.rs" "use super::super::rollup;",
        "src/model/planted.rs" "fn f() { crate::ledger::Ledger::new() }",
        "src/log/planted.rs" "pub use crate::runtime::Context;",
        "src/runtime/planted.rs" "use tidemark::cli;",
        "src/pipeline.rs" "",
    ]
    the_core_is_pure [
        "src/ledger/planted.rs" "use std::{fs, sync::Arc};",
        "src/model/planted.rs" "fn f() -> std::time::Instant { g() }",
        "src/rollup/planted.rs" "fn f() { tracing::info!(n, \"row\") }",
        "src/intake/planted.rs" "fn f() { println!(\"\") }",
        "src/world/planted.rs" "use rand::Rng;",
        "src/ledger/planted.rs" "struct S { by_id: HashMap<u32, u32> }",
        "src/rollup/planted.rs" "async fn f() {}",
    ]
    state_has_no_floats [
        "src/ledger/planted.rs" "struct S { sum: f64 }",
        "src/rollup/planted.rs" "fn f(n: i64) -> bool { n as f32 > g() }",
        "src/model/row.rs" "",
    ]
    files_fit [
        "src/planted.rs" "\n".repeat(LINES_A_FILE + 1),
        "src/board/planted.js" "\n".repeat(LINES_A_FILE + 1),
        "src/model/catalogue.rs" "",
    ]
    functions_fit [
        "src/planted.rs" format!("fn f() {{\n{}}}", "g();\n".repeat(LINES_A_FUNCTION)),
        "tests/planted.rs" format!("mod m {{\n    fn f(x: [u8; 2])\n    {{\n{}    }}\n}}", "g();\n".repeat(99)),
    ]
    nothing_is_left_to_do [
        "src/planted.rs" "fn f() { g().unwrap() }\n#[cfg(test)]\nmod tests {}",
        "tests/planted.rs" "fn f() { todo!() }",
        "src/planted.rs" "fn f() { dbg!(1); }",
        "scripts/planted" concat!("# TO", "DO: later"),
    ]
    one_file_reads_the_clock [
        "src/planted.rs" "fn f() { std::time::Instant::now(); }",
        "tests/planted.rs" "fn f() { Utc::now(); }",
        "src/planted.rs" "fn f(t: Instant) { t.elapsed(); }",
    ]
    metrics_are_documented [
        "src/telemetry/planted.rs" "const NAME: &str = \"tidemark_planted_total\";",
        "docs/operations.md" "Watch `tidemark_planted_total`.",
    ]
    tests_run_and_do_not_sleep [
        "tests/planted.rs" "#[test]\n#[ignore]\nfn f() {}",
        "src/planted.rs" "#[ignore = \"slow\"]",
        "tests/planted.rs" "fn f() { std::thread::sleep(g()) }",
        "tests/planted.rs" "use std::thread::sleep;",
    ]
    no_path_of_a_machine [
        "docs/planted.md" concat!("See /ho", "me/ana/tidemark."),
        "scripts/planted" concat!("cd '/wo", "rk/here'"),
    ]
    front_doors_are_there [
        "README.md" "Run `make demo`.",
        "docs/planted.md" "Run `make nothing`.",
        "docs/planted.md" "make nothing  # in a block",
    ]
    exceptions_have_reasons [
        "clippy.toml" "disallowed-methods = [\n    \"std::env::set_var\",\n]",
        "clippy.toml" "disallowed-methods = [\n    { path = \"std::env::set_var\", reason = \"\" },\n]",
        "src/planted.rs" "#[allow(dead_code)]\nfn f() {}",
    ]
    documents_name_what_exists [
        "docs/planted.md" "See [there](nowhere.md).",
        "docs/planted.md" "See `src/nowhere.rs`.",
        "docs/planted.md" "See `tests/tidy.rs::no_such_test`.",
    ]
}
