//! The list of sessions as people read it.

use serde::Deserialize;
use std::fmt::Write as _;

/// What `ls` shows of a session. Keys that a server does not send, or sends in another shape, stay empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    id: String,
    name: String,
    service: String,
    io: String,
    size: Option<anywire_model::Size>,
    head: u64,
    age_ms: u64,
    pid: Option<u32>,
    attachments: usize,
    exit: Option<anywire_model::ExitReason>,
}

impl Row {
    fn cells(&self) -> [String; 9] {
        [
            clean(&self.name),
            clean(self.id.get(..8).unwrap_or(&self.id)),
            clean(&self.service),
            clean(&self.io),
            self.size
                .filter(|_| self.io == "pty")
                .map_or_else(|| "-".into(), |size| size.to_string()),
            bytes(self.head),
            age(self.age_ms),
            self.attachments.to_string(),
            match (&self.exit, self.pid) {
                (Some(reason), _) => clean(&reason.to_string()),
                (None, Some(pid)) => format!("running, pid {pid}"),
                (None, None) => "running".into(),
            },
        ]
    }
}

/// Lines of aligned columns, with a heading; a sentence when there is nothing.
pub(super) fn render(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no sessions\n".into();
    }
    let heading = [
        "NAME", "ID", "SERVICE", "IO", "SIZE", "OUTPUT", "AGE", "ATTACHED", "STATE",
    ]
    .map(String::from);
    let lines: Vec<_> = std::iter::once(heading)
        .chain(rows.iter().map(Row::cells))
        .collect();
    let mut text = String::new();
    for line in &lines {
        let last = line.len() - 1;
        for (column, cell) in line.iter().enumerate() {
            let width = lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0);
            let _ = match column {
                _ if column == last => writeln!(text, "{cell}"),
                // Numbers read best with their ends aligned.
                5..=7 => write!(text, "{cell:>width$}  "),
                _ => write!(text, "{cell:<width$}  "),
            };
        }
    }
    text
}

/// A name may hold what a client chose, and a server's words what it wants: no control character of them reaches the
/// terminal.
pub(in crate::cli) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn bytes(count: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", count as f64 / *unit as f64),
        None => format!("{count} B"),
    }
}

fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_control_characters_stay_out() {
        let rows: Vec<Row> = serde_json::from_str(
            r#"[{"id":"0123456789abcdef0123456789abcdef","name":"shell-1","service":"shell","io":"pty",
                 "size":{"cols":80,"rows":24},"head":3145728,"age_ms":61000,"pid":7,"attachments":2,"exit":null},
                {"id":"ff","name":"a\u001b]0;x\u0007","service":"s","io":"pipe","head":5,"age_ms":90061000,
                 "exit":{"kind":"code","code":3},"later":true}]"#,
        )
        .unwrap();
        let text = render(&rows);
        let expected = "\
NAME     ID        SERVICE  IO    SIZE    OUTPUT    AGE  ATTACHED  STATE
shell-1  01234567  shell    pty   80x24  3.0 MiB  1m01s         2  running, pid 7
a\u{fffd}]0;x\u{fffd}  ff        s        pipe  -          5 B  1d01h         0  exited with code 3
";
        assert_eq!(text, expected);
        assert_eq!(render(&[]), "no sessions\n");
    }
}
