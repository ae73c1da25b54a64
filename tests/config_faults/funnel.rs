//! What a funnel costs, and what is wrong with one.

use tidemark::config::Config;
use tidemark::model::kpi::Group;

use super::{read, refusal};

const STAGES: &str = "[[stages.stage]]\nstage = \"talk\"\nstatus = \"open\"\n\
    [[stages.stage]]\nstage = \"won\"\nstatus = \"won\"\n";
const LIMITS: &str = "[limits]\nmax_series = 1000000\n";
const GROUPS: &str = "[kpis]\ngroups = [\"deals\", \"activities\", \"funnel\"]\n";

#[test]
fn a_funnel_costs_a_series_a_stage_in_each_of_its_families() {
    let plain = Config::defaults().estimate();
    let funnel = read(&format!("{GROUPS}{STAGES}{LIMITS}"), &[]).unwrap();
    assert!(funnel.warnings().iter().all(|warning| warning.key == "limits.max_series"));
    let cost = funnel.estimate();
    assert_eq!(cost.series - plain.series, plain.rows * 2 * 14);
    assert!(cost.groups.contains(&(Group::Funnel, plain.rows * 2 * 14)));
    assert_eq!(cost.sets[0].series_per_family, plain.sets[0].series_per_family * 2);
    // Within one stage there is none.
    let sets = |kpis: &str| {
        let text = format!("{kpis}{STAGES}{LIMITS}[segments]\nsets = [[\"stage\", \"rep\"]]\n");
        read(&text, &[]).unwrap().estimate().series
    };
    assert_eq!(sets(GROUPS), sets(""));
}

#[test]
fn a_funnel_over_the_limits_is_refused_with_its_stages() {
    let many = read(
        &format!(
            "{GROUPS}{STAGES}{LIMITS}[segments]\nsets = [\"account\"]\nbudget = {{ account = 900 }}\n"
        ),
        &[],
    );
    let told = many.expect_err("two stages are too many").to_string();
    assert!(told.contains("900 members × 8 windows × 2 stages = 14,400"), "{told}");
}

#[test]
fn a_funnel_without_stages_is_worth_a_look() {
    let told: Vec<String> =
        read(GROUPS, &[]).unwrap().warnings().iter().map(ToString::to_string).collect();
    let [warning] = &told[..] else { panic!("{told:?}") };
    for part in ["there is no stage table", "tidemark.toml:2", "kpis.groups", "[stages]"] {
        assert!(warning.contains(part), "{part} is not in\n{warning}");
    }
}

#[test]
fn a_family_of_the_funnel_is_taken() {
    let told = refusal("[kpis.custom.a]\nformula = \"revenue\"\nfamily = \"stage_lost\"\n");
    assert!(told.contains("stage_lost") && told.contains("Tidemark's own"), "{told}");
}
