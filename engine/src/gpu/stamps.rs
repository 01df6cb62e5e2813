//! Times of kernels on the device's own clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Gpu, GpuError};
use crate::trace::{Event, Place, Trace};

/// Where the device writes times, and where the host reads them.
type Queries = (wgpu::QuerySet, wgpu::Buffer, wgpu::Buffer);

/// A recorder's trace with what is still on its way from the device.
pub(super) struct Tracer {
    pub trace: Trace,
    /// Whether every kernel is wanted, or only how long the device worked for each section.
    pub every: bool,
    /// What the work recorded from now on belongs to.
    pub section: u32,
    /// When the device was at work, and for which section: in ticks, or in nanoseconds since the origin.
    worked: Vec<(u64, u64, u32)>,
    /// What that came to for each section, up to `ended`.
    spent: BTreeMap<u32, Duration>,
    ended: u64,
    /// Times of a submission as a whole, to be used again.
    free: Vec<Queries>,
    /// Nanoseconds of a tick; none where the adapter has no timestamps.
    period: Option<f64>,
    waiting: Vec<Pass>,
    /// How many were waiting or are done.
    passes: u64,
    /// Kernels by their begin and end in ticks, with their lane.
    kernels: Vec<(String, u64, u64, usize)>,
    /// Smallest distance seen between the host's clock, in nanoseconds since the origin, and the device's.
    offset: f64,
}

/// Timestamps of one submission: two for each dispatch, or two in all.
pub(super) struct Pass {
    queries: Option<Queries>,
    names: Vec<String>,
    section: u32,
    submitted: Instant,
}

impl Pass {
    /// Where to write the times of dispatch `i`.
    pub fn writes(&self, i: usize) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let (set, ..) = self.queries.as_ref()?;
        let i = 2 * i as u32;
        Some(wgpu::ComputePassTimestampWrites {
            query_set: set,
            beginning_of_pass_write_index: Some(i),
            end_of_pass_write_index: Some(i + 1),
        })
    }

    /// Dispatches or groups of them that have times.
    pub fn dispatches(&self) -> usize {
        self.names.len()
    }

    /// After the last dispatch: brings the times to where the host can read them.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        if let Some((set, resolved, host)) = &self.queries {
            encoder.resolve_query_set(set, 0..2 * self.names.len() as u32, resolved, 0);
            encoder.copy_buffer_to_buffer(resolved, 0, host, 0, host.size());
        }
    }
}

impl Tracer {
    pub fn new(gpu: &Gpu, origin: Instant, every: bool) -> Self {
        let stamps = gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let period = stamps.then(|| f64::from(gpu.queue.get_timestamp_period()));
        Self {
            trace: Trace::new(origin),
            every,
            section: 0,
            worked: vec![],
            spent: BTreeMap::new(),
            ended: 0,
            free: vec![],
            period,
            waiting: vec![],
            passes: 0,
            kernels: vec![],
            offset: f64::INFINITY,
        }
    }

    /// Measures another lane of the same role on the same device.
    pub fn beside(&self, lane: usize) -> Self {
        Self {
            trace: self.trace.beside(lane),
            every: self.every,
            section: self.section,
            worked: vec![],
            spent: BTreeMap::new(),
            ended: 0,
            free: vec![],
            period: self.period,
            waiting: vec![],
            passes: 0,
            kernels: vec![],
            offset: f64::INFINITY,
        }
    }

    /// Takes over what another lane measured.
    pub fn absorb(&mut self, lane: Self) {
        self.trace.events.extend(lane.trace.events);
        self.worked.extend(lane.worked);
        self.kernels.extend(lane.kernels);
        self.offset = self.offset.min(lane.offset);
    }

    /// Prepares the times of a submission: of each dispatch, or of all together.
    pub fn pass(&mut self, gpu: &Gpu, names: impl Iterator<Item = String>) -> Pass {
        let mut names = names.peekable();
        let names = match self.every {
            true => names.collect(),
            false if names.peek().is_some() => vec![String::new()],
            false => vec![],
        };
        let count = 2 * names.len() as u32;
        let used = if self.every { None } else { self.free.pop() };
        let queries = (self.period.is_some() && count > 0).then(|| {
            if let Some(used) = used {
                return used;
            }
            let buffer = |usage| {
                gpu.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("timestamps"),
                    size: u64::from(count) * 8,
                    usage,
                    mapped_at_creation: false,
                })
            };
            let set = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
            (set, resolved, buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST))
        });
        Pass { queries, names, section: self.section, submitted: Instant::now() }
    }

    /// The submission is on its way.
    pub fn submitted(&mut self, pass: Pass) {
        if let Some((.., host)) = &pass.queries {
            host.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        }
        if !pass.names.is_empty() {
            self.waiting.push(pass);
            self.passes += 1;
        }
    }

    /// Submissions with times so far.
    pub fn passes(&self) -> u64 {
        self.passes
    }

    /// The device has just finished the first so many submissions.
    pub fn finished(&mut self, passes: u64) -> Result<(), GpuError> {
        let now = Instant::now();
        let mut last = 0;
        let later = (self.passes - passes) as usize;
        let rest = self.waiting.split_off(self.waiting.len().saturating_sub(later));
        let waiting = std::mem::replace(&mut self.waiting, rest);
        let next: Vec<Instant> = waiting.iter().skip(1).map(|p| p.submitted).chain([now]).collect();
        for (pass, next) in waiting.into_iter().zip(next) {
            let Some((.., host)) = &pass.queries else {
                if self.every {
                    self.trace.note(Place::Device, &pass.names.join(", "), None, 0, pass.submitted);
                }
                // As the host sees it: until the next one came, or all were done.
                let nanos = |then| self.trace.at(then).as_nanos() as u64;
                self.worked.push((nanos(pass.submitted), nanos(next), pass.section));
                continue;
            };
            {
                let view = host.slice(..).get_mapped_range().map_err(|e| GpuError::Lost(format!("{e:?}")))?;
                let tick = |i: usize| u64::from_le_bytes(std::array::from_fn(|j| view[8 * i + j]));
                for (i, name) in pass.names.iter().enumerate() {
                    let (begin, end) = (tick(2 * i), tick(2 * i + 1));
                    // A driver that has no time for an empty dispatch writes 0.
                    if begin > 0 && end >= begin {
                        last = last.max(end);
                        self.worked.push((begin, end, pass.section));
                        if self.every {
                            self.kernels.push((name.clone(), begin, end, self.trace.lane));
                        }
                    }
                }
            }
            host.unmap();
            if !self.every {
                self.free.extend(pass.queries);
            }
        }
        if let Some(period) = self.period
            && last > 0
        {
            self.offset = self.offset.min(self.trace.at(now).as_nanos() as f64 - last as f64 * period);
        }
        Ok(())
    }

    /// How long the device worked for each section. No moment counts twice: work that waits behind other work, of this lane or
    /// another, may have begun by its own account, but counts from the other's end on.
    pub fn spent(&mut self) -> BTreeMap<u32, Duration> {
        self.worked.sort_unstable();
        for (begin, end, section) in self.worked.drain(..) {
            let ticks = end.saturating_sub(begin.max(self.ended));
            self.ended = self.ended.max(end);
            let time = Duration::from_nanos((ticks as f64 * self.period.unwrap_or(1.0)) as u64);
            *self.spent.entry(section).or_default() += time;
        }
        self.spent.clone()
    }

    /// Everything that happened, in the order of its start.
    pub fn into_events(self) -> Vec<Event> {
        let mut events = self.trace.events;
        let time = |ticks: u64| {
            let nanos = ticks as f64 * self.period.unwrap_or(1.0) + self.offset;
            Duration::from_nanos(nanos.max(0.0) as u64)
        };
        events.extend(self.kernels.iter().map(|(name, begin, end, lane)| Event {
            place: Place::Device,
            lane: *lane,
            name: name.clone(),
            at: None,
            bytes: 0,
            start: time(*begin),
            length: time(*end).saturating_sub(time(*begin)),
        }));
        events.sort_by_key(|e| (e.start, e.lane, e.place));
        events
    }
}
