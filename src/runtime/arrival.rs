//! When what a row tells of came in. It travels beside the values, from the source record to the
//! row, so that the time between can be measured; no number is made of it.

use std::time::Duration;

use crate::log::{Header, Record};

/// Name of the header on events and partials.
const HEADER: &str = "tidemark.since";
/// How far the clock of whoever wrote a record may be ahead of ours, in milliseconds, before the
/// time between says nothing.
const AHEAD: i64 = 1_000;

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
        stated(record).map(|ms| Header::new(HEADER, ms.to_string())).into_iter().collect()
    }

    /// Of a record of the events topic: since when the event was in its source, or at least here.
    pub fn of_event(record: &Record, named: bool) -> Option<Arrival> {
        let ms = Arrival::read(record).map(|arrival| arrival.ms).or_else(|| stated(record))?;
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

    /// Of a partial, which an instance may have written that names what this one does not.
    pub fn of_partial(record: &Record, named: bool) -> Option<Arrival> {
        let Arrival { ms, entity } = Arrival::read(record)?;
        Some(Arrival { ms, entity: entity.filter(|_| named) })
    }

    /// How long ago it came; `None` where it lies ahead.
    pub fn age(&self, now_ms: i64) -> Option<Duration> {
        let ms = now_ms.saturating_sub(self.ms);
        (ms >= -AHEAD).then(|| Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
    }

    /// As it was carried.
    fn read(record: &Record) -> Option<Arrival> {
        let text = std::str::from_utf8(record.header(HEADER)?).ok()?;
        let (ms, entity) = match text.split_once(' ') {
            Some((ms, entity)) => (ms, Some(entity.to_owned())),
            None => (text, None),
        };
        let ms = ms.parse().ok().filter(|ms| *ms > 0)?;
        Some(Arrival { ms, entity })
    }

    /// Keeps the older one.
    pub fn note(since: &mut Option<Arrival>, arrival: Option<Arrival>) {
        let older = |new: &Arrival| since.as_ref().is_none_or(|known| new.ms < known.ms);
        if let Some(new) = arrival.filter(older) {
            *since = Some(new);
        }
    }
}

/// The time of a record; some producers write 0 or -1 where they know none.
fn stated(record: &Record) -> Option<i64> {
    record.timestamp_ms.filter(|ms| *ms > 0)
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
        assert_eq!(Arrival::of_partial(&partial, true), Some(named));
        let plain = Arrival::of_event(&event, false).unwrap();
        assert_eq!(plain, Arrival { ms: 1_000, entity: None });
        assert_eq!(
            Arrival::of_partial(&record(None, Arrival::headers(Some(&plain))), true),
            Some(plain)
        );
        // Sources whose log knows no time, and events of an older release.
        assert_eq!(Arrival::headers_of(&record(None, Vec::new())), []);
        assert_eq!(Arrival::of_event(&record(Some(2_000), Vec::new()), false).unwrap().ms, 2_000);
        assert_eq!(Arrival::of_event(&record(None, Vec::new()), true), None);
    }

    #[test]
    fn what_says_nothing_is_not_measured_and_nobody_is_named_where_none_may_be() {
        for ms in [0, -1] {
            assert_eq!(Arrival::headers_of(&record(Some(ms), Vec::new())), []);
            assert_eq!(Arrival::of_event(&record(Some(ms), Vec::new()), true), None);
            let carried = record(Some(5), vec![Header::new(HEADER, ms.to_string())]);
            assert_eq!(Arrival::of_event(&carried, false).unwrap().ms, 5);
        }
        let at = Arrival { ms: 10_000, entity: Some("acme/deal/1".to_owned()) };
        assert_eq!(at.age(12_000), Some(Duration::from_secs(2)));
        assert_eq!((at.age(9_000), at.age(8_999)), (Some(Duration::ZERO), None));
        let partial = record(None, Arrival::headers(Some(&at)));
        assert_eq!(Arrival::of_partial(&partial, true), Some(at.clone()));
        assert_eq!(Arrival::of_partial(&partial, false), Some(Arrival { entity: None, ..at }));
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
