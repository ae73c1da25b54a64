//! Drift alerts on a real Kafka reach a webhook and a real Alertmanager, over kills too.

use std::time::Duration;

use tidemark::clock::wall_ms;
use tidemark::log::{Outgoing, Partition};
use tidemark::model::time::Timestamp;

use crate::alertmanager::Alertmanager;
use crate::inbox::Inbox;
use crate::job::Job;
use crate::process::pause;
use crate::support::{await_some, kafka_bootstrap};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const WITHIN: Duration = Duration::from_secs(60);

/// A word of an alert on the job's alerts topic, as the rollup writes it.
fn say(job: &Job, id: &str, state: &str, version: u64) {
    // What is of the past is not told.
    let today = Timestamp::from_millis(wall_ms());
    let (resolved, end) = match state {
        "resolved" => (format!("\"{today}\""), "\"recovered\""),
        _ => ("null".to_owned(), "null"),
    };
    let json = format!(
        "{{\"id\":\"{id}\",\"rule\":\"win_rate\",\"kpi\":\"win_rate\",\
         \"segment\":{{\"territory\":\"{id}\"}},\"direction\":\"down\",\"state\":\"{state}\",\
         \"fired\":true,\"withdrawn\":false,\"since\":\"2020-04-20T00:00:00Z\",\
         \"resolved\":{resolved},\"end\":{end},\"change_time\":\"2020-04-10T00:00:00Z\",\
         \"now\":0.25,\"n\":61,\"interval\":[0.16,0.37],\"baseline\":0.5,\"unit\":\"ratio\",\
         \"effect\":-0.5,\"expected_false_alarms_per_month\":0.3,\
         \"as_of\":\"{today}\",\"judged_to\":\"{today}\",\
         \"version\":{version}}}"
    );
    let mut writer = job.log.writer().unwrap();
    let out = Outgoing {
        topic: job.config.topics().alerts.as_str().into(),
        partition: Partition(0),
        key: Some(id.as_bytes().to_vec()),
        value: Some(json.into_bytes()),
        headers: Vec::new(),
    };
    writer.send(out).unwrap();
    writer.flush(WITHIN).unwrap();
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    await_some(what, WITHIN, || {
        let so = is();
        if !so {
            pause();
        }
        so.then_some(())
    });
}

/// Once where processes end in order. One that is killed between the post and its answer cannot know
/// whether it was taken: the next one posts it again, under the same id, and Alertmanager has one.
#[test]
fn an_alert_reaches_a_webhook_and_alertmanager_once_and_after_a_kill_under_the_same_id() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let (inbox, alertmanager) = (Inbox::start(), Alertmanager::start());
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let mut extra = format!(
        "[[alerts.receivers]]\nname = \"crm\"\ntype = \"webhook\"\n\
         url = \"{}/hooks\"\nsecret = {{ file = \"{}\" }}\n",
        inbox.url,
        secret.display()
    );
    if let Some(alertmanager) = &alertmanager {
        extra += &format!(
            "[[alerts.receivers]]\nname = \"am\"\ntype = \"alertmanager\"\nurl = \"{}\"\n",
            alertmanager.url
        );
    }
    let open = |n: usize| {
        let all = alertmanager.as_ref().map(|server| server.open().unwrap_or_default());
        all.is_none_or(|all| all.len() == n)
    };
    let job = Job::new(&bootstrap, "receivers", &extra);
    // Without a watermark nothing is judged: the rollup would withdraw what it cannot account for.
    let text = std::fs::read_to_string(&job.file).unwrap();
    assert!(text.contains("idle_after = \"1s\""));
    std::fs::write(&job.file, text.replace("idle_after = \"1s\"", "idle_after = \"1h\"")).unwrap();
    job.create_topics();

    let mut first = job.start("first");
    first.ready();
    say(&job, "north", "firing", 1);
    until("north is told", || inbox.taken() == ["north firing"] && open(1));
    // What was told is no news to whoever comes after an end in order.
    assert!(first.terminate().success(), "{}", first.said());
    let mut second = job.start("second");
    second.ready();
    inbox.hold(true);
    say(&job, "south", "firing", 1);
    until("south is posted", || inbox.all().len() > 1);
    until("Alertmanager has both", || open(2));
    second.kill();
    let posted = inbox.all().len();
    inbox.hold(false);
    let mut third = job.start("third");
    until("south is posted again", || inbox.all().len() > posted);
    say(&job, "north", "resolved", 2);
    let told = |what: &str| inbox.taken().iter().any(|told| told == what);
    until("the end of north is told", || told("north resolved") && open(1));
    assert!(third.terminate().success(), "{}", third.said());
    let mut told = inbox.taken();
    let mut ids: Vec<_> =
        inbox.all().iter().map(|post| post.header("webhook-id").unwrap().to_owned()).collect();
    // Only what nobody had answered for was posted more than once.
    assert!(told.len() > 3, "{told:?}");
    told.dedup();
    ids.dedup();
    assert_eq!(told, ["north firing", "south firing", "north resolved"]);
    assert_eq!(ids.len(), 3, "{ids:?}");
}
