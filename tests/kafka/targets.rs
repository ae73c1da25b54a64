//! Targets from the compacted topic on a real broker: two instances follow it, revisions and
//! deletions included, over a kill; what is no target is one dead letter.

use std::time::Duration;

use serde_json::{Value, json};
use tidemark::log::{Cleanup, Outgoing, Partition};
use tidemark::model::time::Timestamp;

use crate::job::Job;
use crate::process::{Process, pause, run_to_end};
use crate::support::{await_some, kafka_bootstrap};

fn put(job: &Job, key: &str, value: Option<Value>) {
    let mut writer = job.log.writer().unwrap();
    let out = Outgoing {
        topic: job.config.topics().targets.unwrap().as_str().into(),
        partition: Partition(0),
        key: Some(key.as_bytes().to_vec()),
        value: value.map(|value| value.to_string().into_bytes()),
        headers: Vec::new(),
    };
    writer.send(out).unwrap();
    writer.flush(Duration::from_secs(60)).unwrap();
}

/// Target and attainment of the month's revenue of the whole.
fn stands(instance: &mut Process) -> Option<(Value, Value)> {
    let (200, body) = instance.get("/api/v1/rows?window=month&limit=1000")? else { return None };
    let page: Value = serde_json::from_str(&body).unwrap();
    let is_it =
        |row: &&Value| row["kpis"]["revenue"]["value"] == 4200 && row["segment"] == json!({});
    let row = page["rows"].as_array()?.iter().find(is_it)?.clone();
    let of = &row["targets"]["revenue"];
    Some((of["target"].clone(), of["attainment"].clone()))
}

fn await_stands(instances: &mut [&mut Process], expected: (Value, Value)) {
    for instance in instances {
        let mut last = None;
        await_some("the target that holds", Duration::from_secs(90), || {
            pause();
            last = stands(instance);
            (last.as_ref() == Some(&expected)).then_some(())
        });
    }
}

#[test]
fn instances_follow_the_topic_of_targets() {
    let Some(bootstrap) = kafka_bootstrap() else { return };
    let job =
        Job::new(&bootstrap, "targets", "[money]\ncurrency = \"EUR\"\n[targets]\ntopic = true\n");
    job.create_topics();
    let topic = job.log.describe(&job.config.topics().targets.unwrap()).unwrap().unwrap();
    let compacted = Cleanup::Compact { min_lag: Duration::ZERO };
    assert_eq!((topic.partitions, topic.cleanup), (1, Some(vec![compacted])));

    let target = |value: u32| Some(json!({"kpi": "revenue", "period": "month", "value": value}));
    put(&job, "whole", target(8400));
    let mut first = job.start("first");
    let now = Timestamp::from_millis(tidemark::clock::wall_ms()).to_string();
    let set =
        json!({"status": "won", "owner": "r-1", "amount": {"value": "4200", "currency": "EUR"}});
    let event = json!({"id": "D1", "entity": {"type": "deal", "id": "D1"}, "time": now,
        "op": "update", "set": set});
    job.feed(&[event.to_string()]);
    await_stands(&mut [&mut first], (json!(8400), json!(0.5)));

    let mut second = job.start("second");
    second.ready();
    put(&job, "wrong", Some(json!({"kpi": "revenu", "period": "month", "value": 1})));
    put(&job, "whole", target(4200));
    await_stands(&mut [&mut first, &mut second], (json!(4200), json!(1.0)));
    let listed = await_some("the dead letter", Duration::from_secs(60), || {
        pause();
        let listed = dead_letters(&job);
        (!listed.is_empty()).then_some(listed)
    });
    assert!(listed[0].contains("BAD_TARGET") && listed[0].contains(".targets/0/1"), "{listed:?}");

    // Who takes over reads the topic from its start, and buries nothing twice.
    first.kill();
    put(&job, "whole", target(2100));
    await_stands(&mut [&mut second], (json!(2100), json!(2.0)));
    let mut third = job.start("third");
    third.ready();
    put(&job, "whole", None);
    await_stands(&mut [&mut second, &mut third], (Value::Null, Value::Null));
    assert_eq!(dead_letters(&job).len(), 1);
}

fn dead_letters(job: &Job) -> Vec<String> {
    let (code, out, err) = run_to_end(&["dlq", "ls", "--config", job.file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}{err}");
    out.lines().filter(|line| line.contains("BAD_TARGET")).map(str::to_owned).collect()
}
