//! With what cycles begin: what it decides, and what is wrong with it.

use tidemark::model::cycle::CycleStart;
use tidemark::model::event::EntityKind;

use super::{read, refusal};

const STAGES: &str = "[[stages.stage]]\nstage = \"talk\"\nstatus = \"open\"\n\
    [[stages.stage]]\npipeline = \"renewals\"\nstage = \"offer\"\nstatus = \"open\"\n\
    [[stages.stage]]\nstage = \"signed\"\nstatus = \"won\"\n";

fn from(start: &str) -> String {
    format!("[deals]\ncycle_from = {start}\n{STAGES}")
}

fn told(text: &str, parts: &[&str]) {
    let told = refusal(text);
    for part in parts {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn the_start_of_cycles_is_read_and_counts_the_past_anew() {
    let plain = read(STAGES, &[]).unwrap().definition;
    assert_eq!(plain.cycle_from, CycleStart::Created);
    let of = |start: &str| read(&from(start), &[]).unwrap().definition;
    assert_eq!(of("\"created\""), plain);
    let one = of("{ stage = \"talk\" }");
    let both = of("{ stage = [\"talk\", \"offer\"] }");
    let names = |all: &[&str]| CycleStart::Stage(all.iter().map(|s| (*s).to_owned()).collect());
    assert_eq!(
        (&one.cycle_from, &both.cycle_from),
        (&names(&["talk"]), &names(&["offer", "talk"]))
    );
    // Stages are kept anyway.
    assert_eq!((one.hash(), one.kept().len()), (plain.hash(), 0));
    for (a, b) in [(&plain, &one), (&one, &both)] {
        assert_ne!(a.reference_hash(), b.reference_hash());
    }
    // The past of a field that was not kept is in the log only.
    let field = of("{ field = \"x.first_contact_at\" }");
    assert_eq!(field.cycle_from, CycleStart::Field("first_contact_at".to_owned()));
    let kept: Vec<_> = field.kept().into_iter().collect();
    assert_eq!(kept, [(EntityKind::Deal, "x.first_contact_at".to_owned())]);
    assert_ne!(field.hash(), plain.hash());
    let shown = "[segments]\nsets = [\"overall\", \"x.first_contact_at\"]\n";
    let dimension = |start: &str| read(&format!("{shown}{}", from(start)), &[]).unwrap().definition;
    let (asked, not) = (dimension("{ field = \"x.first_contact_at\" }"), dimension("\"created\""));
    assert!(asked.kept().is_empty());
    assert_eq!(asked.hash(), not.hash());
    assert_ne!(asked.reference_hash(), not.reference_hash());
    let summary = read(&from("{ stage = \"talk\" }"), &[]).unwrap().summary();
    let line =
        "cycles      from the first move into \"talk\" to winning; a deal without that has none";
    assert!(summary.lines().any(|l| l == line), "{summary}");
}

#[test]
fn a_start_that_nothing_has_is_refused_with_its_mend() {
    told(
        &from("{ stage = \"tlak\" }"),
        &[
            "the stage table has no stage \"tlak\"",
            "tidemark.toml:2",
            "deals.cycle_from.stage",
            "did you mean \"talk\"?",
        ],
    );
    told(&from("{ stage = [\"talk\", \"demo\"] }"), &["no stage \"demo\"", "cycle_from.stage[1]"]);
    told(&from("{ stage = \"signed\" }"), &["\"signed\" closes deals, and a cycle ends there"]);
    told(&from("{ stage = [] }"), &["no stage is named"]);
    told(
        "[deals]\ncycle_from = { stage = \"talk\" }\n",
        &["there is no stage table", "add the stages to [stages]"],
    );
    told(&from("{}"), &["names neither a stage nor a field"]);
    told(&from("{ stage = \"talk\", field = \"x.a\" }"), &["not with both"]);
    told(&from("{ field = \"closed_at\" }"), &["\"closed_at\" is not a field of your own"]);
    told(&from("{ field = \"x.a b\" }"), &["\"x.a b\" is not a field of your own"]);
    told(
        &from("\"lead\""),
        &["\"lead\" is nothing that a cycle begins with", "lie in other shards"],
    );
    told(&from("\"qualified\""), &["write \"created\", { stage = \"qualified\" }"]);
    told(&from("{ stages = \"talk\" }"), &["unknown key", "stage"]);
}
