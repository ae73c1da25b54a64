//! Measures of one's own that cannot be.

use insta::assert_snapshot;

use super::refusal;

#[test]
fn measures_of_ones_own() {
    assert_snapshot!(refusal(
        r#"
[measures.no_type]
at = "won"

[measures.no_moment]
of = "campaign_day"

[measures.never]
of = "order"
at = "won"

[measures.slips]
of = "deel"
at = "wonn"
when = "x"

[measures.rep_created]
of = "rep"
at = "created"

[measures.deals_won]
of = "deal"
at = "won"

[measures.won_amount]
of = "deal"
at = "won"

[measures."Too Loud"]
of = "deal"
at = "won"

[measures.both]
of = "deal"
at = "won"

[kpis.custom.both]
formula = "deals_won"

[kpis.custom.slipped]
formula = "bothe / nevr"

[kpis.custom.mixed]
formula = "both + revenue"

[kpis.custom.of_a_bad_one]
formula = "never / 2"
"#
    ));
}

#[test]
fn conditions_of_ones_own() {
    assert_snapshot!(refusal(
        r#"
[measures.slip]
of = "activity"
at = "done"
where = "kind = 'call' and outcom = 'connected'"

[measures.open]
of = "activity"
at = "done"
where = """
  kind = 'call'
  and (outcome = 'connected'
"""

[measures.money]
of = "deal"
at = "won"
where = "amount = '5'"

[measures.outcome_of]
of = "deal"
at = "created"
where = "status = 'won'"

[measures.team_of]
of = "deal"
at = "won"
where = "team = 'north'"

[measures.owner_of]
of = "deal"
at = "won"
where = "owner = 'r1'"

[measures.mail]
of = "lead"
at = "created"
where = "email is known"

[measures.own_field]
of = "lead"
at = "created"
where = "x.a.b = 'c'"

[measures.of_others]
of = "deal"
at = "won"
where = "kind = 'call'"

[measures.blank]
of = "deal"
at = "won"
where = " "

[measures.bare]
of = "deal"
at = "won"
where = "type = enterprise"
"#
    ));
}

#[test]
fn sums_of_ones_own() {
    assert_snapshot!(refusal(
        r#"
[measures.text_sum]
of = "activity"
at = "done"
sum = "outcome"

[measures.slip_sum]
of = "deal"
at = "won"
sum = "ammount"

[measures.sum_of_others]
of = "order"
at = "paid"
sum = "spend"
"#
    ));
}

#[test]
fn measures_of_ones_own_are_bounded() {
    let many = |n: usize, more: &str| -> String {
        let one = |i| format!("[measures.m{i}]\nof = \"deal\"\nat = \"won\"\n{more}");
        (0..n).map(|i| one(i).replace("NUMBER", &i.to_string())).collect()
    };
    let tests = vec!["type = 'a'"; 33].join(" or ");
    let texts = [
        refusal(&many(65, "")),
        refusal(&many(33, "where = \"x.fNUMBER is known\"\n")),
        refusal(&many(1, &format!("where = \"{tests}\"\n"))),
    ];
    assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn a_character_that_nobody_sees_is_named_with_its_place() {
    let of = |condition: &str| {
        refusal(&format!("[measures.a]\nof = \"deal\"\nat = \"won\"\nwhere = \"{condition}\"\n"))
    };
    let told = of("type = 'a\\u0007b'");
    for part in ["character 10 of the condition is \\u{7}", "remove it", "tidemark.toml:4"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert!(!told.contains("not empty"), "{told}");
    assert!(of("  ").contains("expected a condition that is not empty"));
}

#[test]
fn units_of_sums() {
    assert_snapshot!(refusal(
        r#"
[measures.counted]
of = "deal"
at = "won"
unit = "money"

[measures.graded]
of = "survey_response"
at = "answered"
sum = "score"
unit = "money"

[measures.sized]
of = "deal"
at = "won"
sum = "amount"
unit = "count"

[measures.strange]
of = "deal"
at = "won"
sum = "x.cost"
unit = "euro"
"#
    ));
}
