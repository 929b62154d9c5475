//! `cargo xtask client`: the types of the TypeScript client, `clients/typescript/src/schema.d.ts`, from the API's document.
//!
//! The npm package `openapi-typescript` writes them, in the version that the client's lock file names; it is installed
//! into `target`, never into the checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{document, root, written};

/// What is generated.
const TYPES: &str = "clients/typescript/src/schema.d.ts";

/// Writes the types anew, or only looks whether they are up to date.
///
/// # Errors
/// When npm is missing or cannot install, or the document cannot be read.
pub fn run(check: bool) -> Result<bool> {
    let source = root().join("clients/typescript");
    let folder = install(&source)?;
    let (reduced, types) = (folder.join("openapi.json"), folder.join("schema.d.ts"));
    fs::write(&reduced, serde_json::to_vec(&reduce(document()?))?)?;
    let status = Command::new(folder.join("node_modules/.bin/openapi-typescript"))
        .arg(&reduced)
        .arg("--output")
        .arg(&types)
        .current_dir(&folder)
        .stdout(std::process::Stdio::null())
        .status()
        .context("openapi-typescript cannot start")?;
    ensure!(status.success(), "openapi-typescript failed; its message stands above");
    written(TYPES, &fs::read(&types)?, check, "cargo xtask client")
}

/// The packages of the lock file of `source`, in a folder of `target`, which it answers.
fn install(source: &Path) -> Result<PathBuf> {
    let folder = root().join("target/npm/types");
    fs::create_dir_all(&folder)?;
    let lock = fs::read(source.join("package-lock.json")).context("the client has a package-lock.json")?;
    // npm writes this file when it is done with everything.
    let kept = fs::read(folder.join("installed.json"));
    if kept.is_ok_and(|kept| kept == lock) {
        return Ok(folder);
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), folder.join(file))?;
    }
    let status = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&folder)
        .status()
        .context("npm cannot start; install Node.js (Debian, Ubuntu: `sudo apt-get install npm`)")?;
    ensure!(status.success(), "`npm ci` failed; its message stands above");
    fs::write(folder.join("installed.json"), lock)?;
    Ok(folder)
}

/// The document with what a client's types need: one refusal for every call, since all have the same form, and all codes
/// of refusals as one type. Written out call by call they would be nine tenths of the file.
fn reduce(mut document: Value) -> Value {
    let mut codes = std::collections::BTreeSet::new();
    let operations = document
        .get_mut("paths")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
        .filter_map(|(_, methods)| methods.as_object_mut())
        .flatten();
    for (_, operation) in operations {
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
            continue;
        };
        for response in responses.values() {
            let listed = response.get("x-codes").and_then(Value::as_array).into_iter().flatten();
            codes.extend(listed.filter_map(Value::as_str).map(str::to_owned));
        }
        responses.retain(|status, _| !status.starts_with(['4', '5']));
        for response in responses.values_mut().filter_map(Value::as_object_mut) {
            response.remove("headers");
        }
        drop_examples(operation);
    }
    let of_any_call = document.pointer("/components/responses/Problem/x-codes");
    let of_any_call = of_any_call.and_then(Value::as_array).into_iter().flatten();
    codes.extend(of_any_call.filter_map(Value::as_str).map(str::to_owned));
    let codes: Vec<String> = codes.into_iter().collect();
    if let Some(schemas) = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
    {
        schemas.values_mut().for_each(drop_examples);
        schemas.insert(
            "ProblemCode".to_owned(),
            json!({ "description": "The codes of all refusals.", "type": "string", "enum": codes }),
        );
    }
    document
}

/// Takes examples out of a part of the document; a field of a record may well be called `example`, so schemas' fields
/// are walked by name.
fn drop_examples(part: &mut Value) {
    match part {
        Value::Object(fields) => {
            fields.remove("example");
            fields.remove("examples");
            for (name, value) in fields.iter_mut() {
                match value {
                    Value::Object(named) if name == "properties" => named.values_mut().for_each(drop_examples),
                    other => drop_examples(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(drop_examples),
        _ => {}
    }
}
