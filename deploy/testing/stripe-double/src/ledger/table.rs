//! Objects of one kind, by their ids.

use std::{
    collections::HashMap,
    ops::{Index, IndexMut},
};

use crate::api::Error;

/// Objects in the order they were made.
pub(crate) struct Table<T> {
    rows: Vec<T>,
    by_id: HashMap<String, usize>,
}

/// Which part of a list is wanted.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) limit: usize,
    /// The id of the last object of the page before.
    pub(crate) starting_after: Option<String>,
}

impl<T> Table<T> {
    /// Adds an object; answers its place.
    pub(crate) fn add(&mut self, id: &str, object: T) -> usize {
        self.by_id.insert(id.to_owned(), self.rows.len());
        self.rows.push(object);
        self.rows.len() - 1
    }

    /// The place of an object.
    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.place(id).map(|at| &self.rows[at])
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.iter()
    }

    /// Some of the objects that are `wanted`, the newest first, and whether there are more.
    ///
    /// # Errors
    /// When the page starts after an object that does not exist.
    pub(crate) fn page(
        &self,
        kind: &str,
        page: &Page,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<(Vec<&T>, bool), Error> {
        let end = match &page.starting_after {
            None => self.rows.len(),
            Some(id) => self.place(id).ok_or_else(|| Error::no_such(kind, id, "starting_after"))?,
        };
        let mut rest = self.rows[..end].iter().rev().filter(|row| wanted(row));
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

    fn index(&self, at: usize) -> &T {
        &self.rows[at]
    }
}

impl<T> IndexMut<usize> for Table<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.rows[at]
    }
}
