//! What would make Prometheus refuse a whole scrape.

use super::{read, refusal};

fn sets(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let budget = names.iter().map(|name| format!("{name} = 1"));
    let budget = budget.collect::<Vec<_>>().join(", ");
    format!("[segments]\nsets = [[{}]]\nbudget = {{ {budget} }}\n", names.join(", "))
}

#[test]
fn a_label_may_be_as_long_as_prometheus_takes_it() {
    let of = |n: usize| sets(&[format!("x.{}", "a".repeat(n))]);
    read(&of(62), &[]).unwrap();
    let told = refusal(&of(63));
    for part in ["is not a dimension", "tidemark.toml:2", "segments.sets[0]", "at most 62"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn a_set_of_many_long_names_is_refused_with_how_long_its_metrics_would_be() {
    let of = |n: u8| sets(&(0..n).map(|i| format!("x.{}{i}", "a".repeat(50))).collect::<Vec<_>>());
    read(&of(3), &[]).unwrap();
    let told = refusal(&of(4));
    for part in ["metrics of the set x.a", "more than 256", "segments.sets[0]", "fewer dimensions"]
    {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn a_set_of_more_labels_than_prometheus_takes_is_refused() {
    let of = |n: u8| sets(&(0..n).map(|i| format!("x.a{i}")).collect::<Vec<_>>());
    read(&of(11), &[]).unwrap();
    let told = refusal(&of(12));
    for part in ["has 12 dimensions", "more than 16 labels", "segments.sets[0]", "at most 11"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn more_series_than_the_shipped_prometheus_takes_are_worth_a_look() {
    let told = |n: u32| {
        let config = read(&format!("[limits]\nmax_series = {n}\n"), &[]).unwrap();
        config.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(told(55_000), "");
    let warning = told(55_001);
    for part in [
        "limits.max_series = 55,001",
        "sample_limit = 60,000",
        "tidemark.toml:2",
        "lower it to 55,000",
    ] {
        assert!(warning.contains(part), "{part} is not in\n{warning}");
    }
}
