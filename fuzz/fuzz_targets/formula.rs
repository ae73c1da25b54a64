//! Any text as a formula is a program or a fault with its place inside the text; and a program gives
//! the same for the same numbers, whatever they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemark::model::formula::{Program, catalogued, read};
use tidemark::model::kpi::View;
use tidemark::model::measure::{Measure, MeasureKey, Measures};
use tidemark::model::money::Currency;
use tidemark::model::time::Day;

/// Every measure with a number that the text decides.
fn numbers(seed: &[u8]) -> Measures {
    let eur = Currency::parse("EUR").expect("three letters");
    let bytes = seed.iter().chain(&[1]).cycle();
    Measure::ALL
        .iter()
        .zip(bytes)
        .map(|((measure, ..), byte)| {
            (MeasureKey::currency(*measure, eur), i128::from(*byte as i8) << (byte % 40))
        })
        .collect()
}

fuzz_target!(|text: &str| {
    let program = match read(text).and_then(|written| Program::compile(&written, catalogued)) {
        Ok(program) => program,
        Err(fault) => {
            assert!(text.get(fault.at.clone()).is_some(), "{fault:?} of {text:?}");
            return;
        }
    };
    let (flow, stock) = numbers(text.as_bytes()).split_stock();
    let view = View {
        flow: &flow,
        stock: &stock,
        opening: &stock,
        first_day: Day(0),
        before: Some(&flow),
        age_days: 100,
        followed: Some(Day(100)),
        currency: Currency::parse("EUR").expect("three letters"),
    };
    let value = program.compute(&view);
    assert_eq!(value, program.compute(&view));
    if let Some(den) = value.den.filter(|_| program.parts().is_some()) {
        assert!(den.0 != 0 || value.value.is_none());
    }
});
