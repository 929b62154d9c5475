//! What is made of measurements: medians, ratios, aims met or missed. Pure.

use serde::Serialize;

use crate::load::Round;

/// What several rounds of one measurement come to: the median of each figure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// Errands per second.
    pub rate: f64,
    /// Half of them took at most so long, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 took at most so long, in milliseconds.
    pub p99_ms: f64,
    /// The lowest and highest rate of the rounds.
    pub spread: (f64, f64),
    /// Errands that failed, in all rounds.
    pub failed: u64,
}

impl Summary {
    /// Of at least one round.
    pub fn of(rounds: &[Round]) -> Self {
        let all = |figure: fn(&Round) -> f64| rounds.iter().map(figure).collect::<Vec<f64>>();
        let rates = all(|round| round.rate);
        let ends = rates.iter().fold((f64::MAX, f64::MIN), |(low, high), rate| {
            (low.min(*rate), high.max(*rate))
        });
        Self {
            rate: median(rates),
            p50_ms: median(all(|round| round.waits.value_at_quantile(0.50) as f64 / 1_000.0)),
            p99_ms: median(all(|round| round.waits.value_at_quantile(0.99) as f64 / 1_000.0)),
            spread: ends,
            failed: rounds.iter().map(|round| round.failed).sum(),
        }
    }
}

/// The middle of the values; of an even number the mean of the middle two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// The value that this part of all others does not exceed.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * part) as usize;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// How often a value drawn from `a` is larger than one drawn from `b`; ties count half. Half of the time, where who sees
/// one value cannot tell where it is from.
pub fn exceeds(a: &[f64], b: &[f64]) -> f64 {
    let larger = |x: &f64, y: &f64| match x.total_cmp(y) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    let all: f64 = a.iter().map(|x| b.iter().map(|y| larger(x, y)).sum::<f64>()).sum();
    all / (a.len() * b.len()) as f64
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
    /// One, give or take so much: for ratios of what should not differ.
    NearOne(f64),
}

impl Aim {
    /// Whether the figure is as it should be.
    pub fn met(self, figure: f64) -> bool {
        match self {
            Aim::AtLeast(least) => figure >= least,
            Aim::AtMost(most) => figure <= most,
            Aim::NearOne(gap) => (figure - 1.0).abs() <= gap,
        }
    }
}

/// A figure among the results.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `sqlite`, `postgres`, or nothing where no engine takes part.
    pub engine: &'static str,
    /// What was measured.
    pub name: String,
    /// By how many shoppers at once.
    pub shoppers: Option<usize>,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// Half of the errands took at most so long.
    pub p50_ms: Option<f64>,
    /// 99 of 100 took at most so long.
    pub p99_ms: Option<f64>,
    /// The figure by another one of the same run: its name, and the ratio.
    pub ratio: Option<(&'static str, f64)>,
    /// The aim in words, and whether it is met.
    pub aim: Option<(String, bool)>,
    /// What else is to be known.
    pub note: String,
}

impl Row {
    /// A figure with nothing beside it.
    pub fn new(engine: &'static str, name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            engine,
            name: name.into(),
            shoppers: None,
            value,
            unit,
            p50_ms: None,
            p99_ms: None,
            ratio: None,
            aim: None,
            note: String::new(),
        }
    }

    /// Errands per second, with how long they took.
    pub fn rate(engine: &'static str, name: impl Into<String>, shoppers: usize, summary: &Summary) -> Self {
        let (low, high) = summary.spread;
        let failed = if summary.failed > 0 {
            format!(", {} FAILED", summary.failed)
        } else {
            String::new()
        };
        Self {
            shoppers: Some(shoppers),
            p50_ms: Some(summary.p50_ms),
            p99_ms: Some(summary.p99_ms),
            note: format!("rounds {}–{}{failed}", grouped(low), grouped(high)),
            ..Self::new(engine, name, summary.rate, "/s")
        }
    }

    /// Beside another figure of the same run.
    pub fn over(mut self, name: &'static str, other: f64) -> Self {
        self.ratio = Some((name, self.value / other));
        self
    }

    /// The median of some waits, in milliseconds, with their 99th percentile.
    pub fn median(engine: &'static str, name: impl Into<String>, waits: &[f64]) -> Self {
        let p50 = quantile(waits, 0.5);
        Self {
            p50_ms: Some(p50),
            p99_ms: Some(quantile(waits, 0.99)),
            note: format!("{} calls", grouped(waits.len() as f64)),
            ..Self::new(engine, name, p50, "ms")
        }
    }

    /// With an aim for the figure itself.
    pub fn aims(mut self, aim: Aim) -> Self {
        self.aim = Some((words(aim, self.unit), aim.met(self.value)));
        self
    }

    /// With an aim for the ratio.
    pub fn aims_ratio(mut self, aim: Aim) -> Self {
        if let Some((name, ratio)) = self.ratio {
            self.aim = Some((words(aim, &format!(" × {name}")), aim.met(ratio)));
        }
        self
    }

    /// With a remark.
    pub fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

fn words(aim: Aim, unit: &str) -> String {
    let (sign, value) = match aim {
        Aim::AtLeast(least) => ('≥', least),
        Aim::AtMost(most) => ('≤', most),
        Aim::NearOne(gap) => return format!("1 ± {}{unit}", grouped(gap)),
    };
    let space = if unit.starts_with(['/', ' ']) { "" } else { " " };
    format!("{sign} {}{space}{unit}", grouped(value))
}

/// A number for people: thousands apart, and as many decimals as tell something.
pub fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let decimals = match value.abs() {
        big if big >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        small if (small * 10.0).fract() == 0.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let digits = whole.trim_start_matches('-');
    let mut all = String::from(if whole.len() > digits.len() { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            all.push(',');
        }
        all.push(digit);
    }
    all + rest.strip_suffix(".0").unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;

    fn round(rate: f64, waits: &[u64]) -> Round {
        let mut all = Histogram::new(3).unwrap();
        waits.iter().for_each(|wait| all.record(*wait).unwrap());
        Round {
            rate,
            done: waits.len() as u64,
            failed: 1,
            waits: all,
        }
    }

    #[test]
    fn takes_medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn compares_samples() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.99)), (51.0, 100.0));
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!((exceeds(&values, &values), exceeds(&[2.0, 3.0], &[1.0])), (0.5, 1.0));
    }

    #[test]
    fn sums_rounds_up() {
        let summary = Summary::of(&[
            round(10.0, &[1_000; 100]),
            round(30.0, &[2_000; 100]),
            round(20.0, &[&[1_000; 98][..], &[9_000; 2][..]].concat()),
        ]);
        assert_eq!((summary.rate, summary.spread, summary.failed), (20.0, (10.0, 30.0), 3));
        assert!((summary.p50_ms - 1.0).abs() < 0.01, "{summary:?}");
        assert!((summary.p99_ms - 2.0).abs() < 0.01, "{summary:?}");
    }

    #[test]
    fn judges_aims() {
        let row = Row::new("sqlite", "purchase", 1_999.0, "/s").over("H", 4_000.0);
        let judged = row.clone().aims(Aim::AtLeast(2_000.0));
        assert_eq!(judged.aim, Some(("≥ 2,000/s".to_owned(), false)));
        assert_eq!(
            row.clone().aims(Aim::AtMost(2_000.0)).aim,
            Some(("≤ 2,000/s".to_owned(), true))
        );
        let ratio = row.aims_ratio(Aim::AtLeast(0.4));
        assert_eq!(ratio.aim, Some(("≥ 0.4 × H".to_owned(), true)));
        let near = Row::new("sqlite", "unknown", 10.4, "ms")
            .over("known", 10.0)
            .aims_ratio(Aim::NearOne(0.05));
        assert_eq!(near.aim, Some(("1 ± 0.05 × known".to_owned(), true)));
        assert!(!Aim::NearOne(0.05).met(0.9) && !Aim::NearOne(0.05).met(f64::NAN));
        assert!(Aim::AtLeast(1.0).met(1.0) && Aim::AtMost(1.0).met(1.0));
        assert!(!Aim::AtLeast(1.0).met(f64::NAN) && !Aim::AtMost(1.0).met(f64::NAN));
    }

    #[test]
    fn writes_numbers_for_people() {
        for (value, text) in [
            (1_234_567.8, "1,234,568"),
            (999.4, "999"),
            (60.0, "60"),
            (12.34, "12.3"),
            (0.3, "0.3"),
            (0.456, "0.46"),
            (-1_500.0, "-1,500"),
            (0.0, "0"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(grouped(value), text);
        }
    }
}
