//! Receivers of drift alerts: real HTTP servers in this process, which live, die and refuse; and a
//! real Alertmanager where it is installed.
#![cfg(feature = "notify")]

#[path = "notify/alertmanager.rs"]
mod alertmanager;
#[path = "notify/inbox.rs"]
mod inbox;
#[path = "support/instance.rs"]
mod instance;
#[path = "support/alertmanager.rs"]
mod manager;
#[path = "notify/turns.rs"]
mod turns;

use std::sync::Arc;
use std::time::Duration;

use inbox::Inbox;
use instance::{Clocks, context};
use tidemark::app;
use tidemark::clock::{monotonic, wall_ms};
use tidemark::config::{Config, ConfigError};
use tidemark::log::memory::MemoryLog;
use tidemark::log::{Log, Offset, Outgoing, Partition, TopicPartition};
use tidemark::model::time::Timestamp;
use tidemark::runtime::{Context, Worker, notify};
use tidemark::verify::{Preset, Request, Verifier};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn read(receivers: &str, url: &str) -> Result<Config, ConfigError> {
    let text = format!(
        "[app]\nname = \"t\"\n[topology]\nshards = 1\npartitions = 2\n[windows]\nrolling = []\n\
         calendar = [\"day\"]\n[segments]\nsets = [\"overall\"]\n{receivers}"
    );
    let env = [("SECRET", SECRET), ("URL", url)];
    Config::from_toml(&text, "t.toml", env.map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter())
}

fn webhook(name: &str, inbox: &Inbox) -> String {
    format!(
        "[[alerts.receivers]]\nname = \"{name}\"\ntype = \"webhook\"\nurl = \"{}/hooks/x1\"\n\
         secret = {{ env = \"SECRET\" }}\n",
        inbox.url
    )
}

/// A job with receivers, over a log that lives on.
struct Job {
    log: MemoryLog,
    clocks: Clocks,
    context: Context,
}

impl Job {
    fn start(receivers: &str) -> Job {
        Job::over(MemoryLog::default(), receivers)
    }

    fn over(log: MemoryLog, receivers: &str) -> Job {
        let config = Arc::new(read(receivers, "").unwrap_or_else(|e| panic!("{e}")));
        app::create_topics(&config, &log).unwrap();
        let clocks = Clocks::new(Timestamp(1_772_452_800_000_000));
        let context = context(&config, Arc::new(log.clone()), &clocks);
        Job { log, clocks, context }
    }

    fn open(&self, receiver: usize) -> Box<dyn Worker> {
        notify::open(&self.context, &self.context.config.receivers[receiver]).unwrap()
    }

    /// A word of an alert on its topic.
    fn say(&self, id: &str, state: &str, version: u64) {
        self.say_on(0, id, state, version);
    }

    fn say_on(&self, partition: u32, id: &str, state: &str, version: u64) {
        let (state, withdrawn) =
            if state == "withdrawn" { ("resolved", true) } else { (state, false) };
        let over = state == "resolved" && !withdrawn;
        let resolved = if over { "\"2026-03-01T00:00:00Z\"" } else { "null" };
        let end = if over { "\"recovered\"" } else { "null" };
        let json = format!(
            "{{\"id\":\"{id}\",\"rule\":\"win_rate\",\"kpi\":\"win_rate\",\
             \"segment\":{{\"territory\":\"{id}\"}},\"direction\":\"down\",\"state\":\"{state}\",\
             \"fired\":{},\"withdrawn\":{withdrawn},\"since\":\"2020-04-20T00:00:00Z\",\
             \"resolved\":{resolved},\"end\":{end},\"change_time\":\"2020-04-10T00:00:00Z\",\
             \"now\":0.25,\"n\":{},\"interval\":[0.16,0.37],\"baseline\":0.5,\"unit\":\"ratio\",\
             \"effect\":-0.5,\"expected_false_alarms_per_month\":0.3,\
             \"as_of\":\"2026-03-02T00:00:00Z\",\"judged_to\":\"2026-03-02T00:00:00Z\",\
             \"version\":{version}}}",
            state != "pending",
            60 + version,
        );
        let out = Outgoing {
            topic: "t.alerts".into(),
            partition: Partition(partition),
            key: Some(id.as_bytes().to_vec()),
            value: Some(json.into_bytes()),
            headers: Vec::new(),
        };
        self.log.append(out, None).unwrap();
    }

    /// Steps the workers, while time passes, until it is so.
    fn until(&self, workers: &mut [Box<dyn Worker>], what: &str, is: impl Fn() -> bool) {
        let deadline = monotonic() + Duration::from_secs(30);
        while !is() {
            assert!(monotonic() < deadline, "never: {what}; {:?}", self.context.health.notes());
            self.clocks.pass(300);
            workers.iter_mut().for_each(|worker| worker.step().unwrap());
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Steps a worker so often that it would have done what it does.
    fn idle(&self, worker: &mut Box<dyn Worker>) {
        for _ in 0..300 {
            self.clocks.pass(300);
            worker.step().unwrap();
        }
    }

    fn committed(&self, receiver: &str, partition: u32) -> Option<Offset> {
        let mut member = self.log.join(&format!("t.notify.{receiver}"), &["t.alerts"]).unwrap();
        let at = member.committed(&[TopicPartition::new("t.alerts", partition)]).unwrap();
        member.leave();
        at[0].map(|p| p.next)
    }

    fn count(&self, receiver: &str, outcome: &str) -> u64 {
        let families = self.context.telemetry.registry().gather();
        let family = families.iter().find(|f| f.name() == "tidemark_notifications_total").unwrap();
        let is = |m: &&prometheus::proto::Metric| {
            let label = |name: &str| m.get_label().iter().find(|l| l.name() == name).unwrap();
            label("receiver").value() == receiver && label("outcome").value() == outcome
        };
        family.get_metric().iter().find(is).map_or(0, |m| m.get_counter().get_value() as u64)
    }

    fn note(&self, receiver: &str) -> Result<(), String> {
        let name = format!("notify {receiver}");
        let found = self.context.health.notes().into_iter().find(|(n, _)| *n == name);
        found.map_or(Ok(()), |(_, state)| state)
    }
}

#[test]
fn what_is_new_is_told_once_however_often_it_is_written() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    let mut workers = [job.open(0)];
    for (version, state) in
        (1..).zip(["pending", "firing", "firing", "firing", "resolved", "resolved", "withdrawn"])
    {
        job.say("a", state, version);
        job.say("a", state, version);
        job.idle(&mut workers[0]);
    }
    job.say_on(1, "b", "firing", 1);
    job.until(&mut workers, "b is told", || inbox.taken().len() == 4);
    assert_eq!(inbox.taken(), ["a firing", "a resolved", "a withdrawn", "b firing"]);
    job.until(&mut workers, "it is committed", || job.count("crm", "delivered") == 4);
    assert_eq!((job.count("crm", "failed"), job.count("crm", "given_up")), (0, 0));
    let posted = &inbox.all()[0];
    let body = posted.json();
    assert_eq!((posted.target.as_str(), &body["type"]), ("/hooks/x1", &"alert".into()));
    assert_eq!((&body["app"], &body["data"]["n"]), (&"t".into(), &62.into()));
    assert_eq!(posted.header("content-type"), Some("application/json"));
    // Behind the deliveries the position is committed, and nobody hears of it twice.
    let [worker] = workers;
    worker.finish().unwrap();
    assert_eq!(job.committed("crm", 0), Some(Offset(14)));
}

#[test]
fn our_own_verifier_believes_what_is_signed_and_nothing_else() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    let mut workers = [job.open(0)];
    job.say("a", "firing", 1);
    job.until(&mut workers, "it is told", || inbox.taken().len() == 1);
    let posted = &inbox.all()[0];
    let schemes = Preset::parse("standard-webhooks").unwrap().schemes();
    let verifier =
        |secret: &str| Verifier::new(schemes.clone(), &[secret.as_bytes().to_vec()], "").unwrap();
    let headers: Vec<(&str, &[u8])> =
        posted.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    let check = |secret: &str, body: &[u8]| {
        let request = Request { method: "POST", target: &posted.target, headers: &headers, body };
        let now = Timestamp::from_millis(wall_ms());
        verifier(secret).check(&request, now).map(str::to_owned).is_ok()
    };
    assert!(check(SECRET, &posted.body));
    assert!(!check("whsec_AfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &posted.body));
    assert!(!check(SECRET, &[&posted.body[..], b" "].concat()));
    assert_eq!(posted.header("webhook-id"), posted.json()["id"].as_str());
}

#[test]
fn a_dead_receiver_holds_up_itself_alone_and_is_told_when_it_lives() {
    let (dead, other) = (Inbox::start(), Inbox::start());
    dead.always(Some(503));
    let slack = format!(
        "[[alerts.receivers]]\nname = \"ops\"\ntype = \"slack\"\nurl = \"{}/services/T0/S3CRET\"\n",
        dead.url
    );
    let job = Job::start(&[slack, webhook("crm", &other)].concat());
    let mut workers = [job.open(0), job.open(1)];
    job.say("a", "firing", 1);
    job.say("b", "firing", 1);
    job.until(&mut workers, "the other is told", || other.taken().len() == 2);
    job.until(&mut workers, "it is tried again", || dead.all().len() > 3);
    let why = job.note("ops").unwrap_err();
    assert_eq!((why.as_str(), job.note("crm")), ("it answers 503", Ok(())));
    assert!(job.context.health.ready(), "numbers are right without it");
    // What is over by the time it lives is told as that.
    job.say("a", "resolved", 2);
    job.until(&mut workers, "the other hears of it", || other.taken().len() == 3);
    dead.always(None);
    job.until(&mut workers, "it is told", || dead.taken().len() == 2);
    let mut taken = dead.taken();
    taken.sort();
    assert_eq!(
        taken,
        [
            "*FIRING* win rate of territory b is down: 25.0 %, usual is 50.0 %",
            "*RESOLVED* win rate of territory a: the evidence that it is down has fallen back; it was at 25.0 %, usual is 50.0 %",
        ]
    );
    job.until(&mut workers, "it is well", || job.note("ops").is_ok());
    assert!(job.count("ops", "failed") > 3);
    assert_eq!(other.taken(), ["a firing", "b firing", "a resolved"]);
}

#[test]
fn nobody_listens_there_and_then_somebody_does() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let slack =
        format!("[[alerts.receivers]]\nname = \"ops\"\ntype = \"slack\"\nurl = \"{url}/S3CRET\"\n");
    let job = Job::start(&slack);
    let mut workers = [job.open(0)];
    job.say("a", "firing", 1);
    job.until(&mut workers, "it fails", || job.note("ops").is_err());
    let why = job.note("ops").unwrap_err();
    assert!(!why.contains("S3CRET"), "{why}");
    let [worker] = workers;
    worker.finish().unwrap();
    // Dead from the start and over a restart: it is told all the same.
    let inbox = Inbox::start();
    let moved = slack.replace(&url, &inbox.url);
    let job = Job::over(job.log, &moved);
    let mut workers = [job.open(0)];
    job.until(&mut workers, "it is told", || inbox.taken().len() == 1);
}

#[test]
fn a_restart_repeats_nothing_and_a_crash_nothing_that_was_committed() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    let mut workers = [job.open(0)];
    job.say("a", "firing", 1);
    job.until(&mut workers, "it is told", || inbox.taken().len() == 1);
    // The step that told it has committed it: a crash comes behind it.
    drop(workers);
    job.say("a", "firing", 2);
    job.say("b", "firing", 1);
    let mut workers = [job.open(0)];
    job.until(&mut workers, "b is told", || inbox.taken().len() == 2);
    drop(workers);
    job.say("a", "resolved", 3);
    // The word by which it was told is gone by now.
    job.log.compact("t.alerts");
    let mut workers = [job.open(0)];
    job.until(&mut workers, "its end is told", || inbox.taken().len() == 3);
    job.idle(&mut workers[0]);
    assert_eq!(inbox.taken(), ["a firing", "b firing", "a resolved"]);
}

#[test]
fn a_new_receiver_hears_of_what_is_open() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    job.say("a", "resolved", 1);
    job.say("b", "firing", 1);
    job.say("c", "withdrawn", 1);
    inbox.always(Some(500));
    let mut workers = [job.open(0)];
    job.until(&mut workers, "it is tried", || !inbox.all().is_empty());
    assert_eq!(job.committed("crm", 0), None, "else a would have ended since");
    let [worker] = workers;
    worker.finish().unwrap();
    inbox.always(None);
    let mut workers = [job.open(0)];
    job.say("d", "firing", 1);
    job.until(&mut workers, "the rest is told", || inbox.taken().len() == 2);
    job.idle(&mut workers[0]);
    assert_eq!(inbox.taken(), ["b firing", "d firing"]);
}

#[test]
fn a_wrong_secret_or_address_loses_nothing_and_no_redirect_is_followed() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    let mut workers = [job.open(0)];
    // 302 and 303 turn a POST into a GET, which a client follows that sends no body twice.
    let elsewhere = || Some(("location", format!("{}/elsewhere", inbox.url)));
    for (status, header) in
        [(401, None), (307, elsewhere()), (302, elsewhere()), (303, elsewhere()), (403, None)]
    {
        inbox.answer(status, header);
    }
    job.say("a", "firing", 1);
    job.until(&mut workers, "a is told", || inbox.taken().len() == 1);
    assert!(inbox.all().iter().all(|post| post.target == "/hooks/x1"));
    assert_eq!((job.count("crm", "given_up"), job.count("crm", "failed")), (0, 5));
}

#[test]
fn what_is_refused_is_given_up_and_the_next_is_told() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    let mut workers = [job.open(0)];
    for status in [400, 413, 422] {
        inbox.answer(status, None);
    }
    job.say("a", "firing", 1);
    job.say("b", "firing", 1);
    job.until(&mut workers, "b is told", || inbox.taken().len() == 1);
    let seen: Vec<_> = inbox.all().into_iter().map(|p| (p.target, p.status)).collect();
    let at = |status| ("/hooks/x1".to_owned(), status);
    assert_eq!(seen, [at(400), at(413), at(422), at(200)]);
    assert_eq!(inbox.taken(), ["b firing"]);
    assert_eq!((job.count("crm", "given_up"), job.count("crm", "failed")), (1, 2));
    // Its end is told: the receiver may hear of it by other ways.
    job.say("a", "resolved", 2);
    job.until(&mut workers, "the end is told", || inbox.taken().len() == 2);
}

#[test]
fn what_is_given_up_leaves_no_note_where_nothing_waits() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    let mut workers = [job.open(0)];
    inbox.always(Some(400));
    job.say("a", "firing", 1);
    job.until(&mut workers, "it is refused", || job.note("crm").is_err());
    job.until(&mut workers, "it is given up", || job.count("crm", "given_up") == 1);
    assert_eq!(job.note("crm"), Ok(()));
    job.say("b", "firing", 1);
    job.until(&mut workers, "the next is refused", || job.note("crm").is_err());
}

/// A first start that reads history, and then judges no more for a while.
#[test]
fn what_stands_is_told_though_judgments_stay_behind() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    let mut workers = [job.open(0)];
    job.clocks.pass(30 * 86_400_000);
    job.say("a", "firing", 1);
    for _ in 0..20 {
        job.clocks.pass(300);
        workers[0].step().unwrap();
    }
    assert_eq!(inbox.taken(), [""; 0], "what becomes of it may be next");
    job.clocks.pass(301_000);
    job.until(&mut workers, "it is told", || inbox.taken() == ["a firing"]);
    job.until(&mut workers, "it is committed", || job.committed("crm", 0) == Some(Offset(1)));
}

#[test]
fn a_receiver_that_asks_for_time_gets_it() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    let mut workers = [job.open(0)];
    inbox.answer(429, Some(("retry-after", "120".to_owned())));
    job.say("a", "firing", 1);
    let asked = || inbox.all().len();
    job.until(&mut workers, "it is asked", || asked() == 1);
    let mut waited = 0;
    while asked() == 1 {
        job.clocks.pass(1_000);
        waited += 1;
        workers[0].step().unwrap();
        assert!(waited < 1_000, "it is never asked again");
    }
    assert_eq!((waited, inbox.taken().len()), (120, 1));
}

#[test]
fn workers_of_one_receiver_share_its_partitions() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    let mut workers = [job.open(0), job.open(0)];
    job.say_on(0, "a", "firing", 1);
    job.say_on(1, "b", "firing", 1);
    job.until(&mut workers, "both are told", || inbox.taken().len() == 2);
    let [first, second] = workers;
    first.finish().unwrap();
    job.say_on(0, "a", "resolved", 2);
    job.say_on(1, "b", "resolved", 2);
    let mut workers = [second];
    job.until(&mut workers, "one does it all", || inbox.taken().len() == 4);
    job.idle(&mut workers[0]);
    let mut taken = inbox.taken();
    taken.sort();
    assert_eq!(taken, ["a firing", "a resolved", "b firing", "b resolved"]);
}

#[test]
fn no_secret_is_shown() {
    let rows = "[[alerts.receivers]]\nname = \"ops\"\ntype = \"slack\"\n\
                url = \"https://hooks.example.com/services/S3CRET?x=S3CRET\"\n\
                [[alerts.receivers]]\nname = \"crm\"\ntype = \"webhook\"\nurl = { env = \"URL\" }\n\
                secret = { env = \"SECRET\" }\n";
    let config = read(rows, "http://crm/S3CRET").unwrap();
    let shown = format!("{config:?}\n{}\n{}", config.print(), config.summary());
    assert!(!shown.contains("S3CRET") && !shown.contains(&SECRET[6..]), "{shown}");
    assert!(shown.contains("ops: slack at https://hooks.example.com/…, firing"), "{shown}");
    assert!(shown.contains("alerts.receivers[0].url = \"https://hooks.example.com/…\""), "{shown}");
    assert!(shown.contains("alerts.receivers[1].secret.env = \"SECRET\""), "{shown}");
    let faulty = [
        ("https://hooks.example.com/services/S3CRET", "hooks.example.com/services/S3CRET"),
        ("https://hooks.example.com/services/S3CRET", "https://S3CRET@hooks.example.com/"),
        ("type = \"slack\"", "type = \"slack\"\nsecret = \"S3CRET\""),
    ];
    for (right, wrong) in faulty {
        let error = read(&rows.replace(right, wrong), "http://crm/x").unwrap_err().to_string();
        assert!(!error.contains("S3CRET"), "{error}");
    }
    let error = read(rows, "crm/S3CRET").unwrap_err().to_string();
    assert!(error.contains("not the URL of a receiver that stands there"), "{error}");
    assert!(!error.contains("S3CRET"), "{error}");
}

#[test]
fn what_is_wrong_with_a_receiver_is_told_with_its_place() {
    let row = |rest: &str| format!("[[alerts.receivers]]\nname = \"ops\"\n{rest}\n");
    let slack = "type = \"slack\"\nurl = \"https://h/x\"";
    let cases = [
        (row("type = \"webhook\"\nurl = \"https://h/x\""), "a webhook is signed"),
        (
            row("type = \"webhook\"\nurl = \"https://h/x\"\nsecret = { env = \"URL\" }"),
            "is not set",
        ),
        (row(&format!("{slack}\nsecret = {{ env = \"SECRET\" }}")), "only webhooks are signed"),
        (row(&format!("{slack}\nstates = []")), "told of nothing"),
        (row(&format!("{slack}\nstates = [\"fireing\"]")), "did you mean \"firing\"?"),
        (row(&format!("{slack}\ntimeout = \"11s\"")), "waited for up to 10s"),
        (row("type = \"pager\"\nurl = \"https://h/x\""), "is not a type of receiver"),
        (
            row("type = \"alertmanager\"\nurl = \"http://h/am/api/v2/alerts/\""),
            "leave out /api/v2/alerts",
        ),
        (row("type = \"alertmanager\"\nurl = \"http://h\"\nstates = [\"firing\"]"), "needs both"),
        ([row(slack), row(slack)].concat(), "two receivers \"ops\""),
        (row("type = \"slack\""), "\"url\" is missing"),
    ];
    for (text, expected) in cases {
        let error = read(&text, "").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("alerts.receivers"), "{text}\n{error}");
    }
}
