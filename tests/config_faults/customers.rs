//! What is wrong with how customers are counted.

use super::refusal;

#[test]
fn what_makes_no_customer_is_told_with_its_place() {
    let told = refusal(
        "[customers]\nby = \"deal\"\nexact_up_to = 1000000\nlapse_after = \"36h\"\nsample = true\n",
    );
    for part in [
        "tidemark.toml:2",
        "\"deals\"",
        "1000000 is outside 1 to 65000",
        "\"2d\", or \"forever\"",
        "sample",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn customers_that_nothing_makes_are_refused_where_they_are_asked_for() {
    let nothing = "[customers]\nby = \"nothing\"\n";
    let own = "[kpis.custom.dear]\nformula = \"won_amount / buying_customers\"\n";
    for asked in ["[kpis]\ngroups = [\"customers\"]\n", own] {
        let told = refusal(&format!("{nothing}{asked}"));
        assert!(told.contains("nothing makes one") && told.contains("tidemark.toml:2"), "{told}");
    }
}
