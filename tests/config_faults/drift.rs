//! What cannot be watched for drift, and what can be and is seldom meant.

use insta::assert_snapshot;

use super::{read, refusal};

#[test]
fn drift_that_cannot_be_watched() {
    assert_snapshot!(refusal(
        r#"
[drift]
kpis = ["winrate", "revenue"]
false_alarms = "1 per week"
baseline = "2d"
baseline_from = "5.1.2026"
min_n = 0
chart = "shewhart"
interval = "wald"
phases = { win_rate = "month", revenue = "weekday" }
"#
    ));
    assert_snapshot!(refusal("[drift]\nsegments = [\"overall\", \"team\"]\nbaseline = \"500d\"\n"));
}

#[test]
fn more_false_alarms_than_anybody_would_look_at_are_refused() {
    let of = |words: &str| format!("[drift]\nfalse_alarms = \"{words}\"\n");
    for words in ["10000 per month", "101 per month", "1201 per year", "4294967295 per month"] {
        let told = refusal(&of(words));
        assert!(told.contains(&format!("\"{words}\" are more false alarms than")), "{told}");
        assert!(told.contains("drift.false_alarms") && told.contains("100 a month at most"));
    }
    for words in ["100 per month", "400 per quarter", "300 per quarter", "1200 per year"] {
        assert_eq!(read(&of(words), &[]).is_ok(), words != "400 per quarter", "{words}");
    }
    assert!(refusal(&of("0 per year")).contains("is not a number of false alarms"));
}

#[test]
fn a_baseline_that_has_seen_a_season_a_few_times_only_is_told() {
    let warned = |phases: &str, baseline: &str| {
        let text = format!(
            "[slices]\nday_retention = \"2500d\"\n\
             [drift]\nbaseline = \"{baseline}\"\nphases = {{ {phases} }}\n"
        );
        let config = read(&text, &[]).unwrap_or_else(|e| panic!("{e}"));
        config.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let quarter = warned("win_rate = \"month_of_quarter\"", "84d");
    assert!(quarter.contains("key: drift.phases.win_rate"), "{quarter}");
    assert!(
        quarter.contains(
            "win_rate is compared with the same month of the quarter, and a baseline of 84d holds \
             each of them 0 times, not 12"
        ),
        "{quarter}"
    );
    assert!(quarter.contains("set drift.baseline = \"1096d\""), "{quarter}");
    let month = warned("win_rate = \"week_of_month\"", "365d");
    assert!(month.contains("a baseline of 365d holds each of them 11 times"), "{month}");
    assert!(month.contains("set drift.baseline = \"366d\""), "{month}");
    for (phases, baseline) in [
        ("win_rate = \"week_of_month\"", "366d"),
        ("win_rate = \"month_of_quarter\"", "1096d"),
        ("win_rate = \"weekday\"", "84d"),
        // It is not watched.
        ("deals_created = \"month_of_quarter\"", "84d"),
    ] {
        assert_eq!(warned(phases, baseline), "", "{phases} {baseline}");
    }
}

#[test]
fn what_can_never_fire_and_a_set_in_another_order_are_refused() {
    let told = refusal("[drift]\nmin_effect_percent = 100\n");
    assert!(told.contains("nothing falls by 100 % or more"), "{told}");
    assert!(read("[drift]\nmin_effect_percent = 99\n", &[]).is_ok());
    let sets = "[segments]\nsets = [[\"territory\", \"channel\"]]\n";
    let told = refusal(&format!("{sets}[drift]\nsegments = [[\"channel\", \"territory\"]]\n"));
    assert!(told.contains("did you mean [\"territory\", \"channel\"]"), "{told}");
}
