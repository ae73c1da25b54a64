//! Restore points: whatever is lost between two records of an image, whatever a zombie writes late,
//! and whatever breaks, a shard restores from a complete image or says why it cannot.

#[path = "images/cache.rs"]
mod cache;
#[path = "support/instance.rs"]
mod instance;
#[path = "images/job.rs"]
mod job;
#[path = "images/revoke.rs"]
mod revoke;
#[path = "images/watched.rs"]
mod watched;

use std::sync::{Arc, Mutex};

use job::{Job, Owner, config, directory};
use tidemark::log::Outgoing;
use tidemark::model::partial::{PartialMessage, epoch_of};
use tidemark::runtime::Fault;
use tidemark::runtime::images::Manifest;

fn refusal(result: Result<(), Fault>) -> String {
    match result {
        Err(Fault::Refused(why)) => why,
        other => panic!("refused nothing: {other:?}"),
    }
}

fn unusable(owner: &Owner) -> f64 {
    owner.metric("tidemark_images_unusable_total")
}

/// A job with an image of 10 events, whose owner dies at the `n`th record of the image of 15.
/// `None` where it has no such record.
fn killed_at(n: usize) -> Option<Job> {
    let mut job = Job::with_image(config(""));
    let mut owner = job.owner();
    owner.step().unwrap();
    job.feed(5);
    job.pass(700_000);
    let (topic, mut sent) = (job.config.topics().images, 0);
    job.log.on_send(move |out| {
        sent += usize::from(*out.topic == *topic);
        sent <= n
    });
    let died = job.settle(&mut owner).is_err();
    job.log.unhook();
    died.then_some(job)
}

/// A job with complete images of 10 and of 15 events: the owner died before its deletions.
fn two_images() -> (Job, Manifest) {
    let job = killed_at(2).unwrap();
    let (newest, _) = job.best();
    assert_eq!((job.complete().len(), newest.next), (2, 15));
    (job, newest)
}

#[test]
fn a_kill_at_any_record_of_an_image_leaves_a_complete_one_and_what_is_left_is_swept() {
    let mut kills = 0;
    for n in 0.. {
        let Some(mut job) = killed_at(n) else { break };
        kills += 1;
        let (best, _) = job.best();
        assert_eq!(best.next, if n < 2 { 10 } else { 15 }, "killed at record {n}");
        // Nothing but that image can be the start now.
        job.trim(best.next);
        let mut next = job.owner();
        job.settle(&mut next).unwrap();
        job.feed(5);
        job.settle(&mut next).unwrap();
        assert_eq!(unusable(&next), 0.0);
        let (own, image) = job.best();
        assert_eq!(own.next, 20);
        assert!(job.live().keys().all(|key| key.contains(&own.image)), "{:?}", job.live().keys());
        let mut whole = Job::new(config(""));
        whole.feed(20);
        assert!(image == whole.folded(&whole.config, 20).image(), "killed at record {n}");
    }
    // Chunk, manifest, and the deletion of both.
    assert_eq!(kills, 4);
}

#[test]
fn no_two_images_have_the_same_id() {
    let job = Job::with_image(config(""));
    let ledger = job.folded(&job.config, 10);
    let ids: std::collections::BTreeSet<String> =
        (0..100).map(|_| job.write(&ledger).image).collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn manifests_are_deleted_before_chunks() {
    let job = killed_at(3).unwrap();
    let live = job.live();
    let manifests = live.keys().filter(|key| key.starts_with("manifest|")).count();
    assert_eq!((live.len(), manifests), (3, 1));
}

#[test]
fn a_missing_chunk_or_a_broken_one_falls_back_to_the_image_before() {
    let breaks: [fn(&mut Vec<u8>) -> bool; 4] = [
        |_| false,
        |chunk| {
            chunk[40] ^= 1;
            true
        },
        // As if of a newer format: the manifest knows better.
        |chunk| {
            chunk[4] ^= 0x40;
            true
        },
        |chunk| chunk.pop().is_some(),
    ];
    for change in breaks {
        let (mut job, newest) = two_images();
        let key = format!("chunk|{}|0", newest.image);
        let mut chunk = job.live().remove(&key).unwrap();
        let stays = change(&mut chunk);
        job.put(&key, stays.then_some(chunk));
        job.trim(10);
        let mut owner = job.owner();
        owner.step().unwrap();
        assert_eq!(unusable(&owner), 1.0);
        job.feed(5);
        job.settle(&mut owner).unwrap();
        assert_eq!((job.best().0.next, job.best().0.epoch), (20, 0));
        assert_eq!(job.live().len(), 2);
    }
}

#[test]
fn where_no_image_can_be_used_the_fold_begins_from_the_start_or_refuses() {
    for trimmed in [false, true] {
        let job = Job::with_image(config(""));
        let (newest, _) = job.best();
        job.put(&format!("chunk|{}|0", newest.image), None);
        let mut owner = job.owner();
        if trimmed {
            job.trim(1);
            // The process goes on with its other shards.
            owner.step().unwrap();
            let why = owner.check("ledger").unwrap_err();
            assert_eq!(owner.metric("tidemark_stopped"), 1.0);
            assert!(why.contains("from offset 0") && why.contains("trimmed"), "{why}");
            continue;
        }
        job.settle(&mut owner).unwrap();
        assert_eq!(unusable(&owner), 1.0);
        // By which directory the partials out there were made is not known: a new epoch.
        assert_eq!((job.best().0.next, job.best().0.epoch), (10, 1));
    }
}

#[test]
fn a_manifest_that_cannot_be_read_is_passed_over() {
    let job = Job::with_image(config(""));
    job.put("manifest|of-something", Some(b"{".to_vec()));
    job.trim(10);
    let mut owner = job.owner();
    owner.step().unwrap();
    assert_eq!(unusable(&owner), 1.0);
}

#[test]
fn the_image_of_another_cluster_definition_or_format_is_refused() {
    let job = Job::with_image(config(""));
    let name = tidemark::log::Log::cluster_id(&job.log).unwrap();
    job.log.name("elsewhere");
    let why = refusal(job.owner().step());
    assert!(why.contains(&name) && why.contains("elsewhere") && why.contains("brokers"), "{why}");

    let mut job = Job::with_image(config(""));
    job.config = config("[windows]\nrolling = [\"24h\"]\n");
    let why = refusal(job.owner().step());
    assert!(why.contains("made with definition") && why.contains("app.generation"), "{why}");

    let job = Job::with_image(config(""));
    let (mut newest, mut image) = job.best();
    image[4] = 99;
    newest.crc = crc32fast::hash(&image);
    job.put(&format!("chunk|{}|0", newest.image), Some(image));
    let manifest = serde_json::to_vec(&newest).unwrap();
    job.put(&format!("manifest|{}", newest.image), Some(manifest));
    let why = refusal(job.owner().step());
    assert!(why.contains("format 99") && why.contains("upgrade"), "{why}");
}

/// An owner whose manifest stays on its way: its chunks are there, and it is dead.
fn manifest_on_its_way(job: &mut Job) -> Outgoing {
    let mut zombie = job.owner();
    zombie.step().unwrap();
    job.feed(5);
    job.pass(700_000);
    let caught: Arc<Mutex<Option<Outgoing>>> = Arc::default();
    let kept = caught.clone();
    job.log.on_send(move |out| {
        let is_manifest = out.key.as_ref().is_some_and(|k| k.starts_with(b"manifest|"));
        if is_manifest {
            *kept.lock().unwrap() = Some(out.clone());
        }
        !is_manifest
    });
    assert!(job.settle(&mut zombie).is_err());
    job.log.unhook();
    let out = caught.lock().unwrap().take();
    out.expect("the manifest was sent")
}

#[test]
fn a_zombies_manifest_behind_the_deletion_of_its_chunks_does_no_harm() {
    let mut job = Job::with_image(config(""));
    let late = manifest_on_its_way(&mut job);
    let mut next = job.owner();
    job.settle(&mut next).unwrap();
    job.feed(1);
    job.settle(&mut next).unwrap();
    drop(next);
    let (own, _) = job.best();
    assert_eq!(own.next, 16);
    // It comes as the highest of all.
    let mut manifest: Manifest = serde_json::from_slice(late.value.as_ref().unwrap()).unwrap();
    manifest.next = 1000;
    let key = String::from_utf8(late.key.unwrap()).unwrap();
    job.put(&key, Some(serde_json::to_vec(&manifest).unwrap()));
    job.trim(16);
    let mut third = job.owner();
    third.step().unwrap();
    assert_eq!(unusable(&third), 1.0);
    job.feed(1);
    job.settle(&mut third).unwrap();
    assert_eq!((job.best().0.next, job.live().len()), (17, 2));
}

/// Epochs of all cells and beats on the partials topic, in order.
fn epochs(job: &Job) -> Vec<u64> {
    let records = job.records(&job.config.topics().partials, 0);
    let values = records.iter().filter_map(|r| r.value.as_deref());
    values
        .map(|value| match PartialMessage::decode(value).unwrap() {
            PartialMessage::Cell(cell) | PartialMessage::Copy(cell) => epoch_of(cell.version),
            PartialMessage::Beat(beat) => epoch_of(beat.version),
        })
        .collect()
}

#[test]
fn an_epoch_number_is_never_used_twice_though_a_zombie_of_an_older_one_read_further() {
    let mut job = Job::with_image(directory("West"));
    job.config = directory("East");
    job.settle(&mut job.owner()).unwrap();
    assert_eq!((job.best().0.epoch, job.best().0.next), (1, 10));
    // The owner of before, still with its directory, and further than the others.
    job.feed(5);
    let zombie = job.write(&job.folded(&directory("West"), 15));
    assert_eq!((zombie.epoch, zombie.next), (0, 15));
    job.config = directory("West");
    let before = epochs(&job).len();
    job.settle(&mut job.owner()).unwrap();
    assert_eq!((job.best().0.epoch, job.best().0.next), (2, 15));
    let after = epochs(&job).split_off(before);
    assert!(!after.is_empty() && after.iter().all(|epoch| *epoch == 2), "{after:?}");
}

#[test]
fn the_epoch_of_an_image_that_cannot_be_read_is_outranked() {
    let mut job = Job::with_image(directory("West"));
    let west = job.best();
    job.config = directory("East");
    job.settle(&mut job.owner()).unwrap();
    let (east, _) = job.best();
    assert_eq!(east.epoch, 1);
    // East's image breaks, West's is still there: what East published must count no more.
    job.put(&format!("chunk|{}|0", east.image), None);
    job.put(&format!("chunk|{}|0", west.0.image), Some(west.1));
    job.put(&format!("manifest|{}", west.0.image), serde_json::to_vec(&west.0).ok());
    job.config = directory("West");
    let before = epochs(&job).len();
    job.settle(&mut job.owner()).unwrap();
    assert_eq!(job.best().0.epoch, 2);
    let after = epochs(&job).split_off(before);
    assert!(!after.is_empty() && after.iter().all(|epoch| *epoch == 2), "{after:?}");
}

#[test]
fn where_all_images_are_lost_the_epoch_that_was_published_is_outranked() {
    let mut job = Job::with_image(directory("West"));
    job.config = directory("East");
    job.settle(&mut job.owner()).unwrap();
    assert_eq!(job.best().0.epoch, 1);
    // The topic is gone, and with it all that says which epoch was reached.
    job.log.inner.delete(&job.config.topics().images);
    tidemark::app::create_topics(&job.config, &job.log).unwrap();
    let before = epochs(&job).len();
    job.settle(&mut job.owner()).unwrap();
    assert_eq!((job.best().0.epoch, job.best().0.next), (2, 10));
    let after = epochs(&job).split_off(before);
    assert!(!after.is_empty() && after.iter().all(|epoch| *epoch == 2), "{after:?}");
}

#[test]
fn images_take_no_more_writing_than_events_took() {
    let mut job =
        Job::new(config("[publish]\nimage_interval = \"10d\"\nimage_bytes = \"64KiB\"\n"));
    let mut owner = job.owner();
    for _ in 0..100 {
        job.feed(300);
        job.pass(5_000);
        owner.step().unwrap();
    }
    let size = |records: Vec<tidemark::log::Record>| -> usize {
        let parts = records.iter().flat_map(|r| [r.key.as_ref(), r.value.as_ref()]);
        parts.flatten().map(Vec::len).sum()
    };
    let events = size(job.records(&job.config.topics().events, 0));
    let images = size(job.records(&job.config.topics().images, 0));
    let (n, bytes) = (
        owner.metric("tidemark_images_written_total"),
        owner.metric("tidemark_image_bytes_written_total"),
    );
    println!("{events} bytes of events, {images} bytes of images, {n} images of {bytes} bytes");
    let (newest, image) = job.best();
    // The last one is not yet paid for; manifests and deletions are the rest.
    assert!(n > 10.0 && images <= events + newest.bytes + events / 50);
    assert!(bytes <= images as f64);
    assert!(image == job.folded(&job.config, newest.next).image());
}

#[test]
fn an_image_of_several_chunks_comes_back_whole_or_not_at_all() {
    for lost in [false, true] {
        let mut job = Job::with_image(config(""));
        let mut owner = job.owner();
        let mut dice = 1u64;
        for i in 0..5 {
            // What does not compress: owners with very long names.
            let mut name = String::new();
            while name.len() < 900_000 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                name.push_str(&format!("{:08x}", dice >> 32));
            }
            let text = format!(
                r#"{{"id":"x{i}","entity":{{"type":"deal","id":"x{i}"}},"op":"create","time":"2026-03-20T10:00:00Z","set":{{"owner":"{name}"}}}}"#
            );
            job.event(text.as_bytes());
        }
        job.settle(&mut owner).unwrap();
        owner.finish().unwrap();
        let (newest, image) = job.best();
        assert!((newest.next, newest.chunks > 1) == (15, true));
        assert!(image == job.folded(&job.config, 15).image());
        if lost {
            job.put(&format!("chunk|{}|{}", newest.image, newest.chunks - 1), None);
        } else {
            job.trim(15);
        }
        let mut next = job.owner();
        next.step().unwrap();
        assert_eq!(unusable(&next), f64::from(u8::from(lost)));
        assert!(lost || next.metric("tidemark_restore_bytes") >= newest.bytes as f64);
        job.feed(1);
        job.settle(&mut next).unwrap();
        assert_eq!(job.best().0.next, 16);
    }
}
