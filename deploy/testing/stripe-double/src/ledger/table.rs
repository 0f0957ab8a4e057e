//! Objects of one type, by id.

use std::{
    collections::HashMap,
    ops::{Index, IndexMut},
};

use crate::error::Error;

/// Objects in the order of creation.
pub(crate) struct Table<T> {
    rows: Vec<T>,
    by_id: HashMap<String, usize>,
}

/// A requested page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) limit: usize,
    /// The id of the last object of the previous page.
    pub(crate) starting_after: Option<String>,
}

impl<T> Table<T> {
    /// Adds an object and returns its index.
    pub(crate) fn add(&mut self, id: &str, object: T) -> usize {
        self.by_id.insert(id.to_owned(), self.rows.len());
        self.rows.push(object);
        self.rows.len() - 1
    }

    /// Makes an object unknown by its id.
    pub(crate) fn forget(&mut self, id: &str) {
        self.by_id.remove(id);
    }

    /// Returns the index of an object.
    pub(crate) fn index_of(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.index_of(id).map(|index| &self.rows[index])
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.iter()
    }

    /// Returns a page of the objects that match `filter`, newest first, and whether there are more.
    ///
    /// # Errors
    /// When `starting_after` does not exist.
    pub(crate) fn page(
        &self,
        kind: &str,
        page: &Page,
        filter: impl Fn(&T) -> bool,
    ) -> Result<(Vec<&T>, bool), Error> {
        let end = match &page.starting_after {
            None => self.rows.len(),
            Some(id) => self.index_of(id).ok_or_else(|| Error::no_such(kind, id, "starting_after"))?,
        };
        let mut rest = self.rows[..end].iter().rev().filter(|row| filter(row));
        let rows = rest.by_ref().take(page.limit).collect();
        Ok((rows, rest.next().is_some()))
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), by_id: HashMap::new() }
    }
}

impl<T> Index<usize> for Table<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.rows[index]
    }
}

impl<T> IndexMut<usize> for Table<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.rows[index]
    }
}
