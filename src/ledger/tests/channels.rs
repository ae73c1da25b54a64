//! The channel of an entity is told by what its fields hold, whichever events said so and in whatever
//! order they came.

use proptest::prelude::*;

use super::*;
use crate::model::channel::{ChannelRule, ChannelRules, Glob};

fn job(channels: ChannelRules) -> Definition {
    let set = |dimensions: &[&str]| dimensions.iter().map(|d| (*d).to_owned()).collect();
    let segments = vec![set(&[]), set(&["channel"])];
    Definition { segments, channels: Arc::new(channels), ..definition() }
}

fn rule(source: &str, channel: &str) -> ChannelRules {
    let source = Some(Glob::new(source));
    let channel = channel.to_owned();
    let rule = ChannelRule { source, channel, ..nothing() };
    ChannelRules { rules: vec![rule], ..ChannelRules::default() }
}

fn nothing() -> ChannelRule {
    ChannelRule {
        medium: None,
        source: None,
        referrer: None,
        campaign: None,
        stated: None,
        channel: String::new(),
    }
}

const CPC: (Field, &str) = (Field::Medium, "cpc");
const GOOGLE: (Field, &str) = (Field::Source, "Google");

/// A deal that was created a minute before a field of it was told, each by an event of its own.
fn told(shard: &mut Shard, fields: &[(Field, &str)]) {
    shard.apply(&event(Op::Create, day(1), &[]));
    for (i, (field, value)) in (1..).zip(fields) {
        let at = day(1) + Span::minutes(1) + Span::seconds(i);
        shard.apply(&event(Op::Update, at, &[(*field, text(value))]));
    }
}

fn created(shard: &Shard, channel: &str) -> i128 {
    let days = shard.days(&format!("channel={channel}"), Measure::DealsCreated);
    days.iter().map(|(_, n)| n).sum()
}

#[test]
fn fields_that_come_apart_tell_one_channel() {
    let mut shard = Shard::new(job(ChannelRules::default()));
    told(&mut shard, &[GOOGLE]);
    assert_eq!(created(&shard, "unknown"), 1, "a source alone is no link");
    told(&mut shard, &[GOOGLE, CPC]);
    assert_eq!((created(&shard, "Paid Search"), created(&shard, "unknown")), (1, 0));
}

#[test]
fn what_the_source_states_is_never_overwritten_by_what_is_told() {
    let mut shard = Shard::new(job(ChannelRules::default()));
    told(&mut shard, &[(Field::Channel, "Partner"), GOOGLE, CPC]);
    assert_eq!((created(&shard, "Partner"), created(&shard, "Paid Search")), (1, 0));
    // Cleared, nothing is stated any more.
    let late = day(2);
    shard.apply(&event(Op::Update, late, &[(Field::Channel, Value::Null)]));
    let open = |channel: &str| shard.days(&format!("channel={channel}"), Measure::OpenDeals);
    assert_eq!(open("Partner"), [(1, 1), (2, -1)]);
    assert_eq!(open("Paid Search"), [(2, 1)]);
}

/// What a source calls it may be called otherwise, for the past too; what it does not state is none
/// of such a rule's business.
#[test]
fn a_rule_renames_a_channel_that_is_stated() {
    let mut plain = Shard::new(job(ChannelRules::default()));
    told(&mut plain, &[(Field::Channel, "Offline"), (Field::Campaign, "EU Webinar")]);
    assert_eq!(created(&plain, "Offline"), 1);
    let named = |channel: &str, campaign: Option<&str>| ChannelRule {
        stated: Some(Glob::new("offline")),
        campaign: campaign.map(Glob::new),
        channel: channel.to_owned(),
        ..nothing()
    };
    let rules = vec![named("Webinars", Some("*webinar*")), named("Events", None)];
    let ruled = Arc::new(job(ChannelRules { rules, ..ChannelRules::default() }));
    let image = plain.0.image();
    let ledger = Ledger::restore(ruled.clone(), Partition(0), &image).expect("it is its own image");
    let restored = Shard(ledger);
    assert_eq!((created(&restored, "Webinars"), created(&restored, "Offline")), (1, 0));
    let mut shard = Shard::new((*ruled).clone());
    told(&mut shard, &[(Field::Channel, "Offline"), GOOGLE, CPC]);
    assert_eq!(created(&shard, "Events"), 1, "it is stated, so no link is asked");
    let mut shard = Shard::new((*ruled).clone());
    told(&mut shard, &[(Field::Channel, "Partner"), (Field::Campaign, "EU Webinar")]);
    assert_eq!(created(&shard, "Partner"), 1);
}

#[test]
fn a_source_with_a_field_of_its_own_for_the_channel_tells_none_by_its_links() {
    let stated_by = ["crm".to_owned()].into();
    let mut shard = Shard::new(job(ChannelRules { stated_by, ..ChannelRules::default() }));
    told(&mut shard, &[GOOGLE, CPC]);
    assert_eq!(created(&shard, "unknown"), 1);
    let mut other = event(Op::Update, day(1) + Span::minutes(2), &[(Field::Medium, text("email"))]);
    other.source = "web".into();
    shard.apply(&other);
    let open = shard.days("channel=Email", Measure::OpenDeals);
    assert_eq!(open, [(1, 1)], "another source's link is told");
}

/// Rules are about the past too: cells are computed anew by them, as by another directory.
#[test]
fn changed_rules_hold_for_what_is_in_an_image() {
    let mut shard = Shard::new(job(ChannelRules::default()));
    told(&mut shard, &[(Field::Source, "Trade Show Berlin")]);
    assert_eq!(created(&shard, "unknown"), 1);
    let ruled = Arc::new(job(rule("trade show*", "Events")));
    let ledger =
        Ledger::restore(ruled, Partition(0), &shard.0.image()).expect("it is its own image");
    assert_eq!(created(&Shard(ledger), "Events"), 1);
}

#[test]
fn nothing_of_links_is_kept_where_no_segment_asks_for_channels() {
    let mut shard = Shard::new(definition());
    shard.apply(&event(Op::Create, day(1), &[]));
    let applied = shard.apply(&event(Op::Update, day(2), &[(Field::Medium, text("cpc"))]));
    assert_eq!(applied.verdict, Verdict::Irrelevant);
}

/// All measures of the day cells, by segment and day; nothing of those that sum to nothing.
fn cells(shard: &Shard) -> Vec<(String, i32, MeasureKey, i128)> {
    let mut out = Vec::new();
    for ((id, slice), cell) in &shard.0.cells {
        let named = shard.0.credits.resolve(*id).to_string();
        for (key, n) in cell.measures.entries().iter().filter(|_| slice.tier == Tier::Day) {
            out.push((named.clone(), slice.index, *key, *n));
        }
    }
    out.sort();
    out
}

const FIELDS: [(Field, &[&str]); 5] = [
    (Field::Medium, &["cpc", "email", "Social", "(none)"]),
    (Field::Source, &["google", "Trade Show Berlin", "linkedin.com", "(direct)"]),
    (Field::Campaign, &["eu brand", "summer-shop", "cross-network"]),
    (Field::Referrer, &["https://www.google.com/", "https://partner.example/a", "/x"]),
    (Field::Channel, &["Partner", "Web"]),
];

proptest! {
    /// Any split of the fields over events, and any order and repetition of these, gives the cells
    /// that one event with all of them gives.
    #[test]
    fn any_split_and_any_order_tells_the_same_channel(
        values in proptest::collection::vec(proptest::option::weighted(0.7, 0usize..4), 5),
        splits in proptest::collection::vec(0usize..6, 5),
        keys in proptest::collection::vec(any::<u32>(), 12),
        current in any::<bool>(),
    ) {
        let attribution = if current { Attribution::Current } else { Attribution::AtEvent };
        let fresh = || {
            let mut rules = rule("trade show*", "Events");
            let (stated, campaign) = (Some(Glob::new("web")), Some(Glob::new("*brand*")));
            rules.rules.push(ChannelRule { stated, campaign, channel: "Shop".into(), ..nothing() });
            Shard::new(Definition { attribution, ..job(rules) })
        };
        let stated: Vec<_> = FIELDS
            .iter()
            .zip(&values)
            .map(|((field, texts), value)| {
                (*field, value.map(|v| text(texts[v % texts.len()])))
            })
            .collect();
        // The sixth is the creation itself.
        let of = |split: usize| {
            let mine = stated.iter().zip(&splits).filter(|(_, s)| **s == split);
            mine.filter_map(|((f, v), _)| Some((*f, v.clone()?))).collect::<Vec<_>>()
        };
        let at = |split: usize| day(1) + Span::seconds(split as i64);
        let mut events: Vec<_> =
            (0..5).map(|split| event(Op::Update, at(split), &of(split))).collect();
        events.push(event(Op::Create, day(1), &of(5)));
        events.push(event(Op::Update, day(3), &[WON]));
        events.extend(events.clone().into_iter().take(4));
        let mut apart = fresh();
        let mut order: Vec<usize> = (0..events.len()).collect();
        order.sort_by_key(|i| keys[*i]);
        for i in order {
            apart.apply(&events[i]);
        }
        let mut whole = fresh();
        let all: Vec<_> =
            stated.iter().filter_map(|(f, v)| Some((*f, v.clone()?))).collect();
        whole.apply(&event(Op::Create, day(1), &all));
        whole.apply(&event(Op::Update, day(3), &[WON]));
        prop_assert_eq!(cells(&apart), cells(&whole));
    }
}
