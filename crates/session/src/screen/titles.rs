//! Window titles: cleaned and bounded, with the stack that programs push them on.

/// Most characters of a title.
pub(super) const TITLE_MAX: usize = 256;
/// Most titles on the stack; the oldest is dropped (xterm.js keeps as many).
const STACK_MAX: usize = 10;

/// The title and those pushed below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Titles {
    current: Option<String>,
    stack: Vec<Option<String>>,
}

impl Titles {
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Pushed titles, oldest first.
    pub(super) fn stack(&self) -> impl Iterator<Item = Option<&str>> {
        self.stack.iter().map(Option::as_deref)
    }

    /// Takes a title from a program: without control characters, and no longer than it may be.
    pub(super) fn set(&mut self, title: &str) {
        let clean: String = title
            .chars()
            .filter(|c| !c.is_control())
            .take(TITLE_MAX)
            .collect();
        self.current = Some(clean.trim().to_owned());
    }

    pub(super) fn push(&mut self) {
        if self.stack.len() == STACK_MAX {
            self.stack.remove(0);
        }
        self.stack.push(self.current.clone());
    }

    pub(super) fn pop(&mut self) {
        if let Some(title) = self.stack.pop() {
            self.current = title;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_cleaned_and_bounded() {
        let mut titles = Titles::default();
        titles.set("a\u{1b}[31m\u{9b}b\nc ");
        assert_eq!(titles.current(), Some("a[31mbc"));
        titles.set(&"\u{e9}".repeat(1000));
        assert_eq!(titles.current().unwrap().chars().count(), TITLE_MAX);
    }

    #[test]
    fn stack_drops_the_oldest() {
        let mut titles = Titles::default();
        for n in 0..20 {
            titles.set(&n.to_string());
            titles.push();
        }
        assert_eq!(titles.stack().next(), Some(Some("10")));
        titles.pop();
        assert_eq!(titles.current(), Some("19"));
    }
}
