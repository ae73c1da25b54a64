//! Dead letters on a real broker: listed, shown, put back once what was wrong is mended.

use std::time::Duration;

use crate::job::Job;
use crate::process::{pause, run_to_end};
use crate::rows::{await_rows, company};
use crate::support::{await_some, kafka_bootstrap};

/// Runs `tidemark dlq` to its end; gives what it said on both streams.
fn dlq(job: &Job, arguments: &[&str]) -> (String, String) {
    let file = job.file.to_str().unwrap();
    let (code, out, err) = run_to_end(&[&["dlq"], arguments, &["--config", file]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    (out, err)
}

/// A day's events were too far in the future for a narrow limit. Once the limit is mended they are
/// put back, keep their identity and time, and count.
#[test]
fn what_was_put_back_after_the_mend_counts_as_if_it_had_come_at_once() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job = Job::new(&bootstrap, "redrive", "[intake]\nmax_array = 1\n");
    job.create_topics();
    let events = company(41, 20);
    let (singles, rest) = events.split_at(events.len() - 30);
    // Arrays of two are more than the limit takes.
    let arrays: Vec<String> = rest.chunks(2).map(|two| format!("[{}]", two.join(","))).collect();
    let mut instance = job.start("before");
    job.feed(singles);
    job.feed(&arrays);
    job.feed(&["not json".to_owned()]);
    await_rows(&mut instance, &job.expected(singles));
    let (listed, counts) =
        await_some("all dead letters are there", Duration::from_secs(60), || {
            pause();
            let (out, err) = dlq(&job, &["ls"]);
            (out.lines().count() == arrays.len() + 1).then_some((out, err))
        });
    assert!(counts.contains(&format!("1 NOT_AN_EVENT, {} TOO_MANY", arrays.len())), "{counts}");
    assert!(listed.lines().all(|line| line.contains(&job.source)), "{listed}");

    let first = listed.lines().find(|line| line.contains("TOO_MANY")).unwrap();
    let id = first.split_whitespace().nth(2).unwrap();
    let (shown, _) = dlq(&job, &["show", id]);
    assert!(
        shown.contains("code       TOO_MANY") && arrays.iter().any(|a| shown.contains(a)),
        "{shown}"
    );

    // Nothing is written by a dry run; put back too early, it fails again and says how often.
    let (_, would) = dlq(&job, &["redrive", "--code", "too_many", "--dry-run"]);
    assert!(would.contains(&format!("{} would be put back", arrays.len())), "{would}");
    let (_, early) = dlq(&job, &["redrive", "--id", id]);
    assert!(early.starts_with("1 put back"), "{early}");
    let again = await_some("it fails again", Duration::from_secs(60), || {
        pause();
        let (out, _) = dlq(&job, &["ls", "--code", "TOO_MANY", "--json"]);
        out.lines().find(|line| line.contains("\"attempt\":1")).map(str::to_owned)
    });
    assert!(again.contains("\"code\":\"TOO_MANY\""), "{again}");
    assert!(instance.terminate().success(), "{}", instance.said());

    let text = std::fs::read_to_string(&job.file).unwrap();
    std::fs::write(&job.file, text.replace("max_array = 1\n", "max_array = 1000\n")).unwrap();
    let mut instance = job.start("mended");
    let (_, done) = dlq(&job, &["redrive", "--code", "TOO_MANY", "--rate", "200"]);
    // The one that was put back too early is there by its second failure.
    assert!(done.starts_with(&format!("{} put back", arrays.len())), "{done}");
    await_rows(&mut instance, &job.expected(&events));
    let (_, none) = dlq(&job, &["redrive", "--code", "TOO_MANY"]);
    assert!(none.starts_with("0 put back"), "{none}");
}
