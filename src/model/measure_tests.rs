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
