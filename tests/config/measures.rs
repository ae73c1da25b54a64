//! Measures of one's own: what they mean, and what they cost.

use tidemark::config::Config;
use tidemark::model::kpi::Unit;

use super::read;

#[test]
fn own_measures_stand_in_formulas_and_cost_no_series() {
    let text = r#"
[measures.enterprise_won]
of = "deal"
at = "won"
where = "type = 'enterprise'"
sum = "amount"

[measures.talk]
of = "activity"
at = "done"
sum = "duration_s"

[kpis.custom.talk_per_win]
formula = "talk / deals_won"

[kpis.custom.enterprise_share]
formula = "enterprise_won / won_amount"
"#;
    let config = read(text, &[]).unwrap();
    let kpis = config.definition.kpis.own();
    assert_eq!(kpis[0].measure_names(), ["won_amount", "won_priced", "enterprise_won"]);
    assert_eq!((kpis[0].unit, kpis[0].parts()), (Unit::Ratio, Some((Unit::Money, Unit::Money))));
    assert_eq!((kpis[1].unit, &*kpis[1].family), (Unit::Minutes, "talk_per_win_seconds"));
    let (all, plain) = (config.estimate(), Config::defaults().estimate());
    assert_eq!(all.series, plain.series + 2 * (all.rows + 1));
    let line =
        "measures    enterprise_won (deal won), talk (activity done); keeps type of each deal";
    assert!(config.summary().lines().any(|l| l == line), "{}", config.summary());
    // Without one nothing is another generation than before.
    let defaults = Config::defaults().definition;
    let talk = read("[measures.talk]\nof = \"activity\"\nat = \"done\"\n", &[]).unwrap();
    assert_eq!(talk.definition.hash(), defaults.hash());
    assert_ne!(config.definition.hash(), defaults.hash());
}
