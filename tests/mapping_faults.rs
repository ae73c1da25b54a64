//! What is wrong with a mapping, in the words that a person reads who wrote it: each with file, line
//! and path. The texts are in `tests/snapshots/mapping_faults__*.snap`.

use insta::assert_snapshot;
use tidemark::config::{Config, PACKS, load_mapping, mapping_from_toml};

/// What a person reads who wrote this mapping.
fn refusal(text: &str) -> String {
    mapping_from_toml(text, "mappings/own.toml").expect_err("should be refused").to_string()
}

/// The same of a rule about a deal with these keys and fields.
fn of_deal(more: &str) -> String {
    refusal(&format!("[[map]]\nentity = {{ type = \"deal\", id = \"id\" }}\n{more}\n"))
}

#[test]
fn every_shipped_mapping_is_one() {
    for (name, _) in PACKS {
        let mapping = load_mapping(name).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(mapping.system, *name);
    }
}

#[test]
fn unknown_keys_and_transforms() {
    assert_snapshot!(refusal(
        r#"
sytem = "crm"
[[map]]
entity = { type = "deal", id = "id", kind = "x" }
wen = { a = 1 }
[map.set]
amuont = { from = "amount", money = "major" }
stage = { from = "stage", lowercase = true }
owner = { from = "owner", hash = true, salt = "x" }
"#
    ));
}

#[test]
fn words_that_do_not_exist() {
    assert_snapshot!(refusal(
        r#"
decode = "yaml"
[[map]]
entity = { type = "opportunity", id = "id" }
op = { from = "op", map = { new = "created" } }
time = { from = "at", time = "rfc822" }
nulls = "nothing"
flags = { tests = { test = true } }
[map.set]
amount = { from = "amount", money = "dollars" }
status = { from = "status", map = { Won = "closed" } }
created_at = { from = "at", time = "naive", zone = "Europe/Belrin" }
probability = { from = "p", number = "hundredths" }
lost_reason = { from = "r", map = { a = "b" }, unlisted = "drop" }
[[map]]
ignore = "boring"
"#
    ));
}

#[test]
fn values_that_do_not_fit_their_field() {
    assert_snapshot!(of_deal(
        r#"
[map.set]
amount = "amount"
created_at = "at"
stage = { from = "at", time = "s" }
owner = { from = "amount", money = "cents" }
probability = { from = "p", bool = true }
active = { from = "p", number = true }
status = { const = "Won" }
amount_home = { from = "amount", money = "major", currency = "USD" }
mrr = { from = "amount", money = "major", currency = { const = "DOL" } }
"x.score" = { from = "amount", money = "major" }
"#
    ));
}

#[test]
fn paths_that_are_none() {
    assert_snapshot!(of_deal(
        r#"
when = { "a..b" = 1, "$old.x" = 2, "@.c" = 3 }
[map.set]
stage = "a[first]"
owner = "record.[owner]"
team = 7
name = { from = "names[@]" }
"#
    ));
}

#[test]
fn values_that_come_from_nowhere_or_twice() {
    assert_snapshot!(of_deal(
        r#"
[map.set]
stage = { lower = true }
owner = { from = "a", const = "b" }
team = { from = { from = "a", money = "major" }, trim = true }
name = { concat = [{ from = "a", time = "s" }, "b"] }
account = { coalesce = [] }
contact = { coalesce = ["a", { from = "a", money = "major" }] }
source = { from = "a", by = "/" }
channel = { from = "a", else = "b" }
campaign = { from = "a", map = { x = "y" }, else = "b", unlisted = "keep" }
type = { from = "a", split = { by = "," } }
product = { from = "a", replace = { with = "x" } }
amount = { from = "a", money = "connect" }
mrr = { from = "a", money = "major", scale = 2 }
spend = { from = "a", money = "major", time = "s" }
refunded = { from = "a", currency = "c", money = "minor", zone = "UTC" }
closed_at = { from = "a", time = "s", zone = "UTC" }
"#
    ));
}

#[test]
fn rules_that_are_not_whole() {
    assert_snapshot!(refusal(
        r#"
[[map]]
when = { a = 1 }
[[map]]
entity = { id = "id" }
changed = "fields"
[[map]]
entity = { type = "deal" }
time = "at"
order = ["a", "b", "c"]
merged_into = { from = "a", time = "s" }
id = [{ from = "a", money = "major" }]
[[map]]
ignore = "machine"
entity = { type = "deal", id = "id" }
when = { a = [], b = { exists = true, not = 1 }, c = {} }
"#
    ));
    assert_snapshot!(refusal("system = \"crm\"\n"));
    assert_snapshot!(refusal("[map]\nentity = { type = \"deal\", id = \"id\" }\n"));
    assert_snapshot!(refusal("[[map]\n"));
}

#[test]
fn nesting_has_an_end() {
    let nested = (0..30).fold("\"a\"".to_owned(), |inner, _| format!("{{ from = {inner} }}"));
    let told = of_deal(&format!("[map.set]\nname = {nested}"));
    assert!(told.contains("values are nested more than 16 deep"), "{told}");
}

#[test]
fn sources_with_mappings() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("mappings")).unwrap();
    let own = "system = \"own\"\n[[map]]\nentity = { type = \"deal\", id = \"id\" }\n\
               [map.set]\namount = { from = \"a\", money = \"mayor\" }\n";
    std::fs::write(dir.path().join("mappings/own.toml"), own).unwrap();
    let text = r#"
[[sources]]
name = "a"
mapping = "cooper"
topics = ["a"]
[[sources]]
name = "b"
mapping = "mappings/own.toml"
topics = ["b"]
[[sources]]
name = "c"
mapping = "mappings/none.toml"
topics = ["c"]
[[sources]]
name = "d"
system = "hubspot"
mapping = "twenty"
fields = { "industry" = "x.industry" }
topics = ["d"]
[[sources]]
name = "e"
mapping = "siebel"
topics = ["e"]
"#;
    let name = dir.path().join("tidemark.toml");
    let read = Config::from_toml(text, name.to_str().unwrap(), std::iter::empty());
    let told = read.expect_err("should be refused").to_string();
    assert_snapshot!(told.replace(dir.path().to_str().unwrap(), "etc"));
    // Mended, it is read from beside the configuration.
    std::fs::write(dir.path().join("mappings/own.toml"), own.replace("mayor", "major")).unwrap();
    let text = "[[sources]]\nname = \"b\"\nmapping = \"mappings/own.toml\"\ntopics = [\"b\"]\n";
    let config = Config::from_toml(text, name.to_str().unwrap(), std::iter::empty()).unwrap();
    let mapping = config.sources[0].reading.mapping.as_ref().unwrap();
    assert_eq!((mapping.system.as_str(), mapping.rules.len()), ("own", 1));
    assert!(config.summary().contains("b: own (mapping) from b"));
}
