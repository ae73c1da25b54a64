//! Which channel brought a lead or a deal, from what its link and its browser said: the company's
//! rules, then the usual grouping.

mod grouping;

use std::collections::BTreeSet;

use super::event::Field;

/// Longest text that is compared with a pattern, bytes: what a link can carry has no bound.
const LONGEST: usize = 2048;

/// A pattern: `*` stands for any characters, everything else for itself; upper and lower case are
/// one. Matching takes the length of the text and of the pattern, whatever they hold: a piece
/// between two stars that was found first need not be looked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// What stands between the stars.
    pieces: Vec<String>,
}

impl Glob {
    /// The pattern of a text.
    pub fn new(pattern: &str) -> Glob {
        Glob { pieces: pattern.to_lowercase().split('*').map(str::to_owned).collect() }
    }

    /// Whether it matches the whole of a text in lower case.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return false };
        let Some((last, between)) = rest.split_last() else { return text == first };
        let Some(mut left) = text.strip_prefix(first.as_str()) else { return false };
        for piece in between {
            let Some((_, behind)) = left.split_once(piece.as_str()) else { return false };
            left = behind;
        }
        left.ends_with(last.as_str())
    }
}

/// What is known of where something came from; texts in lower case, none where it is not stated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// `utm_medium`.
    pub medium: Option<String>,
    /// `utm_source`, or the lead source of a CRM.
    pub source: Option<String>,
    /// `utm_campaign`.
    pub campaign: Option<String>,
    /// Address of the page before.
    pub referrer: Option<String>,
    /// Its host, unless that is a site of the company itself.
    pub site: Option<String>,
    /// The channel that a source states.
    pub stated: Option<String>,
}

impl Origins {
    /// The fields that tell a channel where none is stated.
    pub const FIELDS: [Field; 4] = [Field::Medium, Field::Source, Field::Campaign, Field::Referrer];

    /// Where the text of one of [`Origins::FIELDS`] is kept.
    pub fn slot(&mut self, field: Field) -> Option<&mut Option<String>> {
        Some(match field {
            Field::Medium => &mut self.medium,
            Field::Source => &mut self.source,
            Field::Campaign => &mut self.campaign,
            Field::Referrer => &mut self.referrer,
            _ => return None,
        })
    }

    /// A text of one of [`Origins::FIELDS`] as it is compared. Of a referrer that is its address
    /// without the query, which is another one with every click.
    pub fn told(field: Field, text: &str) -> Option<String> {
        let text = match field {
            Field::Referrer => text.split(['?', '#']).next().unwrap_or_default().trim(),
            _ => text.trim(),
        };
        let mut end = text.len().min(LONGEST);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        (end > 0).then(|| text[..end].to_lowercase())
    }
}

/// The host of an address: `https://www.example.com:8080/a?b` is of `www.example.com`, and so is
/// the host alone.
pub fn host(address: &str) -> Option<&str> {
    let behind = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = behind.split(['/', '?', '#']).next().unwrap_or_default();
    let named = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = named.split(':').next().unwrap_or_default().trim_end_matches('.');
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    // A word without a dot ("direct") is no host that anyone comes from.
    (host.contains('.') && host.chars().all(fits)).then_some(host)
}

/// One rule: all that it names must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRule {
    /// Pattern of the medium.
    pub medium: Option<Glob>,
    /// Pattern of the source.
    pub source: Option<Glob>,
    /// Pattern of the referrer: of its address or of its host.
    pub referrer: Option<Glob>,
    /// Pattern of the campaign.
    pub campaign: Option<Glob>,
    /// Pattern of the channel that a source states: such a rule renames it. One without is for what
    /// states none.
    pub stated: Option<Glob>,
    /// The channel that it gives.
    pub channel: String,
}

impl ChannelRule {
    /// Whether it holds.
    pub fn matches(&self, from: &Origins) -> bool {
        let holds = |glob: &Option<Glob>, texts: &[&Option<String>]| {
            let Some(glob) = glob else { return true };
            texts.iter().filter_map(|text| text.as_deref()).any(|text| glob.matches(text))
        };
        self.stated.is_some() == from.stated.is_some()
            && holds(&self.stated, &[&from.stated])
            && holds(&self.medium, &[&from.medium])
            && holds(&self.source, &[&from.source])
            && holds(&self.campaign, &[&from.campaign])
            && holds(&self.referrer, &[&from.referrer, &from.site])
    }
}

/// How channels are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRules {
    /// The company's own, the first that holds decides.
    pub rules: Vec<ChannelRule>,
    /// Whether the usual grouping is asked where none of them holds.
    pub default_grouping: bool,
    /// The company's own sites, in lower case: a referrer there brought nobody.
    pub own_sites: Vec<String>,
    /// Sources that state the channel by a field of their own: what they say of links tells none.
    pub stated_by: BTreeSet<String>,
}

impl Default for ChannelRules {
    fn default() -> ChannelRules {
        ChannelRules {
            rules: Vec::new(),
            default_grouping: true,
            own_sites: Vec::new(),
            stated_by: BTreeSet::new(),
        }
    }
}

impl ChannelRules {
    /// Whether any rule is about channels that sources state.
    pub fn rename(&self) -> bool {
        self.rules.iter().any(|rule| rule.stated.is_some())
    }

    /// Whether a host is one of the company's own sites, or below one.
    pub fn is_own(&self, host: &str) -> bool {
        self.own_sites.iter().any(|site| {
            let below = host.strip_suffix(site.as_str());
            below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definition: tries everything.
    fn plainly(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|n| plainly(rest, &text[n..])),
            Some((c, rest)) => text.first() == Some(c) && plainly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_glob_matches_what_its_definition_matches(pattern in "[ab*]{0,7}", text in "[ab]{0,8}") {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            let expected = plainly(&chars(&pattern), &chars(&text));
            prop_assert_eq!(Glob::new(&pattern).matches(&text), expected);
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_it_is_long() {
        let glob = Glob::new(&"a*".repeat(100));
        assert!(!glob.matches(&"a".repeat(99)));
        assert!(glob.matches(&"a".repeat(LONGEST)));
        assert!(!Glob::new(&format!("{}b", "*a".repeat(99))).matches(&"a".repeat(LONGEST)));
        assert!(Glob::new("E-Mail*").matches("e-mail newsletter"));
    }

    #[test]
    fn hosts_are_read_from_addresses_of_any_form() {
        for (address, expected) in [
            ("https://www.google.com/search?q=a", Some("www.google.com")),
            ("android-app://com.linkedin.android/", Some("com.linkedin.android")),
            ("news.example.com", Some("news.example.com")),
            ("http://user:pass@example.com:8080#x", Some("example.com")),
            ("/pricing?utm_source=x", None),
            ("https://", None),
            ("not a host.", None),
            ("direct", None),
        ] {
            assert_eq!(host(address), expected, "{address}");
        }
    }

    #[test]
    fn a_site_is_own_with_all_that_is_below_it() {
        let rules = ChannelRules { own_sites: vec!["acme.com".to_owned()], ..Default::default() };
        assert!(rules.is_own("acme.com") && rules.is_own("shop.acme.com"));
        assert!(!rules.is_own("notacme.com") && !rules.is_own("acme.com.evil.net"));
    }
}
