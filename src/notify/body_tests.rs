use super::*;
use crate::model::record::Offset;

/// An alert as the topic has it.
fn notice(segment: &str, state: &str, more: &str) -> Notice {
    let json = format!(
        "{{\"id\":\"win_rate|territory=a&b|2026-01-05|down1\",\"rule\":\"win_rate\",\
         \"kpi\":\"win_rate\",\"segment\":{segment},\"direction\":\"down\",\"state\":\"{state}\",\
         \"fired\":true,{more},\"since\":\"2026-04-19T22:00:00Z\",\
         \"change_time\":\"2026-04-09T22:00:00Z\",\"now\":0.25,\"n\":61,\"interval\":[0.16,0.37],\
         \"baseline\":0.5,\"unit\":\"ratio\",\"effect\":-0.5,\
         \"arl0\":5000.4,\"expected_false_alarms_per_month\":0.3,\"as_of\":\"2026-04-21T22:00:00Z\",\
         \"explained\":[{{\"by\":\"channel\",\"change\":-0.25,\"mix\":-0.02,\"rate\":-0.23,\
         \"rate_interval\":[-0.3,-0.16],\"simpson\":{},\"contributors\":[{{\"segment\":\
         {{\"territory\":\"a&b\",\"channel\":\"web\"}},\"effect\":-0.2,\"mix\":0,\"rate\":-0.2,\
         \"now\":0.1,\"n\":40,\"baseline\":0.5,\"baseline_n\":400}}]}}],\
         \"judged_to\":\"2026-04-21T22:00:00Z\",\"version\":17,\"later\":[1]}}",
        state == "pending"
    );
    let alert = Alert::parse(json.as_bytes()).unwrap();
    Notice { standing: alert.standing(), alert, stood: Offset(3), from: Offset(3) }
}

const OPEN: &str = "\"withdrawn\":false,\"resolved\":null,\"end\":null";
const OVER: &str =
    "\"withdrawn\":false,\"resolved\":\"2026-05-02T22:00:00Z\",\"end\":\"recovered\"";
const SILENT: &str =
    "\"withdrawn\":false,\"resolved\":\"2026-05-02T22:00:00Z\",\"end\":\"no_data\"";
const REBASED: &str =
    "\"withdrawn\":false,\"resolved\":\"2026-05-02T22:00:00Z\",\"end\":\"rebaselined\"";
const UNDONE: &str = "\"withdrawn\":true,\"resolved\":null,\"end\":null";

fn calendar() -> Calendar {
    Calendar::of("Europe/Berlin").unwrap()
}

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-05-04T09:00:00Z").unwrap()
}

#[test]
fn a_webhook_has_the_alert_whole() {
    let body = webhook(&notice("{\"territory\":\"a&b\"}", "firing", OPEN), "acme");
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value["data"]["later"][0], 1, "what is not known here goes along");
    insta::assert_snapshot!(body);
}

#[test]
fn slack_gets_a_message_that_can_be_read() {
    let cases = [("firing", OPEN), ("resolved", OVER), ("resolved", SILENT), ("resolved", UNDONE)];
    let mut out = Vec::new();
    for (state, more) in cases {
        let body = slack(&notice("{\"territory\":\"a&<b>\"}", state, more), &calendar());
        let value: Value = serde_json::from_str(&body).unwrap();
        out.push(value["text"].as_str().unwrap().to_owned());
    }
    let overall = slack(&notice("{}", "pending", OPEN), &calendar());
    insta::assert_snapshot!(format!("{}\n{overall}", out.join("\n")));
}

#[test]
fn a_change_of_the_rules_is_told_as_what_it_is() {
    for (end, said) in [
        ("rebaselined", "is judged by another baseline or other settings now; it was down"),
        ("unwatched", "is watched no longer; it was down"),
    ] {
        let of = notice("{}", "resolved", &REBASED.replace("rebaselined", end));
        let told = slack(&of, &calendar());
        assert!(told.contains("*RESOLVED* win rate overall") && told.contains(said), "{told}");
        assert!(told.contains("over on 2026-05-03") && !told.contains("corrections"), "{told}");
    }
}

#[test]
fn why_there_is_no_data_is_told() {
    for (reason, said) in [
        ("supply", "has no data any more, since fewer deals are created; it was down"),
        ("doubt", "has no data any more, since days may lack records; it was down"),
        ("quiet", "has no data any more; it was down"),
    ] {
        let silent =
            SILENT.replace("\"no_data\"", &format!("\"no_data\",\"end_reason\":\"{reason}\""));
        let told = slack(&notice("{}", "resolved", &silent), &calendar());
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn alertmanager_gets_labels_and_an_end() {
    let segment = "{\"territory\":\"north\",\"x.2nd\":\"b\",\"x_2nd\":\"c\",\"kpi\":\"d\"}";
    let all = [("firing", OPEN), ("resolved", OVER), ("resolved", UNDONE)];
    let all = all.map(|(state, more)| notice(segment, state, more));
    let body = alertmanager(all.iter().map(|n| (&n.alert, n.standing)), "acme", &calendar(), now());
    let value: Value = serde_json::from_str(&body).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
    // A demo's days may lie ahead of the clock.
    let early = Timestamp::parse_rfc3339("2026-04-01T00:00:00Z").unwrap();
    let body = alertmanager([(&all[1].alert, all[1].standing)], "acme", &calendar(), early);
    assert!(
        body.contains("\"startsAt\":\"2026-04-01T00:00:00Z\",\"endsAt\":\"2026-04-01T00:00:00Z\""),
        "{body}"
    );
}

#[test]
fn an_id_is_that_of_what_is_told() {
    let segment = "{}";
    let firing = id(&notice(segment, "firing", OPEN));
    assert_eq!(firing, id(&notice(segment, "firing", OPEN)));
    let again = Notice { stood: Offset(99), ..notice(segment, "firing", OPEN) };
    assert_ne!(firing, id(&again), "it fires again");
    assert_ne!(firing, id(&notice(segment, "resolved", OVER)));
    assert_ne!(id(&notice(segment, "resolved", OVER)), id(&notice(segment, "resolved", UNDONE)));
    assert!(firing.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{firing}");
}

#[test]
fn many_that_were_looked_at_are_told_of() {
    let of = |believed: bool| {
        let more = format!("{OPEN},\"siblings\":{{\"streams\":12,\"believed\":{believed}}}");
        slack(&notice("{\"territory\":\"a\"}", "firing", &more), &calendar())
    };
    assert!(of(true).contains("Believed also among the 12 that were looked at."), "{}", of(true));
    assert!(of(false).contains("One of 12 that were looked at: chance"), "{}", of(false));
}

#[test]
fn which_way_it_moved_is_told() {
    let of = notice("{}", "firing", OPEN);
    assert!(slack(&of, &calendar()).contains(", 50 % below usual"));
    let json = of.alert.json.replace("\"effect\":-0.5,\"arl0", "\"effect\":0.5,\"arl0");
    let alert = Alert::parse(json.replace(":\"down\"", ":\"up\"").as_bytes()).unwrap();
    let said = slack(&Notice { alert, ..of }, &calendar());
    assert!(said.contains("is up: ") && said.contains(", 50 % above usual"), "{said}");
}

#[test]
fn one_case_is_one_and_a_count_has_none() {
    let said = |changes: &[(&str, &str)]| {
        let of = notice("{}", "firing", OPEN);
        let json = changes.iter().fold(of.alert.json.to_string(), |j, (from, to)| {
            assert!(j.contains(from), "{j}");
            j.replace(from, to)
        });
        slack(&Notice { alert: Alert::parse(json.as_bytes()).unwrap(), ..of }, &calendar())
    };
    let one = said(&[("\"n\":61", "\"n\":1"), ("\"n\":40", "\"n\":1")]);
    assert!(one.contains("1 case since 2026-04-10") && one.contains("on 1 case)"), "{one}");
    let count = ("\"ratio\"", "\"count_per_day\"");
    let some = said(&[count]);
    assert!(some.contains("61 since 2026-04-10") && !some.contains("case"), "{some}");
    let none = said(&[count, ("\"n\":61", "\"n\":0"), ("[0.16,0.37]", "null")]);
    assert!(none.contains("None since 2026-04-10, 50 % below"), "{none}");
}

#[test]
fn amounts_are_told_in_their_currency() {
    let mut of = notice("{}", "firing", OPEN);
    let money = [("\"ratio\"", "\"EUR\""), (":0.25,", ":12345.6,"), (":0.5,", ":99.5,")];
    let json = money.iter().fold(of.alert.json.to_string(), |j, (from, to)| j.replace(from, to));
    of.alert = Alert::parse(json.as_bytes()).unwrap();
    let said = slack(&of, &calendar());
    assert!(said.contains("12346 EUR, usual is 99.50 EUR"), "{said}");
}
