//! Shopify: webhooks (<https://shopify.dev/docs/api/webhooks>). The body is the resource; its topic,
//! its event and its instant are in headers, in the spelling with `X-` or the new one without. The
//! signature covers the body alone, so that whoever has a signed body can send it again with other
//! headers: the body goes before them. Its `updated_at` orders changes, and a topic that the body
//! contradicts is not read.
//! Where a bridge dropped the headers, orders are known by their fields.

use rust_decimal::Decimal;

use super::digits::money;
use super::json::{Json, Object};
use super::link;
use super::make::{How, Moment, Outline, Unit, hashed, required};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{EntityKind, Field, FieldName, Op, Value};
use crate::model::source::Unread;
use crate::model::time::Timestamp;

const ORDER: &[(&str, Field)] = &[
    ("financial_status", Field::Status),
    ("source_name", Field::Channel),
    // Of an order taken at a till.
    ("user_id", Field::Owner),
    ("created_at", Field::CreatedAt),
    // In the shop's currency, like the amount, which is what is left.
    ("total_discounts", Field::Discount),
];

/// Where an order was taken, as a channel: in the web shop, when nothing else is known of how
/// somebody came there, at a till, by staff. Others are numbers of apps, and words of their own.
const TAKEN: [(&str, &str); 3] =
    [("web", "Direct"), ("pos", "Point of Sale"), ("shopify_draft_order", "Draft Orders")];

/// What an order's `financial_status` is once it is paid.
const PAID: [&str; 3] = ["paid", "partially_refunded", "refunded"];
/// Most that the header may put a change behind another one of the same second, microseconds.
const TIE: i64 = 60_000_000;

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let header = |name: &str| {
        let with = format!("x-shopify-{name}");
        context.header(&with).or_else(|| context.header(&with[2..])).map(str::to_owned)
    };
    let is_order = object.has("financial_status") && object.has("total_price");
    let topic = match header("topic") {
        Some(topic) => topic,
        None if is_order => "orders/updated".to_owned(),
        None => return Err(unknown_shape("the header X-Shopify-Topic, or an order")),
    };
    if header("test").as_deref() == Some("true") || object.get("test").boolean() == Some(true) {
        out.test();
        return Ok(());
    }
    let (entity, op) = match topic.split_once('/').unwrap_or_default() {
        ("orders", "create") => (EntityKind::Order, Op::Create),
        ("orders", "delete") => (EntityKind::Order, Op::Delete),
        ("orders", _) => (EntityKind::Order, Op::Update),
        ("customers", "create") => (EntityKind::Lead, Op::Create),
        ("customers", "delete") => (EntityKind::Lead, Op::Delete),
        ("subscription_contracts", "create") => (EntityKind::Subscription, Op::Create),
        ("subscription_contracts", "update") => (EntityKind::Subscription, Op::Update),
        // One refund is not what was refunded of the order; the order tells that itself.
        ("refunds", _) => {
            out.ignore(Unread::SaysNothingAlone, topic);
            return Ok(());
        }
        _ => {
            out.ignore(Unread::TypeNotRead, topic);
            return Ok(());
        }
    };
    let id = id_in(object)?;
    vouched(object, (entity, op), &topic)?;
    let triggered = header("triggered-at");
    let moment = when(context, object, triggered.as_deref())?;
    let mut outline = Outline::new(entity, &*id, op, moment);
    // Of changes in one second the header says which was later.
    let after = triggered.as_deref().and_then(Timestamp::parse_rfc3339);
    let after = after.map_or(0, |triggered| triggered.0.saturating_sub(moment.at.0));
    outline.order[1] = outline.order[1].max(after.clamp(0, TIE));
    match entity {
        _ if op == Op::Delete => {}
        EntityKind::Order => order(context, object, &topic, &mut outline)?,
        EntityKind::Subscription => contract(context, object, &mut outline)?,
        _ => {
            outline.field(context, Field::CreatedAt, object.get("created_at"), &plain())?;
            context.own(object, &plain(), &mut outline)?;
        }
    }
    let name = header("event-id").or_else(|| header("webhook-id")).unwrap_or_else(|| {
        let state: Vec<_> = object.iter().map(|(n, json)| format!("{n}={}", json.raw())).collect();
        format!("{}:{}", moment.at.0, hashed(&state.join("&")))
    });
    // One event of theirs may be told under several topics.
    let name = format!("{topic}:{id}:{name}");
    out.event(context, outline, &name)
}

/// When it changed: as the body says, which is signed; else as the header does.
fn when(
    context: &Context<'_>,
    object: &Object<'_>,
    triggered: Option<&str>,
) -> Result<Moment, Reason> {
    let updated = object.get("updated_at");
    let text = triggered.map(|text| format!("\"{text}\""));
    let triggered = text.as_deref().and_then(|text| Json::parse(text).ok());
    let at = if updated.is_empty() { triggered.unwrap_or(updated) } else { updated };
    required(context, "updated_at or X-Shopify-Triggered-At", at, Unit::Seconds)
}

/// Refuses a topic that the body contradicts.
fn vouched(object: &Object<'_>, of: (EntityKind, Op), topic: &str) -> Result<(), Reason> {
    let global = object.text("admin_graphql_api_id");
    let kind =
        global.as_deref().and_then(|id| id.strip_prefix("gid://shopify/")?.split('/').next());
    let wanted = match of.0 {
        EntityKind::Order => "Order",
        EntityKind::Lead => "Customer",
        _ => "SubscriptionContract",
    };
    let why = match kind {
        Some(kind) if kind != wanted => format!("the body is of the resource \"{kind}\""),
        // A deletion names what is gone, and tells no more of it.
        _ if of.1 == Op::Delete && ["created_at", "updated_at"].iter().any(|n| object.has(n)) => {
            "the body is a whole resource, and not that of a deletion".to_owned()
        }
        _ => return Ok(()),
    };
    let what = format!(
        "X-Shopify-Topic is \"{topic}\", and {why}: the body is signed, and the header is not"
    );
    Err(Reason::new(Code::UnknownShape, what))
}

fn plain() -> How<'static> {
    How::plain(Unit::Seconds)
}

/// The number. Programs that read JSON numbers as floats on the way cannot spoil the one in the
/// global id.
fn id_in(object: &Object<'_>) -> Result<String, Reason> {
    let global = object.text("admin_graphql_api_id");
    let tail = global.as_deref().and_then(|id| id.rsplit('/').next()).filter(|t| !t.is_empty());
    match tail {
        Some(tail) => Ok(tail.to_owned()),
        None => id_of(object, "id").map(|id| id.into_owned()),
    }
}

fn order(
    context: &Context<'_>,
    object: &Object<'_>,
    topic: &str,
    outline: &mut Outline,
) -> Result<(), Reason> {
    // In the shop's currency; the customer may have seen another one.
    let shop = object.object("total_price_set").and_then(|set| set.object("shop_money"));
    let (amount, currency) = match &shop {
        Some(shop) => (shop.get("amount"), shop.text("currency_code")),
        None => (object.get("total_price"), object.text("currency")),
    };
    let how = How { currency: currency.as_deref(), ..plain() };
    if let Some(address) = object.text("landing_site") {
        link::landed(&address, outline);
    }
    link::referred(context, object.get("referring_site"), Json::NULL, outline);
    let brought = outline.states(Field::Medium) || outline.states(Field::Referrer);
    for (name, json) in object.iter() {
        let field = context.field(name, ORDER);
        // That it was bought in the web shop says less than what led there.
        let is_shop = name == "source_name" && field == Some(FieldName::Known(Field::Channel));
        if let Some(field) = field.filter(|_| !(is_shop && brought)) {
            outline.state(context, &field, json, &how)?;
        }
        if is_shop && context.decoder.reading.channels.default_grouping {
            outline.reword(Field::Channel, &TAKEN);
        }
    }
    if !object.get("cancelled_at").is_empty() {
        outline.text(Field::Status, "cancelled");
    }
    let is_paid = object.text("financial_status");
    let is_paid = is_paid.is_none_or(|status| PAID.contains(&&*status));
    if topic == "orders/paid" && is_paid {
        outline.put(FieldName::Known(Field::PaidAt), Value::Time(outline.time()));
    }
    if let Some(customer) = object.object("customer") {
        outline.field(context, Field::Customer, customer.get("id"), &plain())?;
    }
    outline.field(context, Field::Amount, amount, &how)?;
    if object.has("refunds") {
        let value = match refunded(context, object, currency.as_deref())? {
            Some(sum) => Value::Money(money(context, "refunds", &sum.to_string(), &how)?),
            // What it was before holds no more either.
            None => Value::Null,
        };
        outline.put(FieldName::Known(Field::Refunded), value);
    }
    Ok(())
}

/// What all refunds of an order paid back: their transactions, or where there are none the lines.
/// None where one was paid in another currency than the shop's, and does not say what it was there.
fn refunded(
    context: &Context<'_>,
    object: &Object<'_>,
    shop: Option<&str>,
) -> Result<Option<Decimal>, Reason> {
    let mut sum = Decimal::ZERO;
    let mut add = |text: Option<std::borrow::Cow<'_, str>>| -> Result<(), Reason> {
        let bad = || Reason::new(Code::BadAmount, "refunds: an amount is not a decimal number");
        let Some(text) = text else { return Ok(()) };
        let amount = text.parse::<Decimal>().map_err(|_| bad())?;
        sum = sum.checked_add(amount).ok_or_else(bad)?;
        Ok(())
    };
    let refunds = context.list(object.get("refunds"))?;
    for refund in refunds.into_iter().filter_map(|json| json.object()) {
        let transactions = context.list(refund.get("transactions"))?;
        for transaction in transactions.iter().filter_map(|json| json.object()) {
            let failed = transaction.text("status").is_some_and(|s| s != "success");
            let refunds = transaction.text("kind").is_none_or(|kind| kind == "refund");
            if !refunds || failed {
                continue;
            }
            let in_shop = |code: &str| shop.is_none_or(|shop| shop.eq_ignore_ascii_case(code));
            if transaction.text("currency").is_none_or(|code| in_shop(&code)) {
                add(transaction.text("amount"))?;
                continue;
            }
            let set = transaction.object("amount_set").and_then(|set| set.object("shop_money"));
            let set = set.filter(|set| set.text("currency_code").is_none_or(|c| in_shop(&c)));
            let Some(amount) = set.and_then(|set| set.text("amount")) else { return Ok(None) };
            add(Some(amount))?;
        }
        if transactions.is_empty() {
            let lines = context.list(refund.get("refund_line_items"))?;
            for line in lines.into_iter().filter_map(|json| json.object()) {
                add(line.text("subtotal"))?;
            }
        }
    }
    Ok(Some(sum))
}

fn contract(
    context: &Context<'_>,
    object: &Object<'_>,
    outline: &mut Outline,
) -> Result<(), Reason> {
    outline.field(context, Field::Status, object.get("status"), &plain())?;
    outline.field(context, Field::Customer, object.get("customer_id"), &plain())?;
    context.own(object, &plain(), outline)
}
