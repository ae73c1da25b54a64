//! KPIs of one's own that cannot be.

use insta::assert_snapshot;
use tidemark::config::Config;

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
fn own_kpis_over_the_budget_are_named() {
    let series = Config::defaults().estimate().series;
    let shown = refusal(&format!(
        "[limits]\nmax_series = {series}\n[kpis.custom.net]\nformula = \"won_amount - spend\"\n"
    ));
    assert!(shown.contains("your own KPIs cost"), "{shown}");
    assert!(shown.contains("…_net_amount ("), "{shown}");
    assert!(shown.contains("kpis.custom"), "{shown}");
}
