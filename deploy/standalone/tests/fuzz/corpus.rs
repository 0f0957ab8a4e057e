//! The corpus, and how inputs are made from it.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestError, TestRunner},
};
use tokio::{runtime::Handle, task::block_in_place};

/// What parsers confuse, to insert anywhere.
const TOKENS: &[&str] = &[
    "\0",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "'",
    "--",
    "%00",
    "%",
    "%ff",
    "&",
    "=",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "9223372036854775808",
    "-9223372036854775809",
    "2147483648",
    "1.0000000001",
    "NaN",
    "\u{202e}",
    "\u{200b}",
    "é",
    "\r\n",
    "\r\n\r\n",
    "--x",
    "--x--",
    "../",
    "$1",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// A change of an input.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, &'static str),
    Remove(Index, Index),
    Repeat(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), select(TOKENS)).prop_map(|(at, token)| Change::Insert(at, token)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Remove(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

impl Change {
    fn apply(&self, input: &mut Vec<u8>) {
        let len = input.len() + 1;
        match self {
            Self::Set(at, byte) if !input.is_empty() => input[at.index(len - 1)] = *byte,
            Self::Set(_, byte) => input.push(*byte),
            Self::Insert(at, token) => drop(input.splice(at.index(len)..at.index(len), token.bytes())),
            Self::Remove(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                input.drain(from.min(to)..from.max(to));
            }
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                let part = input[from.min(to)..from.max(to)].to_vec();
                input.splice(from.max(to)..from.max(to), part);
            }
        }
    }
}

/// Tries the files of `corpus/<target>`, then inputs that are made from them and from `seeds`: changed, and now and then
/// arbitrary. Writes one that fails to the corpus, minimized.
pub(super) fn fuzz(
    target: &str,
    mut seeds: Vec<Vec<u8>>,
    check: impl AsyncFn(Vec<u8>) -> Result<(), String>,
) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(&directory).into_iter().flatten().map(|file| file.unwrap().path()).collect();
    files.sort();
    let run = |input: Vec<u8>| block_in_place(|| Handle::current().block_on(check(input)));
    for file in &files {
        let input = fs::read(file).unwrap();
        run(input.clone()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        seeds.push(input);
    }

    let changed = (select(seeds), vec(change(), 1..8)).prop_map(|(mut input, changes)| {
        changes.iter().for_each(|change| change.apply(&mut input));
        input
    });
    let inputs = prop_oneof![9 => changed, 1 => vec(any::<u8>(), 0..300)];
    let count = AtomicUsize::new(0);
    let config = Config { failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let result = TestRunner::new(config).run(&inputs, |input| {
        count.fetch_add(1, Ordering::Relaxed);
        run(input).map_err(TestCaseError::fail)
    });
    if let Err(TestError::Fail(reason, input)) = result {
        let file = directory.join(format!("failed-{}", files.len() + 1));
        fs::create_dir_all(&directory).unwrap();
        fs::write(&file, &input).unwrap();
        panic!("{}: {reason}: {:?}", file.display(), String::from_utf8_lossy(&input));
    }
    result.unwrap();
    println!("{target}: {} files, {} further inputs", files.len(), count.into_inner());
}
