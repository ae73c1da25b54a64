use super::*;
use crate::model::formula::Fault;
use crate::model::money::Amount;
use proptest::prelude::*;

/// Texts by name: what has none is unknown.
fn ask(name: &str) -> Result<Asked, (String, String)> {
    match name {
        "kind" => Ok(Asked::Field(FieldName::Known(Field::ActivityKind))),
        "rep" => Ok(Asked::Credited("rep")),
        _ => match name.strip_prefix("x.") {
            Some(own) => Ok(Asked::Field(FieldName::Custom(own.to_owned().into()))),
            None => Err((format!("no {name}"), "write another".to_owned())),
        },
    }
}

fn condition(text: &str) -> Result<Condition, Fault> {
    read(text, ask)
}

/// Whether a condition holds of texts by name.
fn holds(condition: &Condition, texts: &[(&str, &str)]) -> bool {
    condition.holds(|test| {
        let name = match &condition.tests()[test].asked {
            Asked::Field(field) => field_name(field),
            Asked::Credited(name) => (*name).to_owned(),
        };
        texts.iter().find(|(of, _)| *of == name).map(|(_, text)| *text)
    })
}

fn measure(of: EntityKind, at: Moment, text: &str, sum: Option<Field>) -> OwnMeasure {
    let condition = if text.is_empty() { Condition::default() } else { condition(text).unwrap() };
    let sum = sum.map(FieldName::Known);
    OwnMeasure::new("m", "", Meant { of, at, condition, sum, is_money: false })
}

#[test]
fn conditions_hold_or_do_not() {
    let demo: &[(&str, &str)] = &[("kind", "Meeting"), ("x.demo", "yes"), ("rep", "r1")];
    for (text, expected) in [
        ("kind = 'meeting'", true),
        ("KIND_IS = 'x' or kind = 'meeting'", true),
        ("kind != 'MEETING'", false),
        ("kind in ('call', 'meeting')", true),
        ("kind not in ('call', 'meeting')", false),
        ("kind = 'meeting' and x.demo = 'yes'", true),
        ("kind = 'call' or kind = 'meeting' and x.demo = 'no'", false),
        ("(kind = 'call' or kind = 'meeting') and x.demo = 'yes'", true),
        ("not kind = 'call' and not (x.demo = 'no' or rep = 'r2')", true),
        ("not not x.demo is known", true),
        ("x.other is unknown and x.other is not known", true),
        ("x.other = 'a' or x.other in ('a', 'b')", false),
        // What is unknown is equal to nothing.
        ("x.other != 'a' and x.other not in ('a', 'b')", true),
        ("rep = \"R1\" AND x.demo IS NOT UNKNOWN", true),
    ] {
        let text = text.replace("KIND_IS", "x.none");
        let read = condition(&text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(holds(&read, demo), expected, "{text}");
    }
    assert!(holds(&Condition::default(), &[]));
    assert!(holds(&condition("kind is unknown").unwrap(), &[("kind", " ")]));
}

#[test]
fn what_is_no_condition_is_told_with_its_place() {
    for (text, marked, what) in [
        ("", "", "the condition is empty"),
        ("kind", "d", "ends where something is missing"),
        ("kind 'a'", "'a'", "what must \"kind\" be?"),
        ("kind = meeting", "meeting", "not in quotes"),
        ("kind = 'a", "'a", "not closed"),
        ("kind = ''", "''", "empty"),
        ("kind == 'a'", "==", "means nothing"),
        ("kind = 'a' && rep = 'b'", "&", "means nothing"),
        ("kind = 'a' rep = 'b'", "rep", "something is missing before \"rep\""),
        ("(kind = 'a'", "(", "not closed"),
        ("kind = 'a')", ")", "closes nothing"),
        ("kind in 'a'", "'a'", "not followed by \"(\""),
        ("kind in ('a' 'b')", "'b'", "a comma or \")\""),
        ("kind is 'a'", "'a'", "goes with known or unknown"),
        ("kind not = 'a'", "=", "\"in\" is missing"),
        ("and kind = 'a'", "and", "a field should stand here"),
        ("kynd = 'a'", "kynd", "no kynd"),
    ] {
        let fault = condition(text).expect_err(text);
        assert_eq!(&text[fault.at.clone()], marked, "{text}: {fault:?}");
        assert!(fault.what.contains(what), "{text}: {fault:?}");
        assert!(!fault.mend.is_empty());
    }
}

#[test]
fn conditions_are_bounded() {
    let tests = |n: usize| vec!["kind = 'a'"; n].join(" or ");
    assert!(condition(&tests(MAX_TESTS)).is_ok());
    assert!(condition(&tests(MAX_TESTS + 1)).unwrap_err().what.contains("more than 32 tests"));
    let deep = format!("{}kind = 'a'{}", "(".repeat(400), ")".repeat(400));
    assert!(holds(&condition(&deep).unwrap(), &[("kind", "a")]));
    let long = format!("kind = '{}'", "a".repeat(MAX_CHARS));
    assert!(condition(&long).unwrap_err().what.contains("more than 1000 characters"));
}

/// A condition as a tree, which is computed by recursion: nothing is shared with the stack of bits.
#[derive(Clone, Debug)]
enum Tree {
    Is(usize, bool),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Tree::Is(field, equal) => {
                format!("x.f{field} {} 'a'", if *equal { "=" } else { "!=" })
            }
            Tree::Not(of) => format!("not ({})", of.text()),
            Tree::And(a, b) => format!("({}) and ({})", a.text(), b.text()),
            Tree::Or(a, b) => format!("{} or ({})", a.text(), b.text()),
        }
    }

    fn holds(&self, known: &[bool]) -> bool {
        match self {
            Tree::Is(field, equal) => known[*field] == *equal,
            Tree::Not(of) => !of.holds(known),
            Tree::And(a, b) => a.holds(known) && b.holds(known),
            Tree::Or(a, b) => a.holds(known) || b.holds(known),
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = (0..4usize, any::<bool>()).prop_map(|(field, equal)| Tree::Is(field, equal));
    leaf.prop_recursive(4, 16, 2, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            inner.prop_map(|of| Tree::Not(Box::new(of))),
            two.clone().prop_map(|(a, b)| Tree::And(Box::new(a), Box::new(b))),
            two.prop_map(|(a, b)| Tree::Or(Box::new(a), Box::new(b))),
        ]
    })
}

proptest! {
    #[test]
    fn conditions_are_what_their_tree_says(
        tree in trees(), known in proptest::array::uniform4(any::<bool>()),
    ) {
        let read = condition(&tree.text()).map_err(|e| TestCaseError::fail(format!("{e:?}")))?;
        let names = ["x.f0", "x.f1", "x.f2", "x.f3"];
        let texts: Vec<_> =
            names.into_iter().zip(known).filter(|(_, k)| *k).map(|(n, _)| (n, "A")).collect();
        prop_assert_eq!(holds(&read, &texts), tree.holds(&known), "{}", tree.text());
    }

    #[test]
    fn any_text_is_a_condition_or_a_fault_inside_it(
        text in "[a-z_0-9 .=!(),'\"]{0,60}|(kind|x.a|and|or|not|in|is|known|=|'a'|,|[()]| ){0,20}|\\PC{0,30}",
    ) {
        match condition(&text) {
            Ok(read) => _ = holds(&read, &[("kind", "a")]),
            Err(fault) => prop_assert!(text.get(fault.at.clone()).is_some(), "{fault:?}"),
        }
    }
}

/// A place is stored: it may never change, nor be the same for two meanings.
#[test]
fn places_are_of_the_meaning_and_stable() {
    let of = |text: &str| measure(EntityKind::Activity, Moment::Done, text, None);
    let place = |own: &OwnMeasure| own.key(Measure::OwnCount).place;
    let demo = of("kind in ('demo', 'Meeting')");
    assert_eq!(place(&demo), 71_153_439_100_963);
    assert_eq!(place(&demo), place(&of(" kind  in ('MEETING','demo', 'demo')")));
    let others = [
        of("kind = 'demo'"),
        of("kind not in ('demo', 'meeting')"),
        of(""),
        measure(EntityKind::Activity, Moment::Due, "kind in ('demo', 'meeting')", None),
        measure(EntityKind::Touch, Moment::Done, "kind in ('demo', 'meeting')", None),
        measure(
            EntityKind::Activity,
            Moment::Done,
            "kind in ('demo', 'meeting')",
            Some(Field::Score),
        ),
    ];
    for other in &others {
        assert_ne!(place(&demo), place(other), "{}", other.text());
    }
    let key = demo.money_key(Measure::OwnAmount, Currency::parse("ZZZ").unwrap());
    assert_eq!(key.place / CURRENCIES, place(&demo));
}

#[test]
fn sums_are_of_their_measure_alone() {
    let [eur, usd] = ["EUR", "USD"].map(|code| Currency::parse(code).unwrap());
    let one = measure(EntityKind::Deal, Moment::Won, "kind = 'a'", Some(Field::Amount));
    let other = measure(EntityKind::Deal, Moment::Won, "kind = 'b'", Some(Field::Amount));
    let exact = |text: &str| text.parse::<Amount>().unwrap().exact();
    let flow = Measures::from_iter([
        (one.money_key(Measure::OwnAmount, eur), exact("1.5").0),
        (one.money_key(Measure::OwnPriced, eur), 2),
        (one.money_key(Measure::OwnAmount, usd), exact("3").0),
        (other.money_key(Measure::OwnAmount, eur), exact("7").0),
        (other.money_key(Measure::OwnAmount, usd), exact("9").0),
        (other.money_key(Measure::OwnPriced, eur), 1),
    ]);
    let value = one.compute(&flow, eur);
    assert_eq!((value.value, value.n), (Some(Number::Exact(exact("1.5"))), 2));
    assert_eq!(value.unconverted, [(usd, exact("3"))]);
    let seconds = measure(EntityKind::Activity, Moment::Done, "", Some(Field::Duration));
    let flow = Measures::from_iter([
        (seconds.key(Measure::OwnQuantity), exact("90").0),
        (seconds.key(Measure::OwnNumbered), 1),
    ]);
    assert_eq!(seconds.compute(&flow, eur).value, Some(Number::Float(1.5)));
    assert_eq!(seconds.unit(), Unit::Minutes);
}

/// Rates reach them too: a rest stays with its measure and its currency.
#[test]
fn sums_are_converted() {
    let [eur, usd] = ["EUR", "USD"].map(|code| Currency::parse(code).unwrap());
    let own = measure(EntityKind::Deal, Moment::Won, "", Some(Field::Amount));
    let mut fx = crate::model::fx::Fx::default();
    let day = crate::model::time::Day(0);
    fx.insert(usd, day, "0.3333333333".parse().unwrap());
    let key = |of, currency| own.money_key(of, currency);
    let cell = Measures::from_iter([
        (key(Measure::OwnAmount, usd), 1),
        (key(Measure::OwnPriced, usd), 1),
        (key(Measure::OwnAmount, eur), 5),
    ]);
    let mut total = Measures::new();
    for _ in 0..4 {
        crate::model::fx::plus(&mut total, &fx.convert(&cell, eur, day), eur);
    }
    let value = own.compute(&total, eur);
    assert_eq!((value.value, value.n), (Some(Number::Exact(Exact(21))), 4));
    assert!(value.unconverted.is_empty());
    let mut gone = Measures::new();
    gone.minus(&fx.convert(&cell, eur, day));
    for _ in 0..4 {
        crate::model::fx::plus(&mut total, &gone, eur);
    }
    assert!(total.is_zero());
}
