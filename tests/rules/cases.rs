//! For each alert the series that make it fire, and the same of a process that is well.

/// A series, and its value at a minute: when something is wrong, and when all is well. NaN is none.
pub struct Line(pub &'static str, pub fn(u32) -> f64, pub fn(u32) -> f64);

/// A rule test: which alert, what is scraped, and after how many minutes it must fire.
pub struct Case {
    pub alert: &'static str,
    pub minutes: u32,
    pub lines: Vec<Line>,
}

const NONE: fn(u32) -> f64 = |_| f64::NAN;
const ZERO: fn(u32) -> f64 = |_| 0.0;
const ONE: fn(u32) -> f64 = |_| 1.0;
const TWO: fn(u32) -> f64 = |_| 2.0;
const FIVE: fn(u32) -> f64 = |_| 5.0;
/// So many seconds as passed.
const CLOCK: fn(u32) -> f64 = |m| f64::from(m) * 60.0;
const EACH: fn(u32) -> f64 = |m| f64::from(m);
const TEN_EACH: fn(u32) -> f64 = |m| f64::from(m) * 10.0;

/// The target was known before; `§` stands for the labels of the target.
fn known() -> Line {
    Line("tidemark_build_info{§,version=\"1\"}", ONE, ONE)
}

fn case(alert: &'static str, minutes: u32, lines: impl Into<Vec<Line>>) -> Case {
    Case { alert, minutes, lines: lines.into() }
}

pub fn all() -> Vec<Case> {
    let mut all = process();
    all.extend(flow());
    all.extend(behind());
    all.extend(contents());
    all.extend(state());
    all.extend(webhooks());
    all.extend(drift());
    all
}

fn process() -> Vec<Case> {
    vec![
        case("Down", 10, [Line("up{§}", ZERO, ONE)]),
        case("Absent", 15, [Line("tidemark_build_info{§,version=\"1\"}", NONE, ONE)]),
        case("NotReady", 20, [Line("tidemark_ready{§,check=\"log\"}", ZERO, ONE)]),
        case(
            "Restarting",
            60,
            [Line("process_start_time_seconds{§}", |m| f64::from(m / 15) * 900.0 + 1.0, ONE)],
        ),
        case(
            "Panicked",
            40,
            [known(), Line("tidemark_panics_total{§,stage=\"ledger\"}", born(), FIVE)],
        ),
        case(
            "FilesNearLimit",
            30,
            [
                Line("process_open_fds{§}", |_| 900.0, |_| 90.0),
                Line("process_max_fds{§}", |_| 1000.0, |_| 1000.0),
            ],
        ),
        case(
            "MixedVersions",
            75,
            [known(), Line("tidemark_build_info{§,version=\"2\"}", ONE, NONE)],
        ),
        case(
            "MixedVersions",
            75,
            [
                Line("tidemark_tzdata_info{§,version=\"2026a\"}", ONE, ONE),
                Line("tidemark_tzdata_info{§,version=\"2026b\"}", ONE, NONE),
            ],
        ),
        case(
            "ScrapeNearLimit",
            60,
            [Line("scrape_samples_post_metric_relabeling{§}", |_| 58_000.0, |_| 5_000.0)],
        ),
    ]
}

/// How far the watermark may be behind.
fn allowed(wrong: fn(u32) -> f64, well: fn(u32) -> f64) -> Line {
    Line("tidemark_watermark_allowed_lag_seconds{§}", wrong, well)
}

/// Two hours behind.
const LATE: fn(u32) -> f64 = |m| f64::from(m) * 60.0 - 7_200.0;

/// A counter that begins with its first increment, after half an hour.
fn born() -> fn(u32) -> f64 {
    |m| if m < 30 { f64::NAN } else { 1.0 }
}

fn flow() -> Vec<Case> {
    let cells = |part, wrong| Line(part, wrong, FIVE);
    let (first, second) = (
        "tidemark_cells{§,stage=\"ledger\",part=\"0\"}",
        "tidemark_cells{§,stage=\"ledger\",part=\"1\"}",
    );
    let parts = || Line("tidemark_parts{§,stage=\"ledger\"}", TWO, TWO);
    vec![
        case(
            "PartStopped",
            10,
            [Line("tidemark_stopped{§,stage=\"intake\",part=\"s-0\"}", ONE, NONE)],
        ),
        case("ShardWithoutOwner", 20, [parts(), cells(first, FIVE), cells(second, NONE)]),
        case("ShardWithoutOwner", 20, [parts(), cells(first, NONE), cells(second, NONE)]),
        case(
            "LagGrowing",
            45,
            // Well is also a backlog that is being read.
            [Line(
                "tidemark_lag_messages{§,stage=\"intake\",partition=\"s-0\"}",
                |m| 2_000.0 + f64::from(m) * 100.0,
                |m| 90_000.0 - f64::from(m) * 100.0,
            )],
        ),
        case(
            "PublishSlow",
            45,
            [
                Line(
                    "tidemark_publish_seconds_bucket{§,stage=\"rollup\",le=\"0.5\"}",
                    ZERO,
                    TEN_EACH,
                ),
                Line(
                    "tidemark_publish_seconds_bucket{§,stage=\"rollup\",le=\"30\"}",
                    TEN_EACH,
                    TEN_EACH,
                ),
                Line(
                    "tidemark_publish_seconds_bucket{§,stage=\"rollup\",le=\"+Inf\"}",
                    TEN_EACH,
                    TEN_EACH,
                ),
            ],
        ),
        case(
            "LogErrors",
            30,
            [Line("tidemark_log_errors_total{§,kind=\"unavailable\"}", EACH, FIVE)],
        ),
        case(
            "SchemaRegistryAway",
            40,
            [Line("tidemark_schema_fetches_total{§,result=\"away\"}", EACH, FIVE)],
        ),
    ]
}

fn behind() -> Vec<Case> {
    let watermark = "tidemark_watermark_timestamp_seconds{§,stage=\"rollup\",part=\"0\"}";
    vec![
        case("WatermarkStalled", 50, [Line(watermark, ZERO, CLOCK), allowed(ZERO, ZERO)]),
        // Well is also one that stands, and a source of an hour is not idle before an hour.
        case("WatermarkStalled", 50, [Line(watermark, ZERO, ZERO), allowed(ZERO, |_| 3_600.0)]),
        case("WatermarkBehind", 40, [Line(watermark, LATE, CLOCK), allowed(ZERO, ZERO)]),
        case("WatermarkBehind", 40, [Line(watermark, LATE, LATE), allowed(ZERO, |_| 5_400.0)]),
        // Prometheus 3 writes the bound as 60.0.
        case(
            "FreshnessMissed",
            45,
            [
                Line("tidemark_event_latency_seconds_bucket{§,le=\"60.0\"}", ZERO, TEN_EACH),
                Line("tidemark_event_latency_seconds_count{§}", TEN_EACH, TEN_EACH),
            ],
        ),
        // A record each quarter of an hour; and well are few late ones.
        case(
            "FreshnessMissed",
            200,
            [
                Line("tidemark_event_latency_seconds_bucket{§,le=\"60\"}", ZERO, |m| {
                    f64::from(m / 100)
                }),
                Line(
                    "tidemark_event_latency_seconds_count{§}",
                    |m| f64::from(m / 15),
                    |m| f64::from(m / 50),
                ),
            ],
        ),
        // A record an hour, all late; and well is one of three.
        case(
            "FreshnessMissed",
            330,
            [
                Line("tidemark_event_latency_seconds_bucket{§,le=\"60\"}", ZERO, |m| {
                    f64::from(m / 60 - m / 180)
                }),
                Line(
                    "tidemark_event_latency_seconds_count{§}",
                    |m| f64::from(m / 60),
                    |m| f64::from(m / 60),
                ),
            ],
        ),
    ]
}

fn state() -> Vec<Case> {
    vec![
        case("RestoreLong", 15, [Line("tidemark_restored{§,stage=\"ledger\"}", ZERO, ONE)]),
        case(
            "ImagesUnusable",
            40,
            [known(), Line("tidemark_images_unusable_total{§}", |m| f64::from(m / 30), FIVE)],
        ),
        case(
            "ImagesNotWritten",
            150,
            [
                Line("tidemark_images_written_total{§}", FIVE, |m| f64::from(m / 10)),
                Line(
                    "tidemark_events_folded_total{§}",
                    |m| f64::from(m) * 100.0,
                    |m| f64::from(m) * 100.0,
                ),
            ],
        ),
        case(
            "SeriesDropped",
            45,
            [Line(
                "tidemark_series_dropped_total{§,family=\"tidemark_rep_win_ratio\"}",
                TEN_EACH,
                FIVE,
            )],
        ),
    ]
}

fn contents() -> Vec<Case> {
    let taken = |m: u32| f64::from(m) * 1_000.0;
    vec![
        case(
            "DeadLetters",
            40,
            // Well is also what is many, and few of all.
            [
                Line(
                    "tidemark_dead_letters_total{§,code=\"BAD_TIME\"}",
                    |m| f64::from(m) * 50.0,
                    |m| f64::from(m) * 2.0,
                ),
                Line("tidemark_records_taken_total{§,topic=\"sales\"}", taken, taken),
            ],
        ),
        case(
            "RecordsSkipped",
            40,
            [known(), Line("tidemark_records_skipped_total{§,topic=\"sales\"}", born(), FIVE)],
        ),
        case("TooLate", 75, [Line("tidemark_too_late_total{§}", EACH, FIVE)]),
        case(
            "LateHigh",
            120,
            [
                Line("tidemark_late_total{§}", |m| f64::from(m) * 5.0, |m| f64::from(m / 2)),
                Line("tidemark_events_counted_total{§}", TEN_EACH, TEN_EACH),
            ],
        ),
        case(
            "UnknownStage",
            50,
            [known(), Line("tidemark_unknown_stage_total{§,source=\"crm\"}", born(), FIVE)],
        ),
        case(
            "UnconvertedAmounts",
            80,
            [Line("tidemark_unconverted_amounts{§,part=\"0\"}", FIVE, ZERO)],
        ),
        case("DriftNotJudged", 30, [Line("tidemark_drift_judging{§}", ZERO, ONE)]),
        case("TargetsStale", 75, [Line("tidemark_targets_stale{§}", TWO, ZERO)]),
        case(
            "SourceSilent",
            3 * 1_440 + 150,
            [Line("tidemark_records_taken_total{§,topic=\"sales\"}", FIVE, EACH)],
        ),
        // A restart in the middle forgets the count and not the silence, and a topic that never had
        // a record is as silent.
        case(
            "SourceSilent",
            3 * 1_440 + 150,
            [Line(
                "tidemark_records_taken_total{§,topic=\"sales\"}",
                |m| if m < 60 { 5.0 } else { 0.0 },
                |m| f64::from(m % 2_000),
            )],
        ),
        case(
            "SourceSilent",
            3 * 1_440 + 150,
            // Well is also one that was configured a day ago.
            [Line("tidemark_records_taken_total{§,topic=\"sales\"}", ZERO, |m| {
                if m < 3_000 { f64::NAN } else { 0.0 }
            })],
        ),
    ]
}

fn webhooks() -> Vec<Case> {
    vec![
        case(
            "AlertsNotDelivered",
            40,
            [Line("tidemark_notify_waiting{§,receiver=\"crm\"}", TWO, ZERO)],
        ),
        case(
            "AlertsNotRenewed",
            40,
            [
                Line(
                    "tidemark_notifications_total{§,receiver=\"crm\",outcome=\"failed\"}",
                    EACH,
                    EACH,
                ),
                Line(
                    "tidemark_notifications_total{§,receiver=\"crm\",outcome=\"renewed\"}",
                    FIVE,
                    EACH,
                ),
            ],
        ),
        case(
            "AlertsGivenUp",
            30,
            [Line(
                "tidemark_notifications_total{§,receiver=\"crm\",outcome=\"given_up\"}",
                EACH,
                FIVE,
            )],
        ),
        case(
            "HooksRefused",
            40,
            [
                Line(
                    "tidemark_hook_requests_total{§,endpoint=\"/crm\",outcome=\"mismatch\"}",
                    EACH,
                    |m| f64::from(m) * 0.4,
                ),
                Line(
                    "tidemark_hook_requests_total{§,endpoint=\"/crm\",outcome=\"accepted\"}",
                    TEN_EACH,
                    TEN_EACH,
                ),
            ],
        ),
        case(
            "HookTopicClosed",
            10,
            [Line("tidemark_hook_topic_open{§,topic=\"crm.raw\"}", ZERO, ONE)],
        ),
        case(
            "HookPartitionsPassedOver",
            30,
            [Line("tidemark_hook_partitions_passed_over{§,topic=\"crm.raw\"}", TWO, ZERO)],
        ),
        case(
            "HooksSlow",
            40,
            [
                Line("tidemark_hook_seconds_bucket{§,le=\"0.5\"}", ZERO, TEN_EACH),
                Line("tidemark_hook_seconds_bucket{§,le=\"10\"}", TEN_EACH, TEN_EACH),
                Line("tidemark_hook_seconds_bucket{§,le=\"+Inf\"}", TEN_EACH, TEN_EACH),
            ],
        ),
    ]
}

/// Two KPIs with a target in one segment have the same labels.
fn pace(window: &'static str, others: [Line; 2]) -> Case {
    let name = |family: &str, labels: &str| -> &'static str {
        format!("tidemark_{family}{{§,{labels}window=\"{window}\"}}").leak()
    };
    let low: fn(u32) -> f64 = |_| 0.6;
    let of = "territory=\"north\",";
    let mut lines = vec![
        Line(name("territory_won_amount_target_pace_ratio", of), low, ONE),
        Line(name("territory_deals_won_target_pace_ratio", of), ONE, |_| 0.8),
        Line(name("territory_window_complete_ratio", of), |_| 0.7, |_| 0.7),
        // A rep alone is no reason.
        Line(name("rep_won_amount_target_pace_ratio", "rep=\"r\","), low, low),
        Line(name("rep_window_complete_ratio", "rep=\"r\","), |_| 0.7, |_| 0.7),
    ];
    lines.extend(others);
    case("TargetPaceBehind", 450, lines)
}

fn drift() -> Vec<Case> {
    // Too early in its window, and a window that is too short.
    let quarter = "tidemark_overall_won_amount_target_pace_ratio{§,window=\"quarter\"}";
    let half = "tidemark_overall_window_complete_ratio{§,window=\"quarter\"}";
    let week = "tidemark_overall_won_amount_target_pace_ratio{§,window=\"week\"}";
    let over = "tidemark_overall_window_complete_ratio{§,window=\"week\"}";
    let low: fn(u32) -> f64 = |_| 0.3;
    // One to date is nearly complete from its first day on, and few lost deals are no harm.
    let to_date = "tidemark_overall_won_amount_target_pace_ratio{§,window=\"month_to_date\"}";
    let ended = "tidemark_overall_window_complete_ratio{§,window=\"month_to_date\"}";
    let lost = "tidemark_overall_deals_lost_target_pace_ratio{§,window=\"month\"}";
    let late = "tidemark_overall_window_complete_ratio{§,window=\"month\"}";
    // How far it moved is there whether it fires or not.
    let territory = |alert, series: &'static str| {
        let effect = series.replace("_drift_state{", "_drift_effect_ratio{");
        let fell: fn(u32) -> f64 = |_| -0.3;
        case(alert, 15, [Line(series, TWO, ONE), Line(effect.leak(), fell, fell)])
    };
    vec![
        territory(
            "WinRateDrift",
            "tidemark_territory_drift_state{§,territory=\"north\",kpi=\"win_rate\"}",
        ),
        // Any segments that are watched, and no label of a segment.
        territory("WinRateDrift", "tidemark_product_drift_state{§,product=\"x\",kpi=\"win_rate\"}"),
        territory("WinRateDrift", "tidemark_overall_drift_state{§,kpi=\"win_rate\"}"),
        territory(
            "CohortConversionDrift",
            "tidemark_channel_drift_state{§,channel=\"web\",kpi=\"cohort_conversion_90d\"}",
        ),
        territory(
            "CycleLengthDrift",
            "tidemark_territory_drift_state{§,territory=\"north\",kpi=\"cycle_length_mean\"}",
        ),
        territory(
            "DealsCreatedDrift",
            "tidemark_team_drift_state{§,team=\"smb\",kpi=\"deals_created\"}",
        ),
        territory("LeadsCreatedDrift", "tidemark_overall_drift_state{§,kpi=\"leads_created\"}"),
        territory(
            "DealSizeDrift",
            "tidemark_channel_drift_state{§,channel=\"web\",kpi=\"average_deal_size\"}",
        ),
        pace("month", [Line(quarter, low, low), Line(half, |_| 0.4, |_| 0.4)]),
        pace("fiscal_quarter", [Line(week, low, low), Line(over, |_| 0.9, |_| 0.9)]),
        pace("quarter", [Line(to_date, low, low), Line(ended, ONE, ONE)]),
        pace("year", [Line(lost, low, low), Line(late, |_| 0.9, |_| 0.9)]),
        case(
            "DriftBaselineLost",
            80,
            [Line(
                "tidemark_territory_drift_baseline_lost{§,territory=\"north\",kpi=\"win_rate\"}",
                ONE,
                NONE,
            )],
        ),
    ]
}
