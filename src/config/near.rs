//! The nearest of several names, for "did you mean".

/// The candidate that a person most likely meant. `None` where none is near enough.
pub(super) fn nearest<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let given = given.to_lowercase();
    // A third of the letters may be wrong, and always one.
    let limit = (given.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|c| (strsim::osa_distance(&given, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= limit && *distance < c.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// Names in quotes, joined by commas.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ")
}

/// "did you mean", or else all that would be right.
pub(super) fn did_you_mean(given: &str, names: &[&str]) -> String {
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
        assert_eq!(nearest("zookeeper", keys), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
