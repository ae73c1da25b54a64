//! The page in a real browser: headless Chromium against the router, no driver, no Node.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use tidemark::http::{HttpState, Limits, router, serve};
use tidemark::model::deadletter::Code;
use tidemark::model::event::EntityKind;
use tidemark::model::money::Exact;
use tidemark::model::row::{Pane, Row};
use tidemark::model::target::{Aim, Standing, WorkingDays};
use tidemark::model::time::Timestamp;
use tidemark::model::window::{Period, WindowKind};
use tokio::net::TcpListener;

#[path = "board/fixture.rs"]
mod fixture;
#[path = "board/forecast.rs"]
mod forecast;

use fixture::{Sales, at, row, state};

/// How long Chromium may take; a loaded machine starts it in some ten seconds.
const DEADLINE: Duration = Duration::from_secs(120);
/// Time as the page sees it, milliseconds: enough for several polls.
const VIRTUAL_MS: u32 = 6_000;

const ATTACK: &str = "<script>alert(1)</script>";

/// A target of revenue; how much of it is reached is not what the page works out.
fn target(value: i128, pace: f64) -> Vec<Standing> {
    vec![Standing {
        aim: Aim::Target,
        kpi: "revenue".to_owned(),
        value: Exact::whole(value),
        step_of: None,
        attainment: Some(0.9),
        gap: None,
        pace: Some(pace),
        required_per_day: None,
        days: Some(WorkingDays { total: 20, elapsed: 10, remaining: 11 }),
        ripens: false,
        owner: None,
        note: None,
    }]
}

fn rows() -> Vec<Row> {
    let now = at("2026-03-20T12:00:00Z");
    let rolling = WindowKind::RollingDays(28);
    let month = WindowKind::Calendar(Period::Month);
    let all = Sales {
        won: 40,
        lost: 60,
        revenue: 1_250_000,
        before: 1_000_000,
        open: 7,
        pipeline: 96_000,
        cycle: 12,
    };
    let some = Sales { won: 3, lost: 2, revenue: 4_321, cycle: 5, ..Sales::default() };
    let mut february = row(month, at("2026-02-10T12:00:00Z"), &[], some);
    february.pane = Pane::Corrected;
    february.revision = 3;
    february.complete_ratio = 1.0;
    let long = format!("long-{}", "x".repeat(10_000));
    vec![
        Row { incomplete: true, targets: target(1_500_000, 0.95), ..row(rolling, now, &[], all) },
        row(rolling, now, &[("territory", "West")], some),
        row(rolling, now, &[("channel", "partner")], some),
        Row {
            targets: target(10_000, 0.8),
            ..row(
                rolling,
                now,
                &[("rep", "r-001")],
                Sales { won: 20, lost: 5, revenue: 9_000, ..some },
            )
        },
        row(rolling, now, &[("rep", ATTACK)], some),
        row(rolling, now, &[("rep", "r-idle")], Sales::default()),
        row(rolling, now, &[("rep", "\u{202e}turned")], Sales::default()),
        row(rolling, now, &[("rep", &long)], Sales::default()),
        row(rolling, now, &[("territory", "West"), ("channel", "partner")], some),
        row(rolling, now, &[("stage", "1")], Sales { lost: 4, pipeline: 3, ..Sales::default() }),
        row(rolling, now, &[("stage", "5988")], Sales { open: 5, pipeline: 900, ..some }),
        row(rolling, now, &[("stage", "6120")], Sales { open: 2, pipeline: 400, ..some }),
        row(rolling, now, &[("stage", "unknown")], Sales { pipeline: 7, ..Sales::default() }),
        february,
        row(month, now, &[], all),
    ]
    .into_iter()
    .chain(days())
    .collect()
}

/// A hundred euros each weekday, for seven whole months and more.
fn days() -> Vec<Row> {
    let monday = at("2025-07-28T10:00:00Z");
    let sales = Sales { won: 1, revenue: 100, cycle: 5, ..Sales::default() };
    (0..235)
        .filter(|day| day % 7 < 5)
        .map(|day| Timestamp(monday.0 + day * 86_400_000_000))
        .map(|day| row(WindowKind::Calendar(Period::Day), day, &[], sales))
        .collect()
}

/// One alert that fires, and one that was taken back.
fn tell_alerts(state: &HttpState) {
    let alert = |rep: &str, word: &str, withdrawn: bool| {
        format!(
            r#"{{"id":"{rep}","rule":"win_rate","kpi":"win_rate","segment":{{"rep":"{rep}"}},
            "direction":"down","state":"{word}","fired":true,"withdrawn":{withdrawn},
            "since":"2026-03-09T23:00:00Z","resolved":null,"change_time":"2026-03-01T23:00:00Z",
            "now":0.25,"n":61,"interval":[0.16,0.37],"baseline":0.5,"baseline_n":840,
            "baseline_from":"2025-12-07T23:00:00Z","unit":"ratio","effect":-0.5,
            "arl0":5000.4,"expected_false_alarms_per_month":0.3,"explained":[{{"by":"channel","change":-0.25,
            "mix":-0.02,"rate":-0.23,"simpson":false,"contributors":[{{"segment":
            {{"rep":"{rep}","channel":"web"}},"effect":-0.2,"mix":0,"rate":-0.2,"now":0.1,"n":40,
            "baseline":0.5,"baseline_n":400}}]}}],"as_of":"2026-03-19T23:00:00Z","version":3}}"#
        )
    };
    for (rep, word, withdrawn) in [("r-001", "firing", false), ("withdrawn-rep", "resolved", true)]
    {
        state.alerts.apply(rep, Some(alert(rep, word, withdrawn).as_bytes()));
    }
    // A count that nothing came of, and that is compared with another baseline now.
    let ended = [
        ("win_rate", "leads_created"),
        ("\"ratio\"", "\"count_per_day\""),
        ("\"n\":61,\"interval\":[0.16,0.37]", "\"n\":0,\"interval\":null"),
        ("\"resolved\":null", "\"end\":\"rebaselined\",\"resolved\":\"2026-03-15T23:00:00Z\""),
    ];
    let ended = ended.iter().fold(alert("r-009", "resolved", false), |json, (from, to)| {
        assert!(json.contains(from), "{json}");
        json.replace(from, to)
    });
    state.alerts.apply("r-009", Some(ended.as_bytes()));
}

/// The page's elements as text, after it has asked a few times.
fn dom(state: HttpState) -> Option<String> {
    dom_of(router(state), VIRTUAL_MS)
}

/// The same of any server, after so long.
fn dom_of(router: Router, virtual_ms: u32) -> Option<String> {
    let Some(chromium) = chromium() else {
        assert!(
            std::env::var("TIDEMARK_SKIP_BROWSER").is_ok_and(|skip| skip == "1"),
            "the page is tested in Chromium: `apt-get install chromium`, or set TIDEMARK_SKIP_BROWSER=1"
        );
        println!("skipped: no Chromium, as TIDEMARK_SKIP_BROWSER=1 allows");
        return None;
    };
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback has ports");
    let address = listener.local_addr().expect("it is bound");
    runtime.spawn(serve(listener, router, Limits::default(), std::future::pending()));

    let profile = tempfile::tempdir().expect("there is a directory for temporary files");
    let mut browser = Command::new(chromium)
        .args(["--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--lang=en-US"])
        // The sandbox needs rights that containers do not give; the page is our own.
        .args(["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--disable-extensions"])
        .args(["--window-size=1400,1800", "--dump-dom"])
        .arg(format!("--virtual-time-budget={virtual_ms}"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{address}/"))
        .env("LANGUAGE", "en_US")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Chromium was found, so it starts");
    let mut pipe = browser.stdout.take().expect("it is piped");
    let (done, shown) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = pipe.read_to_string(&mut text).map(|_| text);
        // Nobody listens any more when the deadline has passed.
        let _ = done.send(read);
    });
    let shown = shown.recv_timeout(DEADLINE);
    // It has ended, or must: either way it may not outlive the test.
    let _ = browser.kill();
    let _ = browser.wait();
    let text = shown.expect("Chromium dumps the page in time").expect("the page is text");
    assert!(text.contains("</html>"), "Chromium shows nothing");
    Some(text)
}

fn chromium() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let mut probe = Command::new(name);
        probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    })
}

/// The text of the element with this id, without tags.
fn text_of(dom: &str, id: &str) -> String {
    let start = dom.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no element {id}"));
    let rest = &dom[start..];
    let rest = &rest[rest.find('>').expect("the tag ends") + 1..];
    let end = rest.find("</dd>").into_iter().chain(rest.find("</li>")).chain(rest.find("</h2>"));
    words(&rest[..end.min().expect("the element ends")])
}

/// The text of the table line that holds a name.
fn line_of(dom: &str, name: &str) -> String {
    let line = dom.split("<tr").find(|line| line.contains(name));
    let line = line.unwrap_or_else(|| panic!("no line {name}"));
    words(line.split("</tr>").next().unwrap_or_default().trim_start_matches('>'))
}

fn words(html: &str) -> String {
    let mut out = String::new();
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => {
                in_tag = true;
                out.push(' ');
            }
            '>' if in_tag => in_tag = false,
            c if !in_tag => out.push(c),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn check_forecast(dom: &str) {
    assert_eq!(
        text_of(dom, "forecast-title"),
        "March 2026 will come to €1,400 so far, 14 of 22 working days over"
    );
    assert_eq!(
        line_of(dom, ">As much a working day as so far<"),
        "As much a working day as so far €2,200 €2,200 and €2,200 0% 7 past periods"
    );
    assert!(text_of(dom, "forecast-none").contains("As a year before: it can be tried on 0 past"));
}

fn check_alert(alert: &str) {
    assert!(
        alert.starts_with("firing Win rate, rep Ana Costa fell from 50.0% to 25.0% (-50%)"),
        "{alert}"
    );
    assert!(alert.contains("Since about Mar 2, 2026, fired on Mar 10, 2026. 61 cases since"));
    assert!(alert.contains("By channel: web -20.0 points (50.0% to 10.0%, 40 cases)"), "{alert}");
    assert!(
        alert.contains("in all -23.0 points by their own numbers, -2.0 points by other weights"),
        "{alert}"
    );
    assert!(alert.contains("95% interval 16.0% to 37.0%; baseline of 840"), "{alert}");
    assert!(alert.contains("0.3 false alarms a month, here one in 5,000 cases"), "{alert}");
}

#[test]
fn the_page_shows_the_numbers_and_runs_nothing_that_is_in_them() {
    let state = state(&rows());
    state.telemetry.events("crm", EntityKind::ALL[0].0, 1_234_567);
    state.telemetry.late(42);
    state.telemetry.dead_letter(Code::BadAmount);
    tell_alerts(&state);
    let Some(dom) = dom(state) else { return };

    for (id, expected) in [
        ("tile-revenue", "Revenue €1,250,000 40 deals with an amount 90% of target, pace 95%"),
        ("tile-deals_won", "Deals won 40 60 lost"),
        ("tile-win_rate", "Win rate 40.0% 40 of 100 closed"),
        ("tile-average_deal_size", "Average deal size €31,250 40 deals with an amount"),
        ("tile-cycle_length_p50", "Median cycle 12 days 90% within 12 days, n 40"),
        ("tile-open_pipeline", "Open pipeline €96,000 7 deals with an amount"),
        ("tile-open_deals", "Open deals 7 103 created in the window"),
        ("tile-revenue_growth", "Growth +25% on €1,000,000 before, +25% on last year"),
        ("tile-activities_done", "Activities 7 7 calls, 0 meetings"),
        ("window-title", "Last 28 days"),
        ("events", "1,234,567"),
        ("late", "42"),
        ("too-late", "0"),
        ("dead", "1 BAD_AMOUNT 1"),
        ("mode", "embedded"),
        ("zone", "Europe/Berlin"),
        ("currency", "EUR"),
    ] {
        assert_eq!(text_of(&dom, id), expected, "{id}");
    }
    check_forecast(&dom);
    check_alert(&text_of(&dom, "alert-list"));
    let ended = "fired on Mar 10, 2026, ended by another baseline or other settings on Mar 16, 2026. None since; ";
    assert!(dom.contains(ended), "{dom}");
    assert!(dom.contains("1 firing") && !dom.contains("withdrawn-rep"));
    assert!(!dom.contains("tile-spend"), "what was never seen has no tile");
    assert!(text_of(&dom, "window-state").starts_with("running may lack records"));
    assert!(text_of(&dom, "watermark").contains("Mar 20, 2026, 1:00:00"), "in the zone's time");
    assert!(dom.contains("data-state=\"live\""));

    assert_eq!(
        line_of(&dom, ">Ana Costa<"),
        "1 Ana Costa €9,000 20 80.0% n 25 90% pace 80% €450 5 days €0"
    );
    // Nothing closed: the quotients are absent, which is not 0.
    let idle = line_of(&dom, ">r-idle<");
    assert!(idle.ends_with("r-idle €0 0 – n 0 – – – €0"), "{idle}");
    assert_eq!(line_of(&dom, ">West<"), "West €4,321 3 60.0% n 5 €1,440 5 days €0");
    assert_eq!(
        line_of(&dom, ">February 2026<"),
        "February 2026 €4,321 60.0% 5 corrected, revision 3"
    );
    assert_eq!(line_of(&dom, ">March 2026<"), "March 2026 €1,250,000 40.0% 100 running");
    assert_eq!(
        line_of(&dom, ">Qualified<"),
        "Qualified bottleneck 40 60.0% 25.0% 0 0 6 40.0% 3 days"
    );
    assert_eq!(line_of(&dom, "title=\"won\""), "won 8 – – 0 0 8 – –");
    assert!(dom.contains("title=\"r-001\">Ana Costa<"), "the id is told too");
    // Stages stand in their order, whatever is in them; those without one behind, largest first.
    assert_eq!(line_of(&dom, ">Qualified &lt;b&gt;<"), "Qualified &lt;b&gt; €400 2 3 2");
    let places: Vec<_> = ["6120", "5988", "unknown", "1"]
        .map(|stage| dom.find(&format!("title=\"{stage}\"")).expect("it is shown"))
        .into();
    assert!(places.is_sorted(), "{places:?}");

    assert!(dom.contains(">&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"), "shown as text");
    let elements = dom.replace(&format!("title=\"{ATTACK}\""), "");
    assert!(!elements.contains("<script>"), "and only as text");
    assert_eq!(elements.matches("<script").count(), 1, "the page's own");
}

#[test]
fn without_rows_the_page_says_so() {
    let state = state(&[]);
    state.health.set("ledger", Err("replaying".to_owned()));
    let Some(dom) = dom(state) else { return };
    assert_eq!(text_of(&dom, "window-title"), "Waiting for the first numbers");
    assert_eq!(text_of(&dom, "watermark"), "– no event yet");
    assert!(dom.contains("data-state=\"starting\"") && dom.contains(">Restoring<"));
}
