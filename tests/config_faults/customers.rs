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
