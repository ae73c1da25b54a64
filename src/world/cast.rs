//! Who plays: reps, territories, channels, products, customers, and the systems that record them.

use std::collections::{BTreeMap, BTreeSet};

use super::dice::{self, Dice, Fate, Stream};
use super::settings::WorldSettings;
use crate::model::definition::{Directory, DirectoryEntry};
use crate::model::time::Precision;

/// How a system words what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// One field an event, a few milliseconds apart; the territory is left to the directory.
    Scattered,
    /// All fields that changed, in one event; states the territory.
    Grouped,
    /// Like grouped, but without dates of creation and closing: only the events' own times.
    Terse,
}

/// A system of record.
#[derive(Debug)]
pub(super) struct System {
    pub name: &'static str,
    pub source: &'static str,
    pub precision: Precision,
    pub style: Style,
    /// Mean time from an event to its arrival, milliseconds.
    pub latency: f64,
    share: f64,
}

/// Each is modeled on what a kind of CRM sends, since each is a test of its own.
pub(super) static SYSTEMS: [System; 4] = [
    System {
        name: "hubspot",
        source: "hubspot-eu",
        precision: Precision::Millis,
        style: Style::Scattered,
        latency: 1_500.0,
        share: 0.45,
    },
    System {
        name: "salesforce",
        source: "salesforce-core",
        precision: Precision::Millis,
        style: Style::Grouped,
        latency: 4_000.0,
        share: 0.36,
    },
    System {
        name: "pipedrive",
        source: "pipedrive-smb",
        precision: Precision::Seconds,
        style: Style::Terse,
        latency: 15_000.0,
        share: 0.17,
    },
    System {
        name: "backoffice",
        source: "backoffice-export",
        precision: Precision::Day,
        style: Style::Grouped,
        latency: 600_000.0,
        share: 0.02,
    },
];

/// A product line.
#[derive(Debug)]
pub(super) struct Product {
    pub name: &'static str,
    /// Median amount in major units.
    pub price: f64,
    /// Median cycle in days.
    pub cycle: f64,
    /// Added to the chance of winning.
    pub win: f64,
    share: f64,
}

/// Dear products sell rarely and slowly.
pub(super) static PRODUCTS: [Product; 6] = [
    Product { name: "Starter", price: 900.0, cycle: 24.0, win: 0.03, share: 0.27 },
    Product { name: "Team", price: 2_400.0, cycle: 33.0, win: 0.02, share: 0.25 },
    Product { name: "Business", price: 5_800.0, cycle: 43.0, win: 0.0, share: 0.21 },
    Product { name: "Scale", price: 14_000.0, cycle: 55.0, win: -0.01, share: 0.14 },
    Product { name: "Enterprise", price: 38_000.0, cycle: 72.0, win: -0.02, share: 0.09 },
    Product { name: "Platform", price: 95_000.0, cycle: 95.0, win: -0.03, share: 0.04 },
];

#[derive(Debug)]
pub(super) struct Rep {
    pub id: String,
    name: String,
    team: String,
    pub territory: usize,
    /// Chance of winning an average deal.
    pub skill: f64,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub name: String,
    /// Share of its leads that become deals.
    pub conversion: f64,
    /// Added to the chance of winning.
    pub win: f64,
    /// Multiplies the cycle.
    pub cycle: f64,
    share: f64,
}

#[derive(Debug)]
struct Territory {
    name: String,
    reps: Vec<usize>,
    rep_totals: Vec<f64>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Cast {
    pub reps: Vec<Rep>,
    pub channels: Vec<Channel>,
    territories: Vec<Territory>,
    territory_totals: Vec<f64>,
    channel_totals: Vec<f64>,
    product_totals: Vec<f64>,
    system_totals: Vec<f64>,
}

const TERRITORY_NAMES: [&str; 4] = ["north", "south", "west", "east"];

/// (share, conversion, win, cycle) of the first, second, … channel; further ones begin again.
const CHANNEL_TRAITS: [(f64, f64, f64, f64); 5] = [
    (0.38, 0.20, 0.0, 0.95),
    (0.14, 0.42, 0.05, 0.80),
    (0.24, 0.17, -0.04, 1.25),
    (0.12, 0.24, -0.01, 1.10),
    (0.12, 0.36, 0.03, 1.00),
];

const FIRST: [&str; 16] = [
    "Ada", "Bjørn", "Chioma", "Diego", "Elif", "Farid", "Greta", "Hana", "Ivo", "Jasmin", "Kofi",
    "Leïla", "Mateo", "Noor", "Olga", "Priya",
];
const LAST: [&str; 17] = [
    "Abara", "Bauer", "Costa", "Dubois", "Eriksen", "Fontana", "Gruber", "Haddad", "Ivanova",
    "Jansen", "Kowalski", "Lund", "Moreau", "Novak", "Okafor", "Petrov", "Quispe",
];

/// Names with quotes, ampersands and other scripts: what a careless writer breaks on.
const COMPANY: [&str; 12] = [
    "Alder",
    "Birch & Søn",
    "Cedar \"West\"",
    "Dogwood",
    "Élan",
    "Fjord",
    "Grove\\Stone",
    "Hazel",
    "Ísafold",
    "Juniper",
    "Kōya",
    "Linden",
];
const TRADE: [&str; 6] = ["Logistics", "Foods", "Labs", "Medical", "Energy", "Retail"];

/// Number of customers.
const ACCOUNTS: usize = 6_000;

impl Cast {
    pub(super) fn new(settings: &WorldSettings) -> Cast {
        let mut dice = Fate::new(settings.seed).dice(Stream::Cast, 0, 0);
        let count = settings.territories as usize;
        let mut territories: Vec<Territory> = (0..count)
            .map(|i| Territory {
                name: TERRITORY_NAMES
                    .get(i)
                    .map_or_else(|| format!("territory-{}", i + 1), |name| (*name).to_owned()),
                reps: Vec::new(),
                rep_totals: Vec::new(),
            })
            .collect();
        let mut reps = Vec::new();
        for i in 0..settings.reps as usize {
            let territory = i % count;
            let home = &mut territories[territory];
            home.reps.push(i);
            // The busiest of a dozen reps has about four times the deals of the quietest.
            let so_far = home.rep_totals.last().copied().unwrap_or(0.0);
            home.rep_totals.push(so_far + dice.log_normal(1.0, 0.4));
            reps.push(Rep {
                id: format!("r-{:03}", i + 1),
                name: format!("{} {}", FIRST[i % FIRST.len()], LAST[(i + i / 16) % LAST.len()]),
                team: format!("{}-{}", home.name, 1 + i / count % 2),
                territory,
                skill: dice.between(0.46, 0.64),
            });
        }
        let traits = CHANNEL_TRAITS.iter().cycle();
        let channels: Vec<Channel> = settings
            .channels
            .iter()
            .zip(traits)
            .map(|(name, &(share, conversion, win, cycle))| Channel {
                name: name.clone(),
                conversion,
                win,
                cycle,
                share,
            })
            .collect();
        Cast {
            territory_totals: dice::totals((0..count).map(|i| 1.0 / (1.0 + 0.15 * i as f64))),
            channel_totals: dice::totals(channels.iter().map(|c| c.share)),
            product_totals: dice::totals(PRODUCTS.iter().map(|p| p.share)),
            system_totals: dice::totals(SYSTEMS.iter().map(|s| s.share)),
            reps,
            channels,
            territories,
        }
    }

    /// Share of leads that become deals, over all channels.
    pub(super) fn conversion(&self) -> f64 {
        let weighted: f64 = self.channels.iter().map(|c| c.share * c.conversion).sum();
        weighted / self.channel_totals.last().copied().unwrap_or(1.0)
    }

    pub(super) fn territory(&self, index: usize) -> &str {
        &self.territories[index].name
    }

    pub(super) fn draw_system(&self, dice: &mut Dice) -> &'static System {
        &SYSTEMS[dice.pick(&self.system_totals)]
    }

    pub(super) fn draw_rep(&self, dice: &mut Dice) -> usize {
        let territory = dice.pick(&self.territory_totals);
        self.draw_rep_of(territory, dice)
    }

    /// Another rep, mostly of the same territory; the same one where there is no other.
    pub(super) fn draw_successor(&self, rep: usize, dice: &mut Dice) -> usize {
        let home = self.reps[rep].territory;
        let stays = self.territories[home].reps.len() > 1 && dice.chance(0.8);
        for _ in 0..8 {
            let next = if stays { self.draw_rep_of(home, dice) } else { self.draw_rep(dice) };
            if next != rep {
                return next;
            }
        }
        (rep + 1) % self.reps.len()
    }

    pub(super) fn draw_channel(&self, dice: &mut Dice) -> usize {
        dice.pick(&self.channel_totals)
    }

    pub(super) fn draw_product(&self, dice: &mut Dice) -> usize {
        dice.pick(&self.product_totals)
    }

    fn draw_rep_of(&self, territory: usize, dice: &mut Dice) -> usize {
        let home = &self.territories[territory];
        home.reps[dice.pick(&home.rep_totals)]
    }
}

/// Some customers buy often, most seldom.
pub(super) fn draw_account(dice: &mut Dice) -> u32 {
    let skew = dice.unit();
    (skew * skew * ACCOUNTS as f64) as u32
}

/// The name of a customer.
pub(super) fn company(account: u32) -> (&'static str, &'static str) {
    let i = account as usize;
    (COMPANY[i % COMPANY.len()], TRADE[i / COMPANY.len() % TRADE.len()])
}

/// The reps with name, team and territory, and the channels: what a job should know in advance.
/// It depends on the numbers and names in the settings, not on the seed.
pub fn directory(settings: &WorldSettings) -> Directory {
    let cast = Cast::new(&settings.clone().clamped());
    let reps = cast.reps.iter().map(|rep| {
        let values = BTreeMap::from([
            ("team".to_owned(), rep.team.clone()),
            ("territory".to_owned(), cast.territory(rep.territory).to_owned()),
        ]);
        (
            rep.id.clone(),
            DirectoryEntry { name: Some(rep.name.clone()), values, ..DirectoryEntry::default() },
        )
    });
    let channels: BTreeSet<String> = cast.channels.iter().map(|c| c.name.clone()).collect();
    let territories = cast.territories.iter().map(|t| t.name.clone()).collect();
    Directory {
        reps: reps.collect(),
        members: [("channel".to_owned(), channels), ("territory".to_owned(), territories)].into(),
        ..Directory::default()
    }
}
