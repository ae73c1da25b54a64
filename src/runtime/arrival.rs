//! When what a row tells of came in. It travels beside the values, from the source record to the
//! row, so that the time between can be measured; no number is made of it.

use crate::log::{Header, Record};

/// Name of the header on events and partials.
const HEADER: &str = "tidemark.since";

/// The oldest record behind something that is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// The time of the source record, milliseconds since 1970.
    pub ms: i64,
    /// What it tells of, as `tenant/kind/id`, where that may be shown.
    pub entity: Option<String>,
}

impl Arrival {
    /// The header of an event that was made of this record; none where the log knows no time of it.
    pub fn headers_of(record: &Record) -> Vec<Header> {
        record.timestamp_ms.map(|ms| Header::new(HEADER, ms.to_string())).into_iter().collect()
    }

    /// Of a record of the events topic: since when the event was in its source, or at least here.
    pub fn of_event(record: &Record, named: bool) -> Option<Arrival> {
        let ms = Arrival::read(record).map(|arrival| arrival.ms).or(record.timestamp_ms)?;
        let key = record.key.as_deref().filter(|_| named);
        let entity = key.and_then(|key| std::str::from_utf8(key).ok()).map(str::to_owned);
        Some(Arrival { ms, entity })
    }

    /// As a partial carries it.
    pub fn headers(since: Option<&Arrival>) -> Vec<Header> {
        let text = |Arrival { ms, entity }: &Arrival| match entity {
            Some(entity) => format!("{ms} {entity}"),
            None => ms.to_string(),
        };
        since.map(|since| Header::new(HEADER, text(since))).into_iter().collect()
    }

    /// As it was carried.
    pub fn read(record: &Record) -> Option<Arrival> {
        let text = std::str::from_utf8(record.header(HEADER)?).ok()?;
        let (ms, entity) = match text.split_once(' ') {
            Some((ms, entity)) => (ms, Some(entity.to_owned())),
            None => (text, None),
        };
        Some(Arrival { ms: ms.parse().ok()?, entity })
    }

    /// Keeps the older one.
    pub fn note(since: &mut Option<Arrival>, arrival: Option<Arrival>) {
        let older = |new: &Arrival| since.as_ref().is_none_or(|known| new.ms < known.ms);
        if let Some(new) = arrival.filter(older) {
            *since = Some(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Offset, Partition};

    fn record(timestamp_ms: Option<i64>, headers: Vec<Header>) -> Record {
        let key = Some(b"acme/deal/D 1/x".to_vec());
        let (topic, value) = ("t".into(), Some(Vec::new()));
        Record {
            topic,
            partition: Partition(0),
            offset: Offset(0),
            timestamp_ms,
            key,
            value,
            headers,
        }
    }

    #[test]
    fn it_is_carried_from_the_source_to_the_row() {
        let event = record(Some(2_000), Arrival::headers_of(&record(Some(1_000), Vec::new())));
        let named = Arrival::of_event(&event, true).unwrap();
        assert_eq!((named.ms, named.entity.as_deref()), (1_000, Some("acme/deal/D 1/x")));
        let partial = record(Some(3_000), Arrival::headers(Some(&named)));
        assert_eq!(Arrival::read(&partial), Some(named));
        let plain = Arrival::of_event(&event, false).unwrap();
        assert_eq!(plain, Arrival { ms: 1_000, entity: None });
        assert_eq!(Arrival::read(&record(None, Arrival::headers(Some(&plain)))), Some(plain));
        // Sources whose log knows no time, and events of an older release.
        assert_eq!(Arrival::headers_of(&record(None, Vec::new())), []);
        assert_eq!(Arrival::of_event(&record(Some(2_000), Vec::new()), false).unwrap().ms, 2_000);
        assert_eq!(Arrival::of_event(&record(None, Vec::new()), true), None);
    }

    #[test]
    fn the_oldest_is_kept() {
        let at = |ms| Some(Arrival { ms, entity: None });
        let mut since = None;
        for ms in [30, 10, 20] {
            Arrival::note(&mut since, at(ms));
            Arrival::note(&mut since, None);
        }
        assert_eq!(since, at(10));
    }
}
