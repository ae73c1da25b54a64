//! The configuration from the outside: what is taken and what it means. What is refused is in
//! `config_faults.rs`.

#[path = "config/drift.rs"]
mod drift;
#[path = "config/measures.rs"]
mod measures;

use std::path::Path;
use std::time::Duration;

use insta::assert_snapshot;
use tidemark::config::{self, Cleanup, Config, ConfigError, Origin};
use tidemark::model::definition::Attribution;
use tidemark::model::event::Status;
use tidemark::model::kpi::{Grain, Kpi, Unit};
use tidemark::model::time::Span;

/// A configuration from a text, with variables.
fn read(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_toml(text, "tidemark.toml", env)
}

fn names_of_windows(config: &Config) -> Vec<String> {
    config.definition.windows.iter().map(|w| w.name()).collect()
}

mod taken {
    use super::*;

    #[test]
    fn the_defaults_are_what_the_docs_say() {
        let config = Config::defaults();
        assert_eq!((config.app.as_str(), config.generation), ("tidemark", 1));
        assert_eq!(config.kafka.brokers, "127.0.0.1:9092");
        assert_eq!(config.kafka.client_id, "tidemark");
        assert_eq!(config.kafka.session_timeout, Duration::from_secs(30));
        assert_eq!(config.kafka.request_timeout, Duration::from_secs(10));
        assert_eq!((config.kafka.replication, config.kafka.properties.len()), (1, 0));
        assert!(config.sources.is_empty());
        assert_eq!(config.time.out_of_orderness, Span::minutes(1));
        assert_eq!(config.time.idle_after, Duration::from_secs(30));
        assert_eq!(config.time.future_limit, Span::days(1));
        assert_eq!(config.publish.publish_interval, Duration::from_millis(250));
        assert_eq!(config.publish.emit_interval, Duration::from_secs(1));
        assert_eq!(config.publish.repair_interval, Duration::from_secs(600));
        assert_eq!(config.publish.image_interval, Duration::from_secs(600));
        assert_eq!(config.publish.image_bytes, 64 << 20);
        assert_eq!(config.publish.image_cache, None);
        assert_eq!((config.intake.max_record_bytes, config.intake.max_array), (1 << 20, 1000));
        assert_eq!(config.http.listen.to_string(), "127.0.0.1:9464");
        assert!(!config.http.allow_remote && config.hooks.is_none());
        assert_eq!(
            (config.limits.max_series, config.limits.max_series_per_family),
            (55_000, 10_000)
        );
        assert_eq!([config.limits.budget.of("rep"), config.limits.budget.of("channel")], [100, 25]);
    }

    #[test]
    fn the_default_definition_is_what_the_docs_say() {
        let definition = Config::defaults().definition;
        assert_eq!((definition.shards, definition.partitions), (16, 8));
        assert_eq!(definition.calendar.zone(), "UTC");
        assert_eq!(
            (definition.retention.fine, definition.retention.days),
            (Span::days(8), Some(800))
        );
        assert_eq!(
            names_of_windows(&Config::defaults()),
            ["rolling_24h", "rolling_7d", "rolling_28d", "day", "week", "month", "quarter", "year"]
        );
        assert_eq!(
            definition.segments,
            [
                vec![],
                vec!["rep".to_owned()],
                vec!["territory".to_owned()],
                vec!["channel".to_owned()]
            ]
        );
        assert_eq!(definition.currency.to_string(), "USD");
        assert_eq!(definition.attribution, Attribution::AtEvent);
        assert_eq!(definition.settle, Span::seconds(5));
        assert!(definition.stages.is_empty() && definition.directory.reps.is_empty());
    }

    /// The file of defaults is the lowest layer of every configuration, so what it states is the
    /// default. Given as a file of one's own it changes nothing, and no key is forgotten in it.
    #[test]
    fn the_file_of_defaults_states_every_key_and_nothing_else() {
        let plain = Config::defaults();
        let stated = read(config::DEFAULT, &[]).unwrap();
        assert_eq!(format!("{:?}", stated), format!("{plain:?}"));
        let of =
            |c: &Config| c.settings().into_iter().map(|s| (s.key, s.value)).collect::<Vec<_>>();
        assert_eq!(of(&stated), of(&plain));

        for name in config::variable_names() {
            let path = name.trim_start_matches("TIDEMARK_").to_lowercase();
            let (section, key) = path.split_once("__").unwrap();
            let rest = config::DEFAULT.split(&format!("\n[{section}]\n")).nth(1).unwrap();
            let body: Vec<&str> = rest.lines().take_while(|l| !l.starts_with('[')).collect();
            let line = body
                .iter()
                .position(|l| l.trim_start_matches("# ").starts_with(&format!("{key} =")));
            let line =
                line.unwrap_or_else(|| panic!("{section}.{key} is not in config/default.toml"));
            assert!(
                body[..line].iter().any(|l| l.starts_with("# ")),
                "{section}.{key} has no sentence"
            );
        }
        for table in [
            "[kafka.properties]",
            "# [[sources]]",
            "# [[hooks.endpoint]]",
            "# [hooks.endpoint.scheme]",
            "[segments.budget]",
            "# [[stages.stage]]",
            "# [[directory.rep]]",
            "# [directory.members]",
            "# [kpis.custom.demos_per_win]",
            "# [measures.demo_calls]",
            "# [[channels.rule]]",
            "# [[alerts.receivers]]",
        ] {
            assert!(config::DEFAULT.lines().any(|l| l == table), "{table}");
        }
    }

    /// What is commented out in the file of defaults is an example: it must work.
    #[test]
    fn the_examples_among_the_defaults_work() {
        let mut text = String::new();
        for line in config::DEFAULT.lines() {
            let bare = line.trim_start_matches(['#', ' ']);
            let is_key = bare.split_once(" = ").is_some_and(|(key, value)| {
                !key.trim_matches('"').contains(' ') && value.starts_with(['"', '[', '{'])
            });
            let skipped = bare.starts_with("file =")
                || bare.contains("-password")
                || bare.starts_with("token =")
                || bare.starts_with("ca =")
                || bare.starts_with("holidays =")
                || bare.starts_with("username =");
            // Secrets in files are elsewhere than here.
            let bare =
                bare.replace("file = \"/run/secrets/meta-app-secret\"", "env = \"META_SECRET\"");
            let live = !line.starts_with('#')
                || (!skipped && (is_key || bare.starts_with('[')) && !bare.ends_with('.'));
            text.push_str(if live { &bare } else { "" });
            text.push('\n');
        }
        let names = ["HUBSPOT_CLIENT_SECRET", "META_SECRET", "META_VERIFY_TOKEN", "OTHER_SECRET"];
        let mut secrets = names.map(|name| (name, "hunter2")).to_vec();
        secrets.push(("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/hunter2"));
        // It says hunter2 in Base64, again and again.
        let signing = format!("whsec_{}", "aHVudGVyMmh1bnRlcjIhaHVudGVyMiEh".repeat(2));
        secrets.push(("ALERT_SECRET", &signing));
        let config = read(&text, &secrets);
        let config = config.unwrap_or_else(|e| panic!("{e}"));
        let hooks = config.hooks.as_ref().unwrap();
        assert_eq!(hooks.endpoints.len(), 3);
        assert!(!format!("{:?}{}{}", config, config.print(), config.summary()).contains("hunter2"));
        assert_eq!(config.sources[0].topics, ["sales.events"]);
        assert_eq!(config.definition.directory.reps["r-17"].name.as_deref(), Some("Ana Costa"));
        assert_eq!(config.topics(), Config::defaults().topics());
        let channels = &config.sources[0].reading.channels;
        let named: Vec<&str> = channels.rules.iter().map(|r| r.channel.as_str()).collect();
        assert_eq!(
            (named, channels.default_grouping),
            (vec!["Brand search", "Events", "Events"], true)
        );
        assert_eq!(config.definition.kpis.own()[0].family, "demos_per_win_ratio");
        assert_eq!(config.definition.measures.all()[0].name, "demo_calls");
    }

    #[test]
    fn own_kpis_are_compiled_and_cost_series() {
        let text = r#"
[kpis.custom.net]
formula = "won_amount - spend"
leading = true
doc = "What is left."
grain = "month"

[kpis.custom.net_per_win]
formula = "net / deals_won"
min_n = 3

[kpis.custom.score]
formula = "100 * (deals_won - deals_lost) / (deals_won + deals_lost)"
unit = "points"
family = "closing_points"
"#;
        let (plain, config) = (Config::defaults().estimate(), read(text, &[]).unwrap());
        let own = config.definition.kpis.own();
        let shown = |k: &Kpi| (k.name.to_string(), k.family.to_string(), k.unit, k.min_n());
        assert_eq!(
            own.iter().map(shown).collect::<Vec<_>>(),
            [
                ("net".to_owned(), "net_amount".to_owned(), Unit::Money, 0),
                ("net_per_win".to_owned(), "net_per_win_amount".to_owned(), Unit::Money, 3),
                ("score".to_owned(), "closing_points".to_owned(), Unit::Points, 10),
            ]
        );
        assert!(own[0].leading && own[0].grain() == Grain::Month && own[0].doc == "What is left.");
        let cost = config.estimate();
        assert_eq!(cost.kpis, plain.kpis + 3);
        // Each has one more, which says what it is.
        assert_eq!(cost.series, plain.series + 3 * (cost.rows + 1));
        assert_eq!(cost.own[0], ("net_amount".to_owned(), cost.rows));
        assert!(config.summary().contains("…_closing_points ("), "{}", config.summary());
        // No cell changes with a formula: the state of before serves on.
        assert_eq!(config.definition.hash(), Config::defaults().definition.hash());
    }

    #[test]
    fn the_shipped_configurations_load() {
        let demo = Config::from_toml(config::DEMO, "demo.toml", std::iter::empty())
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(demo.topics().partials, "demo.g1.partials");
        assert_eq!((demo.definition.shards, demo.definition.partitions), (4, 2));
        assert_eq!(demo.definition.calendar.zone(), "Europe/Berlin");
        assert_eq!(demo.definition.currency.to_string(), "EUR");
        assert_eq!(names_of_windows(&demo)[8..], ["month_to_date", "quarter_to_date"]);
        assert_eq!(demo.definition.segments[4], ["territory", "channel"]);
        assert_eq!(demo.publish.emit_interval, Duration::from_millis(500));

        let compose = Config::load(Path::new("config/compose.toml"), std::iter::empty())
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(compose.kafka.brokers, "kafka:9092");
        assert!(compose.http.allow_remote);
        assert_eq!(compose.sources[0].topics, ["sales.events"]);
    }

    /// The secrets that config/example names.
    fn example_env() -> impl Iterator<Item = (String, String)> {
        let names = [
            "KAFKA_PASSWORD",
            "HUBSPOT_CLIENT_SECRET",
            "STRIPE_WEBHOOK_SECRET",
            "STRIPE_WEBHOOK_SECRET_OLD",
        ];
        names.into_iter().map(|name| (name.to_owned(), "hunter2".to_owned()))
    }

    #[test]
    fn the_example_receives_webhooks() {
        let file = Path::new("config/example/tidemark.toml");
        let config = Config::load(file, example_env()).unwrap_or_else(|e| panic!("{e}"));
        let hooks = config.hooks.as_ref().expect("it has [hooks]");
        let told = |hook: &tidemark::config::Hook| {
            (hook.path.clone(), hook.scheme.clone(), hook.topic.clone())
        };
        let told: Vec<_> = hooks.endpoints.iter().map(told).collect();
        let row = |path: &str, scheme: &str, topic: &str| {
            (path.to_owned(), scheme.to_owned(), topic.to_owned())
        };
        assert_eq!(
            told,
            [row("/hubspot", "hubspot-v3", "crm.us.raw"), row("/stripe", "stripe", "billing.raw")]
        );
        assert!(!config.summary().contains("hunter2"), "{}", config.summary());
        // Without one of its secrets it is refused.
        let env = example_env().filter(|(name, _)| name != "STRIPE_WEBHOOK_SECRET_OLD");
        let refused = Config::load(file, env).unwrap_err().to_string();
        assert!(refused.contains("STRIPE_WEBHOOK_SECRET_OLD"), "{refused}");
    }

    #[test]
    fn reference_files_are_read_beside_the_file_that_names_them() {
        let config = Config::load(Path::new("config/example/tidemark.toml"), example_env())
            .unwrap_or_else(|e| panic!("{e}"));
        let definition = &config.definition;
        assert_eq!(
            definition.stages.status("hubspot", "renewals", "closedwon"),
            Some(Status::Open)
        );
        assert_eq!(definition.stages.status("hubspot", "new", "closedwon"), Some(Status::Won));
        let contract = definition.stages.find("hubspot", "new", "contractsent").unwrap().stage;
        assert_eq!((contract.order, contract.label.as_deref()), (Some(2), Some("Contract sent")));
        let told = "stages      8 in the table: 3 open, 3 won, 2 lost; hubspot 4, hubspot/renewals 2, salesforce 2\n";
        assert!(config.summary().contains(told), "{}", config.summary());
        assert_eq!(definition.directory.reps["r-2"].values["territory"], "DACH");
        assert_eq!(
            definition.directory.known("territory").into_iter().collect::<Vec<_>>(),
            ["DACH", "Iberia", "Nordics"]
        );
        assert!(
            config.kafka.properties.contains(&("sasl.password".to_owned(), "hunter2".to_owned()))
        );
    }

    #[test]
    fn what_is_seldom_meant_is_told_and_stops_nothing() {
        let source = |name: &str, system: &str, more: &str| {
            format!(
                "[[sources]]\nname = \"{name}\"\nsystem = \"{system}\"\ntopics = [\"{name}\"]\n{more}"
            )
        };
        let north = "tenant = \"north\"\n";
        let text = [
            source("eu", "hubspot", ""),
            source("own", "canonical", ""),
            source("other", "canonical", ""),
            source("pipe", "pipedrive", ""),
            source("us", "hubspot", north),
            source("journal", "hubspot", north),
            "[[directory.rep]]\nid = \"r-1\"\nids = { hubspto = \"1\", us = \"2\", sap-erp-4711 = \"3\" }\n".to_owned(),
        ]
        .concat();
        let text = format!(
            "{text}[hooks]\nmax_body = \"2MiB\"\nlisten = \"127.0.0.1:1\"\n[[hooks.endpoint]]\npath = \"/own\"\nsource = \"own\"\nverify = \"none\"\n"
        );
        let warnings = read(&text, &[]).unwrap().warnings();
        let told: Vec<String> = warnings.iter().map(|w| w.to_string()).collect();
        assert_snapshot!(told.join("\n\n"));
        let config = Config::load(Path::new("config/example/tidemark.toml"), example_env());
        assert_eq!(config.unwrap().warnings(), [], "the example means what it says");
    }

    #[test]
    fn variables_stand_above_the_file_and_the_file_above_the_defaults() {
        let text =
            "[app]\nname = \"sales\"\n[topology]\nshards = 4\n[windows]\nrolling = [\"24h\"]\n";
        let config = read(
            text,
            &[
                ("TIDEMARK_TOPOLOGY__SHARDS", "32"),
                ("TIDEMARK_WINDOWS__ROLLING", "7d, 28d"),
                ("TIDEMARK_WINDOWS__CALENDAR", ""),
                ("TIDEMARK_HTTP__LISTEN", "0.0.0.0:80"),
                ("TIDEMARK_HTTP__ALLOW_REMOTE", "true"),
                ("TIDEMARK_KAFKA__CLIENT_ID", "1e3"),
                ("TIDEMARK_LOG", "debug"),
                ("TIDEMARK_SERVICE_HOST", "10.0.0.7"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            (config.app.as_str(), config.definition.shards, config.definition.partitions),
            ("sales", 32, 8)
        );
        assert_eq!(names_of_windows(&config), ["rolling_7d", "rolling_28d"]);
        assert_eq!(config.kafka.client_id, "1e3");

        let origin =
            |key: &str| config.settings().into_iter().find(|s| s.key == key).unwrap().origin;
        assert_eq!(
            origin("app.name"),
            Origin::File { name: "tidemark.toml".to_owned(), line: 2, column: 8 }
        );
        assert_eq!(
            origin("topology.shards"),
            Origin::Variable("TIDEMARK_TOPOLOGY__SHARDS".to_owned())
        );
        assert_eq!(origin("topology.partitions"), Origin::Default);
    }

    #[test]
    fn topics_follow_the_name_and_the_generation() {
        let text = "[app]\nname = \"eu\"\ngeneration = 3\n[topics]\nevents = \"sales.canonical\"\ndlq_retention = \"7d\"\n[publish]\nrepair_interval = \"5m\"\n";
        let config = read(text, &[]).unwrap();
        let shown: Vec<String> = config
            .specs()
            .into_iter()
            .map(|s| match s.cleanup {
                Cleanup::Delete { retention } => format!(
                    "{} {} delete {retention:?} {}",
                    s.name, s.partitions, s.max_record_bytes
                ),
                Cleanup::Compact { min_lag } => format!(
                    "{} {} compact {min_lag:?} {}",
                    s.name, s.partitions, s.max_record_bytes
                ),
            })
            .collect();
        assert_eq!(
            shown,
            [
                "sales.canonical 16 delete None 1114112",
                "eu.dlq 4 delete Some(604800s) 1114112",
                "eu.late 4 delete Some(2592000s) 1114112",
                "eu.gaps 1 delete Some(2592000s) 1114112",
                "eu.g3.kpis 8 compact 600s 1048576",
                "eu.g3.alerts 8 compact 600s 1048576",
                "eu.g3.partials 8 compact 600s 1048576",
                "eu.g3.images 16 compact 600s 1048576",
            ]
        );
    }

    #[test]
    fn the_estimate_takes_the_directory_where_it_knows_and_the_budget_elsewhere() {
        let text = "
            [windows]
            rolling = [\"24h\"]
            calendar = [\"month\"]
            [segments]
            sets = [\"overall\", \"rep\", [\"rep\", \"channel\"]]
            budget = { channel = 5 }
            [[directory.rep]]
            id = \"r1\"
            [[directory.rep]]
            id = \"r2\"
        ";
        let estimate = read(text, &[]).unwrap().estimate();
        // Two reps and `unknown`; five channels.
        assert_eq!(estimate.sets.iter().map(|s| s.members).collect::<Vec<_>>(), [1, 3, 15]);
        assert_eq!((estimate.rows_per_window, estimate.rows), (19, 38));
        // Drift watches two KPIs of the whole, of which eleven series each tell.
        assert_eq!(estimate.drift, 2 * 11);
        // How complete a row is, what its win rate is of, and its cycle lengths.
        assert_eq!(estimate.beside, 3 * 38);
        assert_eq!(
            estimate.series,
            (38 + 1) * estimate.kpis + estimate.drift + 2 + 2 + estimate.beside,
            "two reps, deals"
        );
        assert_eq!(estimate.sets[2].name(), "rep × channel");
    }

    #[test]
    fn a_summary_fits_a_screen() {
        let mut summary =
            Config::from_toml(config::DEMO, "demo.toml", std::iter::empty()).unwrap().summary();
        // Both change with every new KPI and every release of the database.
        let series = Config::from_toml(config::DEMO, "demo.toml", std::iter::empty())
            .unwrap()
            .estimate()
            .series;
        summary = summary.replace(&format!("{},{:03}", series / 1000, series % 1000), "N");
        summary = summary.replace(tidemark::model::calendar::tzdb_version(), "VERSION");
        assert_snapshot!(summary);
    }
}

mod secret {
    use super::*;

    const TEXT: &str = "
[kafka.properties]
\"security.protocol\" = \"SASL_SSL\"
\"fetch.min.bytes\" = 1
\"sasl.username\" = \"plain-name\"
\"sasl.password\" = { env = \"KAFKA_PASSWORD\" }
\"ssl.key.password\" = \"plain-secret\"
";

    #[test]
    fn secrets_are_resolved_and_never_shown() {
        let config = read(TEXT, &[("KAFKA_PASSWORD", "hunter2")]).unwrap();
        let value = |name: &str| {
            config.kafka.properties.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
        };
        assert_eq!(value("sasl.password"), Some("hunter2"));
        assert_eq!(value("fetch.min.bytes"), Some("1"));
        for shown in
            [format!("{config:?}"), format!("{config:#?}"), config.print(), config.summary()]
        {
            for secret in ["hunter2", "plain-secret", "plain-name"] {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
        }
        assert!(format!("{config:?}").contains("SASL_SSL"));
    }

    #[test]
    fn a_print_says_where_each_setting_comes_from() {
        let config =
            read(TEXT, &[("KAFKA_PASSWORD", "hunter2"), ("TIDEMARK_APP__NAME", "eu")]).unwrap();
        let print = config.print();
        let head: Vec<&str> = print.lines().take(12).map(str::trim_end).collect();
        assert_snapshot!(head.join("\n"));
    }

    #[test]
    fn the_cache_of_images_stands_beside_the_configuration() {
        let text = "[publish]\nimage_cache = \"images\"\n";
        let config = Config::from_toml(text, "etc/tidemark.toml", std::iter::empty()).unwrap();
        assert_eq!(config.publish.image_cache, Some("etc/images".into()));
    }

    #[test]
    fn a_secret_file_is_read_beside_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("password"), "hunter2\n").unwrap();
        let file = dir.path().join("tidemark.toml");
        std::fs::write(&file, "[kafka.properties]\n\"sasl.password\" = { file = \"password\" }\n")
            .unwrap();
        let config = Config::load(&file, std::iter::empty()).unwrap();
        assert_eq!(config.kafka.properties, [("sasl.password".to_owned(), "hunter2".to_owned())]);
    }
}
