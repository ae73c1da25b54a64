use super::*;

/// The page names each of them.
#[test]
fn tests_that_are_named_are_there_and_speak_of_kpis() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (test, kpis) in BESIDE {
        let (file, name) = test.split_once("::").unwrap();
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(&format!("fn {name}(")), "{test}");
        for kpi in kpis {
            assert!(Kpi::named(kpi).is_some(), "{kpi}");
            assert!(
                file == "tests/adventureworks.rs" || text.contains(&format!("\"{kpi}\"")),
                "{kpi}"
            );
        }
    }
    let of = |name: &str| Kpi::named(name).unwrap().tests();
    assert_eq!(of("leads_converted").len(), 1);
    assert!(of("purchase_frequency")[1].starts_with("tests/customers.rs::"));
}
