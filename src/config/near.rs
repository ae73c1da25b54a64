//! The nearest of several names, for "did you mean".

/// The candidate that a person most likely meant. `None` where none is near enough.
pub(crate) fn nearest<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let given = given.to_lowercase();
    // A third of the letters may be wrong, and always one.
    let limit = (given.chars().count() / 3).max(1);
    let (mut best, mut longer) = (None, None);
    for candidate in candidates {
        let lower = candidate.to_lowercase();
        let distance = strsim::osa_distance(&given, &lower);
        if distance <= limit
            && distance < lower.chars().count()
            && best.is_none_or(|(d, _)| distance < d)
        {
            best = Some((distance, candidate));
        }
        // Half a name, such as "client" for "client_id".
        if given.len() >= 4 && lower.starts_with(&given) {
            longer = longer.or(Some(candidate));
        }
    }
    best.map(|(_, candidate)| candidate).or(longer)
}

/// Names in quotes, joined by commas.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ")
}

/// "did you mean", or else all that would be right.
pub(crate) fn did_you_mean(given: &str, names: &[&str]) -> String {
    match nearest(given, names.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("write one of {}", listed(names.iter().copied())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let keys = ["brokers", "client_id", "properties", "replication"];
        assert_eq!(nearest("broker", keys), Some("brokers"));
        assert_eq!(nearest("Replicaton", keys), Some("replication"));
        assert_eq!(nearest("client", keys), Some("client_id"));
        assert_eq!(nearest("zookeeper", keys), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
