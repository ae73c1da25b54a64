use super::*;
use proptest::prelude::*;

fn any_measures() -> impl Strategy<Value = Measures> {
    let entry = (0..Measure::ALL.len(), -3..3i64, -5..5i128);
    proptest::collection::vec(entry, 0..12).prop_map(|v| {
        v.into_iter()
            .map(|(m, place, n)| (MeasureKey { measure: Measure::ALL[m].0, place }, n))
            .collect()
    })
}

proptest! {
    #[test]
    fn they_form_an_abelian_group(a in any_measures(), b in any_measures(), c in any_measures()) {
        let sum = |x: &Measures, y: &Measures| { let mut s = x.clone(); s.plus(y); s };
        prop_assert_eq!(sum(&a, &b), sum(&b, &a));
        prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
        prop_assert_eq!(&sum(&a, &Measures::new()), &a);
        let mut zero = a.clone();
        zero.minus(&a);
        prop_assert!(zero.is_zero());
        prop_assert_eq!(sum(&b, &Measures::difference(&a, &b)), a);
    }

    /// Sums of long and of short values, where keys come, stay and go.
    #[test]
    fn sums_are_those_of_a_map(
        a in proptest::collection::vec((0..40i64, -2..3i128), 0..60),
        b in proptest::collection::vec((0..40i64, -2..3i128), 0..60),
        sign in prop_oneof![Just(1i128), Just(-1)],
    ) {
        let key = |place| MeasureKey { measure: Measure::CycleWon, place };
        let value = |of: &[(i64, i128)]| of.iter().map(|(p, n)| (key(*p), *n)).collect::<Measures>();
        let mut map = std::collections::BTreeMap::<i64, i128>::new();
        a.iter().for_each(|(p, n)| *map.entry(*p).or_default() += n);
        b.iter().for_each(|(p, n)| *map.entry(*p).or_default() += sign * n);
        map.retain(|_, n| *n != 0);
        let mut sum = value(&a);
        if sign > 0 { sum.plus(&value(&b)) } else { sum.minus(&value(&b)) }
        let told: Vec<_> = sum.entries().iter().map(|(k, n)| (k.place, *n)).collect();
        prop_assert_eq!(told, map.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn entries_stay_sorted_and_without_zeros(a in any_measures(), b in any_measures()) {
        let mut s = a;
        s.plus(&b);
        prop_assert!(s.entries().windows(2).all(|w| w[0].0 < w[1].0));
        prop_assert!(s.entries().iter().all(|(_, n)| *n != 0));
        let (flow, stock) = s.clone().split_stock();
        let mut both = flow;
        both.plus(&stock);
        prop_assert_eq!(both, s);
    }
}

#[test]
fn an_entry_takes_two_values_however_wide_its_place() {
    assert_eq!(size_of::<(MeasureKey, i128)>(), 2 * size_of::<i128>());
}

#[test]
fn numbers_of_measures_are_stable() {
    for (i, (measure, ..)) in Measure::ALL.iter().enumerate() {
        assert_eq!(*measure as usize, i);
    }
}
