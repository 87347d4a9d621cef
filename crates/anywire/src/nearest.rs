//! What somebody meant who wrote a word that is not known.

/// Letters that have to be changed, added or left out between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // Longer ones are like nothing that is known.
    for (i, x) in a.chars().take(64).enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

/// Whether a word of so many letters is recognized although so many are wrong: a quarter and one, but never most.
fn is_near(distance: usize, len: usize) -> bool {
    distance <= 1 + len / 4 && distance * 2 <= len
}

/// The known word that is most like this one, if one is.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known
        .into_iter()
        .map(|known| (distance(word, known), known))
        .filter(|(distance, known)| is_near(*distance, known.chars().count()));
    near.min().map(|(_, known)| known)
}

/// The names that somebody may have meant, best first: those that are like the word, or of which it is a part.
pub(crate) fn likely(word: &str, names: &[String]) -> Vec<String> {
    let word = word.to_lowercase();
    let mut likely: Vec<(bool, usize, &String)> = names
        .iter()
        .filter_map(|name| {
            let known = name.to_lowercase();
            let len = known.chars().count();
            let distance = distance(&word, &known);
            // A letter or two are a part of too much.
            let part = word.chars().count() > 1 && known.contains(&word)
                || len > 2 && word.contains(&known);
            (part || is_near(distance, len)).then_some((!part, distance, name))
        })
        .collect();
    likely.sort();
    likely.into_iter().map(|(.., name)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let names = ["shell-1", "build", "shell-12", "logs", "new", "na"].map(str::to_owned);
        for (word, first) in [
            ("shel-1", Some("shell-1")),
            ("BILD", Some("build")),
            ("12", Some("shell-12")),
            ("nwe", None),
            ("neu", Some("new")),
            ("nosuch", None),
            ("quite-another", None),
        ] {
            let likely = likely(word, &names);
            assert_eq!(likely.first().map(String::as_str), first, "{word}");
        }
        assert_eq!(nearest("tll", ["ttl", "term"]), Some("ttl"));
        assert_eq!(nearest("nonsense", ["ttl", "term"]), None);
        assert_eq!((distance("kitten", "sitting"), distance("", "ab")), (3, 2));
    }
}
