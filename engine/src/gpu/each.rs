//! Element-wise kernels on tensors larger than what a kernel may see of a buffer.

use super::{Args, Buf, GpuError, Kernel, Recorder, Word};

/// Buffers of an element-wise kernel: name, memory, and the bytes that belong to one thread; 0 where every thread sees all
/// of it.
pub type Streams<'a> = &'a [(&'static str, &'a Buf, usize)];

/// `streams![keys: &keys => 0, x: &x => 64]`: buffers for [`Recorder::run_each`].
#[macro_export]
macro_rules! streams {
    ($($name:ident : $value:expr => $bytes:expr),* $(,)?) => { &[$((stringify!($name), $value, $bytes)),*] };
}

impl Recorder {
    /// Records a kernel whose threads each handle `per` of `n` elements and see their own part of every buffer. Where a
    /// buffer is larger than a binding may be, it is one dispatch after the other, each with a window of all buffers; what
    /// is computed is the same. Sets the parameter `n`, and `block`, the number of a dispatch's first thread, where the
    /// shader declares it: streams of masks and maps count from there.
    pub fn run_each(
        &mut self,
        kernel: &Kernel,
        args: Args<'_>,
        streams: Streams<'_>,
        (n, per): (usize, usize),
    ) -> Result<(), GpuError> {
        let threads = n.div_ceil(per);
        let counts = self.gpu().pipeline(kernel).interface.declares("block");
        let window = self.window(streams)?;
        let step = window.unwrap_or(threads);
        let mut start = 0;
        // Also nothing at all is one dispatch, as with any other kernel.
        while start == 0 || start < threads {
            let end = threads.min(start + step);
            let mut all = args.to_vec();
            all.push(("n", Word::from(n.min(end * per) - start * per)));
            if counts {
                all.push(("block", Word::from(start)));
            }
            let cut: Vec<(&'static str, Buf)> = streams
                .iter()
                .map(|(name, buf, bytes)| match *bytes {
                    bytes if bytes > 0 && window.is_some() => {
                        let from = (start * bytes) as u64;
                        (*name, buf.window(from, ((end * bytes) as u64).min(buf.bytes()) - from))
                    }
                    _ => (*name, (*buf).clone()),
                })
                .collect();
            let bufs: Vec<_> = cut.iter().map(|(name, buf)| (*name, buf)).collect();
            self.run(kernel, &all, &bufs, end - start)?;
            start = end.max(1);
        }
        Ok(())
    }

    /// Where a buffer is too large: how many threads see no more of any than they may, in steps that keep windows aligned.
    fn window(&self, streams: Streams<'_>) -> Result<Option<usize>, GpuError> {
        let limit = self.gpu().max_binding();
        let large = streams.iter().filter(|(_, buf, bytes)| *bytes > 0 && buf.bytes().next_multiple_of(64) > limit);
        if large.count() == 0 {
            return Ok(None);
        }
        let most = streams.iter().map(|(.., bytes)| *bytes).max().unwrap_or(0);
        let alignment = self.gpu().alignment() as usize;
        match (limit as usize / most) / alignment * alignment {
            0 => Err(GpuError::TooLarge { bytes: (most * alignment) as u64, limit }),
            step => Ok(Some(step)),
        }
    }
}
