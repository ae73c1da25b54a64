//! Stripe: events of webhooks (<https://docs.stripe.com/api/events>). Versions of the API
//! since 2025-03-31 name the invoice of a payment in an event of its own only.
//!
//! Events come in no order and `created` counts whole seconds, so those of one second are ranked
//! by their type: created before updated before paid before refunded before ended. Amounts are
//! whole numbers of the currency's smallest unit, as Stripe counts it
//! (<https://docs.stripe.com/currencies>).

use rust_decimal::Decimal;

use super::digits::money;
use super::json::{Json, Object};
use super::link;
use super::make::{How, Moment, Outline, Unit, missing, required};
use super::native::{Context, Out, id_of, unknown_shape};
use crate::model::deadletter::Reason;
use crate::model::event::{EntityKind, Field, FieldName, Op, Value};
use crate::model::source::Unread;

/// Currencies that Stripe counts in whole units. ISK and UGX have no smaller unit either, and yet
/// Stripe counts hundredths of them.
const WHOLE: [&str; 15] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];
/// Currencies that are counted in thousandths.
const THOUSANDTHS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

const SUBSCRIPTION: &[(&str, Field)] = &[
    ("status", Field::Status),
    ("customer", Field::Customer),
    ("start_date", Field::StartedAt),
    ("ended_at", Field::EndedAt),
    ("created", Field::CreatedAt),
];

const INVOICE: &[(&str, Field)] = &[
    ("status", Field::Status),
    ("total", Field::Amount),
    ("customer", Field::Customer),
    ("created", Field::CreatedAt),
];

/// What was credited of an invoice after it was paid.
const CREDITED: &str = "post_payment_credit_notes_amount";

const PAYMENT: &[(&str, Field)] = &[
    ("status", Field::Status),
    ("amount", Field::Amount),
    ("amount_total", Field::Amount),
    ("customer", Field::Customer),
    ("created", Field::CreatedAt),
];

/// An event and what it is about.
struct Told<'e, 'a> {
    kind: &'e str,
    id: &'e str,
    moment: Moment,
    object: &'e Object<'a>,
    previous: Option<Object<'a>>,
}

/// Reads one element.
pub fn decode(context: &Context<'_>, event: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let about = event.object("data").and_then(|data| data.object("object"));
    let (Some("event"), Some(kind), Some(object)) =
        (event.text("object").as_deref(), event.text("type"), about)
    else {
        return Err(unknown_shape("an object \"event\" with type and data.object"));
    };
    if event.get("livemode").boolean() == Some(false) {
        out.test();
        return Ok(());
    }
    let id = event.text("id").ok_or_else(|| missing("id"))?;
    let moment = required(context, "created", event.get("created"), Unit::Seconds)?;
    let previous = event.object("data").and_then(|data| data.object("previous_attributes"));
    let told = Told { kind: &kind, id: &id, moment, object: &object, previous };
    match &*kind {
        "customer.created" | "customer.deleted" => customer(context, &told, out),
        _ if kind.starts_with("customer.subscription.") => subscription(context, &told, out),
        // Of an invoice to come there is no id.
        "invoice.upcoming" => told.unread(out),
        _ if kind.starts_with("invoice.") => invoice(context, &told, out),
        "invoice_payment.paid" => paid_by(context, &told, out),
        "charge.succeeded" | "charge.captured" | "charge.refunded" => charge(context, &told, out),
        "payment_intent.succeeded"
        | "checkout.session.completed"
        | "checkout.session.async_payment_succeeded" => payment(context, &told, out),
        _ => told.unread(out),
    }
}

impl Told<'_, '_> {
    fn unread(&self, out: &mut Out) -> Result<(), Reason> {
        out.ignore(Unread::TypeNotRead, self.kind);
        Ok(())
    }

    fn outline(&self, entity: EntityKind, id: &str, op: Op) -> Outline {
        let mut outline = Outline::new(entity, id, op, self.moment);
        outline.order = [self.moment.at.millis(), self.rank()];
        outline
    }

    /// Which of two events of one second was later.
    fn rank(&self) -> i64 {
        match self.kind.rsplit('.').next().unwrap_or_default() {
            "created" => 0,
            "payment_failed" => 2,
            "paid"
            | "succeeded"
            | "captured"
            | "payment_succeeded"
            | "completed"
            | "async_payment_succeeded" => 3,
            "refunded" => 4,
            "deleted" | "voided" | "marked_uncollectible" => 5,
            _ => 1,
        }
    }

    /// The event, with what its metadata say of the link that led to it.
    fn emit(
        &self,
        context: &Context<'_>,
        mut outline: Outline,
        out: &mut Out,
    ) -> Result<(), Reason> {
        if let Some(metadata) = self.object.object("metadata") {
            link::tags(context, &metadata, &mut outline)?;
        }
        out.event(context, outline, self.id)
    }

    /// Whether an update touched nothing that is read.
    fn is_idle(&self, reads: &[&str], table: &[(&str, Field)]) -> bool {
        let Some(previous) = self.previous.as_ref().filter(|_| self.kind.ends_with(".updated"))
        else {
            return false;
        };
        let is_read = |name: &str| reads.contains(&name) || table.iter().any(|(n, _)| *n == name);
        !previous.iter().any(|(name, _)| is_read(name))
    }

    fn state(
        &self,
        context: &Context<'_>,
        table: &[(&str, Field)],
        outline: &mut Outline,
    ) -> Result<(), Reason> {
        let currency = self.object.text("currency");
        let how = in_minor(currency.as_deref());
        for (name, json) in self.object.iter() {
            if let Some(field) = context.field(name, table) {
                outline.state(context, &field, reference(json), &how)?;
            }
        }
        Ok(())
    }
}

/// A reference is an id, or the object itself where the webhook expands it.
fn reference(json: Json<'_>) -> Json<'_> {
    json.object().map_or(json, |object| object.get("id"))
}

fn decimals(currency: &str) -> u32 {
    let is = |list: &[&str]| list.iter().any(|code| code.eq_ignore_ascii_case(currency));
    match (is(&WHOLE), is(&THOUSANDTHS)) {
        (true, _) => 0,
        (_, true) => 3,
        _ => 2,
    }
}

fn in_minor(currency: Option<&str>) -> How<'_> {
    let shift = -(decimals(currency.unwrap_or_default()) as i32);
    How { unit: Unit::Seconds, currency, shift }
}

fn customer(context: &Context<'_>, told: &Told<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    let op = if told.kind == "customer.deleted" { Op::Delete } else { Op::Create };
    let mut outline = told.outline(EntityKind::Lead, &id_of(told.object, "id")?, op);
    if op == Op::Create {
        context.own(told.object, &How::plain(Unit::Seconds), &mut outline)?;
    }
    told.emit(context, outline, out)
}

fn subscription(context: &Context<'_>, told: &Told<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    let reads = ["items", "quantity", "plan", "cancellation_details", "currency"];
    if told.is_idle(&reads, SUBSCRIPTION) {
        out.ignore(Unread::FieldNotRead, told.kind);
        return Ok(());
    }
    let op = match told.kind {
        "customer.subscription.created" => Op::Create,
        // It ended; it is not as if it had never been.
        _ => Op::Update,
    };
    let mut outline = told.outline(EntityKind::Subscription, &id_of(told.object, "id")?, op);
    told.state(context, SUBSCRIPTION, &mut outline)?;
    let items = told.object.object("items").map_or(Json::NULL, |list| list.get("data"));
    let items = context.list(items)?;
    let items: Vec<Object<'_>> = items.into_iter().filter_map(Json::object).collect();
    if let Some(price) = items.first().and_then(price_of).and_then(|price| price.text("id")) {
        outline.text(Field::Plan, price);
    }
    let mrr = match (monthly(&items), told.object.text("currency")) {
        (Some(mrr), Some(currency)) => {
            Value::Money(money(context, "mrr", &mrr.to_string(), &in_minor(Some(&currency)))?)
        }
        // What it was before holds no more either.
        _ => Value::Null,
    };
    if !items.is_empty() {
        outline.put(FieldName::Known(Field::Mrr), mrr);
    }
    if let Some(details) = told.object.object("cancellation_details") {
        outline.field(context, Field::Reason, details.get("reason"), &in_minor(None))?;
    }
    told.emit(context, outline, out)
}

fn price_of<'a>(item: &Object<'a>) -> Option<Object<'a>> {
    item.object("price").or_else(|| item.object("plan"))
}

/// What the items cost a month, in minor units rounded to two decimals. None where a part of it is
/// not known beforehand: tiers, metered use.
fn monthly(items: &[Object<'_>]) -> Option<Decimal> {
    let mut sum = Decimal::ZERO;
    for item in items {
        let price = price_of(item)?;
        // So many pieces are one unit: rounded up or down, as the price says.
        if price.object("transform_quantity").is_some() {
            return None;
        }
        let terms = price.object("recurring").unwrap_or_else(|| price.clone());
        if terms.text("usage_type").as_deref() == Some("metered") {
            return None;
        }
        let amounts = ["unit_amount_decimal", "unit_amount", "amount_decimal", "amount"];
        let amount = amounts.iter().find_map(|name| price.text(name))?;
        let quantity = item.text("quantity").unwrap_or("1".into());
        let (times, months) = match terms.text("interval")?.as_ref() {
            "year" => (1, 12),
            "month" => (1, 1),
            "week" => (52, 12),
            "day" => (365, 12),
            _ => return None,
        };
        let count = match terms.get("interval_count") {
            absent if absent.is_empty() => 1,
            count => count.whole().filter(|n| (1..=10_000).contains(n))?,
        };
        let cost = amount.parse::<Decimal>().ok()?.checked_mul(quantity.parse().ok()?)?;
        let cost = cost.checked_mul(times.into())?.checked_div(Decimal::from(months * count))?;
        sum = sum.checked_add(cost)?;
    }
    (!items.is_empty()).then(|| sum.round_dp(2).normalize())
}

fn invoice(context: &Context<'_>, told: &Told<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    if told.is_idle(&["status_transitions", "currency", CREDITED], INVOICE) {
        out.ignore(Unread::FieldNotRead, told.kind);
        return Ok(());
    }
    let op = match told.kind {
        "invoice.created" => Op::Create,
        "invoice.deleted" => Op::Delete,
        _ => Op::Update,
    };
    let mut outline = told.outline(EntityKind::Invoice, &id_of(told.object, "id")?, op);
    if op != Op::Delete {
        told.state(context, INVOICE, &mut outline)?;
        if let Some(transitions) = told.object.object("status_transitions") {
            outline.field(context, Field::PaidAt, transitions.get("paid_at"), &in_minor(None))?;
        }
        // Where charges name their invoice, they tell what was refunded, also without a credit note.
        let names_charge = told.object.has("charge");
        let changed = told.previous.as_ref().is_some_and(|previous| previous.has(CREDITED));
        let credited = told.object.get(CREDITED);
        if changed && !names_charge {
            let currency = told.object.text("currency");
            outline.field(context, Field::Refunded, credited, &in_minor(currency.as_deref()))?;
        }
    }
    told.emit(context, outline, out)
}

/// What was paid by this intent, or charge, is told by the invoice that it paid: it is no order of
/// its own. Since version 2025-03-31 of Stripe's API neither names its invoice.
fn paid_by(context: &Context<'_>, told: &Told<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    let payment = told.object.object("payment");
    let by = |name| payment.as_ref().and_then(|payment| reference(payment.get(name)).text());
    let Some(id) = by("payment_intent").or_else(|| by("charge")) else {
        // Paid outside of Stripe: there is no charge.
        return told.unread(out);
    };
    out.event(context, told.outline(EntityKind::Order, &id, Op::Delete), told.id)
}

/// The amount of an invoice is told by the invoice; of another charge by the charge.
fn charge(context: &Context<'_>, told: &Told<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    if told.object.get("captured").boolean() == Some(false) {
        // Only put aside: nothing was paid, and what is released was not paid back.
        out.ignore(Unread::SaysNothingAlone, format!("{}, not captured", told.kind));
        return Ok(());
    }
    let currency = told.object.text("currency");
    let refunded = told.object.get("amount_refunded");
    let how = in_minor(currency.as_deref());
    if let Some(invoice) = reference(told.object.get("invoice")).text() {
        if told.kind != "charge.refunded" {
            return told.unread(out);
        }
        let mut outline = told.outline(EntityKind::Invoice, &invoice, Op::Update);
        outline.field(context, Field::Refunded, refunded, &how)?;
        return told.emit(context, outline, out);
    }
    let intent = reference(told.object.get("payment_intent")).text();
    let id = match intent {
        Some(id) => id,
        None => id_of(told.object, "id")?,
    };
    let mut outline = told.outline(EntityKind::Order, &id, Op::Update);
    told.state(context, PAYMENT, &mut outline)?;
    outline.field(context, Field::Refunded, refunded, &how)?;
    match told.kind {
        "charge.succeeded" => {
            outline.field(context, Field::PaidAt, told.object.get("created"), &how)?;
        }
        "charge.captured" => {
            outline.put(FieldName::Known(Field::PaidAt), Value::Time(told.moment.at));
        }
        _ => {}
    }
    told.emit(context, outline, out)
}

/// A payment intent, and the checkout that led to it, are one order.
fn payment(context: &Context<'_>, told: &Told<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    let checkout = told.kind.starts_with("checkout.");
    let id = match checkout {
        true => reference(told.object.get("payment_intent")).text(),
        false => Some(id_of(told.object, "id")?),
    };
    let id = id.filter(|_| reference(told.object.get("invoice")).is_empty());
    let Some(id) = id else {
        // Told by its subscription or its invoice.
        return told.unread(out);
    };
    let mut outline = told.outline(EntityKind::Order, &id, Op::Update);
    told.state(context, PAYMENT, &mut outline)?;
    // A checkout is complete before its money is there.
    let state = if checkout { "payment_status" } else { "status" };
    outline.field(context, Field::Status, told.object.get(state), &in_minor(None))?;
    if matches!(told.object.text(state).as_deref(), Some("paid" | "succeeded")) {
        outline.put(FieldName::Known(Field::PaidAt), Value::Time(told.moment.at));
    }
    told.emit(context, outline, out)
}
