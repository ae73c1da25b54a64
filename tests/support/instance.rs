//! An instance put together by hand, over any log, with clocks that the test moves.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidemark::config::Config;
use tidemark::http::{Alerts, Board, Caps, Health, MetricsPages, TargetsNow};
use tidemark::log::Log;
use tidemark::model::time::{Span, Timestamp};
use tidemark::runtime::{Context, Stop};
use tidemark::telemetry::Telemetry;

/// A wall clock and a timer, moved together by the test.
#[derive(Clone)]
pub struct Clocks {
    elapsed: Arc<AtomicU64>,
    base: (Timestamp, Instant),
    /// By how much the wall clock is wrong, milliseconds.
    skew: Arc<AtomicI64>,
}

impl Clocks {
    pub fn new(now: Timestamp) -> Clocks {
        let base = (now, tidemark::clock::monotonic());
        Clocks { elapsed: Arc::default(), base, skew: Arc::default() }
    }

    pub fn now(&self) -> Timestamp {
        let elapsed = self.elapsed.load(Ordering::Relaxed) as i64;
        self.base.0 + Span((elapsed + self.skew.load(Ordering::Relaxed)) * 1000)
    }

    /// The same time on another machine, whose wall clock can be wrong on its own.
    pub fn of_another_machine(&self) -> Clocks {
        Clocks { skew: Arc::default(), ..self.clone() }
    }

    pub fn jump_to(&self, skew_millis: i64) {
        self.skew.store(skew_millis, Ordering::Relaxed);
    }

    pub fn timer(&self) -> Instant {
        self.base.1 + Duration::from_millis(self.elapsed.load(Ordering::Relaxed))
    }

    pub fn pass(&self, millis: u64) {
        self.elapsed.fetch_add(millis, Ordering::Relaxed);
    }
}

/// What the workers of one instance share.
pub fn context(config: &Arc<Config>, log: Arc<dyn Log>, clocks: &Clocks) -> Context {
    let telemetry = Telemetry::new("test", "test", "EUR");
    let (clock, timer) = (clocks.clone(), clocks.clone());
    Context {
        config: config.clone(),
        topics: Arc::new(config.topics()),
        log,
        health: Arc::new(Health::default()),
        board: Board::new(1, 10_000),
        alerts: Alerts::new(),
        pages: MetricsPages::new(telemetry.clone(), Caps::NONE),
        targets: TargetsNow::new(config.definition.targets.clone(), config.topics().targets),
        telemetry,
        clock: Arc::new(move || clock.now()),
        timer: Arc::new(move || timer.timer()),
        wait: Duration::ZERO,
        probe: Arc::new(|_| ()),
        poison: Arc::default(),
        stop: Stop::default(),
    }
}
