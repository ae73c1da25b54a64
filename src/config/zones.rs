//! Zones of segments, by values of dimensions.

use std::collections::BTreeSet;

use super::Config;
use super::near::nearest;
use super::read::{Reader, child};
use super::typed;
use super::warn::Warning;
use crate::model::calendar::Calendar;
use crate::model::definition::Definition;
use crate::model::segment::Segment;
use crate::model::zones::{TooFarApart, Zones};

/// The zones, in a job of one with these dimension sets. What is wrong with them goes to the reader.
/// Those of dimensions that no set has say nothing.
pub(super) fn meant(
    reader: &mut Reader,
    typed: Option<typed::Zones>,
    job: &Calendar,
    sets: &[Vec<String>],
) -> Zones {
    let at = "directory.zones";
    let mut rows = Vec::new();
    for (dimension, values) in typed.into_iter().flat_map(|zones| zones.0) {
        if dimension == "stage" {
            let what = "a stage has no zone: deals of all zones stand in it";
            let mend = "give zones to territories, regions, teams or reps";
            reader.fault(&child(at, &dimension), what, mend);
        } else if sets.iter().flatten().any(|d| *d == dimension) {
            let of = |(value, zone): (String, super::leaf::Given<super::words::Zone>)| {
                (dimension.clone(), value, zone.0.0)
            };
            rows.extend(values.0.into_iter().map(of));
        }
    }
    let names: BTreeSet<&str> = rows.iter().map(|(.., calendar)| calendar.zone()).collect();
    let own = names.iter().filter(|name| **name != job.zone()).count();
    if own > Zones::MOST && !reader.faulty(&["directory", "time.zone"]) {
        let what =
            format!("there are {own} zones beside time.zone, at most {} are possible", Zones::MOST);
        reader.fault(at, what, "use one name for zones that show the same time");
        return Zones::default();
    }
    let zones = Zones::new(job, rows);
    if let Some(TooFarApart { ahead, behind, day }) =
        zones.too_far_apart(job).filter(|_| !reader.faulty(&["directory", "time.zone"]))
    {
        let what = format!(
            "{day} is over in {ahead} before it begins in {behind}, so a date without a time would be no day of both"
        );
        reader.fault(at, what, "leave one of the two to a job of its own");
    }
    zones
}

impl Config {
    /// Zones of what nobody knows, and reps who count days otherwise than their territory does.
    pub(super) fn odd_zones(&self) -> Vec<Warning> {
        let of = &self.definition;
        let mut out = Vec::new();
        for (dimension, value, zone) in of.zones.rows(&of.calendar) {
            let known = of.known(dimension);
            if known.is_empty() || known.contains(value) {
                continue;
            }
            let what = format!(
                "{dimension} \"{value}\" counts days in {zone}, and the directory knows none of that name"
            );
            let mend = match nearest(value, known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "leave it where events bring that value".to_owned(),
            };
            out.push(self.warning(child(&child("directory.zones", dimension), value), what, mend));
        }
        out.extend(self.reps_of_other_zones());
        out
    }

    /// A rep has a zone of their own, or that of the job.
    fn reps_of_other_zones(&self) -> Option<Warning> {
        let of = &self.definition;
        let others: Vec<_> =
            of.directory.reps.keys().filter_map(|rep| other_zone(of, rep)).collect();
        let (rep, dimension, value, zone) = others.first()?;
        let what = format!(
            "{} of reps whose {dimension} has a zone of its own: \"{rep}\" of \"{value}\" ({zone}) counts days in {}",
            match others.len() {
                1 => "there is 1".to_owned(),
                n => format!("there are {n}"),
            },
            of.calendar_of(&Segment::of([("rep", rep.as_str())])).zone(),
        );
        let mend = format!(
            "add \"{rep}\" = \"{zone}\" to [directory.zones.rep], or leave it where reps are compared by the days of the job"
        );
        Some(self.warning("directory.zones".to_owned(), what, mend))
    }
}

/// A rep who is shown by days of one zone, and of a territory, region or team with another one: that
/// dimension, its value and its zone.
fn other_zone<'a>(
    of: &'a Definition,
    rep: &'a String,
) -> Option<(&'a String, &'a str, &'a str, &'a str)> {
    of.segments.iter().find(|set| set.len() == 1 && set[0] == "rep")?;
    let own = of.zone_of(&Segment::of([("rep", rep.as_str())]));
    let values = &of.directory.reps.get(rep)?.values;
    values.iter().find_map(|(dimension, value)| {
        let segment = Segment::of([(dimension.as_str(), value.as_str())]);
        let zone = of.zone_of(&segment);
        let stated = of.zones.rows(&of.calendar).any(|(d, v, _)| d == dimension && v == value);
        (stated && zone != own)
            .then(|| (rep, dimension.as_str(), value.as_str(), of.calendar_at(zone).zone()))
    })
}
