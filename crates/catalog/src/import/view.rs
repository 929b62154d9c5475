//! Imports as people see them.

use api::catalog::{FieldChange, Import, ImportChange, ImportFault, ImportUndo, KeptBack, RejectedRow};
use base::{Currency, Money};
use serde_json::Value;

use super::change::{Field, MONEY};
use crate::store::{ChangeRow, ImportRow, NewRejected};

/// Fields of one product that a list of changes shows.
const FIELDS_SHOWN_MAX: usize = 200;
/// Characters of a text that a list of changes shows.
const TEXT_SHOWN_MAX: usize = 1_000;

/// An import with the first rows that it rejected, and the first things that its undo left.
pub(super) fn import(row: ImportRow, rejected: Vec<NewRejected>, kept: Vec<ChangeRow>) -> Import {
    let figure = |figure: i64| u64::try_from(figure).unwrap_or(0);
    let reason = |change: ChangeRow| KeptBack {
        handle: change.new.handle,
        reason: change.kept.join("; "),
    };
    let reasons = kept.into_iter().map(reason).collect();
    let undo = row.undo_by.map(|(actor, _)| ImportUndo {
        actor,
        force: row.undo_force,
        restored: figure(row.restored),
        kept: figure(row.kept),
        reasons,
        finished_at: row.undone_at,
    });
    let told = |row: NewRejected| RejectedRow {
        line: row.line,
        handle: row.handle,
        reason: row.reason,
    };
    Import {
        id: row.id,
        state: row.state,
        dry_run: row.dry_run,
        stock: row.stock,
        actor: row.actor,
        bytes: figure(row.bytes),
        bytes_done: figure(row.reached.bytes),
        rows: figure(row.reached.rows),
        created: figure(row.tally.created),
        updated: figure(row.tally.updated),
        unchanged: figure(row.tally.unchanged),
        left_out: figure(row.tally.left_out),
        variants: figure(row.tally.variants),
        rejected_rows: figure(row.tally.rejected),
        rejected: rejected.into_iter().map(told).collect(),
        problem: row.fault.map(|(code, detail)| ImportFault { code, detail }),
        undo,
        created_at: row.created_at,
        finished_at: row.finished_at,
    }
}

/// A change; prices are in `currency`.
pub(super) fn change(row: ChangeRow, currency: Currency) -> ImportChange {
    let new = row.new;
    let of_product = new.change.facts.into_iter().map(|field| (None, field));
    let of_variants = new.change.variants.into_iter().flat_map(|variant| {
        let name = variant.name;
        variant.fields.into_iter().map(move |field| (Some(name.clone()), field))
    });
    let mut fields: Vec<FieldChange> = of_product
        .chain(of_variants)
        .map(|(variant, field)| shown(variant, field, currency))
        .collect();
    let more_fields = fields.len().saturating_sub(FIELDS_SHOWN_MAX) as u64;
    fields.truncate(FIELDS_SHOWN_MAX);
    ImportChange {
        handle: new.handle,
        product_id: new.product,
        line: new.line,
        action: new.action,
        fields,
        more_fields,
        undo: row.undo,
        kept: row.kept,
    }
}

fn shown(variant: Option<String>, (field, before, after): Field, currency: Currency) -> FieldChange {
    let value = |value: Value| match value {
        Value::Number(minor) if MONEY.contains(&field.as_str()) => {
            let money = minor
                .as_i64()
                .map(|minor| Money::new(minor, currency).amount().to_string());
            money.map_or(Value::Null, Value::String)
        }
        Value::String(text) if text.chars().count() > TEXT_SHOWN_MAX => {
            let cut: String = text.chars().take(TEXT_SHOWN_MAX).collect();
            Value::String(cut + "…")
        }
        other => other,
    };
    let (before, after) = (value(before), value(after));
    FieldChange {
        field,
        variant,
        before,
        after,
    }
}
