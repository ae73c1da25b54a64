//! Records that are well-formed and ask for more than one would give: too many elements, fields
//! that others fill, envelopes around arrays.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tidemark::intake::Decoder;
use tidemark::model::event::{Event, Field, FieldName, Op, Value};
use tidemark::model::source::System;
use tidemark::model::time::Timestamp;

use crate::{decoder, now, record};

/// Codes of the dead letters of a body.
pub fn codes(decoder: &Decoder, body: &str) -> Vec<&'static str> {
    let record = record(body);
    let taken = decoder.take(&record, now());
    assert_eq!(taken.events, []);
    taken.dead_letters.iter().map(|dead| dead.reason.code.as_str()).collect()
}

pub fn events(decoder: &Decoder, body: &str) -> Vec<Event<'static>> {
    let record = Box::leak(Box::new(record(body)));
    let taken = decoder.take(record, now());
    assert_eq!(taken.dead_letters, []);
    taken.events
}

pub fn get(event: &Event<'_>, field: Field) -> String {
    let found = event.set.iter().find(|(name, _)| *name == FieldName::Known(field));
    match found {
        Some((_, Value::Money(money))) => {
            format!("{} {}", money.amount.exact(), money.currency)
        }
        Some((_, Value::Text(text))) => text.to_string(),
        Some((_, Value::Number(number))) => number.exact().to_string(),
        Some((_, other)) => format!("{other:?}"),
        None => String::new(),
    }
}

fn change(ids: &str, changed: &str, name: &str) -> String {
    format!(
        r#"{{"payload":{{"ChangeEventHeader":{{"entityName":"Opportunity","recordIds":[{ids}],
            "transactionKey":"t","sequenceNumber":1,"commitTimestamp":1772615000123,
            "commitNumber":7,"changeType":"UPDATE","changedFields":[{changed}]}},"Name":"{name}"}}}}"#
    )
}

/// HubSpot tells that a meeting took place, or a task was done, by a word alone.
#[test]
fn a_meeting_of_hubspot_is_done_by_its_outcome() {
    let hubspot = decoder(System::HubSpot);
    for (kind, name, word, expected) in [
        ("0-47", "hs_meeting_outcome", "COMPLETED", "Bool(true)"),
        ("0-47", "hs_meeting_outcome", "NO_SHOW", "Bool(false)"),
        ("0-27", "hs_task_status", "COMPLETED", "Bool(true)"),
        ("0-48", "hs_call_disposition", "COMPLETED", ""),
    ] {
        let body = format!(
            r#"{{"subscriptionType":"object.propertyChange","objectTypeId":"{kind}","portalId":1,
                "objectId":2,"occurredAt":1772442000000,"propertyName":"{name}","propertyValue":"{word}"}}"#
        );
        let all = events(&hubspot, &body);
        assert_eq!((&*get(&all[0], Field::Done), &*get(&all[0], Field::Outcome)), (expected, word));
    }
}

#[test]
fn arrays_inside_an_element_have_the_limit_of_a_record() {
    let many = |text: &str| vec![text; 1001].join(",");
    let merge = r#""subscriptionType":"deal.merge","occurredAt":1772442000000,"primaryObjectId":1"#;
    let workflow = r#""objectType":"DEAL","objectId":1"#;
    let order = r#""financial_status":"paid","total_price":"1","id":1,"currency":"EUR","updated_at":"2026-03-02T09:00:00Z""#;
    let redpanda = format!("[{}]", many("x"));
    for (system, body) in [
        (System::Salesforce, change(&many("\"a\""), "\"Name\"", "N")),
        (System::Salesforce, change("\"a\"", &many("\"Name\""), "N")),
        (
            System::Salesforce,
            format!(
                r#"{{"metadata":{{"operation":"update","sobject":"Lead","record_ids":"{redpanda}"}},
                    "content":{{"LastModifiedDate":"2026-03-02T09:00:00Z"}}}}"#
            ),
        ),
        (System::HubSpot, format!("{{\"journalEvents\":[{}]}}", many("{}"))),
        (System::HubSpot, format!("{{{merge},\"mergedObjectIds\":[{}]}}", many("2"))),
        (
            System::HubSpot,
            format!(
                "{{{workflow},\"properties\":{{\"amount\":{{\"versions\":[{}]}}}}}}",
                many("{}")
            ),
        ),
        (System::HubSpot, format!("{{\"specversion\":\"1.0\",\"data\":[{}]}}", many("{}"))),
        (System::Segment, format!("{{\"batch\":[{}]}}", many("{}"))),
        (System::Shopify, format!("{{{order},\"refunds\":[{}]}}", many("{}"))),
        (
            System::Shopify,
            format!("{{{order},\"refunds\":[{{\"transactions\":[{}]}}]}}", many("{}")),
        ),
    ] {
        assert_eq!(codes(&decoder(system), &body), ["TOO_MANY"], "{}", &body[..80]);
    }
}

/// Each of many records would be told the same long text.
#[test]
fn a_long_text_is_not_told_of_many_records() {
    let mut ids = String::from("\"0\"");
    for i in 1..900 {
        write!(ids, ",\"{i}\"").unwrap();
    }
    let body = change(&ids, "\"Name\"", &"x".repeat(100_000));
    assert_eq!(codes(&decoder(System::Salesforce), &body), ["TOO_MANY"]);
    let body = change(&ids, "\"Name\"", "x");
    assert_eq!(events(&decoder(System::Salesforce), &body).len(), 900);
}

/// Names that stand many times are looked up once each.
#[test]
fn names_may_be_repeated_without_end() {
    let mut decoder = decoder(System::Pipedrive);
    decoder.limits.max_record_bytes = 8 << 20;
    let rows = "\"status\":\"open\",".repeat(100_000);
    let body = format!(
        r#"{{"meta":{{"object":"deal","id":1,"action":"updated","timestamp":1772615000}},
            "previous":{{{rows}"id":1}},"current":{{{rows}"id":1}}}}"#
    );
    let record = record(&body);
    let taken = decoder.take(&record, now());
    assert_eq!((taken.events.len(), taken.ignored.len()), (0, 1));
}

#[test]
fn envelopes_may_hold_arrays() {
    let one = |id: u32| {
        format!(
            r#"{{"subscriptionType":"deal.creation","portalId":1,"objectId":{id},
                "occurredAt":1772442000000}}"#
        )
    };
    let array = format!("[{},{}]", one(1), one(2));
    let plain = events(&decoder(System::HubSpot), &array);
    for body in [
        format!("{{\"specversion\":\"1.0\",\"id\":\"1\",\"data\":{array}}}"),
        format!("{{\"schema\":{{\"type\":\"array\"}},\"payload\":{array}}}"),
    ] {
        let told = events(&decoder(System::HubSpot), &body);
        let names = |all: &[Event<'_>]| all.iter().map(|e| e.id.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&told), names(&plain));
    }
}

/// A deletion that names no time happened when its envelope says, at the latest.
#[test]
fn an_envelope_dates_what_has_no_time() {
    let body = r#"{"specversion":"1.0","id":"1","time":"2026-03-04T09:03:20Z","data":
        {"Id":"0065g00000XyZ12AAF","_ObjectType":"Opportunity","_EventType":"deleted"}}"#;
    let told = events(&decoder(System::Salesforce), body);
    assert_eq!((told[0].op, told[0].time.to_string()), (Op::Delete, "2026-03-04T09:03:20Z".into()));
    let bare = body.replace("\"time\"", "\"tim\"");
    assert_eq!(codes(&decoder(System::Salesforce), &bare), ["MISSING_FIELD"]);
}

fn mapped(system: System, fields: &[(&str, Field)]) -> Decoder {
    let mut decoder = decoder(system);
    let own = |(name, field): &(&str, Field)| ((*name).to_owned(), FieldName::Known(*field));
    decoder.reading.fields = BTreeMap::from_iter(fields.iter().map(own));
    decoder
}

#[test]
fn fields_of_the_configuration_win_over_what_a_decoder_fills() {
    let order = r#"{"id":1,"financial_status":"paid","total_price":"12.00","currency":"USD",
        "current_total_price":"10.00","updated_at":"2026-03-02T09:00:00Z","cancelled_at":"2026-03-02T09:00:00Z"}"#;
    let shop = mapped(
        System::Shopify,
        &[("current_total_price", Field::Amount), ("financial_status", Field::Status)],
    );
    let told = events(&shop, order);
    assert_eq!(get(&told[0], Field::Amount), "10 USD");
    assert_eq!(get(&told[0], Field::Status), "paid");
    // It may be absent: what it takes the place of does not come back.
    let told = events(&shop, &order.replace("current_total_price", "other"));
    assert_eq!(get(&told[0], Field::Amount), "");

    let call = r#"{"type":"track","event":"Order Completed","messageId":"m","timestamp":"2026-03-02T09:00:00Z",
        "properties":{"order_id":"1","total":3,"net":2.5,"currency":"USD","utm":"Ours"},
        "context":{"campaign":{"name":"Theirs","medium":"email"}}}"#;
    let segment = mapped(System::Segment, &[("net", Field::Amount), ("utm", Field::Campaign)]);
    let told = events(&segment, call);
    assert_eq!(get(&told[0], Field::Amount), "2.5 USD");
    assert_eq!(get(&told[0], Field::Campaign), "Ours");
    assert_eq!(get(&told[0], Field::Medium), "email");
}

/// A score that is revised is the same response, later; a form says what its JSON says.
#[test]
fn a_survey_posted_as_a_form_is_read_like_its_json() {
    let form = "event_name=updated&timestamp=2026-03-02+15%3A25%3A07+-0700&response[id]=15181514\
        &response[score]=10&response[text]=better%26more&response[created_at]=2026-03-02+15%3A11%3A55+-0700\
        &response%5Bupdated_at%5D=2026-03-02+15%3A25%3A03+-0700&response[end_user_id]=6270\
        &response[end_user_properties][owner_id]=r-17";
    let json = r#"{"event_name": "updated", "response": {"id": "15181514", "score": "10",
        "created_at": "2026-03-02 15:11:55 -0700", "updated_at": "2026-03-02 15:25:03 -0700",
        "end_user_id": "6270", "end_user_properties": {"owner_id": "r-17"}}}"#;
    let [form, json] = [form, json].map(|body| events(&decoder(System::Survey), body));
    assert_eq!((form.len(), &form), (1, &json));
    assert_eq!(get(&form[0], Field::Score), "10");
    assert_eq!(get(&form[0], Field::Owner), "r-17");
    let first = json_event(
        r#"{"event_name": "created", "response": {"id": "15181514", "score": "7",
        "created_at": "2026-03-02 15:11:55 -0700", "updated_at": "2026-03-02 15:11:55 -0700"}}"#,
    );
    assert_eq!((&first.entity, first.op), (&form[0].entity, Op::Create));
    assert!(first.order < form[0].order && form[0].op == Op::Snapshot);
}

fn json_event(body: &str) -> Event<'static> {
    events(&decoder(System::Survey), body).remove(0)
}

/// A question is named by its ref: it may fill any field, and be a score whatever its name.
#[test]
fn questions_of_typeform_are_mapped_by_their_ref() {
    let file = format!("{}/tests/fixtures/typeform/responses.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).unwrap();
    let whole: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let body = whole[1].to_string();
    let mut decoder = mapped(System::Typeform, &[("how_happy", Field::Score)]);
    let industry = FieldName::Custom("industry".into());
    decoder.reading.fields.insert("industry".to_owned(), industry.clone());
    let told = events(&decoder, &body);
    let [touch, happy, nps] = &told[..] else { panic!("{told:?}") };
    assert!(touch.set.contains(&(industry, Value::Text("Retail".into()))));
    let score = |event: &Event<'_>| (get(event, Field::Metric), get(event, Field::Score));
    assert_eq!(score(happy), ("csat".to_owned(), "3".to_owned()), "the metric of the form");
    assert_eq!(score(nps), ("nps".to_owned(), "8".to_owned()), "the metric of the question");
    assert_eq!((get(nps, Field::ScaleMax), get(happy, Field::ScaleMax)), ("10".into(), "".into()));
    let plain = events(&crate::decoder(System::Typeform), &body);
    assert_eq!(plain.len(), 2, "without it only what its ref says is a score");
}

#[test]
fn money_of_fields_of_ones_own_is_in_the_currency_of_the_row() {
    let body = change("\"a\"", "\"Net__c\"", "N\",\"Net__c\":7,\"CurrencyIsoCode\":\"USD");
    let told = events(&mapped(System::Salesforce, &[("Net__c", Field::Amount)]), &body);
    assert_eq!(get(&told[0], Field::Amount), "7 USD");
    // What the company counts in is no matter of the row.
    let told = events(&mapped(System::Salesforce, &[("Net__c", Field::AmountHome)]), &body);
    assert_eq!(get(&told[0], Field::AmountHome), "7 EUR");
}

/// One event of Shopify's is told under two topics, and of two resources.
#[test]
fn shopify_events_are_named_by_topic_and_resource() {
    let of = |topic: &str, id: u32| {
        let body = format!(
            r#"{{"headers":{{"X-Shopify-Topic":"{topic}","X-Shopify-Event-Id":"e",
                "X-Shopify-Triggered-At":"2026-03-02T09:00:00Z"}},
                "body":{{"id":{id},"total_price":"1","currency":"EUR"}}}}"#
        );
        events(&decoder(System::Shopify), &body)[0].id.to_string()
    };
    assert_eq!(of("orders/paid", 1), "shopify:orders/paid:1:e");
    assert_eq!(of("orders/updated", 2), "shopify:orders/updated:2:e");
}

/// Shopify signs the body alone: whoever has one may send it again with headers of his own.
#[test]
fn headers_of_shopify_that_the_signed_body_contradicts_are_not_believed() {
    let of = |topic: &str, at: &str, body: &str| {
        format!(
            r#"{{"headers":{{"X-Shopify-Topic":"{topic}","X-Shopify-Triggered-At":"{at}",
                "X-Shopify-Event-Id":"forged"}},"body":{body}}}"#
        )
    };
    let order = r#"{"id":7,"admin_graphql_api_id":"gid://shopify/Order/7","created_at":"2026-03-01T09:00:00Z",
        "updated_at":"2026-03-02T09:00:00Z","financial_status":"pending","total_price":"1","currency":"EUR"}"#;
    let (decoder, later) = (decoder(System::Shopify), "2026-03-09T09:00:00Z");
    // A whole order is no deletion, nor is a customer an order.
    let customer = r#"{"id":7,"admin_graphql_api_id":"gid://shopify/Customer/7"}"#;
    for (topic, body) in [
        ("orders/delete", order),
        ("customers/delete", order),
        ("customers/create", order),
        ("orders/create", customer),
        ("orders/delete", customer),
    ] {
        assert_eq!(codes(&decoder, &of(topic, later, body)), ["UNKNOWN_SHAPE"], "{topic}");
    }
    // Deletions as they are.
    for (topic, body) in [("orders/delete", r#"{"id":7}"#), ("customers/delete", customer)] {
        assert_eq!(events(&decoder, &of(topic, later, body))[0].op, Op::Delete, "{topic}");
    }
    // What is sent again is no newer for it: at most it goes behind others of its second.
    let told = events(&decoder, &of("orders/updated", later, order)).remove(0);
    let second = events(&decoder, order).remove(0).order;
    assert_eq!((told.order[0], told.order[1]), (second[0], 60_000_000));
    let told = events(&decoder, &of("orders/updated", "2026-03-01T00:00:00Z", order)).remove(0);
    assert_eq!(told.order, second);
    // Nor is it paid where it says that it is not.
    let told = events(&decoder, &of("orders/paid", later, order)).remove(0);
    assert_eq!(get(&told, Field::PaidAt), "");
    let paid = order.replace("pending", "paid");
    let told = events(&decoder, &of("orders/paid", later, &paid)).remove(0);
    assert!(get(&told, Field::PaidAt).contains("1772442000"), "{}", get(&told, Field::PaidAt));
}

#[test]
fn hubspot_associations_and_conversations_are_ignored_with_a_reason() {
    let hook = |kind: &str| {
        format!(r#"{{"subscriptionType":"{kind}","objectId":1,"occurredAt":1772442000000}}"#)
    };
    let journal = r#"{"journalEvents":[{"type":"ASSOCIATION","action":"CREATE"}]}"#;
    for (body, reason) in [
        (hook("deal.associationChange"), "type_not_read"),
        (hook("company.associationChange"), "entity_not_read"),
        (hook("conversation.creation"), "entity_not_read"),
        (journal.to_owned(), "type_not_read"),
    ] {
        let record = record(&body);
        let taken = decoder(System::HubSpot).take(&record, now());
        let reasons: Vec<_> = taken.ignored.iter().map(|i| i.reason.as_str()).collect();
        assert_eq!((reasons, taken.dead_letters.len()), (vec![reason], 0), "{body}");
    }
}

#[test]
fn splits_come_as_a_list_or_as_a_text_that_holds_one() {
    let packed = |decoder: &Decoder, body: &str| {
        let found = events(decoder, body).remove(0).set.into_iter();
        let found = found.filter(|(name, _)| *name == FieldName::Known(Field::Splits));
        found.map(|(_, value)| value).collect::<Vec<_>>()
    };
    let text = r#"[{\"owner\":\"005A\",\"share\":0.7},{\"owner\":\"005B\",\"share\":\"0.30\"}]"#;
    let list = text.replace('\\', "");
    let rule = "[[map]]\nentity = { type = \"deal\", id = \"id\" }\n\
        time = { from = \"t\", time = \"ms\" }\n\
        [map.set]\nsplits = \"s\"\n";
    let mapping = tidemark::config::mapping_from_toml(rule, "own.toml").unwrap();
    let mut mapping_decoder = decoder(System::Canonical);
    mapping_decoder.reading.mapping = Some(std::sync::Arc::new(mapping));
    let field = change("\"a\"", "\"Splits__c\"", &format!("N\",\"Splits__c\":\"{text}"));
    let salesforce = mapped(System::Salesforce, &[("Splits__c", Field::Splits)]);
    let all = [
        packed(&salesforce, &field),
        packed(&mapping_decoder, &format!(r#"{{"id":1,"t":1772438400000,"s":{list}}}"#)),
        packed(&mapping_decoder, &format!(r#"{{"id":1,"t":1772438400000,"s":"{text}"}}"#)),
    ];
    for found in all {
        let [Value::Splits(splits)] = &found[..] else { panic!("{found:?}") };
        assert_eq!(splits.packed(), "0;70000000;4;005A0;30000000;4;005B");
    }
    assert_eq!(packed(&mapping_decoder, r#"{"id":1,"t":1772438400000,"s":null}"#), [Value::Null]);
    assert_eq!(packed(&mapping_decoder, r#"{"id":1,"t":1772438400000,"s":[]}"#), [Value::Null]);
    let half = format!(r#"{{"id":1,"t":1772438400000,"s":{}}}"#, list.replace("0.7", "0.5"));
    assert_eq!(codes(&mapping_decoder, &half), ["BAD_SPLITS"]);
    let refused = rule.replace("\"s\"", "{ from = \"s\", number = true }");
    let told = tidemark::config::mapping_from_toml(&refused, "own.toml").unwrap_err().to_string();
    assert!(told.contains("a list of owners and shares"), "{told}");
}

#[test]
fn what_hubspot_converted_is_in_the_currency_of_the_company() {
    for (kind, code, native) in [
        ("0-53", "hs_currency", "hs_amount_billed_in_company_currency"),
        ("0-123", "hs_currency_code", "hs_homecurrency_amount"),
        ("0-101", "hs_currency_code", "hs_initial_amount_in_portal_currency"),
    ] {
        let mut hubspot = decoder(System::HubSpot);
        hubspot.reading.fields =
            BTreeMap::from([(native.to_owned(), FieldName::Known(Field::Amount))]);
        let body = format!(
            r#"{{"occurredAt":"2026-07-01T10:00:00Z","action":"UPDATE","objectTypeId":"{kind}",
            "objectId":1,"propertyChanges":{{"{code}":"USD","{native}":"9.5"}}}}"#
        );
        assert_eq!(get(&events(&hubspot, &body)[0], Field::Amount), "9.5 EUR", "{native}");
    }
}

#[test]
fn an_order_of_hubspot_tells_what_was_refunded_in_its_currency() {
    let body = r#"{"occurredAt":"2026-07-01T10:00:00Z","action":"UPDATE","objectTypeId":"0-123",
        "objectId":1,"propertyChanges":{"hs_currency_code":"GBP","hs_refund_amount":"4.90"}}"#;
    assert_eq!(get(&events(&decoder(System::HubSpot), body)[0], Field::Refunded), "4.9 GBP");
}

#[test]
fn a_payment_of_hubspot_is_paid_when_it_succeeded_or_when_the_company_says() {
    let at = |seconds: i64| format!("{:?}", Value::Time(Timestamp(seconds * 1_000_000)));
    let body = r#"{"occurredAt":"2026-07-04T00:00:00Z","action":"UPDATE","objectTypeId":"0-101",
        "objectId":1,"propertyChanges":{"hs_latest_status":"STATUS","hs_initiated_date":1772442000000}}"#;
    let mut hubspot = decoder(System::HubSpot);
    for (status, paid) in [
        ("succeeded", at(1_783_123_200)),
        ("failed", format!("{:?}", Value::Null)),
        ("refunded", String::new()),
    ] {
        let event = events(&hubspot, &body.replace("STATUS", status)).remove(0);
        assert_eq!(get(&event, Field::PaidAt), paid, "{status}");
    }
    let paid_at = FieldName::Known(Field::PaidAt);
    hubspot.reading.fields = BTreeMap::from([("hs_initiated_date".to_owned(), paid_at)]);
    let event = events(&hubspot, &body.replace("STATUS", "succeeded")).remove(0);
    assert_eq!(get(&event, Field::PaidAt), at(1_772_442_000));
    // The status may come alone.
    let alone = body.replace(r#","hs_initiated_date":1772442000000"#, "");
    let event = events(&hubspot, &alone.replace("STATUS", "succeeded")).remove(0);
    assert_eq!(get(&event, Field::PaidAt), "");
}

/// What is around an exploded array may be large, and what is made of it is made for each element.
#[test]
fn a_mapping_cannot_be_made_to_work_for_ever() {
    let mapping = "[[map]]\nexplode = \"all\"\nentity = { type = \"deal\", id = \"@\" }\n\
                   time = { from = \"t\", time = \"ms\" }\n[map.set]\n\
                   name = { concat = [{ from = \"long\", hash = true }, \"@\"] }\n";
    let mut decoder = decoder(System::Canonical);
    let mapping = tidemark::config::mapping_from_toml(mapping, "own.toml").unwrap();
    decoder.reading.mapping = Some(std::sync::Arc::new(mapping));
    let body = |n: usize| {
        let all: Vec<String> = (0..n).map(|i| i.to_string()).collect();
        let long = "x".repeat(500_000);
        format!(r#"{{"t":1772442000000,"all":[{}],"long":"{long}"}}"#, all.join(","))
    };
    assert_eq!(events(&decoder, &body(100)).len(), 100);
    assert_eq!(codes(&decoder, &body(200)), ["TOO_LARGE"]);
}

#[test]
fn a_currency_of_hubspot_may_fill_a_field_of_the_company_too() {
    let own = FieldName::Custom("cur".into());
    let mut hubspot = decoder(System::HubSpot);
    hubspot.reading.fields = BTreeMap::from([("hs_currency".to_owned(), own.clone())]);
    for changes in [r#""hs_currency":"USD","hs_amount_billed":"7""#, r#""hs_currency":"USD""#] {
        let body = format!(
            r#"{{"occurredAt":"2026-07-01T10:00:00Z","action":"UPDATE","objectTypeId":"0-53",
            "objectId":1,"propertyChanges":{{{changes}}}}}"#
        );
        let event = events(&hubspot, &body).remove(0);
        let held = event.set.iter().find(|(name, _)| *name == own).map(|(_, value)| value);
        assert_eq!(held, Some(&Value::Text("USD".into())), "{changes}");
        let amount = if changes.contains("billed") { "7 USD" } else { "" };
        assert_eq!(get(&event, Field::Amount), amount);
    }
}

#[test]
fn a_label_of_pipedrive_that_is_no_list_does_not_clear_the_stage() {
    let pipedrive = decoder(System::Pipedrive);
    let body = |labels: &str| {
        format!(
            r#"{{"meta":{{"action":"create","entity_id":"1","entity":"lead",
            "timestamp":"2026-03-02T09:00:00Z"}},"data":{{"label_ids":{labels}}}}}"#
        )
    };
    for (labels, stage) in [(r#""hot""#, "hot"), ("7", "7"), (r#"["hot","cold"]"#, "hot")] {
        assert_eq!(get(&events(&pipedrive, &body(labels))[0], Field::Stage), stage);
    }
    assert_eq!(codes(&pipedrive, &body(r#"{"hot":1}"#)), ["DECODE_JSON"]);
}
