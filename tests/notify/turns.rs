//! Whose turn it is: what fails alone holds up nobody, a telling has an id of its own, and a stop waits
//! for one request.

use super::inbox::{Inbox, Posted};
use super::{Job, Offset, webhook};
use tidemark::runtime::StopReason;

fn ids(inbox: &Inbox) -> Vec<String> {
    let id = |posted: &Posted| posted.header("webhook-id").unwrap().to_owned();
    inbox.all().iter().map(id).collect()
}

#[test]
fn a_message_that_always_fails_lets_others_pass_and_is_given_up_in_the_end() {
    let inbox = Inbox::start();
    inbox.fails(Some(("territory a ", 500)));
    let row = webhook("crm", &inbox) + "give_up_after = \"10m\"\n";
    let job = Job::start(&row);
    let mut workers = [job.open(0)];
    for id in ["a", "b", "c"] {
        job.say(id, "firing", 1);
    }
    job.until(&mut workers, "the others are told", || inbox.taken().len() == 2);
    assert_eq!(inbox.taken(), ["b firing", "c firing"]);
    job.until(&mut workers, "it is tried again", || job.count("crm", "failed") > 2);
    assert_eq!((job.note("crm").is_err(), job.count("crm", "given_up")), (true, 0));
    // Nothing is committed past it: a restart tries it again, and repeats the others under their ids.
    assert_eq!(job.committed("crm", 0), None);
    job.clocks.pass(600_000);
    job.until(&mut workers, "it is given up", || job.count("crm", "given_up") == 1);
    job.until(&mut workers, "it is committed", || job.committed("crm", 0) == Some(Offset(3)));
    let tried = inbox.all().len();
    job.idle(&mut workers[0]);
    assert_eq!(inbox.all().len(), tried, "it is over");
    assert_eq!(job.note("crm"), Ok(()));
    inbox.fails(None);
    job.say("a", "resolved", 2);
    job.until(&mut workers, "its end is told", || inbox.taken().len() == 3);
    assert_eq!(inbox.taken()[2], "a resolved");
}

#[test]
fn each_telling_has_an_id_of_its_own_and_repetitions_have_the_same() {
    let inbox = Inbox::start();
    let job = Job::start(&webhook("crm", &inbox));
    let mut workers = [job.open(0)];
    inbox.answer(503, None);
    // A correction takes it back, and another one lets it fire since the same moment again.
    for (version, state) in (1..).zip(["firing", "withdrawn", "firing", "resolved"]) {
        let told = inbox.taken().len();
        job.say("a", state, version);
        job.until(&mut workers, "it is told", || inbox.taken().len() > told);
    }
    assert_eq!(inbox.taken(), ["a firing", "a withdrawn", "a firing", "a resolved"]);
    let mut ids = ids(&inbox);
    assert_eq!(ids.len(), 5);
    assert_eq!(ids.remove(0), ids[0], "the first one failed once");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn what_fires_is_renewed_and_a_stop_waits_for_one_request_at_most() {
    let inbox = Inbox::start();
    let row = "[[alerts.receivers]]\nname = \"am\"\ntype = \"alertmanager\"\nurl = \"URL\"\n";
    let job = Job::start(&row.replace("URL", &inbox.url));
    let mut workers = [job.open(0)];
    job.say("a", "firing", 1);
    job.until(&mut workers, "it is told", || inbox.all().len() == 1);
    for round in 1..4 {
        // Both are due: what is new, and the next renewal.
        job.clocks.pass(61_000);
        job.say(&format!("b{round}"), "firing", 1);
        let deadline = tidemark::clock::monotonic() + std::time::Duration::from_secs(30);
        while inbox.all().len() < 1 + 2 * round {
            assert!(tidemark::clock::monotonic() < deadline, "nothing is renewed");
            let before = inbox.all().len();
            workers[0].step().unwrap();
            assert!(inbox.all().len() <= before + 1, "two requests in one step");
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        }
    }
    assert_eq!((job.count("am", "renewed"), job.count("am", "delivered")), (3, 4));
    job.say("c", "firing", 1);
    let before = inbox.all().len();
    job.context.stop.request(StopReason::Asked);
    job.idle(&mut workers[0]);
    assert_eq!(inbox.all().len(), before, "nobody is asked any more");
}

#[test]
fn a_renewal_that_always_fails_keeps_nothing_new_from_being_told() {
    let inbox = Inbox::start();
    let row = "[[alerts.receivers]]\nname = \"am\"\ntype = \"alertmanager\"\nurl = \"URL\"\n";
    let job = Job::start(&row.replace("URL", &inbox.url));
    let mut workers = [job.open(0)];
    job.say("a", "firing", 1);
    job.until(&mut workers, "it is told", || inbox.all().len() == 1);
    inbox.fails(Some(("territory a ", 500)));
    // By then the pause is longer than that between two renewals.
    job.until(&mut workers, "renewals fail", || job.count("am", "failed") == 7);
    assert_eq!(job.count("am", "renewed"), 0);
    job.say("b", "firing", 1);
    let told = |id: &str| {
        let of = |posted: &Posted| posted.json()[0]["labels"]["alert_id"] == id;
        inbox.all().iter().filter(|posted| posted.status == 200 && of(posted)).count()
    };
    job.until(&mut workers, "b is told", || told("b") == 1);
    job.until(&mut workers, "b alone is renewed", || told("b") == 3);
    assert_eq!((told("a"), job.count("am", "given_up")), (1, 0));
}

/// Alerts in each post that was taken, of the last so many.
fn taken_by_the(inbox: &Inbox, last: usize) -> Vec<usize> {
    let all = inbox.all();
    let size =
        |posted: &Posted| (posted.status == 200).then(|| posted.json().as_array().unwrap().len());
    all[all.len().saturating_sub(last)..].iter().filter_map(size).collect()
}

#[test]
fn an_alert_that_is_refused_for_good_is_set_aside_and_the_others_are_renewed_together() {
    let inbox = Inbox::start();
    let row = "[[alerts.receivers]]\nname = \"am\"\ntype = \"alertmanager\"\nurl = \"URL\"\n";
    let job = Job::start(&row.replace("URL", &inbox.url));
    let mut workers = [job.open(0)];
    // On both partitions, the bad one in the midst.
    for (partition, id) in [(0, "0"), (1, "1"), (0, "a"), (1, "b"), (0, "c"), (1, "d"), (0, "e")] {
        job.say_on(partition, id, "firing", 1);
    }
    job.until(&mut workers, "all are told", || inbox.all().len() == 7);
    job.until(&mut workers, "all are renewed", || taken_by_the(&inbox, 1) == [7]);
    inbox.fails(Some(("territory a ", 400)));
    // The culprit is found, and the others are told, without a pause between two requests.
    job.clocks.pass(61_000);
    let before = inbox.all().len();
    (0..30).for_each(|_| workers[0].step().unwrap());
    let sizes: usize = taken_by_the(&inbox, inbox.all().len() - before).iter().sum();
    assert_eq!(sizes, 6, "{:?}", inbox.all().len() - before);
    job.until(&mut workers, "it is given up", || job.count("am", "given_up") == 1);
    let refused =
        |posted: &&Posted| posted.status == 400 && posted.json().as_array().unwrap().len() == 1;
    assert_eq!(inbox.all().iter().filter(refused).count(), 3, "tried as often as what is new");
    job.until(&mut workers, "the others are renewed", || taken_by_the(&inbox, 1) == [6]);
    let failed = job.count("am", "failed");
    job.clocks.pass(61_000);
    job.idle(&mut workers[0]);
    assert_eq!(taken_by_the(&inbox, 2), [6, 6], "all in one, and a minute between two");
    assert_eq!((job.count("am", "failed"), job.note("am")), (failed, Ok(())));
    // Its days go on, and it is left alone; its end is told.
    job.say("a", "firing", 2);
    job.idle(&mut workers[0]);
    assert_eq!((taken_by_the(&inbox, 1), job.count("am", "given_up")), (vec![6], 1));
    inbox.fails(None);
    job.say("a", "resolved", 3);
    let ended = |posted: &Posted| posted.json()[0]["labels"]["alert_id"] == "a";
    job.until(&mut workers, "its end is told", || inbox.all().last().is_some_and(ended));
}

#[test]
fn a_renewal_that_is_taken_forgives_no_refusals() {
    let inbox = Inbox::start();
    let row = "[[alerts.receivers]]\nname = \"am\"\ntype = \"alertmanager\"\nurl = \"URL\"\n";
    let job = Job::start(&row.replace("URL", &inbox.url));
    let mut workers = [job.open(0)];
    job.say("b", "firing", 1);
    job.until(&mut workers, "it is told", || inbox.all().len() == 1);
    inbox.fails(Some(("territory a ", 400)));
    job.say("a", "firing", 1);
    let refused = || inbox.all().iter().filter(|posted| posted.status == 400).count();
    job.until(&mut workers, "it is refused twice", || refused() == 2);
    job.clocks.pass(61_000);
    job.until(&mut workers, "it is refused again", || refused() == 3);
    assert_eq!(
        inbox.all().iter().filter(|posted| posted.status == 200).count(),
        2,
        "a renewal lies between"
    );
    job.until(&mut workers, "it is given up", || job.count("am", "given_up") == 1);
    job.idle(&mut workers[0]);
    assert_eq!(refused(), 3);
}

#[test]
fn who_refuses_everything_for_a_while_is_told_of_all_again() {
    let inbox = Inbox::start();
    let row = "[[alerts.receivers]]\nname = \"am\"\ntype = \"alertmanager\"\nurl = \"URL\"\n";
    let job = Job::start(&row.replace("URL", &inbox.url));
    let mut workers = [job.open(0)];
    ["a", "b", "c"].into_iter().for_each(|id| job.say(id, "firing", 1));
    job.until(&mut workers, "all are told", || inbox.all().len() == 3);
    inbox.always(Some(400));
    let refused = || inbox.all().iter().filter(|posted| posted.status == 400).count();
    job.until(&mut workers, "it is asked for many rounds", || refused() >= 40);
    inbox.always(None);
    job.until(&mut workers, "all are renewed", || taken_by_the(&inbox, 1) == [3]);
    assert_eq!((job.count("am", "given_up"), job.note("am")), (0, Ok(())));
}
