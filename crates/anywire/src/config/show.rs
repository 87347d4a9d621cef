//! The configuration that is in force, as YAML. Secrets are not shown.

use super::file::File;
use super::tree::{self, Kind, Node};
use super::values::Secret;
use std::fmt::Write as _;

/// Prints a configuration so that it could be read again, but for the secrets.
pub(crate) fn show(file: &File) -> anyhow::Result<String> {
    let mut file = file.clone();
    let hidden = || Secret("(not shown)".to_owned());
    for user in file.auth.users.values_mut() {
        user.password = hidden();
    }
    for token in file.auth.tokens.values_mut() {
        token.sha256 = hidden();
    }
    print(&file)
}

/// Prints a configuration so that it is read again as the same, secrets included.
pub(crate) fn print(file: &File) -> anyhow::Result<String> {
    // JSON is YAML, and our own reader keeps the order of keys.
    let json = serde_json::to_string(file)?;
    let root = tree::parse(&json).map_err(|problem| anyhow::anyhow!(problem.what))?;
    let mut out = String::new();
    block(&mut out, &root, 0);
    Ok(out)
}

/// A value on lines of its own.
fn block(out: &mut String, node: &Node, indent: usize) {
    match &node.kind {
        Kind::Map(entries) => {
            for (index, (key, value)) in entries.iter().enumerate() {
                // In a list, the first key stands behind the dash.
                if index > 0 || !out.ends_with("- ") {
                    out.push_str(&" ".repeat(indent));
                }
                let _ = write!(out, "{}:", scalar(&key.name, false));
                match &value.kind {
                    Kind::Map(inner) if !inner.is_empty() => {
                        out.push('\n');
                        block(out, value, indent + 2);
                    }
                    Kind::List(items)
                        if items.iter().any(|item| matches!(item.kind, Kind::Map(_))) =>
                    {
                        out.push('\n');
                        block(out, value, indent + 2);
                    }
                    _ => {
                        out.push(' ');
                        inline(out, value);
                        out.push('\n');
                    }
                }
            }
        }
        Kind::List(items) => {
            for item in items {
                let _ = write!(out, "{}- ", " ".repeat(indent));
                block(out, item, indent + 2);
            }
        }
        Kind::Null | Kind::Scalar { .. } => {
            inline(out, node);
            out.push('\n');
        }
    }
}

/// A value within a line.
fn inline(out: &mut String, node: &Node) {
    match &node.kind {
        Kind::Null => out.push_str("null"),
        Kind::Scalar { text, plain } => out.push_str(&scalar(text, *plain)),
        Kind::Map(_) => out.push_str("{}"),
        Kind::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                inline(out, item);
            }
            out.push(']');
        }
    }
}

/// A text, in quotes unless it is plain whatever reads it.
fn scalar(text: &str, plain: bool) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let amount = unit.len() < text.len()
        && matches!(unit, "ms" | "s" | "m" | "h" | "d" | "KiB" | "MiB" | "GiB");
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(safe)
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain || word || amount {
        text.to_owned()
    } else {
        serde_json::to_string(text).unwrap_or_default()
    }
}
