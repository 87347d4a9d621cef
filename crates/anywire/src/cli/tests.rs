//! The commands that the documentation shows are commands of this program, with the flags that it names.

use super::*;
use std::collections::BTreeSet;

const README: &str = include_str!("../../../../README.md");

/// The documents, by name.
const DOCUMENTS: [(&str, &str); 7] = [
    ("README.md", README),
    ("HACKING.md", include_str!("../../../../HACKING.md")),
    ("docs/config.md", include_str!("../../../../docs/config.md")),
    ("docs/framed.md", include_str!("../../../../docs/framed.md")),
    (
        "docs/recipes.md",
        include_str!("../../../../docs/recipes.md"),
    ),
    ("docs/wires.md", include_str!("../../../../docs/wires.md")),
    (
        "docs/protocol.md",
        include_str!("../../../../docs/protocol.md"),
    ),
];

/// What a user runs this program by.
const CALLS: [&str; 2] = ["anywire ", "cargo run --release -- "];

/// The rest of a line that runs this program.
fn called(line: &str) -> Option<&str> {
    CALLS.iter().find_map(|call| line.strip_prefix(call))
}

/// The lines of a document's examples: blocks indented by four blanks.
fn examples(document: &str) -> impl Iterator<Item = &str> {
    let lines = document.lines();
    lines.filter_map(|line| line.strip_prefix("    ").map(str::trim))
}

/// What stands between single back-quotes.
fn quoted(document: &str) -> impl Iterator<Item = &str> {
    let lines = document.lines();
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn examples_are_command_lines() {
    let mut found = 0;
    for (name, document) in DOCUMENTS {
        for line in examples(document).filter_map(called) {
            let line = line.split('#').next().unwrap_or(line);
            let words = line.split_whitespace();
            let parsed = Cli::try_parse_from(std::iter::once("anywire").chain(words));
            if let Err(error) = parsed {
                panic!("{name}: {line}: {error}");
            }
            found += 1;
        }
    }
    assert!(found >= 5, "{found} examples were found");
}

/// A usage such as `config check FILE` or `attach [SESSION] [--view]`: the command that its first words name.
fn named<'a>(root: &'a clap::Command, usage: &str) -> Option<(String, &'a clap::Command)> {
    let mut command = root;
    let mut name = Vec::new();
    for word in usage.split_whitespace() {
        match command.find_subcommand(word) {
            Some(inner) => (command, _) = (inner, name.push(word)),
            None => break,
        }
    }
    (!name.is_empty()).then(|| (name.join(" "), command))
}

/// The flags of a usage, with their dashes.
fn flags(usage: &str) -> impl Iterator<Item = &str> {
    let ends = |letter: char| letter.is_whitespace() || "[]|.,".contains(letter);
    let words = usage.split(ends);
    words.filter(|word| word.starts_with('-') && !word.trim_start_matches('-').is_empty())
}

fn knows(command: &clap::Command, flag: &str) -> bool {
    let mut arguments = command.get_arguments();
    arguments.any(|argument| match flag.strip_prefix("--") {
        Some(long) => argument.get_long() == Some(long),
        None => argument.get_short() == flag.chars().nth(1),
    })
}

/// xwterm's own flags are not clap's, and none of ours is tested here.
#[test]
fn what_the_documents_name_is_there() {
    let root = Cli::command();
    for (name, document) in DOCUMENTS {
        for usage in quoted(document).filter_map(called) {
            let (words, command) =
                named(&root, usage).unwrap_or_else(|| panic!("{name}: no command in {usage:?}"));
            for flag in flags(usage).filter(|_| words != "xwterm") {
                assert!(knows(command, flag), "{name}: {words} knows no {flag}");
            }
        }
    }
}

#[test]
fn every_command_is_in_the_readme() {
    let root = Cli::command();
    let rows = README
        .lines()
        .filter(|line| line.starts_with("| `anywire "));
    let told: BTreeSet<String> = rows
        .flat_map(|row| quoted(row).collect::<Vec<_>>())
        .filter_map(|usage| Some(named(&root, usage.trim_start_matches("anywire "))?.0))
        .filter_map(|name| name.split(' ').next().map(str::to_owned))
        .collect();
    let commands = root.get_subcommands().map(clap::Command::get_name);
    for command in commands.filter(|&name| name != "help" && name != "xwterm") {
        assert!(told.contains(command), "{command} is not in the table");
    }
    assert!(README.contains("`anywire xwterm`"));
}

/// `cargo run` without a name means this program, whatever else the workspace builds.
#[test]
fn cargo_run_means_this_program() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let members = metadata["workspace_default_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let programs: Vec<_> = packages
        .iter()
        .filter(|package| members.contains(&package["id"]))
        .flat_map(|package| package["targets"].as_array().unwrap())
        .filter(|target| target["kind"][0] == "bin")
        .map(|target| target["name"].as_str().unwrap())
        .collect();
    assert_eq!(programs, ["anywire"]);
}
