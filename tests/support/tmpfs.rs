//! A small disk that can be full, where the system lets us have one.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A tmpfs of some megabytes. Unmounted when dropped.
pub struct SmallDisk {
    dir: tempfile::TempDir,
    megabytes: u64,
}

impl SmallDisk {
    /// Mounts one; `None` where that is not permitted, for the caller to skip: it has been told.
    pub fn mount(megabytes: u64) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("skipped: no small disk, since mounting a tmpfs is not permitted here");
            return None;
        }
        Some(SmallDisk { dir, megabytes })
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Fills it up to the last page, but for so many bytes.
    pub fn fill(&self, but: usize) {
        let room = vec![0; but];
        let held = self.path().join("room");
        std::fs::write(&held, room).unwrap();
        let mut ballast = std::fs::File::create(self.ballast()).unwrap();
        let page = [0; 4096];
        for _ in 0..=self.megabytes * 256 {
            if ballast.write_all(&page).is_err() {
                return std::fs::remove_file(held).unwrap();
            }
        }
        panic!("the disk takes more than it has");
    }

    /// Gives the room back.
    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process of a test that failed may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
