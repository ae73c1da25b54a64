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
