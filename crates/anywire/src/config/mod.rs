//! The configuration: a YAML file, the environment and flags, in that order of precedence.
//!
//! Reading order: [`file`] is what may stand in the file (with [`values`] for its durations and sizes), `tree` reads
//! YAML, `read` makes types of it and finds all mistakes, `query` takes options out of URLs, `overlay` puts flags on
//! top, `check` judges the whole, `settle` decides every default, [`runtime`] is what servers get. `report` shows what
//! is wrong and where; `show` prints what is in force.

mod check;
pub(crate) mod file;
mod messages;
mod overlay;
mod query;
mod read;
mod report;
pub(crate) mod runtime;
mod settle;
mod show;
mod tree;
pub(crate) mod values;

#[cfg(test)]
mod tests;

pub(crate) use overlay::Overlay;
pub(crate) use runtime::{Config, Settled};
pub(crate) use show::{print, show};
pub(crate) use values::as_text;

use anyhow::{Context as _, Result, anyhow};
use file::{File, Listener};
use read::Step;
use report::{Place, Problem, Problems};
use std::io::Read as _;
use std::path::Path;
use tree::{FILE_MAX, Kind, Node};

/// What is in force: the file with flags on top, every default filled in.
///
/// # Errors
/// Everything that is wrong, with its place.
pub(crate) fn load(path: Option<&Path>, overlay: &Overlay) -> Result<File> {
    let (name, text) = match path {
        Some(path) => (path.display().to_string(), slurp(path)?),
        None => (String::new(), String::new()),
    };
    parse(&name, &text, overlay).map_err(|problems| anyhow!("{problems}"))
}

/// What runs, if this machine has all that it needs.
///
/// # Errors
/// When the file or the flags are wrong, or a program, a folder or a certificate is missing.
pub(crate) fn settle(path: Option<&Path>, overlay: &Overlay) -> Result<Settled> {
    whole(settle::settle(load(path, overlay)?))
}

/// What runs, unless something is missing.
fn whole(settled: Settled) -> Result<Settled> {
    let missing: Vec<String> = settle::missing(&settled)
        .into_iter()
        .map(|(service, what)| match service {
            Some(service) => format!("service {service}: {what}"),
            None => what,
        })
        .collect();
    if missing.is_empty() {
        Ok(settled)
    } else {
        Err(anyhow!(missing.join("\n")))
    }
}

/// What a command stands for that has a configuration of its own, as a file with every default and as what runs. It goes
/// the way of every other file, so that the two are the same.
///
/// # Errors
/// As [`settle`].
pub(crate) fn made(file: &File) -> Result<(File, Settled)> {
    // JSON is YAML.
    let text = serde_json::to_string(file).context("writing the configuration")?;
    let file = parse("", &text, &Overlay::default())
        .map_err(|problems| anyhow!(problems.without_places()))?;
    let settled = whole(settle::settle(file.clone()))?;
    Ok((file, settled))
}

fn slurp(path: &Path) -> Result<String> {
    let doing = || format!("reading {}", path.display());
    let file = std::fs::File::open(path).with_context(doing)?;
    let mut bytes = Vec::new();
    // One byte more than may be there tells a file that is too large.
    file.take(FILE_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(doing)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow!("{}: not UTF-8 at byte {at}", path.display())
    })
}

/// Reads a text, for fuzzing: no panic, no more work than its length is worth, and what is shown of what was read is
/// read as the same.
///
/// # Panics
/// When that is not so.
pub fn fuzz(text: &str) {
    let none = Overlay::default();
    let file = match parse("fuzz", text, &none) {
        Ok(file) => file,
        Err(problems) => return drop(problems.to_string()),
    };
    let (Ok(shown), true) = (
        show(&file),
        file.auth.users.is_empty() && file.auth.tokens.is_empty(),
    ) else {
        return;
    };
    match parse("shown", &shown, &none) {
        Ok(again) => assert_eq!(again, file),
        Err(problems) => panic!("{problems}\n{shown}"),
    }
}

fn parse(name: &str, text: &str, overlay: &Overlay) -> Result<File, Problems> {
    let fail = |problems| Problems::new(name, text, problems);
    let mut root = tree::parse(text).map_err(|problem| fail(vec![problem]))?;
    let mut problems = query::expand(&mut root);
    let mut found = read::read::<File>(root.clone());
    let mut broken = Vec::new();
    for (problem, path) in found.mistakes.drain(..) {
        problems.push(problem);
        broken.push(path);
    }
    let Some(mut file) = found.value.take() else {
        return Err(fail(problems));
    };
    overlay.put_on(&mut file)?;
    if file.listeners.is_none() {
        file.listeners = Some(vec![settle::default_listener()]);
    }
    let mut loose = Vec::new();
    for (path, what) in check::check(&file).0 {
        let service = service_of(&file, &path);
        let made = overlay.made(&path, &root);
        let path = if made { path } else { found.in_file(path) };
        let cause = |mistake: &Vec<Step>| is_cause(mistake, &path, service, made);
        if broken.iter().any(cause) {
            // What is missing there may be what could not be read.
            continue;
        }
        if made {
            loose.push(what);
        } else {
            problems.push(Problem::new(read::place_of(&root, &path), what));
        }
    }
    if !problems.is_empty() || !loose.is_empty() {
        return Err(fail(problems).with_loose(loose));
    }
    settle::fill(&mut file);
    Ok(file)
}

/// The service that the listener names which a complaint is about.
fn service_of<'a>(file: &'a File, complaint: &[Step]) -> Option<&'a str> {
    let [Step::Key(section), Step::Index(index), ..] = complaint else {
        return None;
    };
    let listeners = file.listeners.as_ref().filter(|_| section == "listeners")?;
    listeners.get(*index)?.service.as_deref()
}

/// Whether a mistake may be the cause of a complaint: it is in the same listener, the same service, or it is the whole
/// of the service that a listener names, or does not name. Nothing in the file's listeners is the cause of what is wrong
/// with those of flags, which were `made`.
fn is_cause(mistake: &[Step], complaint: &[Step], service: Option<&str>, made: bool) -> bool {
    let (Some(Step::Key(section)), Some(Step::Key(of))) = (mistake.first(), complaint.first())
    else {
        return true;
    };
    match (section.as_str(), of.as_str(), mistake.get(1)) {
        (section, of, None) => section == of || section == "services" && of == "listeners",
        ("services", "listeners", Some(Step::Key(name))) => {
            mistake.len() == 2 && service.is_none_or(|service| service == name)
        }
        ("listeners", "listeners", _) if made => false,
        (section, of, inner) => section == of && complaint.get(1) == inner,
    }
}

/// Reads the listeners of the command line.
fn listeners(urls: &[String]) -> Result<Vec<Listener>, Problems> {
    let mut listeners = Vec::new();
    for url in urls {
        let place = Place::START;
        let kind = Kind::List(vec![query::listener(url)]);
        let key = tree::Key {
            place,
            name: "listeners".to_owned(),
        };
        let kind = Kind::Map(vec![(key, Node { place, kind })]);
        let mut root = Node { place, kind };
        let mut problems = query::expand(&mut root);
        let found = read::read::<File>(root);
        problems.extend(found.mistakes.into_iter().map(|(problem, _)| problem));
        if !problems.is_empty() {
            return Err(Problems::new("-l", url, problems));
        }
        let file = found.value;
        listeners.extend(file.and_then(|file| file.listeners).into_iter().flatten());
    }
    Ok(listeners)
}

/// The JSON schema of the file.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(File)
}
