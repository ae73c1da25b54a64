//! The drift series on `/metrics`: what each watched stream reads like now.

use super::metrics::{Caps, Help, KpiPage, labels_with, name_of};
use crate::model::alert::{Kind, Reading, State};
use crate::model::segment::Segment;
use crate::model::time::{Day, Timestamp};

/// Seconds in a civil day: durations are told in seconds there.
const DAY_SECONDS: f64 = 86_400.0;

impl KpiPage {
    /// Adds the readings of the partition's streams. `kpi=` names what is watched, and its unit:
    /// a ratio, seconds, how many a day, or the reporting currency. `start_of` says when a day begins
    /// for a segment.
    pub fn add_readings(
        &mut self,
        readings: &[(&Segment, &Reading)],
        caps: Caps,
        start_of: impl Fn(&Segment, Day) -> Timestamp,
    ) {
        let mut lines: Vec<(String, String, &Segment, &Reading)> = readings
            .iter()
            .map(|(segment, reading)| {
                let labels = labels_with(segment, "kpi", reading.signal.as_str());
                (name_of(&segment.grain()), labels, *segment, *reading)
            })
            .collect();
        lines.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        for i in 0..lines.len() {
            let (grain, labels, segment, reading) = &lines[i];
            // Two that became one by cutting: only the first is shown.
            let first = i == 0 || lines[i - 1].0 != *grain || lines[i - 1].1 != *labels;
            let start_of = |day| start_of(segment, day);
            samples(reading, start_of, |suffix, help, value| {
                let family = format!("tidemark_{grain}_drift_{suffix}");
                self.add(&family, Help::Fixed(help), labels, value, first, caps);
            });
            if let Some(silence) = reading.silence {
                let family = format!("tidemark_{grain}_drift_no_data");
                let help = "Always 1: why the stream has no data";
                let bare = labels.strip_suffix('}').unwrap_or(labels);
                let labels = format!("{bare},reason=\"{}\"}}", silence.as_str());
                self.add(&family, Help::Fixed(help), &labels, 1.0, first, caps);
            }
        }
    }
}

fn samples(
    reading: &Reading,
    start_of: impl Fn(Day) -> Timestamp,
    mut sample: impl FnMut(&str, &'static str, f64),
) {
    let unit = if reading.signal.kind() == Kind::Duration { DAY_SECONDS } else { 1.0 };
    sample(
        "state",
        "Drift: -1 no data, 0 inactive, 1 pending, 2 firing",
        reading.state.number().into(),
    );
    sample("score", "Evidence of drift in thresholds: 1 is enough", reading.score);
    let now = &reading.now;
    sample("samples", "Cases behind the value that is judged", now.n as f64);
    if let Some(value) = now.value {
        sample("value", "Value that is judged: of 28 days, or since the change", value * unit);
    }
    if let Some((low, high)) = now.interval {
        sample("value_lower", "Lower end of its interval of 95 %", low * unit);
        sample("value_upper", "Upper end of its interval of 95 %", high * unit);
    }
    if let Some(cases) = reading.arl0 {
        sample("arl0", "Mean cases (days, of counts) between two false alarms", cases);
    }
    if let Some(effect) = reading.effect {
        let help = "How far the value is from the baseline: below 0 it fell, -0.3 by 30 %";
        sample("effect_ratio", help, effect);
    }
    if reading.state == State::Lost {
        sample(
            "baseline_lost",
            "Days of the baseline are kept no longer: state baseline_from",
            1.0,
        );
    }
    let Some(baseline) = &reading.baseline else { return };
    sample("baseline_samples", "Cases behind the baseline", baseline.figure.n as f64);
    if let Some(value) = baseline.figure.value {
        sample(
            "baseline",
            "Value that the same days would have had under the baseline",
            value * unit,
        );
    }
    let end = start_of(baseline.to).0 as f64 / 1e6;
    let help = "End of the baseline, at midnight in the zone of the segment";
    sample("baseline_end_timestamp_seconds", help, end);
}
