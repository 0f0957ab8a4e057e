//! Words as a search takes them: as they are, by their English stems, and as beginnings.

/// Words of products. Few, so that they meet; some are stems, beginnings or misspellings of others.
pub(super) const WORDS: [&str; 15] = [
    "ab", "abc", "Kl", "klm", "KLM", "Éa", "5mm", "run", "Runs", "running", "runnung", "runner", "mug",
    "mugs", "The",
];

/// What a search may have beside the words of products: beginnings, typos, and what is nowhere.
pub(super) const OTHERS: [&str; 8] = ["k", "ru", "runn", "runnin", "runing", "th", "e\u{301}", "zz"];

/// A shorter word is never taken for one that is misspelt.
const MIN_CHARACTERS_WITH_TYPOS: usize = 4;

/// The words of a text, in small letters.
pub(super) fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace("e\u{301}", "é");
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// What a word is kept and looked for as: itself, and its stem, which words that mean little do not have.
fn lexemes(word: &str) -> Vec<&str> {
    match word {
        "the" => vec![word],
        "runs" | "running" => vec![word, "run"],
        "runing" => vec![word, "rune"],
        "mugs" => vec![word, "mug"],
        _ => vec![word],
    }
}

/// Whether `text` has this word, or one with its stem; or one that begins with this word.
pub(super) fn has_word(text: &[String], word: &str, as_beginning: bool) -> bool {
    let wanted = lexemes(word);
    let is_meant = |own: &str| wanted.contains(&own) || (as_beginning && own.starts_with(word));
    text.iter().any(|own| lexemes(own).into_iter().any(is_meant))
}

/// Whether `name` has a word that this one is surely a misspelling of.
pub(super) fn is_misspelt(name: &[String], word: &str) -> bool {
    const MISSPELT: [(&str, &str); 3] =
        [("runing", "running"), ("runnung", "running"), ("running", "runnung")];
    name.iter().any(|own| MISSPELT.contains(&(word, own)))
}

/// Whether this word may be taken for one that is misspelt.
pub(super) fn may_have_typos(word: &str) -> bool {
    word.chars().count() >= MIN_CHARACTERS_WITH_TYPOS
}
