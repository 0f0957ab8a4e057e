//! Words as a search matches them: by themselves, by their English stems, and by prefixes.

/// Words of products: few, so that they often match; some are stems, prefixes or misspellings of others.
pub(super) const WORDS: [&str; 15] = [
    "ab", "abc", "Kl", "klm", "KLM", "Éa", "5mm", "run", "Runs", "running", "runnung", "runner", "mug",
    "mugs", "The",
];

/// Further words of queries: prefixes, typos, and words of no product.
pub(super) const OTHER_WORDS: [&str; 8] = ["k", "ru", "runn", "runnin", "runing", "th", "e\u{301}", "zz"];

/// The search tolerates no typos in shorter words.
const MIN_LENGTH_FOR_TYPOS: usize = 4;

/// The lower-case words of a text.
pub(super) fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace("e\u{301}", "é");
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The lexemes of a word: itself, and its stem unless it is a stop word.
fn lexemes(word: &str) -> Vec<&str> {
    match word {
        "the" => vec![word],
        "runs" | "running" => vec![word, "run"],
        "runing" => vec![word, "rune"],
        "mugs" => vec![word, "mug"],
        _ => vec![word],
    }
}

/// Whether `text` has this word, one with its stem or, with `as_prefix`, one that begins with it.
pub(super) fn has_word(text: &[String], word: &str, as_prefix: bool) -> bool {
    let wanted = lexemes(word);
    let is_match = |own: &str| wanted.contains(&own) || (as_prefix && own.starts_with(word));
    text.iter().any(|own| lexemes(own).into_iter().any(is_match))
}

/// Whether `name` has a word that is certainly similar.
pub(super) fn is_similar(name: &[String], word: &str) -> bool {
    const SIMILAR: [(&str, &str); 3] =
        [("runing", "running"), ("runnung", "running"), ("running", "runnung")];
    name.iter().any(|own| SIMILAR.contains(&(word, own)))
}

/// Whether the search tolerates typos in this word.
pub(super) fn may_have_typos(word: &str) -> bool {
    word.chars().count() >= MIN_LENGTH_FOR_TYPOS
}
