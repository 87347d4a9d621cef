//! What is wrong with a configuration, and where: file, line, column, the line itself and a caret under the place.

use std::fmt::{self, Write as _};

/// Characters of a line that are shown.
const SHOWN: usize = 120;
/// The most problems that are told at once.
pub(crate) const PROBLEMS: usize = 20;

/// A place in a text: line and column from 1, and how many characters it is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    line: usize,
    column: usize,
    len: usize,
}

impl Place {
    /// The beginning.
    pub(crate) const START: Self = Self::new(1, 1, 1);

    pub(crate) const fn new(line: usize, column: usize, len: usize) -> Self {
        Self { line, column, len }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) place: Place,
    pub(crate) what: String,
}

impl Problem {
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { place, what }
    }
}

/// Everything that is wrong with a text.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) struct Problems {
    /// The file's name, or the flag.
    source_name: String,
    text: String,
    problems: Vec<Problem>,
    /// What is wrong with the command line.
    loose: Vec<String>,
}

impl Problems {
    pub(crate) fn new(source_name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place);
        problems.dedup();
        Self {
            source_name: source_name.to_owned(),
            text: text.to_owned(),
            problems,
            loose: Vec::new(),
        }
    }

    /// What is wrong with a text that its reader has not written.
    pub(crate) fn without_places(&self) -> String {
        let problems = self.problems.iter().map(|problem| &problem.what);
        let all: Vec<&str> = self
            .loose
            .iter()
            .chain(problems)
            .map(String::as_str)
            .collect();
        all.join("\n")
    }

    /// With what has no place in the text.
    pub(crate) fn with_loose(mut self, loose: Vec<String>) -> Self {
        self.loose = loose;
        self
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, what) in self.loose.iter().enumerate() {
            write!(f, "{}{what}", if index > 0 { "\n" } else { "" })?;
        }
        for (index, Problem { place, what }) in self.problems.iter().take(PROBLEMS).enumerate() {
            if index > 0 || !self.loose.is_empty() {
                f.write_str("\n\n")?;
            }
            let Place { line, column, .. } = place;
            write!(f, "{}:{line}:{column}: {what}", self.source_name)?;
            let Some(text) = self.text.lines().nth(line - 1) else {
                continue;
            };
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            let (text, caret) = excerpt(text, *place);
            write!(f, "\n{margin} |\n{number} | {text}\n{margin} | {caret}")?;
        }
        match self.problems.len() {
            more if more > PROBLEMS => write!(f, "\n\nand {} more", more - PROBLEMS),
            _ => Ok(()),
        }
    }
}

/// The part of a line around a place, and the carets that go under it. What may be a secret is not shown.
fn excerpt(line: &str, place: Place) -> (String, String) {
    let secret = ["password", "sha256", "$argon2"]
        .iter()
        .find_map(|word| line.find(word));
    if let Some(at) = secret {
        let shown: String = line[..at].chars().map(printable).collect();
        let key = line[at..].split_once(':').map_or("", |(key, _)| key);
        let column = place.column - 1;
        let shown = format!("{shown}{key}: (not shown)");
        let caret = format!("{}^", " ".repeat(column.min(shown.chars().count())));
        return (shown, caret);
    }
    let start = (place.column - 1).saturating_sub(SHOWN / 2);
    let shown: String = line
        .chars()
        .skip(start)
        .take(SHOWN)
        .map(printable)
        .collect();
    let before = place.column - 1 - start;
    let len = place.len.clamp(1, SHOWN.saturating_sub(before).max(1));
    let mut caret = " ".repeat(before);
    let _ = write!(caret, "{}", "^".repeat(len));
    (shown, caret)
}

/// A file may hold anything; a terminal should not get it.
fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_its_place() {
        let text = "services:\n  shell: {comand: [sh]}\n";
        let problem = Problem::new(Place::new(2, 11, 6), "no key is called \"comand\"");
        assert_eq!(
            Problems::new("a.yaml", text, vec![problem]).to_string(),
            "a.yaml:2:11: no key is called \"comand\"\n  |\n2 |   shell: {comand: [sh]}\n  |           ^^^^^^"
        );
    }

    #[test]
    fn secrets_long_lines_and_control_characters_are_not_shown() {
        let show = |text: &str, column| {
            let problem = Problem::new(Place::new(1, column, 500), "x");
            Problems::new("a", text, vec![problem]).to_string()
        };
        let shown = show("  password: hunter2", 13);
        assert!(!shown.contains("hunter2") && shown.contains("password: (not shown)"));
        assert!(!show("a: \u{1b}[31m", 4).contains('\u{1b}'));
        assert!(show(&"x".repeat(10_000), 9000).len() < 400);
        assert!(show("", 70_000).len() < 400, "{}", show("", 70_000).len());
    }
}
