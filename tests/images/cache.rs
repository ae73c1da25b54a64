//! The cache of images: it saves reading, and whatever is wrong with it is as if it were not there.

use std::path::PathBuf;
use std::sync::Arc;

use tidemark::config::Config;
use tidemark::log::{Log, TopicPartition};

use crate::job::{Job, config};

struct Cached {
    job: Job,
    dir: tempfile::TempDir,
}

fn cached_config(dir: &std::path::Path) -> Arc<Config> {
    config(&format!("[publish]\nimage_cache = \"{}\"\n", dir.display()))
}

/// A job with an image of ten events, and its copy.
fn cached() -> Cached {
    let dir = tempfile::tempdir().unwrap();
    let job = Job::with_image(cached_config(dir.path()));
    Cached { job, dir }
}

impl Cached {
    fn file(&self) -> PathBuf {
        let cluster = self.job.log.cluster_id().unwrap();
        self.dir.path().join(cluster).join("job.g1.images-0.image")
    }

    /// Restores; says whether chunks were read from the topic. The state is right in any case.
    fn reads_chunks(&self, next: u64) -> bool {
        self.job.log.keys_read();
        let mut owner = self.job.owner();
        owner.step().unwrap();
        let read = self.job.log.keys_read();
        // What the next image says is what was restored, and what came behind it.
        self.job.append(&self.job.config.topics().events, 0, "k", Some(b"{".to_vec()));
        self.job.settle(&mut owner).unwrap();
        let (newest, image) = self.job.best();
        assert_eq!(newest.next, next + 1);
        assert!(self.job.live().keys().all(|key| key.contains(&newest.image)), "all else is swept");
        let mut folded = self.job.folded(&self.job.config, next + 1);
        folded.skip(tidemark::log::Offset(next));
        let all = self.job.records(&self.job.config.topics().events, 0);
        folded.note_tail(all[next as usize].mark());
        assert!(image == folded.image());
        read.iter().any(|key| key.starts_with("chunk|"))
    }
}

#[test]
fn a_restart_reads_from_the_topic_only_what_is_newer() {
    let cached = cached();
    assert!(!cached.reads_chunks(10));
    assert!(!cached.reads_chunks(11));
    std::fs::remove_file(cached.file()).unwrap();
    assert!(cached.reads_chunks(12));
}

#[test]
fn without_the_key_there_is_no_cache() {
    let job = Job::with_image(config(""));
    job.log.keys_read();
    job.owner().step().unwrap();
    assert!(job.log.keys_read().iter().any(|key| key.starts_with("chunk|")));
}

#[test]
fn a_file_with_any_byte_changed_or_cut_off_is_ignored() {
    let whole = std::fs::read(cached().file()).unwrap();
    for i in 0..whole.len() {
        let c = cached();
        let mut file = std::fs::read(c.file()).unwrap();
        let i = i.min(file.len() - 1);
        match i % 3 {
            0 => file.truncate(i),
            1 => file[i] ^= 1,
            _ => file[i] ^= 0x80,
        }
        std::fs::write(c.file(), file).unwrap();
        assert!(c.reads_chunks(10), "byte {i}");
    }
}

#[test]
fn the_file_of_another_cluster_or_topic_is_ignored() {
    // Another cluster: its file under our name.
    let (own, mut other) = (cached(), cached());
    std::fs::copy(other.file(), own.file()).unwrap();
    assert!(own.reads_chunks(10));
    // The same cluster, but the topics were made anew and hold other events, as many.
    other.job.log = crate::watched::Watched::default();
    let again = cached();
    again.job.log.name("same");
    other.job.log.name("same");
    let mut fresh = Job::new(again.job.config.clone());
    fresh.log.name("same");
    std::fs::create_dir_all(again.dir.path().join("same")).unwrap();
    // Further than what comes after it, so that it would win.
    fresh.feed(9);
    fresh.settle(&mut fresh.owner()).unwrap();
    let stale = std::fs::read(again.dir.path().join("same").join("job.g1.images-0.image")).unwrap();
    let mut anew = Job::new(again.job.config.clone());
    anew.log.name("same");
    anew.feed(4);
    anew.settle(&mut anew.owner()).unwrap();
    let file = again.dir.path().join("same").join("job.g1.images-0.image");
    assert_ne!(std::fs::read(&file).unwrap(), stale);
    std::fs::write(&file, stale).unwrap();
    let anew = Cached { job: anew, dir: again.dir };
    assert!(anew.reads_chunks(4));
}

#[test]
fn a_position_outside_the_topic_is_ignored() {
    let c = cached();
    let mut short = Job::new(c.job.config.clone());
    let name = c.job.log.cluster_id().unwrap();
    short.log.name(&name);
    short.feed(2);
    let mut owner = short.owner();
    owner.step().unwrap();
    assert_eq!(short.best().0.next, 2);
    // The same, where the topic begins behind it.
    let c = cached();
    let images = TopicPartition::new(c.job.config.topics().images.as_str(), 0);
    let end = c.job.log.reader().unwrap().bounds(&images).unwrap().end;
    c.job.log.inner.truncate(&images, end).unwrap();
    let mut owner = c.job.owner();
    c.job.settle(&mut owner).unwrap();
    assert_eq!(c.job.best().0.next, 10);
}

#[test]
fn what_is_better_on_the_topic_wins_and_what_is_not_whole_behind_the_position_is_read_whole() {
    // Another owner, elsewhere, took an image since.
    let mut c = cached();
    let ours = std::fs::read(c.file()).unwrap();
    c.job.feed(5);
    c.job.settle(&mut c.job.owner()).unwrap();
    std::fs::write(c.file(), ours).unwrap();
    c.job.trim(15);
    let mut owner = c.job.owner();
    owner.step().unwrap();
    assert_eq!(owner.metric("tidemark_images_unusable_total"), 0.0);

    // A zombie's chunks came before our position, its manifest behind it.
    let mut c = cached();
    c.job.feed(5);
    let further = c.job.write(&c.job.folded(&c.job.config, 15));
    let key = format!("manifest|{}", further.image);
    c.job.put(&key, None);
    std::fs::remove_file(c.file()).unwrap();
    let at_ten = c.job.folded(&c.job.config, 10);
    let own = c.job.write(&at_ten);
    assert_eq!(own.next, 10);
    c.job.put(&key, serde_json::to_vec(&further).ok());
    c.job.trim(15);
    c.job.log.keys_read();
    let mut owner = c.job.owner();
    owner.step().unwrap();
    assert_eq!(owner.metric("tidemark_images_unusable_total"), 0.0);
    assert!(c.job.log.keys_read().iter().any(|k| k.starts_with("chunk|")));
}

#[test]
fn a_full_disk_or_a_directory_that_cannot_be_written_costs_only_the_cache() {
    // The directory cannot be made, not even by the superuser: a file is in its way.
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let mut job = Job::with_image(cached_config(&blocked.join("images")));
    job.feed(5);
    job.settle(&mut job.owner()).unwrap();
    assert_eq!(job.best().0.next, 15);

    // A disk that is full: every write to this device fails so.
    #[cfg(target_os = "linux")]
    {
        let mut c = cached();
        std::os::unix::fs::symlink("/dev/full", c.file().with_extension("new")).unwrap();
        let ours = std::fs::read(c.file()).unwrap();
        c.job.feed(5);
        c.job.settle(&mut c.job.owner()).unwrap();
        assert_eq!(c.job.best().0.next, 15);
        assert!(std::fs::read(c.file()).unwrap() == ours, "the file is the old one, whole");
        assert!(!c.file().with_extension("new").exists());
        assert!(c.reads_chunks(15), "it is superseded");
    }
}
