//! The words of a search query.

use unicode_normalization::UnicodeNormalization as _;

/// Shorter words have too few trigrams to distinguish a typo from another word.
const MIN_LENGTH_FOR_TYPOS: usize = 4;
/// Shorter words are prefixes of so many others that the index of words is slow for them.
const MIN_LENGTH_FOR_INDEX: usize = 3;

/// The lower-case words of a query, without duplicates. A word is a run of letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words(Vec<String>);

impl Words {
    pub(crate) fn parse(q: &str) -> Self {
        let q: String = q.nfc().flat_map(char::to_lowercase).collect();
        let mut words: Vec<String> = Vec::new();
        for word in q.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
            }
        }
        Self(words)
    }

    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether the index of words finds the words that begin with this one in a short time.
    pub(crate) fn is_selective(word: &str) -> bool {
        word.chars().count() >= MIN_LENGTH_FOR_INDEX
    }

    /// Whether the search tolerates typos in this word.
    pub(crate) fn may_have_typos(word: &str) -> bool {
        word.chars().count() >= MIN_LENGTH_FOR_TYPOS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let words = Words::parse(" Café, 'USB-C'/3.5mm café!! & | :* ");
        assert_eq!(words.as_slice(), ["café", "usb", "c", "3", "5mm"]);
        assert!(Words::parse("'\"&|!:*()<->\\ \0 ☕").as_slice().is_empty());
    }

    proptest! {
        #[test]
        fn words_contain_no_tsquery_syntax(q in "\\PC{0,200}") {
            for word in Words::parse(&q).as_slice() {
                prop_assert!(!word.is_empty() && word.chars().all(char::is_alphanumeric), "{}", word);
            }
        }
    }
}
