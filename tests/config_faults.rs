//! What is wrong with a configuration, as a person reads it: `tests/snapshots/config_faults__*.snap`.
#[path = "config_faults/connections.rs"]
mod connections;
#[path = "config_faults/credit.rs"]
mod credit;
#[path = "config_faults/customers.rs"]
mod customers;
#[path = "config_faults/deals.rs"]
mod deals;
#[path = "config_faults/drift.rs"]
mod drift;
#[path = "config_faults/formulas.rs"]
mod formulas;
#[path = "config_faults/funnel.rs"]
mod funnel;
#[path = "config_faults/measures.rs"]
mod measures;
#[path = "config_faults/scrape.rs"]
mod scrape;
#[path = "config_faults/zones.rs"]
mod zones;

use std::path::Path;

use insta::assert_snapshot;
use proptest::prelude::*;
use tidemark::config::{Config, ConfigError, DEFAULT};

/// A configuration from a text, with variables.
fn read(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_toml(text, "tidemark.toml", env)
}

/// What a person reads who wrote this.
fn refusal(text: &str) -> String {
    read(text, &[]).expect_err("should be refused").to_string()
}

#[test]
fn unknown_keys() {
    assert_snapshot!(refusal(
        r#"
[kafka]
broker = "kafka:9092"
shards = 8
zookeeper = "zk:2181"

[windowz]
rolling = ["24h"]
"#
    ));
}

#[test]
fn wrong_types() {
    assert_snapshot!(refusal(
        r#"
[kafka]
replication = "three"
session_timeout = 30
brokers = ["a:1", "b:2"]

[publish]
repair_interval = "10 minutes"
image_bytes = "64MB"

[windows]
rolling = "24h"

[http]
allow_remote = "yes"
listen = "localhost:9464"

[sources]
name = "crm"
"#
    ));
}

#[test]
fn unknown_variables() {
    let slips = [
        ("TIDEMARK_KAFKA__BROKER", "kafka:9092"),
        ("TIDEMARK_KAFKA_BROKERS", "kafka:9092"),
        ("TIDEMARK_LOGS", "debug"),
        ("TIDEMARK_KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
        ("TIDEMARK_PASSWORD", "hunter2"),
    ];
    assert_snapshot!(read("", &slips).unwrap_err());
}

#[test]
fn values_of_variables() {
    let env =
        [("TIDEMARK_TOPOLOGY__SHARDS", "many"), ("TIDEMARK_WINDOWS__TO_DATE", "month,fortnight")];
    let error = read("[topology]\nshards = 4\n", &env).unwrap_err();
    assert_snapshot!(error);
}

#[test]
fn impossible_combinations() {
    assert_snapshot!(refusal(
        r#"
[slices]
fine_retention = "2d"
day_retention = "400d"

[http]
listen = "0.0.0.0:9464"

[publish]
repair_interval = "200ms"

[topics]
events_retention = "15m"
late = "tidemark.dlq"
"#
    ));
}

#[test]
fn a_window_longer_than_the_default_retention() {
    assert_snapshot!(refusal("[windows]\nrolling = [\"500d\"]\n"));
}

#[test]
fn a_cardinality_over_the_budget() {
    let text = "[segments]\nsets = [\"overall\", \"rep\", [\"rep\", \"territory\"]]\nbudget = { rep = 500 }\n";
    let per_window = 1 + 500 + 500 * 25;
    let (kpis, windows) = (Config::defaults().estimate().kpis as usize, 8);
    // Beside the KPIs of a row three families. Two KPIs of the whole are watched for drift, deals seen
    // closed, and of each KPI what it is.
    let all = (per_window * windows * (kpis + 3) + 24 + kpis).to_string();
    let worst = (500 * 25 * windows * kpis).to_string();
    let commas = |n: &str| {
        format!("{},{},{}", &n[..n.len() - 6], &n[n.len() - 6..n.len() - 3], &n[n.len() - 3..])
    };
    // The numbers grow with the catalogue.
    let shown = refusal(text)
        .replace(&commas(&all), "ALL")
        .replace(&commas(&worst), "WORST")
        .replace(&format!("{kpis} KPIs"), "K KPIs");
    assert_snapshot!(shown);
}

#[test]
fn a_family_over_its_limit() {
    let family = "[segments]\nsets = [\"account\"]\nbudget = { account = 2000 }\n[limits]\nmax_series = 10000000\n";
    assert_snapshot!(refusal(family));
}

#[test]
fn a_watch_for_drift_over_the_limit() {
    let text = r#"
[segments]
sets = ["overall", "rep"]
budget = { rep = 2000 }

[windows]
rolling = ["24h"]
calendar = []
to_date = []

[kpis]
groups = ["spend"]

[drift]
segments = ["rep"]
kpis = ["win_rate", "cycle_length_mean", "deals_created"]
"#;
    let shown = refusal(text);
    // The number of all grows with the catalogue.
    let all = shown.split(' ').find(|word| word.contains(',')).unwrap();
    assert_snapshot!(shown.replace(all, "ALL"));
}

#[test]
fn zones_currencies_and_names() {
    assert_snapshot!(refusal(
        r#"
[app]
name = "sales eu"

[time]
zone = "Europe/Berln"

[money]
currency = "EURO"

[attribution]
credit = "now"

[windows]
calendar = ["month", "fortnight"]
rolling = ["7m", "200h"]
"#
    ));
}

#[test]
fn what_is_there_twice() {
    assert_snapshot!(refusal(
        r#"
[[sources]]
name = "crm"
topics = ["sales.events"]

[[sources]]
name = "crm"
topics = ["sales.events", "tidemark.events"]

[windows]
rolling = ["24h", "1d"]

[segments]
sets = ["overall", ["territory", "channel"], ["channel", "territory"], ["rep", "rep"]]
"#
    ));
}

#[test]
fn dimensions() {
    assert_snapshot!(refusal(
        r#"
[segments]
sets = ["owner", "teritory", "status", "industry", "x.sub-industry", ["rep", "overall"], 7]
budget = { regoin = 5 }
"#
    ));
}

#[test]
fn rows_that_are_not_whole() {
    assert_snapshot!(refusal(
        r#"
[[sources]]
name = "crm"

[[stages.stage]]
stage = "closedwon"
status = "closed_won"

[[directory.rep]]
name = "Ana"
email = "ana@example.com"
teritory = "Iberia"
"#
    ));
}

#[test]
fn stages_that_cannot_stand_beside_each_other() {
    assert_snapshot!(refusal(
        r#"
[[stages.stage]]
system = "pipedrive"
pipeline = "1"
stage = "3"
status = "open"
order = 2
label = "Demo"

[[stages.stage]]
system = "pipedrive"
pipeline = "1"
stage = "4"
status = "open"
order = 2

[[stages.stage]]
system = "pipedrive"
pipeline = "2"
stage = "5"
status = "open"
order = 2
label = "Demo"

[[stages.stage]]
system = "pipedrive"
pipeline = "1"
stage = "3"
status = "lost"
"#
    ));
}

#[test]
fn reps_that_are_known_by_one_id() {
    assert_snapshot!(refusal(
        r#"
[[directory.rep]]
id = "r-17"
ids = { hubspot = "51234", close = "user_1" }

[[directory.rep]]
id = "r-18"
ids = { hubspot = "51234", pipedrive = "51234" }

[[directory.rep]]
id = "r-17"
"#
    ));
}

#[test]
fn ids_of_reps_are_texts() {
    assert_snapshot!(refusal(
        r#"
[[directory.rep]]
id = "r-17"
ids = { hubspot = 51234 }

[[directory.rep]]
id = "r-18"
ids = "51234"

[[directory.rep]]
id = "r-19"
isd = "51234"
"#
    ));
}

#[test]
fn channel_rules() {
    assert_snapshot!(refusal(
        r#"
[channels]
default_groupings = true
own_sites = ["https://www.acme.com/shop", "acme.com", ".acme.com"]

[[channels.rule]]
medium = ""
channel = "none"

[[channels.rule]]
utm_medium = "cpc"
chanel = "paid"
"#
    ));
    assert_snapshot!(refusal("[[channels.rule]]\nchannel = \"all\"\n"));
}

#[test]
fn a_file_that_is_not_toml() {
    assert_snapshot!(refusal(
        "[app]\nname = sales\n[kafka]\nbrokers = \"a:1\"\nbrokers = \"b:2\"\n"
    ));
}

#[test]
fn faults_of_reference_files_are_shown_in_those_files() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("stages.toml"),
        "[[stage]]\nstage = \"won\"\nstatus = \"wonn\"\n",
    )
    .unwrap();
    let text = "[stages]\nfile = \"stages.toml\"\n[directory]\nfile = \"nobody.toml\"\n";
    let name = dir.path().join("tidemark.toml").display().to_string();
    let error = Config::from_toml(text, &name, std::iter::empty()).unwrap_err().to_string();
    assert_snapshot!(error.replace(&dir.path().display().to_string(), "DIR"));
}

#[test]
fn a_file_that_is_not_there() {
    let error = Config::load(Path::new("/nowhere/tidemark.toml"), std::iter::empty()).unwrap_err();
    assert_snapshot!(error);
}

/// Whatever is wrong, all of it is told at once, in the order of the file, variables last.
#[test]
fn several_at_once() {
    let text = r#"
[kafka]
brokers = "kafka"
client = "me"

[topology]
shards = 0

[time]
zone = "Mars/Olympus"

[segments]
sets = ["overall", "salesperson"]
"#;
    let env = [("TIDEMARK_HTTP__LISTEN", "[::]:9464"), ("TIDEMARK_MONEY_CURRENCY", "EUR")];
    let error = read(text, &env).unwrap_err();
    assert_eq!(error.faults().len(), 7);
    assert_snapshot!(error);
}

#[test]
fn a_check_made_elsewhere_is_shown_like_ours() {
    let config =
        read("[[sources]]\nname = \"crm\"\nsystem = \"hubspot\"\ntopics = [\"crm\"]\n", &[])
            .unwrap();
    let error =
        config.fault("sources[0].system", "\"hubspot\" does not answer", "is it the right one?");
    assert_snapshot!(error);
}

#[test]
fn sources_of_unknown_systems_and_fields() {
    assert_snapshot!(refusal(
        r#"
[[sources]]
name = "crm"
system = "hubspt"
topics = ["crm"]
currency = "EURO"
fields = { "region" = "teritory", "industry" = "x.indus try", "size" = "headcount" }

[[sources]]
name = "legacy"
system = "siebel"
topics = ["legacy"]
"#
    ));
}

#[test]
fn what_is_wrong_with_a_secret_is_told_without_it() {
    assert_snapshot!(refusal(
        r#"
[kafka.properties]
"sasl.password" = { env = "KAFKA_PASSWORD" }
"ssl.key.password" = { file = "/nowhere/key", env = "KEY" }
"ssl.key.pem" = { path = "hunter2" }
"sasl.oauthbearer.config" = 5.5
security.protocol = "ssl"
"group.id" = "mine"
"enable.auto.commit" = true
"#
    ));
}

/// Values that stand in for those of a key.
const VALUES: [&str; 16] = [
    "0",
    "-1",
    "1.5",
    "true",
    "\"\"",
    "\"x\"",
    "\"7d\"",
    "\"5m\"",
    "\"9GiB\"",
    "[]",
    "[1]",
    "[\"day\"]",
    "[[\"rep\"]]",
    "{}",
    "{ x = \"y\" }",
    "1979-05-27",
];

proptest! {
    /// Whatever stands in the file, the answer is a configuration or faults that each have a place
    /// in it: never a panic, never the typed structs refusing what the shape took.
    #[test]
    fn any_mixture_of_lines_has_an_answer(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..=VALUES.len()), 1..12),
        with_examples in any::<bool>(),
    ) {
        let mut lines: Vec<String> = DEFAULT
            .lines()
            .map(|l| if with_examples { l.trim_start_matches("# ") } else { l })
            .filter(|l| l.starts_with('[') || l.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')))
            .map(str::to_owned)
            .collect();
        for (index, edit) in edits {
            let at = index.index(lines.len());
            let line = &mut lines[at];
            let key = line.split(" = ").next().unwrap_or_default().to_owned();
            *line = VALUES.get(edit).filter(|_| !key.starts_with('[')).map_or(String::new(), |v| format!("{key} = {v}"));
        }
        let text = lines.join("\n");
        if let Err(error) = read(&text, &[("KAFKA_PASSWORD", "hunter2")]) {
            for fault in error.faults() {
                prop_assert!(!fault.mend.contains("report it"), "{fault}\n{text}");
                prop_assert!(!fault.what.is_empty() && !fault.mend.is_empty());
            }
            prop_assert!(error.to_string().contains("error"));
        }
    }
}
