//! Who looks on while a role works, and what of its work is counted by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Cost, Ctx, Error};
use crate::correlated::Scope;

/// What is told of every step that begins; what it returns stops the role.
pub type Watch = Box<dyn FnMut(Scope) -> Result<(), String> + Send>;

/// A role's observer and its second account.
#[derive(Default)]
pub(super) struct Observed {
    watch: Option<Arc<Mutex<Watch>>>,
    pub(super) aside: (Cost, Duration),
}

impl Observed {
    /// The same observer, and an account of its own.
    pub(super) fn beside(&self) -> Self {
        Self { watch: self.watch.clone(), aside: Default::default() }
    }

    /// Adds another account.
    pub(super) fn add(&mut self, other: &Self) {
        self.aside = (self.aside.0 + other.aside.0, self.aside.1 + other.aside.1);
    }
}

impl Ctx {
    /// From now on `watch` is told of every node and tile that begins, and may stop the role.
    pub fn watch(&mut self, watch: Watch) {
        self.observed.watch = Some(Arc::new(Mutex::new(watch)));
    }

    /// Tells who watches that the step entered last begins.
    pub fn step_begins(&mut self) -> Result<(), Error> {
        let Some(watch) = &self.observed.watch else { return Ok(()) };
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch(self.scope).map_err(Error::Stopped)
    }

    /// Does a part of the current step that is counted by itself as well: costs and waits in [`Ctx::set_aside`], device times
    /// in the section that follows the step's.
    pub fn aside<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let (cost, wait, section) = (self.cost(), self.waited(), self.rec.section_now());
        self.rec.section(section + 1)?;
        let out = part(self)?;
        self.rec.section(section)?;
        let (cost, wait) = (self.cost() - cost, self.waited() - wait);
        let aside = &mut self.observed.aside;
        *aside = (aside.0 + cost, aside.1 + wait);
        Ok(out)
    }

    /// Costs and waits of [`Ctx::aside`] so far, which those of the whole contain.
    pub fn set_aside(&self) -> (Cost, Duration) {
        self.observed.aside
    }
}
