//! KPIs of one's own that cannot be.

use insta::assert_snapshot;
use tidemark::config::Config;
use tidemark::export::{Layout, Parts, Table};
use tidemark::model::kpi::CATALOGUE;
use tidemark::model::target::Aim;

use super::refusal;

#[test]
fn formulas_of_ones_own() {
    assert_snapshot!(refusal(
        r#"
[kpis.custom.demos_per_win]
formula = "demos / deals_wno"
minimum = 3

[kpis.custom.mixed]
formula = "revenue + 2 * deals_won"

[kpis.custom.open]
formula = """
  (demos + calls
  / deals_won"""

[kpis.custom.egg]
formula = "1 / hen"

[kpis.custom.hen]
formula = 'demos / (egg + own)'

[kpis.custom.own]
formula = "own * 2"

[kpis.custom.uses_a_bad_one]
formula = "mixed / 2"

[kpis.custom.win_rate]
formula = "deals_won"

[kpis.custom.Big]
formula = "deals_won"

[kpis.custom.nothing]
doc = "no formula"

[kpis.custom.days]
formula = "cycle_length_mean / 2"
unit = "money"

[kpis.custom.share]
formula = "demos / calls"
unit = "money"

[kpis.custom.odd]
formula = "deals_won / revenue"

[kpis.custom.won]
formula = "deals_won / 2"
family = "deals_won"
grain = "fortnight"

[kpis.custom.again]
formula = "demos / calls"
family = "deals_closed"
"#
    ));
}

#[test]
fn names_that_stand_for_something_else() {
    assert_snapshot!(refusal(
        r#"
[kpis.custom.status]
formula = "deals_won"

[kpis.custom.win_rate_num]
formula = "deals_won"

[kpis.custom.ours]
formula = "deals_won / 2"

[kpis.custom.ours_target_gap]
formula = "deals_won"
"#
    ));
    assert_snapshot!(refusal(
        r#"
[kpis.custom.drift_state]
formula = "deals_won"

[kpis.custom.gap]
formula = "deals_won"
family = "won_amount_target_gap"

[kpis.custom.ours]
formula = "deals_won / 2"
family = "ours"

[kpis.custom.theirs]
formula = "deals_won / 3"
family = "ours_benchmark"
"#
    ));
}

/// Every column that exports have, but for the values themselves, is refused as a name.
#[test]
fn no_column_of_an_export_is_a_name() {
    let goals = [Aim::Target, Aim::Benchmark];
    let goals = CATALOGUE.iter().flat_map(|kpi| goals.map(|aim| (aim, kpi.clone())));
    let table = Table::new(&[], CATALOGUE.to_vec(), Layout::Wide, Parts::All)
        .with_goals(&goals.collect::<Vec<_>>());
    let formulas = table
        .columns()
        .iter()
        .map(|column| format!("[kpis.custom.{}]\nformula = \"deals_won\"\n", column.name));
    let told = refusal(&formulas.collect::<String>());
    for column in table.columns() {
        let key = format!("key: kpis.custom.{}\n", column.name);
        assert!(told.contains(&key), "{}", column.name);
    }
}

#[test]
fn own_kpis_over_the_budget_are_named() {
    let series = Config::defaults().estimate().series;
    let shown = refusal(&format!(
        "[limits]\nmax_series = {series}\n[kpis.custom.net]\nformula = \"won_amount - spend\"\n"
    ));
    assert!(shown.contains("your own KPIs cost"), "{shown}");
    assert!(shown.contains("…_net_amount ("), "{shown}");
    assert!(shown.contains("kpis.custom"), "{shown}");
}
