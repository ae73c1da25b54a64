//! The canonical sales event: what every source is decoded into, and what the events topic holds.
//!
//! An event states facts about one entity. `Absent` means unknown or unchanged, `null` means
//! cleared. Strings borrow from the record they were read from; the ledger interns what it keeps.

use std::borrow::Cow;

use super::money::{Amount, Money};
use super::record::{Offset, Partition};
use super::split::Splits;
use super::time::{Precision, Timestamp};

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EntityKind {
    /// A person or company that may become a customer.
    Lead = 0,
    /// An opportunity with an amount and an outcome.
    Deal = 1,
    /// A call, e-mail, meeting, task or note.
    Activity = 2,
    /// An order.
    Order = 3,
    /// An invoice.
    Invoice = 4,
    /// A subscription.
    Subscription = 5,
    /// Spend of one campaign on one day.
    CampaignDay = 6,
    /// An open, click, visit, reply or form.
    Touch = 7,
    /// An answer to a survey.
    SurveyResponse = 8,
    /// A sales representative.
    Rep = 9,
}

impl EntityKind {
    /// All kinds with their names on the wire.
    pub const ALL: [(EntityKind, &'static str); 10] = [
        (EntityKind::Lead, "lead"),
        (EntityKind::Deal, "deal"),
        (EntityKind::Activity, "activity"),
        (EntityKind::Order, "order"),
        (EntityKind::Invoice, "invoice"),
        (EntityKind::Subscription, "subscription"),
        (EntityKind::CampaignDay, "campaign_day"),
        (EntityKind::Touch, "touch"),
        (EntityKind::SurveyResponse, "survey_response"),
        (EntityKind::Rep, "rep"),
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From the name on the wire.
    pub fn parse(text: &str) -> Option<EntityKind> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind)
    }
}

/// Whether the event is a change of an entity or a whole fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum EventKind {
    /// Some fields of the entity changed.
    #[default]
    Patch,
    /// The entity as a user already computed it; an upsert under the entity's own id.
    Fact,
    /// The source says that it lost changes of this entity: only a later snapshot heals it.
    Gap,
}

impl EventKind {
    /// All kinds with their names on the wire.
    pub const ALL: [(EventKind, &'static str); 3] =
        [(EventKind::Patch, "patch"), (EventKind::Fact, "fact"), (EventKind::Gap, "gap")];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// What happened to the entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Op {
    /// It came into being at `time`.
    Create = 0,
    /// It is as stated; says nothing about when it came into being.
    Snapshot = 1,
    /// Fields changed.
    Update = 2,
    /// It came back from deletion.
    Restore = 3,
    /// It was absorbed by another entity and counts no more.
    Merge = 4,
    /// It was deleted and counts no more.
    Delete = 5,
}

impl Op {
    /// All operations with their names on the wire.
    pub const ALL: [(Op, &'static str); 6] = [
        (Op::Create, "create"),
        (Op::Snapshot, "snapshot"),
        (Op::Update, "update"),
        (Op::Restore, "restore"),
        (Op::Merge, "merge"),
        (Op::Delete, "delete"),
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// The outcome of a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// Still being worked on.
    Open = 0,
    /// Closed won.
    Won = 1,
    /// Closed lost.
    Lost = 2,
}

impl Status {
    /// All outcomes with their names on the wire.
    pub const ALL: [(Status, &'static str); 3] =
        [(Status::Open, "open"), (Status::Won, "won"), (Status::Lost, "lost")];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// From the name on the wire.
    pub fn parse(text: &str) -> Option<Status> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(status, _)| *status)
    }
}

/// What kind of value a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A string; numbers are taken as their text.
    Text,
    /// `open`, `won` or `lost`.
    Status,
    /// `{ "value": "12.50", "currency": "EUR" }`.
    Money,
    /// A decimal number.
    Number,
    /// An RFC 3339 instant or a date.
    Time,
    /// `true` or `false`.
    Bool,
    /// A list of `{ "owner": "r-1", "share": "0.6", "type": "revenue" }`.
    Splits,
}

macro_rules! fields {
    ($($variant:ident $name:literal $ty:ident $doc:literal),* $(,)?) => {
        /// A field that `set` can carry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field { $(#[doc = $doc] $variant),* }

        impl Field {
            /// All fields: name on the wire, type, meaning. The published JSON Schema is made
            /// from this table.
            pub const ALL: &'static [(Field, &'static str, FieldType, &'static str)] =
                &[$((Field::$variant, $name, FieldType::$ty, $doc)),*];
        }
    };
}

fields! {
    Name "name" Text "Name of the entity; not kept by the ledger.",
    Pipeline "pipeline" Text "Pipeline of the deal, as the source names it.",
    Stage "stage" Text "Stage, as the source names it; the stage table says what it means.",
    Status "status" Status "Outcome: `open`, `won` or `lost`. A lead may carry it too.",
    Amount "amount" Money "Amount of the deal or order.",
    AmountHome "amount_home" Money "Amount in the company's own currency, when the source gives it.",
    Owner "owner" Text "Id of the rep who owns the entity.",
    Splits "splits" Splits "Who shares in the deal, all of them: revenue shares sum to 1, overlay shares are beside them. An empty list is as null.",
    Team "team" Text "Team of the owner.",
    Territory "territory" Text "Territory.",
    Channel "channel" Text "Channel that brought it.",
    Campaign "campaign" Text "Campaign that brought it.",
    Source "source" Text "Lead source, as the CRM names it, or utm_source of the link that led here.",
    Medium "medium" Text "utm_medium of the link that led here; the channel is told by it where none is stated.",
    Referrer "referrer" Text "Address of the page that led here; tells the channel where neither it nor the medium is stated.",
    Account "account" Text "Account or company.",
    Contact "contact" Text "Contact.",
    Product "product" Text "Product or product line.",
    Type "type" Text "Type of the deal, for example new business.",
    CreatedAt "created_at" Time "When the entity came into being.",
    ClosedAt "closed_at" Time "When the deal was closed, not when it is expected to.",
    ExpectedClose "expected_close" Time "When the deal is expected to close.",
    Probability "probability" Number "Probability of winning, 0 to 1.",
    LostReason "lost_reason" Text "Why the deal was lost.",
    ConvertedDeal "converted_deal" Text "Deal that a lead was converted to.",
    Email "email" Text "E-mail of a rep; personal data.",
    Active "active" Bool "Whether a rep is active.",
    ActivityKind "kind" Text "Kind of an activity or touch.",
    Direction "direction" Text "Direction of an activity.",
    Outcome "outcome" Text "Outcome of an activity.",
    Duration "duration_s" Number "Duration of an activity, seconds.",
    Done "done" Bool "Whether an activity was done.",
    PlannedAt "planned_at" Time "When an activity is planned.",
    DoneAt "done_at" Time "When an activity was done.",
    Deal "deal" Text "Deal that the entity belongs to.",
    Lead "lead" Text "Lead that the entity belongs to.",
    Refunded "refunded" Money "Amount refunded.",
    PaidAt "paid_at" Time "When an order was paid.",
    Customer "customer" Text "Customer.",
    Mrr "mrr" Money "Monthly recurring revenue.",
    StartedAt "started_at" Time "Start of a subscription.",
    EndedAt "ended_at" Time "End of a subscription.",
    Plan "plan" Text "Plan of a subscription.",
    Reason "reason" Text "Reason of a change.",
    Spend "spend" Money "Spend of a campaign on a day, whole value.",
    Impressions "impressions" Number "Impressions, whole value.",
    Clicks "clicks" Number "Clicks, whole value.",
    Conversions "conversions" Number "Conversions, whole value.",
    Metric "metric" Text "Survey metric: nps, csat or ces.",
    Score "score" Number "Survey score.",
    ScaleMax "scale_max" Number "Top of the survey's scale.",
    Discount "discount" Money "What was taken off the list price of an order; its amount is what is left. Zero where nothing was, absent where that is not known.",
    RespondedAt "responded_at" Time "When someone first answered a lead. The earliest of this, `first_call_at` and `first_email_at` counts.",
    FirstCallAt "first_call_at" Time "When a lead was first called, where the source tells calls apart.",
    FirstEmailAt "first_email_at" Time "When a lead was first written to, where the source tells e-mails apart.",
}

impl Field {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The type of value it takes.
    pub fn field_type(self) -> FieldType {
        Self::ALL[self as usize].2
    }

    /// From the name on the wire.
    pub fn parse(text: &str) -> Option<Field> {
        Self::ALL.iter().find(|(_, name, ..)| *name == text).map(|(field, ..)| *field)
    }
}

/// The name of a field in `set`: a known one, or one of the user's own (`x.industry`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldName<'a> {
    /// A field of the contract.
    Known(Field),
    /// A field of the user's own; the name without `x.`. Takes text.
    Custom(Cow<'a, str>),
}

/// A value in `set`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Cleared.
    Null,
    /// Text.
    Text(Cow<'a, str>),
    /// Outcome.
    Status(Status),
    /// Money.
    Money(Money),
    /// Decimal number.
    Number(Amount),
    /// Instant.
    Time(Timestamp),
    /// Yes or no.
    Bool(bool),
    /// Who shares in a deal.
    Splits(Splits),
}

/// Which entity: unique within the tenant and the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityRef<'a> {
    /// Type.
    pub kind: EntityKind,
    /// The source's id, always a string.
    pub id: Cow<'a, str>,
}

/// Position of an event among the events of its entity: compared first to last, higher wins.
pub type Order = [i64; 2];

/// Notes on an event, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// All flags with their names on the wire.
    pub const ALL: [(Flags, &'static str); 5] = [
        (Flags(1), "import"),
        (Flags(2), "bulk"),
        (Flags(4), "test"),
        (Flags(8), "backfill"),
        (Flags(16), "replay"),
    ];
    /// Written by an import, not by someone at work.
    pub const IMPORT: Flags = Flags(1);
    /// One of many changed together.
    pub const BULK: Flags = Flags(2);
    /// Test data: dropped at intake and counted.
    pub const TEST: Flags = Flags(4);

    /// Whether all bits of `other` are set.
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where the event was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Source topic.
    pub topic: Cow<'a, str>,
    /// Source partition.
    pub partition: Partition,
    /// Offset of the record.
    pub offset: Offset,
    /// Position in the record's array, 0 for a single event.
    pub index: u32,
}

/// A canonical event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// Names the event; the same for every delivery of it.
    pub id: Cow<'a, str>,
    /// Tenant, `default` unless given.
    pub tenant: Cow<'a, str>,
    /// Which configured connection it came through.
    pub source: Cow<'a, str>,
    /// Which kind of system it came from.
    pub system: Cow<'a, str>,
    /// Patch, fact or gap.
    pub kind: EventKind,
    /// Which entity.
    pub entity: EntityRef<'a>,
    /// What happened.
    pub op: Op,
    /// Into which entity this one was merged.
    pub merged_into: Option<Cow<'a, str>>,
    /// When it happened.
    pub time: Timestamp,
    /// How exactly the source knows `time`.
    pub precision: Precision,
    /// Position among the entity's events.
    pub order: Order,
    /// What is stated, in the order given; at most one entry a field.
    pub set: Vec<(FieldName<'a>, Value<'a>)>,
    /// Notes.
    pub flags: Flags,
    /// Where it was read from; absent when the producer wrote it to the events topic itself.
    pub raw: Option<Origin<'a>>,
}

impl Event<'_> {
    /// The key on the events topic: `tenant/entity_type/entity_id`. Its hash names the shard.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.tenant, self.entity.kind.as_str(), self.entity.id)
    }
}

/// The shard of an entity: a stable hash of the key, never a client's partitioner, so that the
/// number of source partitions and the producer's choice do not matter.
pub fn shard_of(key: &str, shards: u32) -> Partition {
    Partition((xxhash_rust::xxh3::xxh3_64(key.as_bytes()) % u64::from(shards.max(1))) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_step_with_their_enums() {
        for (i, (kind, name)) in EntityKind::ALL.iter().enumerate() {
            assert_eq!((*kind as usize, EntityKind::parse(name)), (i, Some(*kind)));
        }
        for (i, (field, name, ..)) in Field::ALL.iter().enumerate() {
            assert_eq!((*field as usize, Field::parse(name)), (i, Some(*field)), "{name}");
        }
        for (i, (op, _)) in Op::ALL.iter().enumerate() {
            assert_eq!(*op as usize, i);
        }
    }

    #[test]
    fn shards_are_stable_over_releases() {
        // A changed hash would send an entity's events to another shard than its history.
        assert_eq!(shard_of("default/deal/7036839888", 16), Partition(6));
        assert_eq!(shard_of("default/deal/7036839888", 1), Partition(0));
    }
}
