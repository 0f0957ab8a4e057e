//! The latest changes, by which calls that were in progress are checked.

use std::collections::VecDeque;

/// At 1,000 changes per second this is longer than a call may take.
const MAX_CHANGES: usize = 4_096;

/// The ids and versions of the products that changed last. The version `i64::MAX` stands for an unknown one.
#[derive(Default)]
pub(super) struct ChangeLog {
    changes: VecDeque<(i32, i64)>,
    /// Number of all changes so far.
    end: u64,
}

impl ChangeLog {
    pub(super) fn push(&mut self, id: i32, version: i64) {
        if self.changes.len() == MAX_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back((id, version));
        self.end += 1;
    }

    /// Returns the current end of the log.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Returns whether products that were read when the log ended at `begin` include the changes up to `end`.
    pub(super) fn allows(&self, begin: u64, end: u64, products: impl Fn(i32) -> Option<i64>) -> bool {
        let start = self.end - self.changes.len() as u64;
        if begin >= end {
            return true;
        }
        if begin < start {
            return false;
        }
        let index = |position: u64| usize::try_from(position - start).unwrap_or(usize::MAX);
        let changes = self.changes.range(index(begin)..index(end.min(self.end)));
        changes.into_iter().all(|(id, version)| products(*id).is_none_or(|read| read >= *version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_products_that_are_older_than_a_change() {
        let mut log = ChangeLog::default();
        log.push(1, 5);
        let begin = log.end();
        log.push(2, 7);
        log.push(3, i64::MAX);
        let read = |id, version| move |changed| (changed == id).then_some(version);
        assert!(log.allows(begin, log.end(), read(1, 4)), "changed before the read");
        assert!(log.allows(begin, log.end(), read(2, 7)));
        assert!(!log.allows(begin, log.end(), read(2, 6)));
        assert!(!log.allows(begin, log.end(), read(3, 9)));
        assert!(log.allows(begin, begin + 1, read(3, 9)), "changed after the end");
    }

    #[test]
    fn rejects_everything_that_was_read_before_the_first_change_it_has() {
        let mut log = ChangeLog::default();
        (0..=MAX_CHANGES).for_each(|_| log.push(1, 1));
        assert!(!log.allows(0, log.end(), |_| None));
        assert!(log.allows(1, log.end(), |_| None));
    }
}
