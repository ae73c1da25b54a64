//! A real Alertmanager: what we post is there, lasts while we tell of it, and ends when we do.

use serde_json::Value;

use super::Job;
use super::manager::Alertmanager;

#[test]
fn an_alert_is_open_in_alertmanager_until_it_is_over_here() {
    let Some(alertmanager) = Alertmanager::start() else { return };
    let job = Job::start(&format!(
        "[[alerts.receivers]]\nname = \"am\"\ntype = \"alertmanager\"\nurl = \"{}/\"\n",
        alertmanager.url
    ));
    let mut workers = [job.open(0)];
    job.say("north", "firing", 1);
    job.say("south", "firing", 1);
    let open = || alertmanager.open().unwrap_or_default();
    job.until(&mut workers, "both are open", || open().len() == 2);
    let north = |alert: &&Value| alert["labels"]["territory"] == "north";
    let all = open();
    let alert = all.iter().find(north).unwrap();
    let labels = [
        ("alertname", "TidemarkDrift"),
        ("alert_id", "north"),
        ("app", "t"),
        ("kpi", "win_rate"),
        ("direction", "down"),
        ("severity", "warning"),
        ("territory", "north"),
    ];
    for (name, value) in labels {
        assert_eq!(alert["labels"][name], value, "{alert}");
    }
    let said = "win rate of territory north is down: 25.0 %, usual is 50.0 %";
    assert_eq!(alert["annotations"]["summary"], said);
    assert_eq!(alert["startsAt"], "2020-04-20T00:00:00.000Z");
    // A minute later it is told again, with a later end.
    let end = |all: &[Value]| all.iter().find(north).map(|a| a["endsAt"].to_string());
    let first = end(&all);
    job.until(&mut workers, "it lasts longer", || end(&open()) > first);
    job.say("north", "resolved", 2);
    job.say("south", "withdrawn", 2);
    job.until(&mut workers, "both are over", || open().is_empty());
    // What is over is not told again.
    job.idle(&mut workers[0]);
    assert_eq!((open().len(), job.count("am", "failed"), job.count("am", "given_up")), (0, 0, 0));
}
