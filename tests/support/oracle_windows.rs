//! The second half of the recount: every window of every segment, from the facts of all entities,
//! each from scratch; and the comparison with the rows of the pipeline.
#![allow(dead_code, reason = "each test program uses a part of it")]

#[path = "oracle_beyond.rs"]
mod beyond;
#[path = "oracle_days.rs"]
mod days;
#[path = "oracle_hollow.rs"]
mod hollow;

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use serde_json::{Map, Value, json};

use crate::more::customers::Customers;
use crate::more::{Kept, Marks, share_of};
use crate::oracle::{RowName, Rows, is_blank};
use crate::recount::{
    Clock, Closing, Credit, Facts, Money, Outcome, Question, quantile, recount_by, segments,
};

const FINE: i64 = 300_000_000;

/// A stretch of time: of days, or of five-minute steps.
#[derive(Clone, Copy, PartialEq)]
enum Stretch {
    Days(Date, Date),
    Steps(i64, i64),
}

/// A window to be counted.
struct Window {
    kind: String,
    own: Stretch,
    before: Option<Stretch>,
    /// The same window a quarter and a year ago.
    far: [Option<Stretch>; 2],
}

/// The first day of the period that holds a day, and the first one behind it.
type Period = fn(Date) -> (Date, Date);

/// A KPI as counted: value and how many things are behind it.
type Counted = (Option<f64>, i128);

/// Days of the calendar, and back.
fn back(day: Date, days: i64) -> Date {
    day.checked_sub(days.days()).expect("in range")
}

fn days_between(from: Date, to: Date) -> i64 {
    i64::from(from.until(to).expect("in range").get_days())
}

fn month_of(day: Date) -> (Date, Date) {
    let first = day.first_of_month();
    (first, first.checked_add(1.month()).expect("in range"))
}

fn week_of(day: Date) -> (Date, Date) {
    let first = back(day, i64::from(day.weekday().since(Weekday::Monday)));
    (first, back(first, -7))
}

/// The windows of the laws: calendar days, weeks and months from the first day on, and the moving
/// ones where they stand.
fn windows(question: &Question<'_>, first: Date) -> Vec<Window> {
    let clock = Clock::of(question.zone);
    let today = clock.day(question.now - 1);
    let mut out = Vec::new();
    let periods: [(&str, Period); 3] =
        [("day", |d| (d, back(d, -1))), ("week", week_of), ("month", month_of)];
    for (kind, of) in periods {
        let mut start = of(first).0;
        while start <= today {
            let (from, to) = of(start);
            let before = of(back(from, 1)).0;
            let running = from <= today && today < to;
            let part = |base: Date, all| match running {
                true => back(base, -(days_between(from, today) + 1)).min(all),
                false => all,
            };
            let upto = part(before, from);
            let far = [(91, 3), (364, 12)].map(|(days, months)| {
                let ago = if kind == "month" { months.months() } else { days.days() };
                let base = from.checked_sub(ago).expect("in range");
                Some(Stretch::Days(base, part(base, of(base).1)))
            });
            out.push(Window {
                kind: kind.to_owned(),
                own: Stretch::Days(from, to),
                before: Some(Stretch::Days(before, upto)),
                far,
            });
            start = to;
        }
    }
    let (month, _) = month_of(today);
    let before = month_of(back(month, 1)).0;
    let upto = back(before, -(days_between(month, today) + 1)).min(month);
    out.push(Window {
        kind: "month_to_date".to_owned(),
        own: Stretch::Days(month, back(today, -1)),
        before: Some(Stretch::Days(before, upto)),
        far: [3, 12].map(|months| {
            let (base, end) = month_of(month.checked_sub(months.months()).expect("in range"));
            Some(Stretch::Days(base, back(base, -(days_between(month, today) + 1)).min(end)))
        }),
    });
    let from = back(today, 27);
    out.push(Window {
        kind: "rolling_28d".to_owned(),
        own: Stretch::Days(from, back(today, -1)),
        before: Some(Stretch::Days(back(from, 28), from)),
        far: [91, 364].map(|days| Some(Stretch::Days(back(from, days), back(today, days - 1)))),
    });
    let end = (question.now - 1).div_euclid(FINE) + 1;
    out.push(Window {
        kind: "rolling_24h".to_owned(),
        own: Stretch::Steps(end - 288, end),
        before: Some(Stretch::Steps(end - 576, end - 288)),
        far: [None; 2],
    });
    out
}

impl Stretch {
    fn holds(self, at: i64, clock: &Clock) -> bool {
        match self {
            Stretch::Days(from, to) => (from..to).contains(&clock.day(at)),
            Stretch::Steps(from, to) => (from..to).contains(&at.div_euclid(FINE)),
        }
    }

    fn edges(self, clock: &Clock) -> [i64; 2] {
        match self {
            Stretch::Days(from, to) => [clock.start(from), clock.start(to)],
            Stretch::Steps(from, to) => [from * FINE, to * FINE],
        }
    }

    fn last_day(self, clock: &Clock) -> Date {
        match self {
            Stretch::Days(_, to) => back(to, 1),
            Stretch::Steps(_, to) => clock.day((to - 1) * FINE),
        }
    }
}

/// Sums of one segment.
struct Count<'a> {
    facts: &'a [Facts],
    segment: &'a [(&'static str, String)],
    currency: &'a str,
    clock: &'a Clock,
    as_of: i64,
    today: Date,
    lapse_after: i64,
}

impl<'a> Count<'a> {
    fn mine(&self, credit: &Credit) -> bool {
        let value = |d: &str| credit.get(d).map_or("unknown", String::as_str);
        self.segment.iter().all(|(d, v)| value(d) == v)
    }

    fn closed(&self, within: Stretch) -> Vec<&'a Closing> {
        let all = self.facts.iter().flat_map(|f| &f.closed);
        all.filter(|c| self.mine(&c.credit) && within.holds(c.at, self.clock)).collect()
    }

    fn own(&self, amounts: &[&Money]) -> (f64, i128) {
        let own: Vec<_> = amounts.iter().filter(|m| m.1 == self.currency).collect();
        (own.iter().map(|m| m.0).sum::<i128>() as f64 / 100.0, own.len() as i128)
    }

    fn won_amount(&self, within: Stretch) -> (f64, i128) {
        let closed = self.closed(within);
        let won = closed.iter().filter(|c| c.won);
        self.own(&won.filter_map(|c| c.amount.as_ref()).collect::<Vec<_>>())
    }

    /// Shares of deals that were won within the stretch, whoever owns them.
    fn credited(&self, own: Stretch, out: &mut BTreeMap<&'static str, Counted>) {
        let all = self.facts.iter().flat_map(|f| &f.closed);
        let won = all.filter(|c| c.won && own.holds(c.at, self.clock));
        let (mut deals, mut credits) = (0.0, 0);
        let mut money = [(0.0, 0), (0.0, 0)];
        for closing in won {
            let mine = |list: &[(Credit, f64)]| {
                let shares: Vec<f64> =
                    list.iter().filter(|s| self.mine(&s.0)).map(|s| s.1).collect();
                (shares.iter().sum::<f64>(), shares.len() as i128)
            };
            let (share, n) = mine(&closing.sharers);
            (deals, credits) = (deals + share, credits + n);
            let amount = closing.amount.as_ref().filter(|m| m.1 == self.currency);
            let Some((cents, _)) = amount else { continue };
            for (sum, part) in money.iter_mut().zip([(share, n), mine(&closing.overlays)]) {
                *sum = (sum.0 + part.0 * *cents as f64 / 100.0, sum.1 + part.1);
            }
        }
        let [(revenue, n), (overlay, others)] = money;
        out.insert("credited_revenue", (Some(revenue), n));
        out.insert("credited_deals_won", (Some(deals), credits));
        out.insert("overlay_revenue", (Some(overlay), others));
    }

    fn kpis(&self, window: &Window, age: i64) -> BTreeMap<&'static str, Counted> {
        let own = window.own;
        let closed = self.closed(own);
        let won: Vec<_> = closed.iter().filter(|c| c.won).collect();
        let (wins, losses) = (won.len() as i128, (closed.len() - won.len()) as i128);
        let (revenue, priced) = self.won_amount(own);
        let amounts: Vec<_> = closed.iter().filter_map(|c| c.amount.as_ref()).collect();
        let (all_amounts, all_priced) = self.own(&amounts);
        let ratio = |num: f64, den: f64| (den != 0.0).then(|| num / den);
        let mut days: Vec<i64> = won.iter().filter_map(|c| c.cycle).collect();
        days.sort_unstable();
        let cycles = days.len() as i128;
        let mean = ratio(days.iter().sum::<i64>() as f64, cycles as f64);
        let mut out: BTreeMap<&'static str, Counted> = [
            ("deals_won", (Some(wins as f64), wins)),
            ("deals_lost", (Some(losses as f64), losses)),
            ("revenue", (Some(revenue), priced)),
            ("average_deal_size", (ratio(revenue, priced as f64), priced)),
            ("win_rate", (ratio(wins as f64, (wins + losses) as f64), wins + losses)),
            ("win_rate_amount", (share_of(revenue, all_amounts), all_priced)),
            ("cycle_length_mean", (mean, cycles)),
            ("cycle_length_p50", (quantile(&days, 0.5), cycles)),
            ("cycle_length_p90", (quantile(&days, 0.9), cycles)),
        ]
        .into();
        let before = window.before.map_or(0.0, |b| self.won_amount(b).0);
        out.insert("revenue_growth", (share_of(revenue - before, before), priced));
        for (far, name) in ["revenue_growth_quarter", "revenue_growth_year"].into_iter().enumerate()
        {
            let then = window.far[far].map_or(0.0, |b| self.won_amount(b).0);
            out.insert(name, (share_of(revenue - then, then), priced));
        }
        self.orders_growth(window, &mut out);
        self.opening(own, age, &mut out);
        self.stock(own, &mut out);
        let lost: Vec<_> =
            closed.iter().filter(|c| !c.won).filter_map(|c| c.amount.as_ref()).collect();
        let (lost, lost_priced) = self.own(&lost);
        out.insert("average_lost_deal", (ratio(lost, lost_priced as f64), lost_priced));
        self.distribution(&closed, &mut out);
        let ((open, _), (pipeline, open_priced)) = (out["open_deals"], out["open_pipeline"]);
        let (open, pipeline) = (open.unwrap_or(0.0), pipeline.unwrap_or(0.0));
        out.insert("average_open_deal", (ratio(pipeline, open_priced as f64), open_priced));
        out.insert("pipeline_to_revenue", (share_of(pipeline, revenue), priced));
        let chance = ratio(wins as f64, (wins + losses) as f64);
        let factors = chance.zip(ratio(revenue, priced as f64)).zip(mean);
        let velocity = factors.and_then(|((chance, size), days)| ratio(open * chance * size, days));
        let fewest = [open as i128, wins + losses, priced, cycles].into_iter().min();
        out.insert("sales_velocity", (velocity, fewest.unwrap_or(0)));
        self.credited(own, &mut out);
        self.marks(own, (wins, (revenue, priced)), &mut out);
        self.working_days(own, &mut out);
        self.amended(&won, (revenue, priced), &mut out);
        self.without_hollow(window, &mut out);
        self.customers(own, &mut out);
        out
    }

    fn opening(&self, own: Stretch, age: i64, out: &mut BTreeMap<&'static str, Counted>) {
        let leads = self.facts.iter().flat_map(|f| &f.leads);
        let leads = leads.filter(|l| self.mine(&l.1) && own.holds(l.0, self.clock));
        let (waits, became): (Vec<_>, Vec<_>) = leads.map(|l| (l.2, l.3)).unzip();
        let leads = waits.len();
        days::answered(&waits, out);
        days::converted(&became, age >= 90, out);
        let created = self.facts.iter().flat_map(|f| &f.created);
        let created: Vec<_> =
            created.filter(|c| self.mine(&c.1) && own.holds(c.0, self.clock)).collect();
        let n = created.len() as i128;
        let won_by = |limit: i64, c: &Outcome| matches!(c, Some((age, true)) if *age <= limit);
        let won = |limit: i64| created.iter().filter(|c| won_by(limit, &c.2)).count();
        let share = |won: usize| (n > 0).then(|| won as f64 / n as f64);
        out.insert("leads_created", (Some(leads as f64), leads as i128));
        out.insert("deals_created", (Some(n as f64), n));
        out.insert("cohort_conversion", (share(won(i64::MAX)), n));
        let ripe = share(won(90)).filter(|_| age >= 90);
        out.insert("cohort_conversion_90d", (ripe, n));
        let until = self.clock.day(self.as_of - 1);
        let fates = created.iter().map(|c| match c.2 {
            Some((age, won)) => (age, Some(won)),
            None => (days_between(self.clock.day(c.0), until), None),
        });
        let fates: Vec<_> = fates.collect();
        for (kpi, horizon) in [
            ("win_incidence_30d", 30),
            ("win_incidence_60d", 60),
            ("win_incidence_90d", 90),
            ("win_incidence_180d", 180),
        ] {
            let (value, known, _) = followed(&fates, horizon);
            out.insert(kpi, (value, known));
        }
        out.insert("time_to_close_p50", (followed(&fates, i64::MAX).2, n));
    }

    fn marks(
        &self,
        own: Stretch,
        (won, revenue): (i128, (f64, i128)),
        out: &mut BTreeMap<&'static str, Counted>,
    ) {
        let all = self.facts.iter().flat_map(|f| &f.marks);
        let mine = all.filter(|m| self.mine(&m.credit) && own.holds(m.at, self.clock));
        let first_day = self.clock.day(own.edges(self.clock)[0]);
        let running = |day: Date| {
            let held = self.facts.iter().filter_map(move |f| f.runs(day));
            held.filter(|(credit, _)| self.mine(credit)).collect::<Vec<_>>()
        };
        let marks = Marks {
            marks: mine.collect(),
            currency: self.currency,
            first_day,
            leads: out["leads_created"].1,
            deals: out["deals_created"].1,
            won,
            revenue,
            opening: running(back(first_day, 1)).len() as i128,
            closing: running(own.last_day(self.clock)),
            kept: match own {
                Stretch::Days(from, to) => {
                    let mine = |credit: &Credit| self.mine(credit);
                    Some(Kept::of(self.facts, &mine, self.currency, (from, to)))
                }
                Stretch::Steps(..) => None,
            },
        };
        marks.kpis(out);
    }

    fn customers(&self, own: Stretch, out: &mut BTreeMap<&'static str, Counted>) {
        let all = self.facts.iter().flat_map(|f| &f.purchases);
        let spend = out["spend"];
        let customers = Customers {
            purchases: all.filter(|p| self.mine(&p.credit)).collect(),
            currency: self.currency,
            day: &|at| self.clock.day(at),
            within: &|at| own.holds(at, self.clock),
            first_day: self.clock.day(own.edges(self.clock)[0]),
            last_day: own.last_day(self.clock),
            today: self.today,
            of_days: matches!(own, Stretch::Days(..)),
            lapse_after: self.lapse_after,
            spend: (spend.0.unwrap_or(0.0), spend.1),
        };
        customers.kpis(out);
    }

    fn stock(&self, own: Stretch, out: &mut BTreeMap<&'static str, Counted>) {
        let last = own.last_day(self.clock);
        let holding = self.facts.iter().filter_map(|f| {
            let newest = f.open.iter().rev().find(|(day, _)| *day <= last)?;
            newest.1.as_ref().filter(|(credit, _)| self.mine(credit))
        });
        let holding: Vec<_> = holding.collect();
        let n = holding.len() as i128;
        let amounts: Vec<_> = holding.iter().filter_map(|h| h.1.as_ref()).collect();
        let (pipeline, priced) = self.own(&amounts);
        out.insert("open_deals", (Some(n as f64), n));
        out.insert("open_pipeline", (Some(pipeline), priced));
    }
}

/// Of deals at an age won, lost or still open: the share won within a time, how many of them it is
/// known of, and the age at which more than half are closed. Multiplied out age by age.
fn followed(fates: &[(i64, Option<bool>)], horizon: i64) -> (Option<f64>, i128, Option<f64>) {
    let known = fates.iter().filter(|f| f.1.is_some() || f.0 >= horizon).count() as i128;
    let mut ages: Vec<i64> = fates.iter().filter(|f| f.1.is_some()).map(|f| f.0).collect();
    ages.sort_unstable();
    ages.dedup();
    let (mut open, mut won, mut half) = (1.0, 0.0, None);
    for age in ages.into_iter().filter(|age| *age <= horizon) {
        let at_risk = fates.iter().filter(|f| f.0 >= age).count() as f64;
        let here = |such: &dyn Fn(bool) -> bool| {
            fates.iter().filter(|f| f.0 == age && f.1.is_some_and(such)).count() as f64
        };
        won += open * here(&|won| won) / at_risk;
        open *= 1.0 - here(&|_| true) / at_risk;
        if half.is_none() && open < 0.5 - 1e-9 {
            half = Some(age as f64);
        }
    }
    let reached = fates.iter().any(|f| f.0 >= horizon) || (!fates.is_empty() && open < 1e-9);
    (reached.then_some(won), known, half)
}

/// Recounts the events and compares every row. Returns the cells compared; panics with the first
/// that differ.
pub fn check(rows: &Rows, events: &[Value], question: &Question<'_>) -> Result<usize, String> {
    check_by(rows, events, question, &Clock::of(question.zone), &|_| true)
}

/// Which segments are compared.
pub type Which<'a> = &'a dyn Fn(&Map<String, Value>) -> bool;

/// The same by a clock, of some segments only.
pub fn check_by(
    rows: &Rows,
    events: &[Value],
    question: &Question<'_>,
    clock: &Clock,
    is_asked: Which<'_>,
) -> Result<usize, String> {
    let is_of = |name: &RowName| {
        is_asked(serde_json::from_str::<Value>(&name.3).expect("JSON").as_object().expect("parts"))
    };
    let asked = rows.0.iter().filter(|(name, _)| is_of(name));
    let rows = &Rows(asked.map(|(name, kpis)| (name.clone(), kpis.clone())).collect());
    let facts = recount_by(events, question, clock);
    let first = facts.iter().flat_map(|f| {
        let flows = f.leads.iter().map(|l| l.0).chain(f.created.iter().map(|c| c.0));
        let flows = flows.chain(f.closed.iter().map(|c| c.at)).chain(f.marks.iter().map(|m| m.at));
        let stocks = f.open.iter().chain(&f.running).map(|o| o.0);
        flows.map(|at| clock.day(at)).chain(stocks).collect::<Vec<_>>()
    });
    let Some(first) = first.min() else {
        let spoken = rows.0.iter().find(|(_, kpis)| !is_blank(kpis));
        return spoken.map_or(Ok(0), |row| Err(format!("of nothing: {row:?}")));
    };
    let windows = windows(question, first);
    let mut expected: BTreeMap<RowName, BTreeMap<&str, Counted>> = BTreeMap::new();
    for segment in &segments(&facts, question.sets) {
        let Question { currency, as_of, .. } = *question;
        let count = Count {
            facts: &facts,
            segment,
            currency,
            clock,
            as_of,
            today: clock.day(question.now - 1),
            lapse_after: question.customers.1,
        };
        let parts: Map<String, Value> =
            segment.iter().map(|(d, v)| ((*d).to_owned(), json!(v))).collect();
        for window in windows.iter().filter(|_| is_asked(&parts)) {
            let [start, end] = window
                .own
                .edges(clock)
                .map(|at| jiff::Timestamp::from_microsecond(at).expect("in range").to_string());
            let behind = window.own.last_day(clock);
            let age = days_between(back(behind, -1), clock.day(question.as_of));
            let name = (window.kind.clone(), start, end, Value::Object(parts.clone()).to_string());
            expected.insert(name, count.kpis(window, age));
        }
    }
    compare(rows, &expected)
}

fn compare(
    rows: &Rows,
    expected: &BTreeMap<RowName, BTreeMap<&str, Counted>>,
) -> Result<usize, String> {
    let mut cells = 0;
    for (name, kpis) in &rows.0 {
        if !expected.contains_key(name) && !is_blank(kpis) {
            return Err(format!("row of nothing: {name:?} {kpis}"));
        }
    }
    for (name, kpis) in expected {
        let Some(found) = rows.0.get(name) else {
            // A segment that held a deal for a moment of one day has nothing to show.
            if kpis.values().all(|(value, n)| *n == 0 && value.is_none_or(|v| v == 0.0)) {
                continue;
            }
            return Err(format!("no row {name:?}, expected {kpis:?}"));
        };
        let found: Value = serde_json::from_str(found).expect("KPIs are JSON");
        let found = found.as_object().expect("KPIs are an object");
        if found.len() != kpis.len() {
            return Err(format!("{name:?} has other KPIs: {:?}", found.keys()));
        }
        for (kpi, (value, n)) in kpis {
            let got = &found[*kpi];
            let same = match (value, got["value"].as_f64()) {
                // Told in steps; the least amount of the laws is -12.5.
                (Some(want), Some(got)) if kpi.starts_with("deal_size_p") => {
                    (want - got).abs() <= 0.005_44 * (want.abs() + 25.0)
                }
                (Some(want), Some(got)) => (want - got).abs() <= 1e-9 * want.abs().max(1.0),
                (want, got) => want.is_none() && got.is_none(),
            };
            if !same || got["n"] != json!(*n as i64) {
                return Err(format!("{name:?} {kpi}: {value:?} over {n} expected, {got} found"));
            }
            cells += 1;
        }
    }
    Ok(cells)
}
