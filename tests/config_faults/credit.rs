//! What is wrong with rates, and with the directory's moves.

use insta::assert_snapshot;
use tidemark::config::Config;

use super::refusal;

#[test]
fn rates_that_are_none() {
    assert_snapshot!(refusal(
        r#"
[fx]
[[fx.rate]]
date = "2026-01-01"
from = "GBP"
to = "USD"
rate = "0"

[[fx.rate]]
date = "2026-13-01"
from = "EURO"
to = "USD"
rate = "1.12345678901"

[[fx.rate]]
date = "2026-01-01"
from = "JPY"
to = "USD"
rate = -1
"#
    ));
    assert_snapshot!(refusal(
        r#"
[money]
currency = "EUR"
[[fx.rate]]
date = "2026-01-01"
from = "EUR"
to = "USD"
rate = "1.1311"
[[fx.rate]]
date = "2026-01-01"
from = "EUR"
to = "USD"
rate = "1.1312"
"#
    ));
}

#[test]
fn rates_of_a_csv_are_told_by_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let told = |csv: &str| {
        std::fs::write(dir.path().join("fx.csv"), csv).unwrap();
        let name = dir.path().join("tidemark.toml").display().to_string();
        let read = Config::from_toml("[fx]\nfile = \"fx.csv\"\n", &name, std::iter::empty());
        let rates = |config: Config| format!("{:?}", config.definition.fx);
        let told = read.map(rates).unwrap_or_else(|error| error.to_string());
        told.replace(&dir.path().display().to_string(), "DIR")
    };
    let faults = "date,from,to,rate\n2026-01-01,GBP,USD,1.25\n2026-01-02,XXX,USD,1\n\
        2026-01-03,GBP,USD,-1\n2026-01-04,GBP,USD\n";
    assert_snapshot!(told(faults));
    assert_snapshot!(told(
        "date,from,to,rate\n2026-01-01,GBP,USD,1.25\n \n\n# again\n2026-01-01,GBP,USD,1.3\n"
    ));
    assert_snapshot!(told("day,from,to,rate\n"));
    // A comma of decimals, in quotes and without: never a rate of 1.
    assert_snapshot!(told(
        "date,from,to,rate\n2026-01-01,GBP,USD,\"1,25\"\n2026-01-02,GBP,USD,1,25\n"
    ));
    let semicolons = told("date;from;to;rate\n2026-01-01;GBP;USD;1,25\n");
    assert!(semicolons.contains("the rate \"1,25\""), "{semicolons}");
    let quoted = "\"date\",\"from\",\"to\",\"rate\"\n\"2026-01-01\",\"GBP\",\"USD\",\"1.25\"\n";
    assert!(told(quoted).contains("Rate(12500000000)"), "{}", told(quoted));
    // In any order, with a byte order mark, quotes and semicolons, as a spreadsheet writes it.
    let spreadsheet =
        "\u{feff}rate;from;to;date\r\n\"1.25\";gbp;USD;2026-01-01\r\n2;GBP;EUR;2026-01-01\r\n";
    let plain = "date,from,to,rate\n2026-01-01,GBP,USD,1.25\n";
    assert_eq!(told(spreadsheet), told(plain));
    assert!(told(plain).contains("Rate(12500000000)"), "{}", told(plain));
}

#[test]
fn moves_that_are_none() {
    assert_snapshot!(refusal(
        r#"
[[directory.rep]]
id = "r-1"
team = "core"
moves = [
  { from = "2026-07-01", team = "core" },
  { from = "2026-08-01", team = "enterprise" },
  { from = "2026-08-01", territory = "France" },
  { from = "2026-09-01" },
]
"#
    ));
    assert_snapshot!(refusal(
        r#"
[[directory.rep]]
id = "r-1"
moves = [{ from = "July", teem = "core" }, { team = "core" }]
"#
    ));
}
