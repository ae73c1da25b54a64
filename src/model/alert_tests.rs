use super::*;
use crate::model::kpi::Kpi;

#[test]
fn a_signal_is_a_kpi_of_the_catalogue() {
    for (i, (signal, name)) in Signal::ALL.iter().enumerate() {
        assert!(Kpi::named(name).is_some(), "{name}");
        assert_eq!((*signal as usize, Signal::parse(name)), (i, Some(*signal)));
    }
}

#[test]
fn phases_are_numbered_from_their_first_day() {
    let day = |text| Day::parse(text).unwrap();
    let monday = day("2026-03-30");
    assert_eq!(Phase::Weekday.of(monday), 0);
    assert_eq!(Phase::WeekOfMonth.of(monday), 4);
    assert_eq!(Phase::MonthOfQuarter.of(monday), 2);
    for (phase, _) in Phase::ALL {
        assert!((0..800).all(|d| phase.of(Day(20_000 + d)) < phase.count()), "{phase:?}");
    }
}

fn explained() -> Explained {
    Explained {
        by: "channel".into(),
        change: -0.25,
        mix: Some(-0.05),
        rate: Some(-0.2),
        rate_interval: Some((-0.3, -0.1)),
        simpson: false,
        contributors: vec![explained::Contributor {
            segment: Segment::of([("territory", "a|\"b\""), ("channel", "web")]),
            effect: -0.21,
            mix: Some(-0.01),
            rate: Some(-0.2),
            now: Some(0.1),
            n: 40,
            baseline: Some(0.5),
            baseline_n: 400,
        }],
    }
}

#[test]
fn an_alert_is_json() {
    let figure = |value| Figure { value: Some(value), n: 61, interval: Some((0.1, 0.5)) };
    let (from, to) = (Day::parse("2026-01-05").unwrap(), Day::parse("2026-03-30").unwrap());
    let alert = Alert {
        signal: Signal::WinRate,
        currency: Currency::parse("EUR").unwrap(),
        segment: Segment::of([("territory", "a|\"b\"")]),
        direction: Direction::Down,
        episode: 2,
        state: State::Firing,
        fired: true,
        withdrawn: false,
        since: Day::parse("2026-04-20").unwrap(),
        resolved: None,
        end: None,
        silence: None,
        change: Day::parse("2026-04-10").unwrap(),
        now: figure(0.25),
        now_days: (to, Day::parse("2026-04-22").unwrap()),
        baseline: BaselineShown { from, to, figure: figure(0.5) },
        explained: vec![explained()],
        siblings: Some((12, true)),
        effect: -0.5,
        statistic: 4.5,
        threshold: 4.0,
        e_value: 1234.5,
        arl0: 5000.0,
        false_alarms: 0.3,
        as_of: Day::parse("2026-04-22").unwrap(),
        judged_to: Day::parse("2026-04-23").unwrap(),
        judged_by: 0x17,
    };
    let calendar = Calendar::of("Europe/Berlin").unwrap();
    let judged_to = calendar.start_of(alert.judged_to);
    let text = with_version(&alert.json(&calendar), Some(judged_to), 17);
    assert_eq!(without_version(&text), alert.json(&calendar));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["id"], "win_rate|territory=a%7C\"b\"|2026-01-05|down2");
    assert_eq!((&value["resolved"], &value["n"]), (&serde_json::Value::Null, &61.into()));
    let seen = Seen::parse(text.as_bytes()).unwrap();
    assert_eq!((seen.order(), seen.state()), ((17, Some(judged_to)), State::Firing));
    assert_eq!(seen.judged_by(), Some(0x17));
    insta::assert_snapshot!(text);
    let amount = Alert { signal: Signal::DealSize, ..alert }.json(&calendar);
    let value: serde_json::Value = serde_json::from_str(&amount).unwrap();
    assert_eq!((&value["kpi"], &value["unit"]), (&"average_deal_size".into(), &"EUR".into()));
}

#[test]
fn what_is_taken_back_tells_of_no_former_end() {
    let at = Timestamp::parse_rfc3339("2026-04-22T00:00:00Z");
    let over = ended("{\"state\":\"firing\",\"end_reason\":\"quiet\",\"n\":6}", End::Recovered, at)
        .unwrap();
    assert!(over.contains("\"end\":\"recovered\"") && over.contains("2026-04-22"), "{over}");
    let undone: serde_json::Value = serde_json::from_str(&taken_back(&over).unwrap()).unwrap();
    let wanted = serde_json::json!({
        "state": "resolved", "withdrawn": true, "resolved": null, "end": null, "n": 6
    });
    assert_eq!(undone, wanted);
}
