//! Brings buffers to the host.

use std::ops::Range;
use std::time::Instant;

use super::buffer::size_class;
use super::{Buf, GpuError, Recorder};
use crate::trace::Place;

/// Larger buffers for reading back are made anew each time.
const KEPT_STAGING: u64 = 64 << 20;

/// Buffers on their way to the host.
pub struct Readback {
    stage: wgpu::Buffer,
    total: u64,
    parts: Vec<Range<usize>>,
    submitted: wgpu::SubmissionIndex,
    /// Of the tracer, up to here.
    passes: u64,
}

impl Recorder {
    /// Runs everything recorded and returns the first `bytes` bytes of each buffer.
    pub fn read(&mut self, what: &[(&Buf, usize)]) -> Result<Vec<Vec<u8>>, GpuError> {
        self.read_with(what, |parts| parts.iter().map(|p| p.to_vec()).collect())
    }

    /// As [`Recorder::read`], one after the other.
    pub fn read_joined(&mut self, what: &[(&Buf, usize)]) -> Result<Vec<u8>, GpuError> {
        self.read_with(what, |parts| parts.concat())
    }

    fn read_with<T>(&mut self, what: &[(&Buf, usize)], take: impl FnOnce(&[&[u8]]) -> T) -> Result<T, GpuError> {
        let back = self.ask(what)?;
        self.take(back, take)
    }

    /// Sends everything recorded to the device, and after it a copy of the first `bytes` bytes of each buffer to where the host
    /// can read them. Does not wait: [`Recorder::brought`] does, and work recorded meanwhile does not delay it.
    pub fn bring(&mut self, what: &[(&Buf, usize)]) -> Result<Readback, GpuError> {
        let back = self.ask(what)?;
        // The device is at work until then, whatever the calling thread does meanwhile.
        let (device, submitted, busy) = (self.gpu.device.clone(), back.submitted.clone(), self.busy.run());
        std::thread::spawn(move || {
            // A failure is found by whoever waits for the buffers.
            let _ = device.poll(wgpu::PollType::Wait { submission_index: Some(submitted), timeout: None });
            drop(busy);
        });
        Ok(back)
    }

    fn ask(&mut self, what: &[(&Buf, usize)]) -> Result<Readback, GpuError> {
        let mut total = 0;
        let mut parts = Vec::with_capacity(what.len());
        for (_, n) in what {
            parts.push(total..total + n);
            total += n.next_multiple_of(8);
        }
        let total = total.max(8) as u64;
        let stage = self.stage(total);
        let mut copies = |e: &mut wgpu::CommandEncoder| {
            for ((buf, n), at) in what.iter().zip(&parts) {
                let n = (n.next_multiple_of(4) as u64).min(buf.raw().size() - buf.start());
                if n > 0 {
                    e.copy_buffer_to_buffer(buf.raw(), buf.start(), &stage, at.start as u64, n);
                }
            }
        };
        let submitted = self.submit(Some(&mut copies))?;
        stage.slice(..total).map_async(wgpu::MapMode::Read, |_| {});
        let passes = self.tracer.as_ref().map_or(0, |t| t.passes());
        Ok(Readback { stage, total, parts, submitted, passes })
    }

    /// Waits for what [`Recorder::bring`] has asked for.
    pub fn brought(&mut self, back: Readback) -> Result<Vec<Vec<u8>>, GpuError> {
        self.take(back, |parts| parts.iter().map(|p| p.to_vec()).collect())
    }

    fn take<T>(&mut self, back: Readback, take: impl FnOnce(&[&[u8]]) -> T) -> Result<T, GpuError> {
        let Readback { stage, total, parts, submitted, passes } = back;
        let (start, _busy) = (Instant::now(), self.busy.run());
        // Not for what has been submitted since.
        let own = wgpu::PollType::Wait { submission_index: Some(submitted), timeout: None };
        self.gpu.device.poll(own).map_err(|e| GpuError::Lost(e.to_string()))?;
        self.gpu.health()?;
        let out = {
            let view = stage.slice(..total).get_mapped_range().map_err(|e| GpuError::Lost(format!("{e:?}")))?;
            let parts: Vec<&[u8]> = parts.into_iter().map(|part| &view[part]).collect();
            take(&parts)
        };
        stage.unmap();
        if stage.size() <= KEPT_STAGING {
            self.staging.push(stage);
        }
        if let Some(t) = &mut self.tracer {
            t.finished(passes)?;
        }
        self.note(Place::Host, "read back", None, total, start);
        Ok(out)
    }

    /// Runs everything recorded and returns a buffer as values.
    pub fn read_slice<T: bytemuck::Pod>(&mut self, buf: &Buf, n: usize) -> Result<Vec<T>, GpuError> {
        let bytes = self.read(&[(buf, n * size_of::<T>())])?.remove(0);
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    fn stage(&mut self, bytes: u64) -> wgpu::Buffer {
        let fit = self.staging.iter().enumerate().filter(|(_, b)| b.size() >= bytes).min_by_key(|(_, b)| b.size());
        if let Some(i) = fit.map(|(i, _)| i) {
            return self.staging.swap_remove(i);
        }
        self.staging.clear();
        self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: size_class(bytes).max(4096),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }
}
