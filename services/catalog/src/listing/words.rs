//! What somebody types to find products.

use unicode_normalization::UnicodeNormalization as _;

/// A shorter word has too few trigrams to tell a typo from another word.
const MIN_CHARACTERS_WITH_TYPOS: usize = 4;

/// The words of a query, in small letters, none twice: runs of letters and digits. Everything else is a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words(Vec<String>);

impl Words {
    /// The words of `q`; none, if it is of punctuation only.
    pub(crate) fn of(q: &str) -> Self {
        let q: String = q.nfc().flat_map(char::to_lowercase).collect();
        let mut words: Vec<String> = Vec::new();
        for word in q.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
            }
        }
        Self(words)
    }

    /// All of them.
    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether a typo in this word may be forgiven.
    pub(crate) fn may_have_typos(word: &str) -> bool {
        word.chars().count() >= MIN_CHARACTERS_WITH_TYPOS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let words = Words::of(" Café, 'USB-C'/3.5mm café!! & | :* ");
        assert_eq!(words.as_slice(), ["café", "usb", "c", "3", "5mm"]);
        assert!(Words::of("'\"&|!:*()<->\\ \0 ☕").as_slice().is_empty());
    }

    proptest! {
        #[test]
        fn nothing_that_a_tsquery_could_mistake_is_left(q in "\\PC{0,200}") {
            for word in Words::of(&q).as_slice() {
                prop_assert!(!word.is_empty() && word.chars().all(char::is_alphanumeric), "{}", word);
            }
        }
    }
}
