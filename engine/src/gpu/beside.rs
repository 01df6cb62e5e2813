//! Several recorders of one role, for threads that work on the same device at once.
//!
//! What one has recorded and not submitted is unknown to the other, so buffers pass between them in two moments only:
//! [`Recorder::lend`] submits what this one has, so that the other may read it; [`Recorder::rejoin`] submits what the other
//! has. In between, neither drops or overwrites a buffer that the other reads.

use super::{GpuError, Recorder};

impl Recorder {
    /// A recorder for another thread. It has a pool of its own; the memory and the time of both are counted together.
    pub(crate) fn beside(&self) -> Self {
        Self::with(self.gpu().clone(), self.pool.beside(), self.busy.clone())
    }

    /// Before `other` begins: it may read what was recorded here so far, and is measured and traced as this one is.
    pub(crate) fn lend(&mut self, other: &mut Self, lane: usize) -> Result<(), GpuError> {
        self.flush()?;
        other.tracer = self.tracer.as_ref().map(|t| Box::new(t.beside(lane)));
        Ok(())
    }

    /// After `other` has ended: what it recorded is on its way to the device, and its measurements are added to this one's.
    pub(crate) fn rejoin(&mut self, other: &mut Self) -> Result<(), GpuError> {
        match other.tracer {
            // Times come back with something that is read.
            Some(_) => drop(other.read(&[])?),
            None => other.flush()?,
        }
        self.dispatches += std::mem::take(&mut other.dispatches);
        if let (Some(mine), Some(theirs)) = (&mut self.tracer, other.tracer.take()) {
            mine.absorb(*theirs);
        }
        Ok(())
    }
}
