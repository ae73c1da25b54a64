//! Segment (<https://segment.com/docs/connections/spec/>) and RudderStack, which uses the same
//! calls: track, identify, page, screen, alias, and batches of them.
//!
//! `timestamp` is the instant corrected for the skew of the device's clock; `originalTimestamp` is
//! that of the device. Names of events are those of the published specifications (ecommerce,
//! e-mail, B2B SaaS); any other is ignored by its name.

use std::borrow::Cow;

use super::json::{Json, Object};
use super::link;
use super::make::{How, Moment, Outline, Unit, missing, required};
use super::native::{Context, Out, unknown_shape};
use crate::model::deadletter::{Code, Reason};
use crate::model::event::{EntityKind, Field, FieldName, Op, Status, Value};
use crate::model::source::Unread;

const LEAD: &[(&str, Field)] = &[
    ("createdAt", Field::CreatedAt),
    ("created_at", Field::CreatedAt),
    ("lifecycle_stage", Field::Stage),
    ("lead_source", Field::Source),
    ("owner", Field::Owner),
];

const DEAL: &[(&str, Field)] = &[
    ("name", Field::Name),
    ("stage", Field::Stage),
    ("pipeline", Field::Pipeline),
    ("owner", Field::Owner),
    ("account_id", Field::Account),
    ("lost_reason", Field::LostReason),
    ("channel", Field::Channel),
];

const SUBSCRIPTION: &[(&str, Field)] = &[
    ("plan", Field::Plan),
    ("plan_name", Field::Plan),
    ("status", Field::Status),
    ("reason", Field::Reason),
];

/// One call.
struct Call<'c, 'a> {
    id: Cow<'a, str>,
    moment: Moment,
    user: Option<Cow<'a, str>>,
    whole: &'c Object<'a>,
    /// `properties`, or the traits of an identify.
    properties: Object<'a>,
}

/// Reads one element.
pub fn decode(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    if object.has("batch") {
        for (i, json) in (0u32..).zip(context.list(object.get("batch"))?) {
            out.element(i, json, |out| {
                let call = json.object().ok_or_else(|| unknown_shape("an object"))?;
                one(context, &call, out)
            });
        }
        return Ok(());
    }
    one(context, object, out)
}

fn one(context: &Context<'_>, object: &Object<'_>, out: &mut Out) -> Result<(), Reason> {
    let any = |names: &[&str]| names.iter().find_map(|name| object.text(name));
    let kind = any(&["type", "action"]);
    let known = ["track", "identify", "page", "screen", "group", "alias"];
    let Some(kind) = kind.filter(|kind| known.contains(&&**kind)) else {
        return Err(unknown_shape(
            "a call with type track, identify, page, screen, group or alias",
        ));
    };
    let times = ["timestamp", "originalTimestamp", "original_timestamp", "sentAt", "receivedAt"];
    let time = times.iter().map(|name| object.get(name)).find(|json| !json.is_empty());
    let moment = required(context, "timestamp", time.unwrap_or(Json::NULL), Unit::Millis)?;
    let call = Call {
        id: any(&["messageId", "message_id"]).ok_or_else(|| missing("messageId"))?,
        moment,
        user: any(&["userId", "user_id"]),
        whole: object,
        properties: object
            .object(if kind == "identify" { "traits" } else { "properties" })
            .unwrap_or_default(),
    };
    match &*kind {
        "track" => track(context, &call, out),
        "identify" => identify(context, &call, out),
        "page" | "screen" => visit(context, &call, out),
        "alias" => alias(context, &call, out),
        other => {
            out.ignore(Unread::TypeNotRead, other);
            Ok(())
        }
    }
}

fn track(context: &Context<'_>, call: &Call<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    let name = call.whole.text("event").ok_or_else(|| missing("event"))?;
    match &*name {
        "Signed Up" | "Account Created" | "Lead Created" => {
            let outline = call.lead(Op::Create)?;
            call.tell(context, LEAD, outline, out)
        }
        "Lead Qualified" => {
            let mut outline = call.lead(Op::Update)?;
            outline.text(Field::Stage, "qualified");
            call.tell(context, LEAD, outline, out)
        }
        "Opportunity Created" => deal(context, call, Op::Create, None, out),
        "Opportunity Updated" => deal(context, call, Op::Update, None, out),
        "Opportunity Won" => deal(context, call, Op::Update, Some(Status::Won), out),
        "Opportunity Lost" => deal(context, call, Op::Update, Some(Status::Lost), out),
        "Opportunity Reopened" => deal(context, call, Op::Update, Some(Status::Open), out),
        "Order Completed" => order(context, call, Op::Create, "completed", out),
        "Order Updated" => order(context, call, Op::Update, "updated", out),
        "Order Cancelled" => order(context, call, Op::Update, "cancelled", out),
        "Order Refunded" => refund(context, call, out),
        "Subscription Started" | "Subscription Created" => {
            subscription(context, call, Op::Create, Field::StartedAt, out)
        }
        "Subscription Cancelled" | "Subscription Canceled" | "Subscription Ended" => {
            subscription(context, call, Op::Update, Field::EndedAt, out)
        }
        "Email Opened" => touch(context, call, "open", Some("email"), out),
        "Email Link Clicked" => touch(context, call, "click", Some("email"), out),
        "Form Submitted" => touch(context, call, "form", None, out),
        other => {
            out.ignore(Unread::TypeNotRead, other);
            Ok(())
        }
    }
}

impl Call<'_, '_> {
    fn id_in(&self, names: &[&str]) -> Result<Cow<'_, str>, Reason> {
        names.iter().find_map(|name| self.properties.text(name)).ok_or_else(|| {
            Reason::new(Code::MissingEntity, format!("properties have no {}", names.join(" or ")))
        })
    }

    /// The person, by the id that the company gave; without one by that of the device.
    fn person(&self) -> Result<String, Reason> {
        let device = || ["anonymousId", "anonymous_id"].iter().find_map(|n| self.whole.text(n));
        let id = self.user.clone().or_else(device);
        let why = || Reason::new(Code::MissingEntity, "neither userId nor anonymousId is there");
        id.map(Cow::into_owned).ok_or_else(why)
    }

    fn lead(&self, op: Op) -> Result<Outline, Reason> {
        Ok(Outline::new(EntityKind::Lead, self.person()?, op, self.moment))
    }

    /// Amount and currency of the first of these properties that is there.
    fn money(
        &self,
        context: &Context<'_>,
        names: &[&str],
        field: Field,
        outline: &mut Outline,
    ) -> Result<(), Reason> {
        let amount = names.iter().map(|name| self.properties.get(name)).find(|j| !j.is_empty());
        let Some(amount) = amount else { return Ok(()) };
        let currency = self.properties.text("currency");
        let how = How { currency: currency.as_deref(), ..How::plain(Unit::Epoch) };
        outline.field(context, field, amount, &how)
    }

    /// States what the properties say beside, and what campaign led here.
    fn tell(
        &self,
        context: &Context<'_>,
        table: &[(&str, Field)],
        mut outline: Outline,
        out: &mut Out,
    ) -> Result<(), Reason> {
        let currency = self.properties.text("currency");
        let how = How { currency: currency.as_deref(), ..How::plain(Unit::Epoch) };
        for (name, json) in self.properties.iter() {
            if let Some(field) = context.field(name, table) {
                outline.state(context, &field, json, &how)?;
            }
        }
        let campaign = self.whole.object("context").and_then(|c| c.object("campaign"));
        if let Some(campaign) = campaign {
            for (name, field) in
                [("name", Field::Campaign), ("medium", Field::Medium), ("source", Field::Source)]
            {
                let json = campaign.get(name);
                // What the event itself says goes before; that an e-mail is one, it need not say.
                let stated = field != Field::Medium && outline.states(field);
                if !json.is_empty() && !stated {
                    outline.field(context, field, json, &how)?;
                }
            }
        }
        // Later pages say nothing of what brought someone.
        let page = self.whole.object("context").and_then(|c| c.object("page"));
        if let Some(page) = page.filter(|_| outline.creates()) {
            link::referred(context, page.get("referrer"), page.get("url"), &mut outline);
        }
        out.event(context, outline, &self.id)
    }
}

fn identify(context: &Context<'_>, call: &Call<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    if !call.properties.iter().any(|(name, _)| context.field(name, LEAD).is_some()) {
        out.ignore(Unread::FieldNotRead, "no trait of it is read");
        return Ok(());
    }
    call.tell(context, LEAD, call.lead(Op::Update)?, out)
}

/// Two ids turn out to be one person.
fn alias(context: &Context<'_>, call: &Call<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    let former = ["previousId", "previous_id"].iter().find_map(|n| call.whole.text(n));
    let former = former.ok_or_else(|| missing("previousId"))?;
    let mut outline = Outline::new(EntityKind::Lead, &*former, Op::Merge, call.moment);
    outline.merged_into = Some(call.person()?);
    out.event(context, outline, &call.id)
}

fn deal(
    context: &Context<'_>,
    call: &Call<'_, '_>,
    op: Op,
    status: Option<Status>,
    out: &mut Out,
) -> Result<(), Reason> {
    let id = call.id_in(&["opportunity_id", "deal_id", "id"])?;
    let mut outline = Outline::new(EntityKind::Deal, &*id, op, call.moment);
    if let Some(status) = status {
        outline.status(status);
    }
    call.money(context, &["amount", "value", "revenue"], Field::Amount, &mut outline)?;
    call.tell(context, DEAL, outline, out)
}

fn order(
    context: &Context<'_>,
    call: &Call<'_, '_>,
    op: Op,
    status: &str,
    out: &mut Out,
) -> Result<(), Reason> {
    let id = call.id_in(&["order_id", "orderId"])?;
    let mut outline = Outline::new(EntityKind::Order, &*id, op, call.moment);
    outline.text(Field::Status, status);
    // With shipping and taxes if that is known.
    call.money(context, &["total", "revenue", "value"], Field::Amount, &mut outline)?;
    call.money(context, &["discount"], Field::Discount, &mut outline)?;
    if op == Op::Create {
        outline.put(FieldName::Known(Field::PaidAt), Value::Time(call.moment.at));
    }
    if let Some(user) = &call.user {
        outline.text(Field::Customer, &**user);
    }
    call.tell(context, &[], outline, out)
}

/// The specification gives a refund the order's whole total; without it the amount is not known.
fn refund(context: &Context<'_>, call: &Call<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    let id = call.id_in(&["order_id", "orderId"])?;
    let mut outline = Outline::new(EntityKind::Order, &*id, Op::Update, call.moment);
    outline.text(Field::Status, "refunded");
    call.money(context, &["total", "revenue", "value"], Field::Refunded, &mut outline)?;
    call.tell(context, &[], outline, out)
}

fn subscription(
    context: &Context<'_>,
    call: &Call<'_, '_>,
    op: Op,
    field: Field,
    out: &mut Out,
) -> Result<(), Reason> {
    let id = call.id_in(&["subscription_id", "id"])?;
    let mut outline = Outline::new(EntityKind::Subscription, &*id, op, call.moment);
    outline.put(FieldName::Known(field), Value::Time(call.moment.at));
    if let Some(user) = &call.user {
        outline.text(Field::Customer, &**user);
    }
    call.money(context, &["mrr"], Field::Mrr, &mut outline)?;
    call.tell(context, SUBSCRIPTION, outline, out)
}

/// Someone did something with what was sent to them. The message names the touch.
fn touch(
    context: &Context<'_>,
    call: &Call<'_, '_>,
    kind: &str,
    medium: Option<&str>,
    out: &mut Out,
) -> Result<(), Reason> {
    let mut outline = Outline::new(EntityKind::Touch, &*call.id, Op::Create, call.moment);
    outline.text(Field::ActivityKind, kind);
    if let Some(medium) = medium {
        outline.text(Field::Medium, medium);
    }
    outline.text(Field::Contact, call.person()?);
    let campaign = ["campaign_name", "campaign_id"].iter().find_map(|n| call.properties.text(n));
    if let Some(campaign) = campaign {
        outline.text(Field::Campaign, campaign);
    }
    call.tell(context, &[], outline, out)
}

/// A page counts where a campaign led to it.
fn visit(context: &Context<'_>, call: &Call<'_, '_>, out: &mut Out) -> Result<(), Reason> {
    let campaign = call.whole.object("context").and_then(|c| c.object("campaign"));
    if campaign.is_none_or(|c| c.get("name").is_empty() && c.get("source").is_empty()) {
        out.ignore(Unread::SaysNothingAlone, "a page without a campaign");
        return Ok(());
    }
    touch(context, call, "visit", None, out)
}
