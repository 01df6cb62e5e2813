//! Several tiles of a step in flight: while a message of one tile is on its way, the device works on another.
//!
//! A lane is a thread with a [`Ctx`] and a recorder of its own, which takes the step's next tile whenever it has done one. A
//! tile has the addresses that it has when tiles come one after the other, so masks, messages and results are the same bit
//! for bit, and bytes and rounds too; the parties need not have equally many lanes. The dealer has one lane: corrections
//! arrive tile by tile, in order, so that the first tile which is not done can always go on, and with it the others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Ctx, Error};
use crate::clock::{Clock, Running};
use crate::gpu::Recorder;

/// Tiles of a step that are in flight at a party unless [`Ctx::set_lanes`] says otherwise.
pub const LANES: usize = 2;

/// A role's lanes.
pub(super) struct Lanes {
    most: usize,
    /// Recorders of lanes that rest, with the memory they use again.
    spare: Vec<Recorder>,
    /// While this is one of several lanes.
    lane: Option<Lane>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { most: LANES, spare: vec![], lane: None }
    }
}

/// One of several lanes at work.
struct Lane {
    flight: Arc<Flight>,
    working: Running,
}

/// What the lanes of a step share.
#[derive(Default)]
struct Flight {
    /// Runs while a lane does something else than to wait for other roles.
    working: Arc<Clock>,
    over: AtomicBool,
    /// The first failure.
    failed: Mutex<Option<Error>>,
}

impl Flight {
    /// A lane from its first tile to its last.
    fn run(self: &Arc<Self>, ctx: &mut Ctx, work: &impl Fn(&mut Ctx) -> Result<(), Error>) {
        ctx.lanes.lane = Some(Lane { flight: self.clone(), working: self.working.run() });
        if let Err(e) = work(ctx) {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
            self.over.store(true, Ordering::SeqCst);
        }
        ctx.lanes.lane = None;
    }
}

impl Lanes {
    /// An error if another lane has failed: this one need not go on.
    fn check(&self) -> Result<(), Error> {
        match &self.lane {
            Some(lane) if lane.flight.over.load(Ordering::SeqCst) => {
                Err(Error::Stopped("another tile of the step has failed".into()))
            }
            _ => Ok(()),
        }
    }

    /// Waits for another role, which is no work.
    pub(super) fn idle<T>(&self, wait: impl FnOnce() -> T) -> Result<T, Error> {
        self.check()?;
        Ok(match &self.lane {
            Some(lane) => lane.working.pause(wait),
            None => wait(),
        })
    }
}

impl Ctx {
    /// How many tiles of a step may be in flight at this party from now on, at least one; [`LANES`] otherwise. Results, bytes
    /// and rounds do not depend on it, so that roles need not agree. Every further one takes a tile's temporary memory on the
    /// device, and at the server a tile's corrections in host memory, which come before those of the tile after it.
    pub fn set_lanes(&mut self, lanes: usize) {
        self.lanes.most = lanes.max(1);
    }

    /// Does `count` parts of the current step as tiles of their own, which the step's next numbers address, several at a time.
    ///
    /// A lane keeps what `start` makes from one of its tiles to the next. What a part leaves behind must be in buffers made
    /// before, in places of its own. The first failure of a part ends all lanes and is returned.
    pub(super) fn tiles<K>(
        &mut self,
        count: usize,
        start: impl Fn() -> K + Sync,
        part: impl Fn(&mut Ctx, &mut K, usize) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let before = usize::from(self.tiles);
        let too_many = |_| Error::Range("a step in more than 65535 tiles: take larger ones".into());
        let last = u16::try_from(before + count).map_err(too_many)?;
        let next = AtomicUsize::new(0);
        let work = |ctx: &mut Ctx| {
            let mut kept = start();
            loop {
                let i = next.fetch_add(1, Ordering::SeqCst);
                if i >= count {
                    return Ok(());
                }
                ctx.lanes.check()?;
                ctx.tile((before + 1 + i) as u16, |ctx| part(ctx, &mut kept, i))?;
            }
        };
        match if self.is_party() { self.lanes.most.min(count) } else { 1 } {
            0 | 1 => work(self)?,
            lanes => self.fly(lanes, &work)?,
        }
        self.tiles = last;
        Ok(())
    }

    /// Works in several lanes, of which this thread is the first.
    fn fly(&mut self, lanes: usize, work: &(impl Fn(&mut Ctx) -> Result<(), Error> + Sync)) -> Result<(), Error> {
        let mut others = vec![];
        for lane in 1..lanes {
            let mut rec = self.lanes.spare.pop().unwrap_or_else(|| self.rec.beside());
            self.rec.lend(&mut rec, lane)?;
            others.push(self.beside(rec));
        }
        let flight = Arc::new(Flight::default());
        let (start, waited, aside) = (Instant::now(), self.wait, self.observed.aside.1);
        std::thread::scope(|s| {
            for ctx in &mut others {
                s.spawn(|| flight.run(ctx, work));
            }
            flight.run(self, work);
        });
        if let Some(e) = flight.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(e);
        }
        // The role waits when all its lanes do. Each lane's own waits only say which part of that belongs to what.
        let idle = start.elapsed().saturating_sub(flight.working.total());
        for other in others {
            let rec = self.rejoin(other)?;
            self.lanes.spare.push(rec);
        }
        let (own, own_aside) = (self.wait - waited, self.observed.aside.1 - aside);
        let part = own_aside.as_secs_f64() / own.as_secs_f64().max(f64::MIN_POSITIVE);
        self.wait = waited + idle;
        self.observed.aside.1 = aside + idle.mul_f64(part.min(1.0)).min(idle);
        Ok(())
    }
}
