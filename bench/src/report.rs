//! Results: for the terminal as they come, and for the record as Markdown and JSON.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::figures::{Row, grouped};
use crate::machine::Machine;

/// Everything that a run found out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Versions of what takes part, by name.
    pub versions: Vec<(String, String)>,
    /// How it was run.
    pub options: String,
    /// The settings by which the engines keep what was acknowledged: engine, parts, settings.
    pub durability: Vec<(&'static str, String, String)>,
    /// The figures.
    pub rows: Vec<Row>,
    /// What a purchase costs, by part.
    pub costs: Vec<Cost>,
    /// What was found after the crash, a sentence each.
    pub crash: Vec<String>,
    /// Seconds of processor time that other programs used meanwhile, and all there was.
    pub disturbance: (f64, f64),
}

/// What a purchase costs one part.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// The engine.
    pub engine: &'static str,
    /// The part.
    pub part: String,
    /// Commits a purchase, when 64 shoppers share them.
    pub commits: f64,
    /// Flushes to disk a purchase.
    pub syncs: f64,
    /// Statements a purchase.
    pub statements: f64,
    /// Calls that one commit answers.
    pub per_commit: f64,
    /// Microseconds of processor time a purchase, where the part is a process of its own.
    pub cpu_us: Option<f64>,
}

impl Report {
    /// How many aims are missed.
    pub fn missed(&self) -> usize {
        self.rows
            .iter()
            .filter(|row| row.aim.as_ref().is_some_and(|(_, met)| !met))
            .count()
    }

    /// All of it as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let machine = &self.machine;
        // Writing to a string does not fail.
        let _ = writeln!(text, "# Bench of {}\n", machine.commit);
        let _ = writeln!(
            text,
            "Commit {} of {}. {} with {} cores, {} MiB of memory, Linux {}, data on {}.",
            machine.commit,
            machine.date,
            machine.processor,
            machine.cores,
            machine.memory_mib,
            machine.kernel,
            machine.file_system
        );
        let versions: Vec<String> = self
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        let _ = writeln!(text, "{}. Options: `{}`.", versions.join(", "), self.options);
        let (others, all) = self.disturbance;
        let _ = writeln!(
            text,
            "Other programs used {:.1} % of the processor time meanwhile.\n",
            100.0 * others / all
        );
        let _ = writeln!(text, "Durability in force:\n");
        for (engine, parts, settings) in &self.durability {
            let _ = writeln!(text, "- {engine}: {settings} ({parts})");
        }
        let _ = writeln!(
            text,
            "\n## Figures\n\nRates and times are medians of the rounds; load from a second process on the same machine.\n"
        );
        let cells = self.rows.iter().map(cells).collect::<Vec<_>>();
        text.push_str(&table(&HEAD, &cells));
        if !self.costs.is_empty() {
            let _ = writeln!(text, "\n## What a purchase costs, by part\n");
            let cells = self.costs.iter().map(cost_cells).collect::<Vec<_>>();
            text.push_str(&table(&COST_HEAD, &cells));
        }
        if !self.crash.is_empty() {
            let _ = writeln!(text, "\n## After SIGKILL under load\n");
            self.crash.iter().for_each(|line| {
                let _ = writeln!(text, "- {line}");
            });
        }
        let aims = self.rows.iter().filter(|row| row.aim.is_some()).count();
        let _ = writeln!(text, "\n{} of {aims} aims met.", aims - self.missed());
        text
    }

    /// Writes `<date>-<commit>.md` and `.json` into the folder; answers the first.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn record(&self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        let day = jiff::Timestamp::now().to_string();
        let day = day.split('T').next().unwrap_or_default();
        let file = folder.join(format!("{day}-{}.md", self.machine.commit.replace('+', "-changed")));
        std::fs::write(&file, self.markdown()).with_context(|| format!("{} cannot be written", file.display()))?;
        std::fs::write(file.with_extension("json"), serde_json::to_string_pretty(self)?)?;
        Ok(file)
    }
}

const HEAD: [&str; 9] = [
    "engine", "what", "shoppers", "figure", "p50 ms", "p99 ms", "ratio", "aim", "remarks",
];
const COST_HEAD: [&str; 7] = [
    "engine",
    "part",
    "commits",
    "fsyncs",
    "statements",
    "calls a commit",
    "µs of CPU",
];

/// A figure's cells, also for a line on the terminal.
pub fn cells(row: &Row) -> Vec<String> {
    let milliseconds = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
    vec![
        row.engine.to_owned(),
        row.name.clone(),
        row.shoppers.map_or_else(String::new, |count| count.to_string()),
        format!(
            "{}{}{}",
            grouped(row.value),
            if row.unit.starts_with('/') { "" } else { " " },
            row.unit
        )
        .trim()
        .to_owned(),
        milliseconds(row.p50_ms),
        milliseconds(row.p99_ms),
        row.ratio
            .map_or_else(String::new, |(of, ratio)| format!("{ratio:.2} × {of}")),
        row.aim.as_ref().map_or_else(String::new, |(aim, met)| {
            format!("{aim}: {}", if *met { "met" } else { "MISSED" })
        }),
        row.note.clone(),
    ]
}

fn cost_cells(cost: &Cost) -> Vec<String> {
    let figure = |value: f64| format!("{value:.2}");
    vec![
        cost.engine.to_owned(),
        cost.part.clone(),
        figure(cost.commits),
        figure(cost.syncs),
        figure(cost.statements),
        figure(cost.per_commit),
        cost.cpu_us.map_or_else(String::new, grouped),
    ]
}

/// A Markdown table whose columns are as wide as they must be.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let wide = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(wide).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            let gap = width - cell.chars().count();
            format!("| {cell}{} ", " ".repeat(gap))
        });
        padded.collect::<String>() + "|\n"
    };
    let mut text = line(head.to_vec());
    text.push_str(
        &widths
            .iter()
            .map(|width| format!("|{}", "-".repeat(width + 2)))
            .collect::<String>(),
    );
    text.push_str("|\n");
    rows.iter()
        .for_each(|row| text.push_str(&line(row.iter().map(String::as_str).collect())));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Aim;

    #[test]
    fn draws_tables() {
        let rows = vec![
            vec!["a".to_owned(), "×".to_owned()],
            vec!["long".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["x", "y"], &rows),
            "| x    | y |\n|------|---|\n| a    | × |\n| long |   |\n"
        );
    }

    #[test]
    fn tells_aims() {
        let row = Row::new("", "memory idle", 61.2, "MiB").aims(Aim::AtMost(60.0));
        let cells = cells(&row);
        assert_eq!((cells[3].as_str(), cells[7].as_str()), ("61.2 MiB", "≤ 60 MiB: MISSED"));
        let report = Report {
            machine: Machine::here(),
            versions: vec![("SQLite".to_owned(), "3".to_owned())],
            options: "--quick".to_owned(),
            durability: vec![("sqlite", "orders".to_owned(), "synchronous=FULL".to_owned())],
            rows: vec![row, Row::new("", "start", 0.1, "s").aims(Aim::AtMost(0.3))],
            costs: Vec::new(),
            crash: vec!["nothing was lost".to_owned()],
            disturbance: (1.0, 100.0),
        };
        assert_eq!(report.missed(), 1);
        let text = report.markdown();
        assert!(text.ends_with("- nothing was lost\n\n1 of 2 aims met.\n"), "{text}");
        assert!(text.contains("used 1.0 % of the processor time"), "{text}");
    }
}
