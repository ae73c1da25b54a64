//! A seeded run: events flow, and faults are drawn and undone, for as long as it is told. Then
//! everything heals, and every oracle is asked.
//!
//! The seed decides which faults are drawn, in which order, and what is fed. It does not decide
//! what the brokers, the network and the scheduler make of it: a seed that failed is run again
//! until it fails again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidemark::clock;
use tidemark::log::{Outgoing, Partition};

use crate::fault::{Deck, Dice, Ending, Kind, Undo, rule};
use crate::job::{Job, SOURCES};
use crate::process::{Process, pause};
use crate::rows::{Expected, company, shown};
use crate::stage::{BROKERS, Ground, HEALED_WITHIN, ground};
use crate::verdict::Verdict;
use crate::verify::{Account, Tail};

/// Instances at once, at most.
const MOST: usize = 4;
/// Records a second.
const RATE: u64 = 100;
/// Who is asked to end has ended by then.
const END_WITHIN: Duration = Duration::from_secs(15);
/// Every so many-th record is none that anybody could read.
const BAD: usize = 50;

/// What the environment asks for, or the default.
fn asked<T: std::str::FromStr>(name: &str, default: T) -> T {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty());
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn a_seeded_run_of_faults_ends_with_the_exact_rows() {
    let Some(ground) = ground() else { return };
    let seed = asked("TIDEMARK_CHAOS_SEED", 1);
    let minutes: f64 = asked("TIDEMARK_CHAOS_MINUTES", 0.75);
    let job = Job::behind(&ground.proxy.bootstrap(), &ground.cluster.bootstrap, "chaos", 3, "");
    job.create_topics();
    let mut verdict = Verdict::new(seed, minutes);
    let (feeding, stop) = (AtomicBool::new(true), AtomicBool::new(false));
    let topics = job.config.topics();
    let partitions = job.config.definition.partitions;
    let day = tidemark::clock::wall_ms() / 86_400_000;
    std::thread::scope(|scope| {
        let tail = scope.spawn(|| Tail::follow(&*job.log, &topics.kpis, partitions, &stop));
        let feeder = scope.spawn(|| feed(&job, seed, &feeding));
        // Where this thread panics, the others must not go on for ever.
        let _ends = Ends(&feeding, &stop);
        let mut run = Run::new(&ground, &job, seed);
        let until = clock::monotonic() + Duration::from_secs_f64(minutes * 60.0);
        let ran = run.until(until);
        feeding.store(false, Ordering::Relaxed);
        run.heal();
        let fed = feeder.join();
        let healed = clock::monotonic();
        run.verdict(&mut verdict);
        if let Err(fault) = ran {
            verdict.fault(fault);
        }
        match fed {
            Ok(fed) => {
                verdict.fed = fed.len();
                let good: Vec<String> = fed.into_iter().filter(|r| r.starts_with('{')).collect();
                let expected = job.expected(&good);
                match crate::recounted::agree(&expected, &good) {
                    Ok(numbers) => verdict.recounted = numbers,
                    Err(why) => verdict.fault(why),
                }
                run.compare(&expected, healed, &mut verdict);
                stop.store(true, Ordering::Relaxed);
                let tail = tail.join().expect("the reader of rows does not panic");
                let same_day = tidemark::clock::wall_ms() / 86_400_000 == day;
                verdict.rows_published(&tail, &expected, same_day);
                let account = Account::of(&*job.log, &job.source, &topics.events, &topics.dlq);
                verdict.conserved(account);
            }
            Err(_) => verdict.fault("the feeder could not feed".to_owned()),
        }
        stop.store(true, Ordering::Relaxed);
        run.end(&mut verdict);
    });
    let passed = verdict.passed();
    print!("{verdict}");
    assert!(passed, "FAIL: {}\n{}", verdict.faults.join("\n"), verdict.again());
}

/// Ends feeder and reader.
struct Ends<'a>(&'a AtomicBool, &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
        self.1.store(true, Ordering::Relaxed);
    }
}

/// Feeds records at a rate until it is told to stop. Returns what was acknowledged; a slice that
/// was not is fed again, which changes nothing.
fn feed(job: &Job, seed: u64, feeding: &AtomicBool) -> Vec<String> {
    let mut fed = Vec::new();
    let mut waiting = Vec::new();
    let mut companies = 0;
    let mut next = clock::monotonic();
    while feeding.load(Ordering::Relaxed) {
        if waiting.len() < RATE as usize {
            // Companies of other seeds: none is too short for a long run.
            let more = company(seed.wrapping_add(companies), 30);
            companies += 1;
            let bad = |(i, good): (usize, String)| {
                let bad = i.is_multiple_of(BAD).then(|| format!("no event {i}"));
                bad.into_iter().chain([good])
            };
            let more: Vec<String> = more.into_iter().enumerate().flat_map(bad).collect();
            waiting.splice(0..0, more.into_iter().rev());
        }
        let slice = waiting.split_off(waiting.len() - RATE as usize / 4);
        while let Err(error) = send(job, &slice) {
            println!("fed again: {error}");
        }
        fed.extend(slice);
        next += Duration::from_millis(250);
        while clock::monotonic() < next {
            pause();
        }
    }
    fed
}

fn send(job: &Job, records: &[String]) -> tidemark::log::Result<()> {
    let mut writer = job.log.writer()?;
    for (i, value) in records.iter().enumerate() {
        let (topic, value) = (job.source.as_str().into(), Some(value.clone().into_bytes()));
        let partition = Partition(i as u32 % SOURCES);
        writer.send(Outgoing { topic, partition, key: None, value, headers: Vec::new() })?;
    }
    writer.flush(Duration::from_secs(60))
}

/// An instance, and what is done to it.
struct Instance {
    number: usize,
    process: Process,
    frozen: bool,
}

struct Run<'a> {
    ground: &'a Ground,
    job: &'a Job,
    began: Instant,
    dice: Dice,
    instances: Vec<Instance>,
    /// Who was asked to end, and when.
    leaving: Vec<(Instance, Instant)>,
    started: usize,
    endings: Vec<Ending>,
    down: Option<usize>,
    /// How often each kind was drawn, and how often it struck.
    tally: BTreeMap<Kind, (u64, u64)>,
    peak_kb: u64,
}

impl<'a> Run<'a> {
    fn new(ground: &'a Ground, job: &'a Job, seed: u64) -> Run<'a> {
        let dice = Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let (instances, endings, tally) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut run = Run {
            ground,
            job,
            began: clock::monotonic(),
            dice,
            instances,
            leaving: Vec::new(),
            started: 0,
            endings,
            down: None,
            tally,
            peak_kb: 0,
        };
        run.join();
        run.join();
        run
    }

    fn join(&mut self) {
        self.started += 1;
        let process = self.job.start_as(&format!("instance-{}", self.started));
        self.instances.push(Instance { number: self.started, process, frozen: false });
    }

    fn struck(&mut self, kind: Kind, times: u64) {
        self.tally.entry(kind).or_default().1 += times;
    }

    /// Draws a fault every few seconds, and undoes each when its time has come. An error where an
    /// instance ended that nobody had asked to.
    fn until(&mut self, until: Instant) -> Result<(), String> {
        let mut deck = Deck::new();
        let mut next = clock::monotonic() + Duration::from_secs(3);
        while clock::monotonic() < until || self.endings.iter().any(Ending::waits) {
            let now = clock::monotonic();
            if now >= next && now < until {
                let kind = deck.draw(&mut self.dice);
                self.tally.entry(kind).or_default().0 += 1;
                self.strike(kind, now)?;
                next = clock::monotonic() + self.dice.time(500, 3_500);
            }
            self.undo(now, false);
            self.look()?;
            self.see_off()?;
            pause();
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), String> {
        for instance in &mut self.instances {
            self.peak_kb = self.peak_kb.max(instance.process.peak_kb().unwrap_or(0));
            if let Some(status) = instance.process.ended() {
                let (number, said) = (instance.number, instance.process.said());
                return Err(format!("instance {number} ended by itself ({status}):\n{said}"));
            }
        }
        Ok(())
    }

    fn strike(&mut self, kind: Kind, now: Instant) -> Result<(), String> {
        let at = (now - self.began).as_secs_f64();
        let Some((rule, time)) = rule(kind, &mut self.dice, self.down) else {
            println!("{at:>6.1} s  {kind:?}");
            return self.strike_a_process(kind, now);
        };
        println!("{at:>6.1} s  {kind:?} for {time:?}: {rule:?}");
        let rule = self.ground.proxy.set(rule);
        if kind == Kind::Refused {
            // Whoever is connected has no reason to come again.
            self.ground.proxy.cut(None);
        }
        self.endings.push(Ending { at: now + time, kind, undo: Undo::Lift(rule) });
        Ok(())
    }

    fn strike_a_process(&mut self, kind: Kind, now: Instant) -> Result<(), String> {
        let awake: Vec<usize> =
            (0..self.instances.len()).filter(|i| !self.instances[*i].frozen).collect();
        let victim = awake.get(self.dice.roll(awake.len() as u64) as usize).copied();
        match (kind, victim) {
            (Kind::CutAll, _) => {
                let cut = self.ground.proxy.cut(None);
                self.struck(kind, cut);
            }
            (Kind::Joined, _) => {
                if self.instances.len() >= MOST {
                    self.take_out(0);
                }
                self.join();
                self.struck(kind, 1);
            }
            (Kind::BrokerKilled | Kind::BrokerStopped, _) => self.lose_a_broker(kind, now),
            (Kind::Killed, Some(i)) => {
                let mut gone = self.instances.swap_remove(i);
                gone.process.kill();
                self.struck(kind, 1);
                self.join();
            }
            (Kind::Terminated, Some(i)) => {
                self.take_out(i);
                self.struck(kind, 1);
                self.join();
            }
            (Kind::Frozen, Some(i)) => {
                let instance = &mut self.instances[i];
                instance.process.freeze();
                instance.frozen = true;
                let undo = Undo::Wake(instance.number);
                // Its session is 6 s.
                self.endings.push(Ending { at: now + self.dice.time(7_000, 9_000), kind, undo });
                self.struck(kind, 1);
            }
            _ => {}
        }
        Ok(())
    }

    /// One at a time: with two of three down nothing goes on, which has a test of its own.
    fn lose_a_broker(&mut self, kind: Kind, now: Instant) {
        if let Some(broker) = self.down.take() {
            self.endings.retain(|e| !matches!(e.undo, Undo::Restart(_)));
            self.ground.cluster.restart(broker);
        }
        let broker = 1 + self.dice.roll(BROKERS as u64) as usize;
        match kind {
            Kind::BrokerKilled => self.ground.cluster.kill(broker),
            _ => self.ground.cluster.stop(broker),
        }
        self.down = Some(broker);
        self.struck(kind, 1);
        let at = now + self.dice.time(3_000, 8_000);
        self.endings.push(Ending { at, kind, undo: Undo::Restart(broker) });
    }

    /// Asks an instance to end, whatever the network is like.
    fn take_out(&mut self, i: usize) {
        let instance = self.instances.swap_remove(i);
        if instance.frozen {
            instance.process.wake();
        }
        instance.process.ask_to_end();
        self.leaving.push((instance, clock::monotonic()));
    }

    /// Looks after those who were asked to end: they have to, in time and in order.
    fn see_off(&mut self) -> Result<(), String> {
        for (mut instance, asked) in std::mem::take(&mut self.leaving) {
            let took = clock::monotonic() - asked;
            match instance.process.ended() {
                Some(status) if status.success() => {}
                None if took < END_WITHIN => self.leaving.push((instance, asked)),
                ended => {
                    let (number, said) = (instance.number, instance.process.said());
                    return Err(format!(
                        "instance {number}, asked to end {took:?} ago: {ended:?}\n{said}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Undoes what is due, or all. A rule that has not struck yet gets some more time.
    fn undo(&mut self, now: Instant, all: bool) {
        let more = Duration::from_secs(15);
        let due = |e: &Ending| all || now >= e.at + if e.waits() { more } else { Duration::ZERO };
        let (due, left) = std::mem::take(&mut self.endings).into_iter().partition(due);
        self.endings = left;
        let due: Vec<Ending> = due;
        for ending in due {
            match ending.undo {
                Undo::Lift(rule) => {
                    self.ground.proxy.lift(&rule);
                    self.struck(ending.kind, rule.struck());
                }
                Undo::Wake(number) => {
                    let frozen = self.instances.iter_mut().find(|i| i.number == number && i.frozen);
                    if let Some(instance) = frozen {
                        instance.process.wake();
                        instance.frozen = false;
                    }
                }
                Undo::Restart(broker) => {
                    self.ground.cluster.restart(broker);
                    self.down = None;
                }
            }
        }
    }

    /// Undoes everything, and lets one more instance begin on what is there.
    fn heal(&mut self) {
        self.undo(clock::monotonic(), true);
        self.ground.proxy.heal();
        self.join();
    }

    /// Waits until every instance shows the expected rows.
    fn compare(&mut self, expected: &Expected, healed: Instant, verdict: &mut Verdict) {
        let deadline = healed + HEALED_WITHIN;
        for instance in &mut self.instances {
            let number = instance.number;
            loop {
                let rows = shown(&mut instance.process);
                let Err(difference) = expected.compare(&rows) else {
                    verdict.compared += rows.len();
                    break;
                };
                if clock::monotonic() > deadline {
                    let said = instance.process.said();
                    verdict.fault(format!("instance {number}: {difference}\n{said}"));
                    break;
                }
                pause();
            }
        }
        verdict.healed = clock::monotonic() - healed;
        if let Err(fault) = self.look() {
            verdict.fault(fault);
        }
        verdict.peak_kb = self.peak_kb;
    }

    fn verdict(&self, verdict: &mut Verdict) {
        verdict.instances = self.started;
        verdict.happened(&self.tally);
    }

    fn end(&mut self, verdict: &mut Verdict) {
        while !self.instances.is_empty() {
            self.take_out(0);
        }
        while !self.leaving.is_empty() {
            if let Err(fault) = self.see_off() {
                verdict.fault(fault);
            }
            pause();
        }
    }
}
