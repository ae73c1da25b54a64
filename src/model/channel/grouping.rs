//! The usual grouping of channels, for what the company's own rules leave open.
//!
//! It is the published default channel group of Google Analytics 4
//! (<https://support.google.com/analytics/answer/9756891>, the table for manual tagging), with its
//! names and in its order. Its list of some eight hundred source sites is kept here as the brands
//! and sites that bring the most visitors; that of AI assistants is not published, and is the well
//! known ones. For any other write a rule. Where no medium is stated,
//! the page before stands for it, as it does there: a search engine is a search, a site of a social
//! network social, any other a referral.

use super::{ChannelRules, Origins, host};

impl ChannelRules {
    /// The channel of something that came from there; none where nothing tells it. Where a channel
    /// is stated, its new name, if a rule gives it one.
    pub fn channel_of(&self, mut from: Origins) -> Option<&str> {
        from.site = from.referrer.as_deref().and_then(host).map(str::to_owned);
        if from.site.as_deref().is_some_and(|site| self.is_own(site)) {
            (from.referrer, from.site) = (None, None);
        }
        let own = self.rules.iter().find(|rule| rule.matches(&from));
        let own = own.map(|rule| rule.channel.as_str());
        let usual = self.default_grouping && from.stated.is_none();
        own.or_else(|| usual.then(|| grouped(&from)).flatten())
    }
}

/// What a site is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Search,
    Social,
    Shopping,
    Video,
    Assistant,
}

/// Brands, by the name that their hosts have before the country (`google.co.uk`), which is also
/// what links say for them (`utm_source=google`).
const BRANDS: &[(Kind, &[&str])] = &[
    (
        Kind::Search,
        &[
            "aol",
            "ask",
            "baidu",
            "bing",
            "daum",
            "dogpile",
            "duckduckgo",
            "ecosia",
            "google",
            "kagi",
            "lycos",
            "mojeek",
            "naver",
            "qwant",
            "seznam",
            "sogou",
            "startpage",
            "swisscows",
            "yahoo",
            "yandex",
        ],
    ),
    (
        Kind::Social,
        &[
            "facebook",
            "fb",
            "ig",
            "instagram",
            "linkedin",
            "messenger",
            "pinterest",
            "quora",
            "reddit",
            "snapchat",
            "threads",
            "tiktok",
            "tumblr",
            "twitter",
            "vk",
            "wechat",
            "weibo",
            "whatsapp",
            "xing",
        ],
    ),
    (
        Kind::Shopping,
        &[
            "alibaba",
            "aliexpress",
            "amazon",
            "ebay",
            "etsy",
            "igshopping",
            "mercadolibre",
            "mercadolivre",
            "rakuten",
            "shopee",
            "walmart",
        ],
    ),
    (
        Kind::Video,
        &["dailymotion", "hulu", "netflix", "twitch", "vimeo", "wistia", "youku", "youtube"],
    ),
];

/// Hosts that do not have the name of a brand, or are not what the brand is known for.
const SITES: &[(&str, Kind)] = &[
    ("search.brave.com", Kind::Search),
    ("so.com", Kind::Search),
    ("t.co", Kind::Social),
    ("x.com", Kind::Social),
    ("lnkd.in", Kind::Social),
    ("fb.me", Kind::Social),
    ("wa.me", Kind::Social),
    ("t.me", Kind::Social),
    ("news.ycombinator.com", Kind::Social),
    ("com.linkedin.android", Kind::Social),
    ("com.facebook.katana", Kind::Social),
    ("com.google.android.googlequicksearchbox", Kind::Search),
    ("shopping.google.com", Kind::Shopping),
    ("shop.app", Kind::Shopping),
    ("youtu.be", Kind::Video),
    ("chatgpt.com", Kind::Assistant),
    ("chat.openai.com", Kind::Assistant),
    ("claude.ai", Kind::Assistant),
    ("gemini.google.com", Kind::Assistant),
    ("copilot.microsoft.com", Kind::Assistant),
    ("chat.deepseek.com", Kind::Assistant),
    ("grok.com", Kind::Assistant),
    ("perplexity.ai", Kind::Assistant),
    ("www.perplexity.ai", Kind::Assistant),
];

/// Below a search engine or a shop most hosts are something else: mail, documents, a cloud.
const FRONT_DOORS: &[&str] = &["www", "m", "search", "r", "images", "smile"];

fn kind_of(source: &str) -> Option<Kind> {
    if let Some((_, kind)) = SITES.iter().find(|(site, _)| *site == source) {
        return Some(*kind);
    }
    let labels: Vec<&str> = source.split('.').collect();
    let (brand, below) = match labels.as_slice() {
        [brand] => (*brand, &[][..]),
        // `co.uk`, `com.br`: two labels are the country.
        [below @ .., brand, "co" | "com" | "net" | "org", country] if country.len() == 2 => {
            (*brand, below)
        }
        [below @ .., brand, _] => (*brand, below),
        [] => return None,
    };
    let (kind, _) = BRANDS.iter().find(|(_, brands)| brands.contains(&brand))?;
    let front = |label: &&str| FRONT_DOORS.contains(label) || label.len() == 2;
    let anywhere = matches!(kind, Kind::Social | Kind::Video);
    (anywhere || below.iter().all(front)).then_some(*kind)
}

/// `^(.*cp.*|ppc|retargeting|paid.*)$`
fn is_paid(medium: &str) -> bool {
    medium.contains("cp") || matches!(medium, "ppc" | "retargeting") || medium.starts_with("paid")
}

/// `^(.*(([^a-df-z]|^)shop|shopping).*)$`: "shop" begins a word, or follows an "e".
fn is_of_shopping(campaign: &str) -> bool {
    let begins = |at: usize| {
        let before = campaign[..at].chars().next_back();
        before.is_none_or(|c| c == 'e' || !c.is_ascii_lowercase())
    };
    campaign.contains("shopping") || campaign.match_indices("shop").any(|(at, _)| begins(at))
}

fn grouped(from: &Origins) -> Option<&'static str> {
    let (medium, source) = match (from.medium.as_deref(), from.site.as_deref()) {
        (Some(medium), _) => (medium, from.source.as_deref().unwrap_or_default()),
        (None, Some(site)) => ("referral", site),
        (None, None) => return None,
    };
    let campaign = from.campaign.as_deref().unwrap_or_default();
    let kind = kind_of(source);
    let shopping = kind == Some(Kind::Shopping) || is_of_shopping(campaign);
    let paid = is_paid(medium);
    let email = |text: &str| matches!(text, "email" | "e-mail" | "e_mail" | "e mail");
    let social =
        ["social", "social-network", "social-media", "sm", "social network", "social media"];
    let display = ["display", "banner", "expandable", "interstitial", "cpm"];
    Some(match (kind, medium) {
        (_, "(not set)" | "(none)") if source == "(direct)" => "Direct",
        _ if campaign.contains("cross-network") => "Cross-network",
        _ if paid && shopping => "Paid Shopping",
        (Some(Kind::Search), _) if paid => "Paid Search",
        (Some(Kind::Social), _) if paid => "Paid Social",
        (Some(Kind::Video), _) if paid => "Paid Video",
        _ if display.contains(&medium) => "Display",
        _ if paid => "Paid Other",
        _ if shopping => "Organic Shopping",
        (Some(Kind::Social), _) => "Organic Social",
        _ if social.contains(&medium) => "Organic Social",
        (Some(Kind::Video), _) => "Organic Video",
        _ if medium.contains("video") => "Organic Video",
        (Some(Kind::Search), _) | (_, "organic") => "Organic Search",
        (Some(Kind::Assistant), "referral") | (_, "ai-assistant") => "AI Assistant",
        (_, "referral" | "app" | "link") => "Referral",
        _ if email(medium) || email(source) => "Email",
        (_, "affiliate") => "Affiliates",
        (_, "audio") => "Audio",
        _ if medium == "sms" || source == "sms" => "SMS",
        _ if medium.ends_with("push")
            || medium.contains("mobile")
            || medium.contains("notification")
            || source == "firebase" =>
        {
            "Mobile Push Notifications"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::channel::{ChannelRule, Glob};
    use crate::model::event::Field;

    fn ask(rules: &ChannelRules, fields: &[(Field, &str)]) -> Option<String> {
        let mut from = Origins::default();
        for (field, text) in fields {
            *from.slot(*field).unwrap() = Origins::told(*field, text);
        }
        rules.channel_of(from).map(str::to_owned)
    }

    fn by_default(fields: &[(Field, &str)]) -> Option<String> {
        ask(&ChannelRules::default(), fields)
    }

    /// One line of the published table each, with what must not be taken for it.
    #[test]
    fn the_default_grouping_is_the_published_one() {
        for (medium, source, campaign, expected) in [
            ("(none)", "(direct)", "", Some("Direct")),
            ("(none)", "newsletter", "", None),
            ("cpc", "google", "eu cross-network", Some("Cross-network")),
            ("cpc", "amazon", "", Some("Paid Shopping")),
            ("ppc", "google", "summer-shop", Some("Paid Shopping")),
            ("ppc", "google", "workshop", Some("Paid Search")),
            ("CPC", "Google", "", Some("Paid Search")),
            ("paid-social", "linkedin.com", "", Some("Paid Social")),
            ("cpcv", "youtube", "", Some("Paid Video")),
            ("cpm", "criteo", "", Some("Display")),
            ("retargeting", "criteo", "", Some("Paid Other")),
            ("listing", "www.etsy.com", "", Some("Organic Shopping")),
            ("post", "m.facebook.com", "", Some("Organic Social")),
            ("sm", "buffer", "", Some("Organic Social")),
            ("embed", "vimeo", "", Some("Organic Video")),
            ("promo-video", "acme", "", Some("Organic Video")),
            ("organic", "acme", "", Some("Organic Search")),
            ("link", "acme", "", Some("Referral")),
            ("ai-assistant", "acme", "", Some("AI Assistant")),
            ("email", "chatgpt.com", "", Some("Email")),
            ("E-Mail", "customer.io", "", Some("Email")),
            ("newsletter", "email", "", Some("Email")),
            ("affiliate", "acme", "", Some("Affiliates")),
            ("audio", "spotify", "", Some("Audio")),
            ("sms", "twilio", "", Some("SMS")),
            ("web-push", "acme", "", Some("Mobile Push Notifications")),
            ("partner", "acme", "", None),
        ] {
            let fields =
                [(Field::Medium, medium), (Field::Source, source), (Field::Campaign, campaign)];
            assert_eq!(by_default(&fields).as_deref(), expected, "{medium} {source} {campaign}");
        }
    }

    #[test]
    fn without_a_medium_the_page_before_stands_for_it() {
        for (referrer, expected) in [
            ("https://www.google.co.uk/search?q=crm", Some("Organic Search")),
            ("https://r.search.yahoo.com/", Some("Organic Search")),
            ("https://duckduckgo.com/", Some("Organic Search")),
            ("https://mail.google.com/mail/u/0/", Some("Referral")),
            ("https://google.evil.example/", Some("Referral")),
            ("https://l.facebook.com/l.php", Some("Organic Social")),
            ("https://t.co/abc", Some("Organic Social")),
            ("android-app://com.linkedin.android/", Some("Organic Social")),
            ("https://www.amazon.de/dp/1", Some("Organic Shopping")),
            ("https://aws.amazon.com/marketplace", Some("Referral")),
            ("https://youtu.be/x", Some("Organic Video")),
            ("https://chatgpt.com/", Some("AI Assistant")),
            ("https://gemini.google.com/app", Some("AI Assistant")),
            ("https://www.perplexity.ai/search", Some("AI Assistant")),
            ("https://openai.com/blog", Some("Referral")),
            ("https://blog.partner.example/post", Some("Referral")),
            ("/pricing", None),
            ("", None),
        ] {
            assert_eq!(
                by_default(&[(Field::Referrer, referrer)]).as_deref(),
                expected,
                "{referrer}"
            );
        }
        let told = [(Field::Medium, "email"), (Field::Referrer, "https://www.google.com/")];
        assert_eq!(by_default(&told).as_deref(), Some("Email"), "what the link says goes before");
        let lead = [(Field::Source, "Web"), (Field::Referrer, "https://www.google.com/")];
        assert_eq!(
            by_default(&lead).as_deref(),
            Some("Organic Search"),
            "a lead source is no site"
        );
    }

    #[test]
    fn what_says_nothing_of_a_link_tells_nothing() {
        // The lead source of a CRM is no link.
        assert_eq!(by_default(&[(Field::Source, "google")]), None);
        assert_eq!(by_default(&[(Field::Campaign, "shopping")]), None);
        assert_eq!(by_default(&[(Field::Medium, " ")]), None);
        assert_eq!(by_default(&[]), None);
    }

    #[test]
    fn own_rules_come_first_and_the_first_of_them_decides() {
        let glob = |text: &str| Some(Glob::new(text));
        let rule = |channel: &str| ChannelRule {
            medium: None,
            source: None,
            referrer: None,
            campaign: None,
            stated: None,
            channel: channel.to_owned(),
        };
        let mut rules = ChannelRules {
            rules: vec![
                ChannelRule { medium: glob("CPC"), campaign: glob("*brand*"), ..rule("brand") },
                ChannelRule { source: glob("Trade Show*"), ..rule("event") },
                ChannelRule { referrer: glob("*.partner.example"), ..rule("partner") },
                ChannelRule { referrer: glob("https://blog.example/guest/*"), ..rule("guest") },
                ChannelRule { medium: glob("cpc"), ..rule("paid") },
            ],
            own_sites: vec!["acme.com".to_owned()],
            ..ChannelRules::default()
        };
        let cpc = (Field::Medium, "cpc");
        let brand = [cpc, (Field::Campaign, "EU Brand 2026")];
        assert_eq!(ask(&rules, &brand).as_deref(), Some("brand"));
        assert_eq!(
            ask(&rules, &[cpc]).as_deref(),
            Some("paid"),
            "all that a rule names must match"
        );
        let source = [(Field::Source, "trade show berlin")];
        assert_eq!(ask(&rules, &source).as_deref(), Some("event"), "a lead source too");
        let page = |address| [(Field::Referrer, address)];
        assert_eq!(ask(&rules, &page("https://a.partner.example/x")).as_deref(), Some("partner"));
        assert_eq!(ask(&rules, &page("https://blog.example/guest/1")).as_deref(), Some("guest"));
        assert_eq!(ask(&rules, &page("https://blog.example/x")).as_deref(), Some("Referral"));
        assert_eq!(
            ask(&rules, &page("https://shop.acme.com/cart")),
            None,
            "nobody came from there"
        );
        rules.default_grouping = false;
        assert_eq!(ask(&rules, &page("https://blog.example/x")), None);
    }

    #[test]
    fn a_stated_channel_is_renamed_by_rules_about_it_alone() {
        let glob = |text: &str| Some(Glob::new(text));
        let rule = |stated: &str, campaign: Option<&str>, channel: &str| ChannelRule {
            medium: None,
            source: None,
            referrer: None,
            campaign: campaign.and_then(glob),
            stated: glob(stated),
            channel: channel.to_owned(),
        };
        let general = ChannelRule { stated: None, ..rule("", Some("*webinar*"), "never") };
        let rules = ChannelRules {
            rules: vec![
                general,
                rule("Offline", Some("*webinar*"), "Webinars"),
                rule("offline", None, "Events"),
                rule("5801*", None, "Marketplace"),
            ],
            ..ChannelRules::default()
        };
        let of = |stated: &str, campaign: Option<&str>| {
            let stated = Some(stated.to_lowercase());
            let campaign = campaign.map(str::to_owned);
            let medium = Some("cpc".to_owned());
            rules.channel_of(Origins { stated, campaign, medium, ..Origins::default() })
        };
        assert_eq!(of("OFFLINE", Some("eu webinar")), Some("Webinars"));
        assert_eq!(of("OFFLINE", None), Some("Events"));
        assert_eq!(of("580111", None), Some("Marketplace"));
        assert_eq!(of("Partner", Some("eu webinar")), None, "it stays as it is stated");
        assert_eq!(ask(&rules, &[(Field::Source, "offline")]), None, "nothing is stated");
    }
}
